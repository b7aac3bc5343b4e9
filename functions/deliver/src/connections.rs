//! From a claimed delivery to a request of the connector engine.

use fluxnex_connect::connection::{Connection, DeleteRequest, DeliveryRequest, TargetRecord};
use fluxnex_connect::outcome::SendOutcome;
use fluxnex_connect::{Engine, SendReport};
use fluxnex_core::connector::Once;
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
    },
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
            Self::NothingThere => None,
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
            return Sent::Report { report: Box::new(engine.delete(&connection, &request).await), repeatable };
        }
        let payload = fill_references(&claim.payload, &claim.references)
            .map_err(|error| error.to_string())
            .and_then(|text| RawValue::from_string(text).map_err(|_| "the payload is not JSON".to_owned()));
        let payload = match payload {
            Ok(payload) => payload,
            Err(reason) => return Sent::Impossible(reason),
        };
        let request = DeliveryRequest {
            object: &claim.object,
            payload: &payload,
            idempotency_key: &key,
            external_id: Some(&external_id),
            target,
            timeout: time,
        };
        Sent::Report { report: Box::new(engine.send(&connection, &request).await), repeatable }
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
