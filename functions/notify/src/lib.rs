//! All layers: tells people and systems what they asked to be told.
//!
//! A notification goes to each connection that the tenant's bundle names for its kind, through the
//! same engine as deliveries. Its id is the same for each repetition, so that receivers can
//! recognise one.

use fluxnex_cloud::clock::Clock;
use fluxnex_connect::Engine;
use fluxnex_connect::connection::{Connection, DeliveryRequest};
use fluxnex_connect::outcome::{FailureClass, SendOutcome};
use fluxnex_core::bundle::Connection as Configured;
use fluxnex_core::ids::ObjectName;
use fluxnex_core::message::Notification;
use fluxnex_lambda::Deadline;
use fluxnex_lambda::batch::{BatchError, Outcome, Work};
use fluxnex_store::{StoreError, Tenant, Tenants};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;
use std::time::Duration;

/// What is left of an invocation for answering.
const RESERVE: Duration = Duration::from_secs(2);

/// What the stage needs.
pub struct Notify {
    /// The tenants and their database.
    pub tenants: Tenants,
    /// The connector engine.
    pub engine: Engine,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Notify {
    /// Handles the notifications of a batch; one outcome for each, in order.
    ///
    /// # Errors
    /// [`BatchError`] if the infrastructure failed for all of them.
    pub async fn handle(&self, works: &[Work<Notification>], deadline: Deadline) -> Result<Vec<Outcome>, BatchError> {
        let mut outcomes = Vec::with_capacity(works.len());
        for work in works {
            let notification = &work.message;
            let outcome = match self.tenants.get(&notification.tenant, self.clock.now()).await {
                Ok(tenant) => self.tell(&tenant, notification, deadline).await,
                Err(error @ StoreError::UnknownTenant(_)) => Outcome::retry(error.to_string()),
                Err(error) => return Err(BatchError::infrastructure(error)),
            };
            outcomes.push(outcome.tenant(&notification.tenant));
        }
        Ok(outcomes)
    }

    async fn tell(&self, tenant: &Tenant, notification: &Notification, deadline: Deadline) -> Outcome {
        let Ok(payload) = to_raw_value(&payload(notification)) else { return Outcome::retry("it cannot be written") };
        let rules = &tenant.configuration().notifications;
        let (mut told, mut failed, mut again) = (0_usize, None, None);
        for rule in rules.iter().filter(|rule| rule.on.contains(&notification.kind)) {
            let Some(configured) = tenant.configuration().connections.get(&rule.connection) else { continue };
            // One receiver in trouble must not silence the others.
            match self.send(tenant, configured, notification, &payload, deadline).await {
                Ok(()) => told += 1,
                Err(outcome) if outcome.is_acknowledged() => failed = Some(outcome.connection(&rule.connection)),
                Err(outcome) => again = Some(outcome.connection(&rule.connection)),
            }
        }
        let words = if told == 0 { "nobody asked for it" } else { "told" };
        again.or(failed).unwrap_or_else(|| Outcome::done(words))
    }

    async fn send(
        &self,
        tenant: &Tenant,
        configured: &Configured,
        notification: &Notification,
        payload: &RawValue,
        deadline: Deadline,
    ) -> Result<(), Outcome> {
        let prepared = Connection::of(tenant.id(), configured).and_then(|connection| {
            let object = ObjectName::parse(notification.kind.as_str()).map_err(|error| error.to_string())?;
            Ok((connection, object))
        });
        let (connection, object) = match prepared {
            Ok(prepared) => prepared,
            Err(reason) => return Err(Outcome::done("failed").because(reason)),
        };
        let key = notification.id.simple().to_string();
        let request = DeliveryRequest {
            object: &object,
            payload,
            idempotency_key: &key,
            external_id: None,
            target: None,
            timeout: deadline.remaining().saturating_sub(RESERVE),
        };
        match self.engine.send(&connection, &request).await.outcome {
            SendOutcome::Delivered { .. } => Ok(()),
            // Logged: what groups equal cases, not the receiver's own words.
            SendOutcome::Failed(failure) => match failure.class {
                FailureClass::Permanent | FailureClass::Gone => {
                    Err(Outcome::done("failed").because(failure.fingerprint))
                }
                _ => Err(Outcome::retry(failure.fingerprint)),
            },
            SendOutcome::Unknown { fingerprint, .. } => Err(Outcome::retry(fingerprint)),
        }
    }
}

/// What a receiver gets as `data`; the connector puts the kind beside it, as `type`.
fn payload(notification: &Notification) -> serde_json::Value {
    json!({
        "timestamp": notification.at,
        "tenant": notification.tenant,
        "event": notification.event,
        "delivery": notification.delivery,
        "connection": notification.connection,
        "record": notification.record,
        "reason": notification.reason,
    })
}
