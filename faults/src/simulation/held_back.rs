//! What a planted bug holds back: done later than it should be, or never if the invocation dies before.

use super::functions::Function;
use super::mutants::Edge;
use super::ports::Ports;
use super::world::physical;
use crate::queues::{Choices as _, NewMessage};
use fluxnex_cloud::control::Control as _;
use fluxnex_cloud::queue::{OutgoingMessage, QueueUrl};
use fluxnex_cloud::secrets::{SecretValue, Secrets as _};
use fluxnex_core::ids::TenantId;
use jiff::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A wake that strays comes this much later at most.
const LONGEST_STRAY_SECONDS: usize = 90;

/// An effect that is held back.
#[derive(Debug)]
pub(super) enum Effect {
    Messages(QueueUrl, Vec<OutgoingMessage>),
    Mark(TenantId, Timestamp),
    Secret(String, SecretValue),
}

/// The effects that one environment holds back.
#[derive(Debug, Default)]
pub(super) struct HeldBack(Mutex<Vec<Effect>>);

impl HeldBack {
    /// Holds an effect back.
    pub(super) fn push(&self, effect: Effect) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(effect);
    }

    fn take(&self) -> Vec<Effect> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ports {
    /// Whether these messages are held back until the poll has saved how far it came.
    pub(super) fn holds_back(&self, queue: &QueueUrl) -> bool {
        self.function == Function::Poll
            && queue.name().ends_with("inbound-gateway")
            && self.world.planted.is(Edge::WatermarkBeforeDurability)
    }

    /// Does what was held back.
    pub async fn release(&self) {
        for effect in self.held_back.take() {
            match effect {
                Effect::Messages(queue, messages) => self.deliver(queue.name(), messages),
                // The twin never fails.
                Effect::Mark(tenant, until) => drop(self.world.control.mark_busy(&tenant, until).await),
                Effect::Secret(name, value) => drop(self.world.secrets.put(&name, &value).await),
            }
        }
    }

    /// The secret with the refresh token that it had before, if that bug is planted.
    pub(super) async fn without_rotation(&self, name: &str, value: &SecretValue) -> Option<SecretValue> {
        if !self.world.planted.is(Edge::RotationNotStored) {
            return None;
        }
        let before = self.world.secrets.get(name).await.ok()?;
        let mut fields = value.to_json();
        fields.as_object_mut()?.insert("refresh_token".to_owned(), before.field("refresh_token")?.into());
        SecretValue::from_json(name, &fields).ok()
    }

    /// Puts messages into a queue.
    pub(super) fn deliver(&self, name: &str, messages: Vec<OutgoingMessage>) {
        let now = self.world.now();
        for message in messages {
            self.stray(name, &message, now);
            if self.function != Function::Ingest && name == physical("inbound-gateway") {
                self.world.story().counted.events += 1;
            }
            self.inspect(name, &message.body);
            let words: String = message.body.chars().take(160).collect();
            self.world.story().tell(now, "queue", &format!("{name} <- {words}"));
            let is_one = message.deduplication.is_some() && self.world.planted.is(Edge::OneDeduplicationId);
            let deduplication = if is_one { message.group.clone() } else { message.deduplication };
            let new = NewMessage {
                body: message.body.into(),
                group: message.group.map(Into::into),
                deduplication: deduplication.map(Into::into),
                delay: message.delay,
            };
            let sent = self.world.with_queues(|queues, _| queues.send(name, new, now));
            if let Err(error) = sent {
                self.world.story().problems.push(format!("the queue {name} refuses a message: {error}"));
            }
        }
    }

    /// A wake that comes by another way as well, so that the queue keeps nobody from handling its key twice at a
    /// time: what is claimed is kept apart by the ledger alone.
    fn stray(&self, name: &str, message: &OutgoingMessage, now: Timestamp) {
        if !name.ends_with(".fifo") {
            return;
        }
        let sent = self.world.with_queues(|queues, choices| {
            if !self.world.stray_wakes.draw(choices) {
                return Ok(());
            }
            // Every second one comes at once, when the other is likely to be handled.
            let seconds = if choices.below(2) == 0 { 0 } else { choices.below(LONGEST_STRAY_SECONDS) };
            let delay = Duration::from_secs(seconds as u64);
            let message = NewMessage { delay, ..NewMessage::new(message.body.as_str()) };
            queues.send(&physical("delayed-wakes"), message, now).map(drop)
        });
        if let Err(error) = sent {
            self.world.story().problems.push(format!("a wake cannot stray: {error}"));
        }
    }
}
