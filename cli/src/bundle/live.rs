//! A record as FluxNex has seen it last.

use crate::connection::Tenant;
use anyhow::{Context, Result};
use fluxnex_core::flow::Endpoint;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A record of the replica.
pub struct Live {
    /// Its id at the source.
    pub id: String,
    /// Its version there.
    pub version: Option<i64>,
    /// As JSON text: its numbers have the digits that the source wrote.
    pub record: String,
}

#[derive(Deserialize)]
struct Told<'a> {
    version: Option<i64>,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// Reads one record of a flow's source.
pub async fn read(tenant: &Tenant, source: &Endpoint, id: &str) -> Result<Live> {
    let path = tenant.path(&source.connection, "record");
    // Names and ids of sources may have any characters.
    let query = Url::parse_with_params("https://query/", [("object", source.object.as_str()), ("id", id)])?;
    // A plus sign would be signed as what it stands for.
    let path = format!("{path}?{}", query.query().unwrap_or_default().replace('+', "%20"));
    let answer = tenant.api.call(Method::GET, &path, None).await?;
    let told: Told<'_> = serde_json::from_str(&answer.text)
        .context("the record is not understood: this program is older than the deployment")?;
    Ok(Live { id: id.to_owned(), version: told.version, record: told.record.get().to_owned() })
}
