//! The ports of one environment: each call stops at a gate before and after its effect.

use super::applications::Carried;
use super::functions::Function;
use super::gates::{EnvironmentId, Kind, Moment};
use super::held_back::{Effect, HeldBack};
use super::mutants::Edge;
use super::scenario::is_secret;
use super::world::World;
use async_trait::async_trait;
use fluxnex_cloud::control::{
    Begun, BusyRevision, BusyTenant, Control, ControlError, Document, Facet, KeyedCall, Published, Saved,
};
use fluxnex_cloud::objects::{ObjectError, Objects};
use fluxnex_cloud::queue::{OutgoingMessage, QueueError, QueueUrl, Queues};
use fluxnex_cloud::secrets::{SecretError, SecretValue, Secrets};
use fluxnex_cloud::workflow::{Answered, Started, WorkflowError, Workflows};
use fluxnex_connect::client::{HttpAnswer, HttpRequest, RequestError, Transport};
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use jiff::Timestamp;
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

#[cfg(test)]
mod tests;

/// The outside, as one environment reaches it.
#[derive(Clone)]
pub struct Ports {
    pub(super) world: Arc<World>,
    pub(super) function: Function,
    pub(super) held_back: Arc<HeldBack>,
    environment: EnvironmentId,
}

impl Ports {
    /// The ports of an environment.
    #[must_use]
    pub fn new(world: Arc<World>, environment: EnvironmentId, function: Function) -> Self {
        Self { world, function, held_back: Arc::default(), environment }
    }

    async fn pass(&self, kind: Kind, moment: Moment, what: impl Into<String>) {
        self.world.gates.pass(self.environment, kind, moment, what.into()).await;
    }

    /// Time passes for this environment alone.
    pub(super) async fn pause(&self, span: Duration) {
        self.pass(Kind::Read, Moment::Before, "pauses").await;
        self.world.clock.advance(span);
    }

    /// Where nothing goes wrong, nothing has to be rescued.
    fn may_not_rescue(&self, what: &str) {
        if self.world.is_calm && self.function == Function::Sweep {
            self.world.story().problems.push(format!("rescued: sweep found what nobody woke: {what}"));
        }
    }

    /// What leaves the functions must hold no secret.
    pub(super) fn inspect(&self, place: &str, text: &str) {
        if is_secret(text) {
            self.world.story().problems.push(format!("a secret is in {place}"));
        }
    }
}

#[async_trait]
impl Queues for Ports {
    async fn send(&self, queue: &QueueUrl, mut messages: Vec<OutgoingMessage>) -> Result<(), QueueError> {
        let name = queue.name().to_owned();
        // A batch has no order on a standard queue; on a FIFO queue a batch here has each group once. The
        // handlers draw it from maps without an order, so it is given one: a seed must replay.
        messages.sort_by(|a, b| (&a.group, &a.body).cmp(&(&b.group, &b.body)));
        if !name.ends_with("sweep-tenant") && !name.ends_with("notification-delivery") {
            self.may_not_rescue(&name);
        }
        let what = format!("{} to {name}", messages.len());
        self.pass(Kind::QueueSend, Moment::Before, what.clone()).await;
        if self.holds_back(queue) {
            self.held_back.push(Effect::Messages(queue.clone(), messages));
        } else {
            self.deliver(&name, messages);
        }
        self.pass(Kind::QueueSend, Moment::After, what).await;
        Ok(())
    }
}

#[async_trait]
impl Objects for Ports {
    async fn put(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<(), ObjectError> {
        self.pass(Kind::ObjectPut, Moment::Before, key).await;
        self.inspect("the bucket", &String::from_utf8_lossy(&bytes));
        let put = self.world.objects.put(key, bytes, content_type).await;
        self.pass(Kind::ObjectPut, Moment::After, key).await;
        put
    }

    async fn get(&self, key: &str, max_bytes: usize) -> Result<Vec<u8>, ObjectError> {
        self.pass(Kind::Read, Moment::Before, key).await;
        self.world.objects.get(key, max_bytes).await
    }
}

#[async_trait]
impl Secrets for Ports {
    async fn get(&self, name: &str) -> Result<SecretValue, SecretError> {
        self.pass(Kind::Read, Moment::Before, name).await;
        self.world.secrets.get(name).await
    }

    async fn put(&self, name: &str, value: &SecretValue) -> Result<(), SecretError> {
        self.pass(Kind::SecretWrite, Moment::Before, name).await;
        if self.world.planted.is(Edge::TokenUsedBeforeStored) {
            self.held_back.push(Effect::Secret(name.to_owned(), value.clone()));
            return Ok(());
        }
        let put = match self.without_rotation(name, value).await {
            Some(value) => self.world.secrets.put(name, &value).await,
            None => self.world.secrets.put(name, value).await,
        };
        self.pass(Kind::SecretWrite, Moment::After, name).await;
        put
    }
}

#[async_trait]
impl Workflows for Ports {
    async fn start(&self, name: &str, input: &Value) -> Result<Started, WorkflowError> {
        self.pass(Kind::WorkflowStart, Moment::Before, name).await;
        self.inspect("an execution", &input.to_string());
        let started = self.world.executions().start(name, input, self.world.now());
        self.pass(Kind::WorkflowStart, Moment::After, format!("{name} {started:?}")).await;
        Ok(started)
    }

    async fn succeed(&self, token: &str, output: &Value) -> Result<Answered, WorkflowError> {
        self.pass(Kind::WorkflowAnswer, Moment::Before, format!("{token} {output}")).await;
        self.may_not_rescue(token);
        let answered = self.world.executions().succeed(token);
        self.pass(Kind::WorkflowAnswer, Moment::After, format!("{token} {answered:?}")).await;
        Ok(answered)
    }

    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Answered, WorkflowError> {
        self.pass(Kind::WorkflowAnswer, Moment::Before, format!("{token} {error}")).await;
        self.inspect("an execution", cause);
        self.may_not_rescue(token);
        let answered = self.world.executions().fail(token, error, cause, self.world.now());
        self.pass(Kind::WorkflowAnswer, Moment::After, format!("{token} {answered:?}")).await;
        Ok(answered)
    }
}

impl Transport for Ports {
    fn carry<'a>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpAnswer, RequestError>> + Send + 'a>> {
        Box::pin(async move {
            let what = format!("{} {}{}", request.method, request.url.host_str().unwrap_or(""), request.url.path());
            self.pass(Kind::Request, Moment::Before, what.clone()).await;
            let now = self.world.now();
            let Carried { answer, told, took } = self.world.applications().answer(&request, self.environment, now);
            self.world.story().tell(now, "application", &told);
            self.world.clock.advance(took);
            self.pass(Kind::Request, Moment::After, what).await;
            answer
        })
    }
}

#[async_trait]
impl Control for Ports {
    async fn publish(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
        version: u64,
        document: &Value,
    ) -> Result<Published, ControlError> {
        self.pass(Kind::ControlWrite, Moment::Before, "publish").await;
        let published = self.world.control.publish(tenant, connection, facet, version, document).await;
        self.pass(Kind::ControlWrite, Moment::After, "publish").await;
        published
    }

    async fn published(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
    ) -> Result<Option<Document>, ControlError> {
        self.pass(Kind::Read, Moment::Before, "published").await;
        self.world.control.published(tenant, connection, facet).await
    }

    async fn withdraw(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
        version: u64,
    ) -> Result<Published, ControlError> {
        self.pass(Kind::ControlWrite, Moment::Before, "withdraw").await;
        let withdrawn = self.world.control.withdraw(tenant, connection, facet, version).await;
        self.pass(Kind::ControlWrite, Moment::After, "withdraw").await;
        withdrawn
    }

    async fn poll_progress(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        object: &ObjectName,
    ) -> Result<Option<Saved>, ControlError> {
        self.pass(Kind::Read, Moment::Before, "poll progress").await;
        self.world.control.poll_progress(tenant, connection, object).await
    }

    async fn save_poll_progress(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        object: &ObjectName,
        expected: Option<u64>,
        body: &Value,
    ) -> Result<bool, ControlError> {
        self.pass(Kind::ControlWrite, Moment::Before, "poll progress").await;
        self.inspect("the control table", &body.to_string());
        let saved = self.world.control.save_poll_progress(tenant, connection, object, expected, body).await;
        self.pass(Kind::ControlWrite, Moment::After, "poll progress").await;
        self.release().await;
        saved
    }

    async fn mark_busy(&self, tenant: &TenantId, until: Timestamp) -> Result<(), ControlError> {
        self.pass(Kind::ControlWrite, Moment::Before, format!("mark {tenant}")).await;
        if self.world.planted.is(Edge::MarkedAfterCommit) {
            self.held_back.push(Effect::Mark(tenant.clone(), until));
            return Ok(());
        }
        let marked = self.world.control.mark_busy(tenant, until).await;
        self.pass(Kind::ControlWrite, Moment::After, format!("mark {tenant}")).await;
        marked
    }

    async fn busy_tenants(&self, limit: usize) -> Result<Vec<BusyTenant>, ControlError> {
        self.pass(Kind::Read, Moment::Before, "busy tenants").await;
        self.world.control.busy_tenants(limit).await
    }

    async fn clear_busy(
        &self,
        tenant: &TenantId,
        revision: BusyRevision,
        now: Timestamp,
    ) -> Result<bool, ControlError> {
        self.pass(Kind::ControlWrite, Moment::Before, format!("clear {tenant}")).await;
        let cleared = self.world.control.clear_busy(tenant, revision, now).await;
        self.pass(Kind::ControlWrite, Moment::After, format!("clear {tenant}")).await;
        cleared
    }

    async fn take_lease(
        &self,
        name: &str,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, ControlError> {
        self.pass(Kind::Lease, Moment::Before, format!("take {name}")).await;
        if self.world.planted.is(Edge::NoLease) {
            return Ok(true);
        }
        let taken = self.world.control.take_lease(name, holder, now, until).await;
        self.pass(Kind::Lease, Moment::After, format!("take {name}")).await;
        taken
    }

    async fn release_lease(&self, name: &str, holder: Uuid) -> Result<bool, ControlError> {
        self.pass(Kind::Lease, Moment::Before, format!("release {name}")).await;
        let released = self.world.control.release_lease(name, holder).await;
        self.pass(Kind::Lease, Moment::After, format!("release {name}")).await;
        released
    }

    async fn begin_call(&self, call: &KeyedCall<'_>, now: Timestamp, until: Timestamp) -> Result<Begun, ControlError> {
        self.pass(Kind::ControlWrite, Moment::Before, "begin a call").await;
        let begun = self.world.control.begin_call(call, now, until).await;
        self.pass(Kind::ControlWrite, Moment::After, "begin a call").await;
        begun
    }

    async fn end_call(
        &self,
        call: &KeyedCall<'_>,
        answer: Option<&Value>,
        remembered_until: Timestamp,
    ) -> Result<(), ControlError> {
        self.pass(Kind::ControlWrite, Moment::Before, "end a call").await;
        self.inspect("the control table", &answer.map(Value::to_string).unwrap_or_default());
        let ended = self.world.control.end_call(call, answer, remembered_until).await;
        self.pass(Kind::ControlWrite, Moment::After, "end a call").await;
        ended
    }
}
