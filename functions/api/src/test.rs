//! The test of a connection, with the connection's own credentials: one real read, or, only where that is asked for, the
//! record that the connector has for it is sent.
//!
//! What was read is told as ids and numbers only. A refusal is no problem of the API: it is the answer.

use crate::Api;
use crate::request::{connection, fields, invalid, only, optional_text, tenant};
use fluxnex_connect::{
    Connection, DeliveryRequest, Failure, FailureClass, ListOutcome, ListRequest, ReadOutcome, SendOutcome,
};
use fluxnex_core::bundle::Configuration;
use fluxnex_core::connector::{ANY_OBJECT, CompiledManifest, IdentifiedRecord};
use fluxnex_core::ids::{ConnectionId, ObjectName, SourceId, TenantId};
use fluxnex_core::mapping::Json;
use fluxnex_core::poll::Listing;
use fluxnex_lambda::problem::{self, Problem};
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use jiff::Timestamp;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The largest body, in bytes.
const LARGEST_BODY_BYTES: usize = 4 * 1024;
/// How long the read may take, with authentication; below the API's own time limit.
const READ: Duration = Duration::from_secs(20);

impl Api {
    pub(crate) async fn test(&self, mut request: ApiGatewayV2httpRequest) -> Result<ApiGatewayV2httpResponse, Problem> {
        let (tenant, id) = (tenant(&request)?, connection(&request)?);
        let body = fields(&mut request, LARGEST_BODY_BYTES)?;
        only(&body, &["object", "id", "send"])?;
        if sends(&body)? {
            return self.test_send(&tenant, &id).await;
        }
        let object = optional_text(&body, "object", 120)?.map(ObjectName::parse).transpose();
        let object = object.map_err(|error| invalid(vec![format!("object: {error}")]))?;
        let record = optional_text(&body, "id", 255)?.map(SourceId::parse).transpose();
        let record = record.map_err(|error| invalid(vec![format!("id: {error}")]))?;
        let (connection, tenant) = self.configured(&tenant, &id).await?;
        let object =
            object.or_else(|| used(tenant.configuration(), &connection)).ok_or_else(|| nothing_to_read(None))?;
        if connection.manifest.manifest().source_object(&object).is_none() {
            return Err(nothing_to_read(Some(&object)));
        }
        // What somebody stored a moment ago, perhaps through another environment.
        let _ = self.source.latest(&connection.secret_name).await;
        let began = self.clock.now();
        let read = match record {
            Some(record) => self.test_read(&connection, &object, &record).await,
            None => self.test_list(connection, &object).await?,
        };
        Ok(self.tested(tenant.id(), &id, &object, began, read))
    }

    /// Sends what the connector has for it.
    async fn test_send(&self, tenant: &TenantId, id: &ConnectionId) -> Result<ApiGatewayV2httpResponse, Problem> {
        let (connection, tenant) = self.configured(tenant, id).await?;
        let target = connection.manifest.manifest().target.as_ref();
        let test = target.and_then(|target| target.test.clone()).ok_or_else(nothing_to_send)?;
        let payload = to_raw_value(&test.payload).map_err(|_| Problem::of_status(500))?;
        let _ = self.source.latest(&connection.secret_name).await;
        let began = self.clock.now();
        let key = format!("test-{}", self.clock.new_id());
        let request = DeliveryRequest {
            object: &test.object,
            payload: &payload,
            idempotency_key: &key,
            external_id: Some(&key),
            target: None,
            timeout: READ,
        };
        let report = self.engine().send(&connection, &request).await;
        let sent = match report.outcome {
            SendOutcome::Delivered { .. } => Ok(json!({ "operation": "send", "status": report.effort.status })),
            SendOutcome::Failed(failure) => Err(failure),
            SendOutcome::Unknown { status, fingerprint, reason } => {
                Err(Failure { class: FailureClass::Retry, status, fingerprint, reason })
            }
        };
        Ok(self.tested(tenant.id(), id, &test.object, began, sent))
    }

    fn tested(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
        object: &ObjectName,
        began: Timestamp,
        what: Result<Value, Failure>,
    ) -> ApiGatewayV2httpResponse {
        let duration_ms = self.clock.now().as_millisecond() - began.as_millisecond();
        let (ok, what) = match what {
            Ok(found) => (true, found),
            Err(failure) => (false, json!({ "failure": told(&failure) })),
        };
        tracing::info!(tenant = %tenant, connection = %id, object = %object, ok, duration_ms, "connection tested");
        let mut answer = json!({ "ok": ok, "object": object, "duration_ms": duration_ms });
        if let (Value::Object(answer), Value::Object(what)) = (&mut answer, what) {
            answer.extend(what);
        }
        problem::json(200, &answer)
    }

    async fn test_read(&self, connection: &Connection, object: &ObjectName, id: &SourceId) -> Result<Value, Failure> {
        match self.engine().read_one(connection, object, id, READ).await.outcome {
            ReadOutcome::Found { record } => {
                let identified = identify(connection, object, &record);
                Ok(
                    json!({ "operation": "read_one", "records": 1, "ids": [identified.map_or(id.clone(), |found| found.id)] }),
                )
            }
            ReadOutcome::Gone => Ok(json!({ "operation": "read_one", "records": 0, "ids": [] })),
            ReadOutcome::Failed(failure) => Err(failure),
        }
    }

    /// One record is enough.
    async fn test_list(
        &self,
        mut connection: Connection,
        object: &ObjectName,
    ) -> Result<Result<Value, Failure>, Problem> {
        connection.manifest =
            one_per_page(&connection.manifest, object).ok_or_else(|| nothing_to_read(Some(object)))?;
        let request = ListRequest { list: Listing::Changed, object, position: None, continuation: None, timeout: READ };
        Ok(match self.engine().list(&connection, &request).await.outcome {
            ListOutcome::Listed(page) => {
                let ids: Vec<SourceId> = page
                    .records
                    .iter()
                    .filter_map(|record| identify(&connection, object, record.get()))
                    .map(|found| found.id)
                    .take(1)
                    .collect();
                Ok(json!({ "operation": "list_changed", "records": page.records.len(), "ids": ids }))
            }
            ListOutcome::Failed(failure) => Err(failure),
        })
    }
}

/// The object that the tenant uses of the connection, otherwise the first that can be listed.
fn used(configuration: &Configuration, connection: &Connection) -> Option<ObjectName> {
    let flows = configuration.flows.values().map(|flow| &flow.definition.source);
    let of_flows = flows.filter(|source| source.connection == connection.id).map(|source| source.object.clone());
    let configured = configuration.connections.get(&connection.id);
    let polled = configured.into_iter().flat_map(|configured| configured.definition.polls.keys().cloned());
    let listed = connection.manifest.manifest().objects.keys().filter(|name| name.as_str() != ANY_OBJECT).cloned();
    let manifest = &connection.manifest;
    of_flows.chain(polled).chain(listed).find(|object| manifest.list_changed(object).is_some())
}

/// The same connector, with pages of one record.
fn one_per_page(manifest: &CompiledManifest, object: &ObjectName) -> Option<Arc<CompiledManifest>> {
    let mut manifest = manifest.manifest().clone();
    let named =
        if manifest.objects.contains_key(object) { object.clone() } else { ObjectName::parse(ANY_OBJECT).ok()? };
    manifest.objects.get_mut(&named)?.list_changed.as_mut()?.page_size = 1;
    CompiledManifest::compile(manifest).ok().map(Arc::new)
}

fn identify(connection: &Connection, object: &ObjectName, record: &str) -> Option<IdentifiedRecord> {
    let settings = connection.manifest.settings(&connection.settings).unwrap_or_default();
    let settings = Json::parse("settings", &json!(settings).to_string()).ok()?;
    connection.manifest.identify(object, record, &settings).ok()
}

/// The vendor's words, and what to do about them.
fn told(failure: &Failure) -> Value {
    let (class, advice) = match failure.class {
        FailureClass::Retry => ("retry", "the application did not answer as it should: try again later"),
        FailureClass::Throttle { .. } => ("throttle", "the application asks for time: try again later"),
        FailureClass::Reauthenticate => {
            ("reauthenticate", "renew the credentials: `fluxnex connection rotate`, or `authorise`")
        }
        FailureClass::Conflict | FailureClass::InvalidReference | FailureClass::Permanent => {
            ("permanent", "look at the connection's settings, and at what its user may read")
        }
        FailureClass::Gone => ("gone", "the object is not there: look at the connection's settings"),
    };
    json!({
        "class": class, "status": failure.status, "reason": failure.reason,
        "fingerprint": failure.fingerprint, "advice": advice,
    })
}

/// Whether something is to be sent.
fn sends(body: &Map<String, Value>) -> Result<bool, Problem> {
    match (body.get("send"), body.len()) {
        (None | Some(Value::Null | Value::Bool(false)), _) => Ok(false),
        (Some(Value::Bool(true)), 1) => Ok(true),
        (Some(Value::Bool(true)), _) => Err(invalid(vec!["send: the connector says what is sent".to_owned()])),
        _ => Err(invalid(vec!["send: true or false".to_owned()])),
    }
}

fn nothing_to_send() -> Problem {
    let detail = "the connector has nothing that could be sent without harm: name an `object`, and an `id`, to be read";
    Problem::new(422, "nothing-to-send", "Nothing can be sent").detail(detail)
}

fn nothing_to_read(object: Option<&ObjectName>) -> Problem {
    let detail = match object {
        None => {
            "the connector lists nothing by itself: name an `object`, and an `id` where only single records can be read; a \
             connection that only sends is tested by `send` (`fluxnex connection test --send`)"
                .to_owned()
        }
        Some(object) => format!("{object} cannot be listed through this connector: name another `object`, or an `id`"),
    };
    Problem::new(422, "nothing-to-read", "Nothing can be read").detail(detail)
}
