//! What a flow of a bundle would make of records that are here: a look before the bundle is applied.
//!
//! It only reads. Its answer holds values of records, as examples of what differs: it is for who may see them, and is
//! neither logged nor remembered.

mod compare;
mod differ;

pub(crate) use compare::Made;

use crate::request::invalid;
use crate::review::configured;
use crate::{Api, request, unavailable};
use compare::Sampled;
use fluxnex_core::canonical::canonical_id;
use fluxnex_core::flow::Flow;
use fluxnex_core::ids::{CanonicalId, ConnectionId, FlowId, ObjectName, SourceId};
use fluxnex_lambda::problem::{self, Problem};
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use fluxnex_store::{CanonicalRow, SourceRecordKey, StoreError, Tenant};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How many records are taken if nobody says.
pub(crate) const USUAL_RECORDS: u16 = 100;
/// The most records of one call.
pub(crate) const MOST_RECORDS: u16 = 500;
/// The most bytes of payload that one call reads.
const MOST_BYTES: i64 = 8 * 1024 * 1024;
/// For how long mappings run in one call; below the API's own time limit.
const MAPPING: Duration = Duration::from_secs(15);

/// A record of the replica; its numbers keep their digits.
#[derive(Serialize)]
struct Record {
    connection: ConnectionId,
    object: ObjectName,
    id: SourceId,
    version: Option<i64>,
    arrived_at: Timestamp,
    deleted: bool,
    record: Box<RawValue>,
}

impl Api {
    /// One flow of the bundle in the body over a sample of the records of its source.
    pub(crate) async fn sample(&self, request: ApiGatewayV2httpRequest) -> Result<ApiGatewayV2httpResponse, Problem> {
        let id = request::tenant(&request)?;
        let query = &request.query_string_parameters;
        let flow = FlowId::parse(query.first("flow").unwrap_or_default());
        let flow = flow.map_err(|error| invalid(vec![format!("flow: {error}")]))?;
        let records = match query.first("records").map(str::parse) {
            None => USUAL_RECORDS,
            Some(Ok(records)) if (1..=MOST_RECORDS).contains(&records) => records,
            Some(_) => return Err(invalid(vec![format!("records: a number from 1 to {MOST_RECORDS} is needed")])),
        };
        let configuration = configured(request, &id, &self.secret_folder(&id))?;
        let Some(next) = configuration.flows.get(&flow) else {
            return Err(invalid(vec![format!("flow: the bundle has no flow {flow}")]));
        };
        let tenant = self.runs(&id).await?;
        let sampled = self.sampled(&tenant, next, records).await?;
        let began = Instant::now();
        let running = tenant.configuration().flows.get(&flow);
        let comparison = compare::compare(next, running, &sampled, &|| began.elapsed() > MAPPING);
        Ok(problem::json(200, &Made { flow, comparison }))
    }

    /// A record of the replica, as it is.
    pub(crate) async fn record(&self, request: &ApiGatewayV2httpRequest) -> Result<ApiGatewayV2httpResponse, Problem> {
        let (id, connection) = (request::tenant(request)?, request::connection(request)?);
        let object = ObjectName::parse(whole(request, "object"));
        let object = object.map_err(|error| invalid(vec![format!("object: {error}")]))?;
        let source_id = SourceId::parse(whole(request, "id"));
        let source_id = source_id.map_err(|error| invalid(vec![format!("id: {error}")]))?;
        let tenant = self.runs(&id).await?;
        let key = SourceRecordKey { connection, object, source_id };
        let found = self.database.source_records(&tenant, std::slice::from_ref(&key)).await.map_err(unreadable)?;
        let Some(record) = found.into_iter().next() else {
            let detail = format!("no {} of {} with this id was seen", key.object, key.connection);
            return Err(Problem::new(404, "unknown-record", "The replica has no such record").detail(detail));
        };
        let payload = RawValue::from_string(record.payload).map_err(|_| Problem::of_status(500))?;
        Ok(problem::json(
            200,
            &Record {
                connection: record.key.connection,
                object: record.key.object,
                id: record.key.source_id,
                version: record.place.source_version,
                arrived_at: record.place.arrived_at,
                deleted: record.deleted,
                record: payload,
            },
        ))
    }

    /// What the tenant runs.
    async fn runs(&self, id: &fluxnex_core::ids::TenantId) -> Result<Tenant, Problem> {
        match self.database.tenant(id).await {
            Ok(tenant) => Ok(tenant),
            Err(StoreError::UnknownTenant(_)) => {
                Err(Problem::new(404, "unknown-tenant", "The tenant runs nothing").detail("it has no records yet"))
            }
            Err(error) => Err(unreadable(error)),
        }
    }

    async fn sampled(&self, tenant: &Tenant, flow: &Flow, records: u16) -> Result<Vec<Sampled>, Problem> {
        let source = &flow.definition.source;
        let (connection, object): (&ConnectionId, &ObjectName) = (&source.connection, &source.object);
        let records = self.database.sample_records(tenant, connection, object, records, MOST_BYTES).await;
        let records = records.map_err(unreadable)?;
        let entity = &flow.definition.entity;
        let ids: Vec<_> = records
            .iter()
            .map(|record| (entity.clone(), canonical_id(connection, object, &record.key.source_id)))
            .collect();
        let stored = self.database.canonical_records(tenant, &ids).await.map_err(unreadable)?;
        let mut stored: HashMap<CanonicalId, CanonicalRow> =
            stored.into_iter().map(|row| (row.canonical_id, row)).collect();
        let sampled = records.into_iter().zip(ids).map(|(record, (_, canonical))| Sampled {
            record,
            canonical,
            stored: stored.remove(&canonical).filter(|row| !row.deleted),
        });
        Ok(sampled.collect())
    }
}

/// A value of the query in one piece: the event of API Gateway joins several by commas, and its reader takes them apart
/// again.
fn whole(request: &ApiGatewayV2httpRequest, name: &str) -> String {
    request.query_string_parameters.all(name).unwrap_or_default().join(",")
}

fn unreadable(error: StoreError) -> Problem {
    tracing::error!(%error, "records cannot be read");
    unavailable("the records cannot be read now")
}
