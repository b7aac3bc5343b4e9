//! A hook as a target: a partner's system that takes records by webhook.
//!
//! The body is `{"type": "invoice.updated", "data": {…}}`. `data.id` is the sender's id of the record, by which the
//! partner knows it; `data.source` says where it came from.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::clock::now_microseconds;
use crate::journal::{Action, App, Effect, SourceReference};
use crate::recorder::lock;
use crate::world::World;

/// What the partners know.
#[derive(Default)]
pub struct Partners {
    /// Every webhook that took effect, by hook and `webhook-id`.
    taken: HashSet<(String, String)>,
    /// Every record, by hook, type and id.
    records: HashSet<(String, String, String)>,
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "type")]
    kind: String,
    data: Arc<Value>,
}

/// Lets a webhook take effect, once for each `webhook-id`. Returns whether it had before.
///
/// # Errors
/// Says what the body lacks; then it has no effect.
pub fn take(world: &World, hook: &str, webhook_id: String, body: &[u8]) -> Result<bool, &'static str> {
    let payload: Value = serde_json::from_slice(body).map_err(|_| "the body is no JSON")?;
    let Body { kind, data } = serde_json::from_value(payload.clone()).map_err(|_| "the body has no type and data")?;
    let text = |name: &str| data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let target_id = text("id").ok_or("data.id is missing")?.to_owned();
    // `invoice.updated` is about an invoice; whether it is new the partner sees for itself.
    let entity = kind.rsplit_once('.').map_or(kind.as_str(), |(entity, _)| entity).to_owned();
    // The lock orders the journal as it orders the changes.
    let mut partners = lock(&world.receiver.partners);
    if !partners.taken.insert((hook.to_owned(), webhook_id.clone())) {
        return Ok(true);
    }
    let new = partners.records.insert((hook.to_owned(), entity.clone(), target_id.clone()));
    world.recorder.effect(Effect {
        sequence: 0,
        app: App::Receiver,
        source: text("source").and_then(SourceReference::parse),
        entity,
        target_id,
        request_id: Some(webhook_id),
        action: if new { Action::Created } else { Action::Updated },
        payload: Arc::new(payload),
        record: data,
        at: now_microseconds(),
    });
    Ok(false)
}
