//! L1: takes a webhook, makes it durable, and answers.
//!
//! The answer 202 means that the event is in the queue. Nothing here needs the database: what is
//! known of a connection was published to the control table when its bundle was applied, so that
//! senders are served while the database is away.

mod request;
mod webhooks;

use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::Control;
use fluxnex_cloud::objects::Objects;
use fluxnex_cloud::queue::{QueueUrl, Queues};
use fluxnex_core::ids::{ConnectionId, EventId, TenantId};
use fluxnex_core::message::EventSource;
use fluxnex_core::signature::{
    Acknowledgement, ActiveSecrets, EventIdentity, SignedRequest, WebhookBodyError, WebhookSettings, WebhookWay,
    event_id, verify,
};
use fluxnex_lambda::inbound::{Accepted, Inbound};
use fluxnex_lambda::problem::{self, Problem};
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use request::Webhook;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use webhooks::WebhookCache;

/// What the stage needs.
pub struct Ingest {
    settings: WebhookCache,
    secrets: Arc<CachedSecrets>,
    inbound: Inbound,
    clock: Arc<dyn Clock>,
    /// Where senders call, if that is not the host that API Gateway sees.
    public_origin: Option<String>,
}

/// When a sender should come again after an answer that is not its fault.
const COME_AGAIN: Duration = Duration::from_secs(5);

impl Ingest {
    /// A stage that sends what it accepts to `inbound_gateway`.
    pub fn new(
        control: Arc<dyn Control>,
        secrets: Arc<CachedSecrets>,
        queues: Arc<dyn Queues>,
        objects: Arc<dyn Objects>,
        clock: Arc<dyn Clock>,
        inbound_gateway: QueueUrl,
    ) -> Self {
        let inbound = Inbound { objects, queues, inbound_gateway };
        Self { settings: WebhookCache::new(control, clock.clone()), secrets, inbound, clock, public_origin: None }
    }

    /// A stage whose senders call another host than the one that API Gateway sees, such as CloudFront's: `origin` is
    /// `https://` and the host. Schemes that sign the URL sign the one that was called.
    #[must_use]
    pub fn behind(self, origin: Option<String>) -> Self {
        Self { public_origin: origin, ..self }
    }

    /// Serves one request. Never fails: what goes wrong is an answer.
    pub async fn handle(&self, request: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let started = self.clock.now();
        let names = request::names(&request);
        let result = match &names {
            Some((tenant, connection)) => self.accept(tenant, connection, request).await,
            None => Err(unknown_connection()),
        };
        let duration_ms = self.clock.now().as_millisecond() - started.as_millisecond();
        let (tenant, connection) =
            names.as_ref().map(|(tenant, connection)| (tenant.as_str(), connection.as_str())).unzip();
        match result {
            Ok((event, acknowledge)) => {
                tracing::info!(tenant, connection, event = %event, outcome = "accepted", duration_ms, "webhook");
                match acknowledge {
                    None => problem::json(202, &json!({ "event": event.0 })),
                    Some(Acknowledgement { content_type, body }) => problem::text(200, &content_type, body),
                }
            }
            Err(refusal) => {
                tracing::info!(
                    tenant,
                    connection,
                    outcome = "refused",
                    status = refusal.status(),
                    duration_ms,
                    "webhook"
                );
                refusal.into_response()
            }
        }
    }

    async fn accept(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        request: ApiGatewayV2httpRequest,
    ) -> Result<(EventId, Option<Acknowledgement>), Problem> {
        let settings = self.settings.get(tenant, connection).await.map_err(|error| {
            tracing::error!(%error, "the control table cannot be read");
            unavailable()
        })?;
        let settings = settings.ok_or_else(unknown_connection)?;
        if settings.paused {
            return Err(Problem::new(503, "connection-paused", "The connection is paused").retry_after(COME_AGAIN * 12));
        }
        let mut webhook = Webhook::read(request, settings.body_max_bytes as usize, self.public_origin.as_deref())?;
        let way = settings.way_of(webhook.header("content-type"));
        self.authenticate(&settings, way, &webhook).await?;
        let body = way.read(webhook.take_body()).map_err(|error| match error {
            WebhookBodyError::Sender => {
                Problem::new(403, "sender", "The webhook is not the connection's").detail(error.to_string())
            }
            error => bad_request("body", "The body cannot be taken").detail(error.to_string()),
        })?;
        let identity = event_id(&way.event_id, |name| webhook.header(name), body.get().as_bytes())
            .map_err(|error| bad_request("event-id", "The event id cannot be used").detail(error.to_string()))?;
        let event = self.make_durable(tenant, connection, identity, body).await?;
        Ok((event, way.acknowledge.clone()))
    }

    /// A secret that was rotated a moment ago may not be the one that is remembered, so a mismatch
    /// is judged once more with the secret as it is now.
    async fn authenticate(
        &self,
        settings: &WebhookSettings,
        way: &WebhookWay,
        webhook: &Webhook,
    ) -> Result<(), Problem> {
        let mut refreshed = false;
        loop {
            let secret = if refreshed {
                self.secrets.refresh(&settings.secret_name).await
            } else {
                fluxnex_cloud::secrets::Secrets::get(self.secrets.as_ref(), &settings.secret_name).await
            };
            let secret = secret.map_err(|error| {
                tracing::error!(%error, "the connection's secret cannot be read");
                unavailable()
            })?;
            let secret = secret.to_json();
            let fields = secret.as_object().cloned().unwrap_or_default();
            let verified = ActiveSecrets::of(&fields, way.signature.secret()).and_then(|secrets| {
                let header = |name: &str| webhook.header(name);
                let Webhook { method, url, body, .. } = webhook;
                let request = SignedRequest { method, url, body: body.as_bytes() };
                verify(&way.signature, &secrets, header, &request, self.clock.now())
            });
            match verified {
                Ok(()) => return Ok(()),
                Err(_) if !refreshed => refreshed = true,
                Err(error) if error.is_ours() => {
                    tracing::error!(%error, "the connection is set up wrongly");
                    return Err(unavailable());
                }
                Err(error) => {
                    return Err(
                        Problem::new(401, "signature", "The signature is not accepted").detail(error.to_string())
                    );
                }
            }
        }
    }

    async fn make_durable(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        identity: EventIdentity,
        body: Box<RawValue>,
    ) -> Result<EventId, Problem> {
        let event = EventId(self.clock.new_id());
        let accepted = Accepted {
            tenant: tenant.clone(),
            connection: connection.clone(),
            event,
            at: self.clock.now(),
            source: EventSource::Webhook,
            sender_event_id: identity.id,
            derived: identity.derived,
            object: None,
            deletion: None,
            body,
        };
        self.inbound.make_durable(vec![accepted]).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "the event is not durable");
            unavailable()
        })?;
        Ok(event)
    }
}

fn bad_request(slug: &str, title: &'static str) -> Problem {
    Problem::new(400, slug, title)
}

/// The same for a tenant, a connection and a webhook that do not exist: nothing can be probed.
fn unknown_connection() -> Problem {
    Problem::new(404, "unknown-connection", "There is no such webhook")
}

fn unavailable() -> Problem {
    Problem::of_status(503).retry_after(COME_AGAIN)
}
