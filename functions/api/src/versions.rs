//! The versions of a tenant's bundle: all that were ever applied, and each as it was.

use crate::request::invalid;
use crate::{Api, request, unavailable};
use fluxnex_core::bundle::Bundle;
use fluxnex_core::ids::TenantId;
use fluxnex_lambda::problem::{self, Problem};
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use serde_json::json;

/// How many versions a page has if nobody says.
const USUAL_PAGE: i64 = 20;
/// The most that a page may have.
const LARGEST_PAGE: i64 = 100;

impl Api {
    /// A page of versions, the newest first. `next` is the cursor of the page after it; absent: that was the last.
    pub(crate) async fn versions(
        &self,
        request: &ApiGatewayV2httpRequest,
    ) -> Result<ApiGatewayV2httpResponse, Problem> {
        let tenant = request::tenant(request)?;
        let query = &request.query_string_parameters;
        let limit = match query.first("limit").map(str::parse) {
            None => USUAL_PAGE,
            Some(Ok(limit)) if (1..=LARGEST_PAGE).contains(&limit) => limit,
            Some(_) => return Err(invalid(vec![format!("limit: a number from 1 to {LARGEST_PAGE} is needed")])),
        };
        let before = match query.first("cursor").map(str::parse) {
            None => None,
            Some(Ok(before)) if before > 0 => Some(before),
            Some(_) => return Err(invalid(vec!["cursor: use the `next` of the page before".to_owned()])),
        };
        // One more than asked for says whether there is another page.
        let mut versions = self.database.bundle_versions(&tenant, before, limit + 1).await.map_err(|error| {
            tracing::error!(%error, "the versions of a bundle cannot be read");
            unavailable("the versions cannot be read now")
        })?;
        let more = i64::try_from(versions.len()).unwrap_or_default() > limit;
        versions.truncate(usize::try_from(limit).unwrap_or_default());
        let next = versions.last().filter(|_| more).map(|last| last.version.to_string());
        Ok(problem::json(200, &json!({ "versions": versions, "next": next })))
    }

    /// One version, as it was applied.
    pub(crate) async fn show_version(
        &self,
        request: &ApiGatewayV2httpRequest,
    ) -> Result<ApiGatewayV2httpResponse, Problem> {
        let tenant = request::tenant(request)?;
        let version = number(request.path_parameters.get("version").map(String::as_str).unwrap_or_default())?;
        let (version, bundle) = self.version(&tenant, version).await?;
        Ok(problem::json(200, &json!({ "version": version, "bundle": bundle })))
    }

    pub(crate) async fn version(&self, tenant: &TenantId, version: i64) -> Result<(i64, Bundle), Problem> {
        let found = self.database.bundle_version(tenant, Some(version)).await.map_err(|error| {
            tracing::error!(%error, "a version of a bundle cannot be read");
            unavailable("the version cannot be read now")
        })?;
        found.ok_or_else(|| {
            let detail = format!("{tenant} has no version {version}");
            Problem::new(404, "unknown-version", "There is no such version").detail(detail)
        })
    }
}

/// The number of a version, from a request.
pub(crate) fn number(text: &str) -> Result<i64, Problem> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| invalid(vec!["version: a number from 1 is needed".to_owned()]))
}
