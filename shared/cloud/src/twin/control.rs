//! The control table in memory.

use super::lock;
use crate::control::{
    Begun, BusyRevision, BusyTenant, Control, ControlError, Document, Facet, KeyedCall, Published, Saved, bounded,
    ceil_millisecond,
};
use async_trait::async_trait;
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use uuid::Uuid;

struct Call {
    fingerprint: String,
    holder: Uuid,
    held_until: i64,
    /// The answer, and the second at which it is forgotten.
    answer: Option<(Value, i64)>,
}

#[derive(Default)]
struct State {
    /// What was withdrawn keeps its version without a body.
    published: HashMap<(TenantId, ConnectionId, Facet), (u64, Option<Value>)>,
    polls: HashMap<(TenantId, ConnectionId, ObjectName), Saved>,
    busy: BTreeMap<TenantId, i64>,
    /// Who holds them, and until when.
    leases: HashMap<String, (Uuid, i64)>,
    calls: HashMap<(TenantId, String), Call>,
    writes: usize,
    silent: bool,
    /// So many of the next savings of progress get no answer.
    failing_saves: usize,
}

impl State {
    fn replace(&mut self, key: (TenantId, ConnectionId, Facet), version: u64, body: Option<Value>) -> Published {
        self.writes += 1;
        match self.published.get(&key) {
            Some((current, _)) if *current > version => Published::Outdated,
            _ => {
                self.published.insert(key, (version, body));
                Published::Current
            }
        }
    }
}

/// The twin of the control table.
#[derive(Default)]
pub struct InMemoryControl {
    state: Mutex<State>,
}

impl InMemoryControl {
    /// How many writes were tried.
    #[must_use]
    pub fn writes(&self) -> usize {
        lock(&self.state).writes
    }

    /// Whether the table stops answering.
    pub fn set_silent(&self, silent: bool) {
        lock(&self.state).silent = silent;
    }

    /// So many of the next savings of a poll's progress get no answer, and save nothing: whoever saves dies before.
    pub fn fail_saves(&self, count: usize) {
        lock(&self.state).failing_saves = count;
    }

    fn state(&self) -> Result<std::sync::MutexGuard<'_, State>, ControlError> {
        let state = lock(&self.state);
        if state.silent {
            return Err(ControlError::Unavailable { code: "Silent".to_owned(), source: None });
        }
        Ok(state)
    }
}

#[async_trait]
impl Control for InMemoryControl {
    async fn publish(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
        version: u64,
        document: &Value,
    ) -> Result<Published, ControlError> {
        bounded(document)?;
        let key = (tenant.clone(), connection.clone(), facet);
        Ok(self.state()?.replace(key, version, Some(document.clone())))
    }

    async fn published(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
    ) -> Result<Option<Document>, ControlError> {
        let state = self.state()?;
        let found = state.published.get(&(tenant.clone(), connection.clone(), facet));
        Ok(found.and_then(|(version, body)| Some(Document { version: *version, body: body.clone()? })))
    }

    async fn withdraw(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
        version: u64,
    ) -> Result<Published, ControlError> {
        Ok(self.state()?.replace((tenant.clone(), connection.clone(), facet), version, None))
    }

    async fn poll_progress(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        object: &ObjectName,
    ) -> Result<Option<Saved>, ControlError> {
        Ok(self.state()?.polls.get(&(tenant.clone(), connection.clone(), object.clone())).cloned())
    }

    async fn save_poll_progress(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        object: &ObjectName,
        expected: Option<u64>,
        body: &Value,
    ) -> Result<bool, ControlError> {
        bounded(body)?;
        let mut state = self.state()?;
        if state.failing_saves > 0 {
            state.failing_saves -= 1;
            return Err(ControlError::Unavailable { code: "Silent".to_owned(), source: None });
        }
        state.writes += 1;
        let key = (tenant.clone(), connection.clone(), object.clone());
        if state.polls.get(&key).map(|saved| saved.revision) != expected {
            return Ok(false);
        }
        let revision = expected.unwrap_or(0).saturating_add(1);
        state.polls.insert(key, Saved { revision, body: body.clone() });
        Ok(true)
    }

    async fn mark_busy(&self, tenant: &TenantId, until: Timestamp) -> Result<(), ControlError> {
        let mut state = self.state()?;
        state.writes += 1;
        let until = ceil_millisecond(until);
        let current = state.busy.entry(tenant.clone()).or_insert(until);
        *current = until.max(*current);
        Ok(())
    }

    async fn busy_tenants(&self, limit: usize) -> Result<Vec<BusyTenant>, ControlError> {
        let state = self.state()?;
        let mut found = Vec::with_capacity(state.busy.len());
        for (tenant, until) in &state.busy {
            found.push(BusyTenant {
                tenant: tenant.clone(),
                until: Timestamp::from_millisecond(*until)
                    .map_err(|_| ControlError::Malformed { what: "until of a busy marker" })?,
                revision: BusyRevision(*until),
            });
        }
        found.sort_by(|a, b| (a.until, &a.tenant).cmp(&(b.until, &b.tenant)));
        found.truncate(limit);
        Ok(found)
    }

    async fn clear_busy(
        &self,
        tenant: &TenantId,
        revision: BusyRevision,
        now: Timestamp,
    ) -> Result<bool, ControlError> {
        let mut state = self.state()?;
        state.writes += 1;
        let is_past = revision.0 <= now.as_millisecond();
        if is_past && state.busy.get(tenant) == Some(&revision.0) {
            state.busy.remove(tenant);
            return Ok(true);
        }
        Ok(false)
    }

    async fn take_lease(
        &self,
        name: &str,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, ControlError> {
        let mut state = self.state()?;
        state.writes += 1;
        let is_free =
            state.leases.get(name).is_none_or(|(known, until)| *known == holder || *until <= now.as_millisecond());
        if is_free {
            state.leases.insert(name.to_owned(), (holder, ceil_millisecond(until)));
        }
        Ok(is_free)
    }

    async fn release_lease(&self, name: &str, holder: Uuid) -> Result<bool, ControlError> {
        let mut state = self.state()?;
        state.writes += 1;
        let is_theirs = state.leases.get(name).is_some_and(|(known, _)| *known == holder);
        if is_theirs {
            state.leases.remove(name);
        }
        Ok(is_theirs)
    }

    async fn begin_call(&self, call: &KeyedCall<'_>, now: Timestamp, until: Timestamp) -> Result<Begun, ControlError> {
        let mut state = self.state()?;
        state.writes += 1;
        let key = (call.tenant.clone(), call.name.to_owned());
        match state.calls.get(&key) {
            Some(Call { answer: Some((answer, forgotten)), fingerprint, .. }) if *forgotten > now.as_second() => {
                return Ok(Begun::Answered { fingerprint: fingerprint.clone(), answer: answer.clone() });
            }
            Some(Call { answer: None, holder, held_until, .. })
                if *holder != call.holder && *held_until > now.as_millisecond() =>
            {
                return Ok(Begun::UnderWay);
            }
            _ => {}
        }
        let fingerprint = call.fingerprint.to_owned();
        let held_until = ceil_millisecond(until);
        state.calls.insert(key, Call { fingerprint, holder: call.holder, held_until, answer: None });
        Ok(Begun::Yours)
    }

    async fn end_call(
        &self,
        call: &KeyedCall<'_>,
        answer: Option<&Value>,
        remembered_until: Timestamp,
    ) -> Result<(), ControlError> {
        answer.map(bounded).transpose()?;
        let mut state = self.state()?;
        state.writes += 1;
        let key = (call.tenant.clone(), call.name.to_owned());
        if let Some(known) = state.calls.get_mut(&key).filter(|it| it.holder == call.holder && it.answer.is_none()) {
            known.held_until = 0;
            known.answer = answer.map(|answer| (answer.clone(), remembered_until.as_second()));
        }
        Ok(())
    }
}
