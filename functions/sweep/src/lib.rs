//! All layers: wakes what is due, lets in again what a crash stranded, ends what waited too long.
//!
//! It has three triggers: the clock (each minute), its own queue (one message per tenant that has
//! work waiting), and every dead-letter queue. A database where nothing waits is left asleep: the
//! marker in the control table says whose work to look at, and once an hour everybody is.

mod dead_letters;
mod tenants;

use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::Control;
use fluxnex_cloud::queue::{QueueUrl, Queues};
use fluxnex_cloud::workflow::Workflows;
use fluxnex_lambda::{BoxError, Invocation, SqsBatchResponse, SqsEvent, TimeScale};
use fluxnex_store::Tenants;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the stage needs.
pub struct Sweep {
    /// The tenants and their database.
    pub tenants: Tenants,
    /// The markers "work waiting".
    pub control: Arc<dyn Control>,
    /// The queues.
    pub queues: Arc<dyn Queues>,
    /// Where fetches of missing parents wait for an answer.
    pub blocking_fetch: Arc<dyn Workflows>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Shortens waits.
    pub time_scale: TimeScale,
    /// Where dead letters of polls go in again.
    pub fetch_request: QueueUrl,
    /// Where dead letters of L1 go in again.
    pub inbound_gateway: QueueUrl,
    /// Where stranded records go in again.
    pub source_replica: QueueUrl,
    /// Where dead letters of L3 go in again.
    pub normalised: QueueUrl,
    /// Where wakes of each connector go.
    pub outbound: BTreeMap<String, QueueUrl>,
    /// Where dead letters of delayed wakes go in again.
    pub delayed_wakes: QueueUrl,
    /// The sweep's own queue.
    pub sweep_tenant: QueueUrl,
    /// Where failures are told.
    pub notification_delivery: QueueUrl,
}

impl Sweep {
    /// Handles one invocation, whichever its trigger is.
    ///
    /// # Errors
    /// What the infrastructure could not do; the trigger tries again.
    pub async fn handle(&self, event: Box<RawValue>, invocation: Invocation) -> Result<Value, BoxError> {
        let Ok(batch) = serde_json::from_str::<SqsEvent>(event.get()) else {
            let fanned_out = self.fan_out().await?;
            let reentered = self.reenter_dead_letters().await?;
            return Ok(serde_json::json!({ "tenants": fanned_out, "reentered": reentered }));
        };
        let response = self.handle_batch(batch, &invocation).await?;
        Ok(serde_json::to_value(response)?)
    }

    async fn handle_batch(&self, batch: SqsEvent, invocation: &Invocation) -> Result<SqsBatchResponse, BoxError> {
        let own = batch.records.iter().all(|record| {
            record
                .event_source_arn
                .as_deref()
                .is_some_and(|arn| arn.ends_with(&format!(":{}", self.sweep_tenant.name())))
        });
        if own {
            self.sweep_tenants(batch, invocation).await
        } else {
            self.register_dead_letters(batch, invocation).await
        }
    }
}
