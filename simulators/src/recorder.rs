//! The live journal: written by every application, read by the control API.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::commands::Counts;
use crate::journal::{Action, Channel, Effect, Journal, Receipt, RequestEntry, SentWebhook, SourceVersion};

/// So many requests and receipts are kept; what comes later is only counted, so that a
/// platform that is left running does not fill the memory.
const MOST_ENTRIES: usize = 1_000_000;

/// Locks, also after a panic elsewhere: every change below is complete when it unlocks.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
pub struct Recorder {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    journal: Journal,
    /// Sequences go on after a reset, so that a sender that outlives it hits nothing.
    first_sent: u64,
    next_effect: u64,
    requests: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
    receipts: BTreeMap<String, u64>,
    effects: BTreeMap<String, u64>,
    silent_versions: BTreeMap<String, u64>,
}

/// How an attempt to send a webhook ended.
pub struct Attempt {
    pub at: i64,
    pub acknowledged_at: Option<i64>,
    pub status: Option<u16>,
    pub error: Option<String>,
}

impl Recorder {
    pub fn request(&self, entry: RequestEntry) {
        let mut state = lock(&self.state);
        let app = entry.app.name();
        let status = entry.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        *state.requests.entry(format!("{app}.{status}")).or_default() += 1;
        if entry.fault.is_some() {
            *state.faults.entry(app.to_owned()).or_default() += 1;
        }
        if state.journal.requests.len() < MOST_ENTRIES {
            state.journal.requests.push(entry);
        }
    }

    pub fn receipt(&self, receipt: Receipt) {
        let mut state = lock(&self.state);
        *state.receipts.entry(receipt.name.clone()).or_default() += 1;
        if state.journal.receipts.len() < MOST_ENTRIES {
            state.journal.receipts.push(receipt);
        }
    }

    /// Records an effect and gives it its sequence. Callers hold the lock of the records
    /// that it changed, so that the journal's order is the order of the changes.
    pub fn effect(&self, mut effect: Effect) {
        let mut state = lock(&self.state);
        let action = match effect.action {
            Action::Created => "created",
            Action::Updated => "updated",
        };
        let name = format!("{}.{}.{action}", effect.app.name(), effect.entity);
        *state.effects.entry(name).or_default() += 1;
        effect.sequence = state.next_effect;
        state.next_effect += 1;
        state.journal.effects.push(effect);
    }

    pub fn versions(&self, versions: impl IntoIterator<Item = SourceVersion>) {
        let mut state = lock(&self.state);
        for version in versions {
            if version.channel == Channel::Poll {
                *state.silent_versions.entry(version.app.name().to_owned()).or_default() += 1;
            }
            state.journal.versions.push(version);
        }
    }

    /// Enters webhooks that are to be sent; returns their sequences, in the same order.
    pub fn plan(&self, webhooks: Vec<SentWebhook>) -> Vec<u64> {
        let mut state = lock(&self.state);
        let mut sequences = Vec::with_capacity(webhooks.len());
        for mut webhook in webhooks {
            webhook.sequence = state.first_sent + state.journal.sent.len() as u64;
            sequences.push(webhook.sequence);
            state.journal.sent.push(webhook);
        }
        sequences
    }

    pub fn attempted(&self, sequence: u64, attempt: Attempt) {
        let mut state = lock(&self.state);
        let place = sequence.checked_sub(state.first_sent).and_then(|place| usize::try_from(place).ok());
        let Some(webhook) = place.and_then(|place| state.journal.sent.get_mut(place)) else {
            return;
        };
        webhook.attempts += 1;
        webhook.first_attempt_at.get_or_insert(attempt.at);
        webhook.acknowledged_at = webhook.acknowledged_at.or(attempt.acknowledged_at);
        webhook.last_status = attempt.status.or(webhook.last_status);
        webhook.last_error = attempt.error;
    }

    pub fn sent(&self, sequence: u64) -> Option<SentWebhook> {
        let state = lock(&self.state);
        let place = usize::try_from(sequence.checked_sub(state.first_sent)?).ok()?;
        state.journal.sent.get(place).cloned()
    }

    /// Reads the webhooks that were planned or sent so far.
    pub fn with_sent<T>(&self, read: impl FnOnce(&[SentWebhook]) -> T) -> T {
        read(&lock(&self.state).journal.sent)
    }

    pub fn snapshot(&self) -> Journal {
        lock(&self.state).journal.clone()
    }

    /// Up to `limit` entries of a section from the given position on, or none if there is
    /// no such section.
    pub fn section(&self, section: &str, after: usize, limit: usize) -> Option<Value> {
        let state = lock(&self.state);
        let journal = &state.journal;
        let (items, total) = match section {
            "versions" => page(&journal.versions, after, limit),
            "sent" => page(&journal.sent, after, limit),
            "effects" => page(&journal.effects, after, limit),
            "requests" => page(&journal.requests, after, limit),
            "receipts" => page(&journal.receipts, after, limit),
            _ => return None,
        };
        let next = after.saturating_add(items.len());
        Some(json!({"items": items, "next": next, "total": total, "more": next < total}))
    }

    /// Everything that the journal can count; the scenario is the caller's.
    pub fn counts(&self) -> Counts {
        let state = lock(&self.state);
        let sent = &state.journal.sent;
        Counts {
            webhooks: sent.len() as u64,
            acknowledged: sent.iter().filter(|webhook| webhook.acknowledged_at.is_some()).count() as u64,
            attempts: sent.iter().map(|webhook| u64::from(webhook.attempts)).sum(),
            silent_versions: state.silent_versions.clone(),
            effects: state.effects.clone(),
            requests: state.requests.clone(),
            faults: state.faults.clone(),
            receipts: state.receipts.clone(),
            ..Counts::default()
        }
    }

    pub fn reset(&self) {
        let mut state = lock(&self.state);
        let next_sent = state.first_sent + state.journal.sent.len() as u64;
        let next_effect = state.next_effect;
        *state = State { first_sent: next_sent, next_effect, ..State::default() };
    }
}

fn page<T: serde::Serialize>(entries: &[T], after: usize, limit: usize) -> (Vec<Value>, usize) {
    let items = entries.iter().skip(after).take(limit);
    (items.filter_map(|entry| serde_json::to_value(entry).ok()).collect(), entries.len())
}
