//! Revenova's part of the control API: records without webhooks, and single webhooks.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::generate;
use super::records::Stored;
use super::sender::Patience;
use crate::clock::now_microseconds;
use crate::commands::{SendWebhook, SilentChanges, SilentVersions, StoreRecord, StoredRecord};
use crate::journal::{App, Channel, SentWebhook, SourceVersion, WebhookKind};
use crate::random::Random;
use crate::world::World;

pub use super::scenario::{Refused, start};

/// Stores a record without telling anyone.
///
/// # Errors
/// Says why it cannot be stored.
pub fn store_record(world: &World, command: StoreRecord) -> Result<StoredRecord, String> {
    let stored = world.revenova.records.store(&command.object, command.record, Timestamp::now())?;
    world.recorder.versions([version(&stored, Channel::Need)]);
    Ok(StoredRecord { record_id: stored.record_id, version: stored.version, record: (*stored.record).clone() })
}

fn version(stored: &Stored, channel: Channel) -> SourceVersion {
    SourceVersion {
        app: App::Revenova,
        object: stored.object.to_owned(),
        record_id: stored.record_id.clone(),
        version: stored.version.clone(),
        channel,
        content: stored.record.clone(),
        at: now_microseconds(),
    }
}

/// Changes good invoices of the last scenario, as of this moment, without telling anyone.
///
/// # Errors
/// If the last scenario has not so many good invoices, or there was none.
pub fn change_silently(world: &World, command: &SilentChanges) -> Result<SilentVersions, String> {
    let mut invoices = world.revenova.scenarios.invoices();
    let count = command.count as usize;
    if count > invoices.len() {
        return Err(format!("the last scenario has no {count} good invoices, only {}", invoices.len()));
    }
    Random::new(command.seed).shuffle(&mut invoices);
    let mut changes = generate::Changes::new(command.seed);
    let mut made = SilentVersions::default();
    for id in invoices.into_iter().take(count) {
        let fields = changes.invoice(id);
        let stored = world.revenova.records.store(generate::INVOICE, fields, Timestamp::now())?;
        world.recorder.versions([version(&stored, Channel::Poll)]);
        made.versions += 1;
    }
    made.by_object.insert(generate::INVOICE.to_owned(), made.versions);
    Ok(made)
}

/// Sends the webhook of a stored record and returns what became of it.
///
/// # Errors
/// If there is no such record, no such event, or nowhere to send to.
pub async fn send_webhook(world: &Arc<World>, command: SendWebhook) -> Result<SentWebhook, String> {
    if !matches!(command.event.as_str(), "created" | "updated" | "deleted") {
        return Err(format!("there is no event {:?}", command.event));
    }
    if command.deadline_seconds > 600 {
        return Err("deadline_seconds is more than 600".to_owned());
    }
    if command.delivery_id.as_ref().is_some_and(|id| uuid::Uuid::parse_str(id).is_err()) {
        return Err("delivery_id must be a UUID".to_owned());
    }
    let settings = world.revenova.settings();
    let target = settings.webhook.clone().ok_or("configure revenova.webhook first: there is nowhere to send to")?;
    let content = world
        .revenova
        .records
        .get(&command.object, &command.record_id)
        .ok_or_else(|| format!("there is no {} {}", command.object, command.record_id))?;

    let object = super::schema::object(&command.object).map_or(command.object.as_str(), |object| object.name);
    let delivery_id = command.delivery_id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let mut webhook = SentWebhook {
        sequence: 0,
        delivery_id,
        event: command.event,
        object: object.to_owned(),
        record_id: super::records::text(&content, "Id"),
        version: super::records::text(&content, "SystemModstamp"),
        content,
        kind: WebhookKind::First,
        attempts: 0,
        first_attempt_at: None,
        acknowledged_at: None,
        last_status: None,
        last_error: None,
    };
    webhook.kind = world.recorder.with_sent(|sent| kind_of(&webhook, sent));
    let sequence = world.recorder.plan(vec![webhook.clone()]).first().copied().unwrap_or_default();
    let patience = Patience {
        deadline: Instant::now() + Duration::from_secs(command.deadline_seconds),
        request_timeout: Duration::from_secs(15),
        retry_base: Duration::from_millis(100),
        retry_max: Duration::from_secs(2),
    };
    let mut random = Random::new(sequence);
    let tools = (&world.recorder, &mut random);
    world.revenova.sender.deliver(&target, &settings.organization_id, &webhook, sequence, patience, tools).await;
    world.recorder.sent(sequence).ok_or_else(|| "the journal was reset meanwhile".to_owned())
}

fn kind_of(webhook: &SentWebhook, sent: &[SentWebhook]) -> WebhookKind {
    let mut kind = WebhookKind::First;
    for before in sent.iter().filter(|before| before.record_id == webhook.record_id) {
        if before.delivery_id == webhook.delivery_id {
            return WebhookKind::Duplicate;
        }
        if before.version == webhook.version {
            kind = WebhookKind::Resend;
        } else if kind == WebhookKind::First {
            kind = WebhookKind::Update;
        }
    }
    kind
}
