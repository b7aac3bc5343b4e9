//! From a claimed delivery to a request of the connector engine.

use fluxnex_connect::connection::{Connection, DeleteRequest, DeliveryRequest, TargetRecord};
use fluxnex_connect::outcome::SendOutcome;
use fluxnex_connect::{Engine, SendReport};
use fluxnex_core::connector::Once;
use fluxnex_core::difference::{Difference, difference};
use fluxnex_core::ledger::{DeliveryOperation, fill_references};
use fluxnex_store::{Claim, Tenant};
use serde_json::value::RawValue;
use std::time::Duration;

/// The connections of one tenant.
pub(crate) struct Connections<'a> {
    tenant: &'a Tenant,
}

/// What came of an attempt, or why none was made.
pub(crate) enum Sent {
    /// A request was made, or tried to be.
    Report {
        /// What the engine says.
        report: Box<SendReport>,
        /// Whether the same request may be made again when nobody knows whether it took effect.
        repeatable: bool,
        /// What the target has of the record if it took effect, as JSON text; nothing if that is not known in full.
        payload: Option<String>,
    },
    /// The target has what it was to be sent.
    Unchanged,
    /// The delivery can never be sent as it is.
    Impossible(String),
    /// The record is to be archived or deleted at a target that does not know it.
    NothingThere,
    /// An earlier attempt may have taken effect, and the target gives no means to find out.
    InDoubt,
}

impl Sent {
    /// Why it was not delivered, in words that quote nothing of the target's answer.
    pub(crate) fn cause(&self) -> Option<String> {
        match self {
            Self::Impossible(reason) => Some(reason.clone()),
            Self::NothingThere | Self::Unchanged => None,
            Self::InDoubt => Some("in doubt".to_owned()),
            Self::Report { report, .. } => match &report.outcome {
                SendOutcome::Delivered { .. } => None,
                SendOutcome::Failed(failure) => Some(failure.fingerprint.clone()),
                SendOutcome::Unknown { fingerprint, .. } => Some(fingerprint.clone()),
            },
        }
    }
}

impl<'a> Connections<'a> {
    pub(crate) fn of(tenant: &'a Tenant) -> Self {
        Self { tenant }
    }

    /// Sends one claimed delivery; the whole call takes at most `time`.
    pub(crate) async fn send(&self, engine: &Engine, claim: &Claim, time: Duration) -> Sent {
        if claim.operation.needs_known() && claim.target_record.is_none() {
            return Sent::NothingThere;
        }
        let (connection, repeatable) = match self.connection(claim) {
            Ok(connection) => connection,
            Err(reason) => return Sent::Impossible(reason),
        };
        if claim.settles && !repeatable {
            return Sent::InDoubt;
        }
        let key = format!("{}-{}", claim.delivery.0.simple(), claim.revision);
        let external_id = claim.canonical_id.to_string();
        let target = claim.target_record.clone().map(|(id, version)| TargetRecord { id, version });
        if claim.operation == DeliveryOperation::Delete {
            let request = DeleteRequest {
                object: &claim.object,
                idempotency_key: &key,
                external_id: Some(&external_id),
                target,
                timeout: time,
            };
            let report = Box::new(engine.delete(&connection, &request).await);
            return Sent::Report { report, repeatable, payload: None };
        }
        let whole = match fill_references(&claim.payload, &claim.references) {
            Ok(whole) => whole,
            Err(error) => return Sent::Impossible(error.to_string()),
        };
        let writes = claim.operation == DeliveryOperation::Write;
        // Of a record that the target does not know it has nothing, whatever was known once.
        let acknowledged = claim.acknowledged.as_deref().filter(|_| writes && target.is_some());
        let payload = match difference(acknowledged, &whole, connection.manifest.updates_partially(&claim.object)) {
            Difference::Nothing => return Sent::Unchanged,
            Difference::Members(members) => RawValue::from_string(members),
            Difference::Everything => RawValue::from_string(whole.clone()),
        };
        let Ok(payload) = payload else { return Sent::Impossible("the payload is not JSON".to_owned()) };
        let request = DeliveryRequest {
            object: &claim.object,
            payload: &payload,
            idempotency_key: &key,
            external_id: Some(&external_id),
            target,
            timeout: time,
        };
        let report = Box::new(engine.send(&connection, &request).await);
        Sent::Report { report, repeatable, payload: writes.then_some(whole) }
    }

    fn connection(&self, claim: &Claim) -> Result<(Connection, bool), String> {
        let configured = self
            .tenant
            .configuration()
            .connections
            .get(&claim.target)
            .ok_or_else(|| format!("the connection {} is not in the running configuration", claim.target))?;
        let repeatable = match configured.manifest.target.as_ref().map(|target| &target.once) {
            Some(Once::Key { .. } | Once::ExternalId) => true,
            // Deleting twice is deleting once, as long as nobody makes it anew in between.
            _ if claim.operation == DeliveryOperation::Delete => true,
            Some(Once::ReadBack { .. } | Once::None) | None => false,
        };
        Ok((Connection::of(self.tenant.id(), configured)?, repeatable))
    }
}
