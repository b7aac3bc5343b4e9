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
use fluxnex_core::content::check_depth;
use fluxnex_core::ids::{ConnectionId, EventId, TenantId};
use fluxnex_core::message::EventSource;
use fluxnex_core::signature::{ActiveSecrets, EventIdentity, SignedRequest, WebhookSettings, event_id, verify};
use fluxnex_lambda::inbound::{Accepted, Inbound};
use fluxnex_lambda::problem::{self, Problem};
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use request::Webhook;
use serde::de::IgnoredAny;
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
            Ok(event) => {
                tracing::info!(tenant, connection, event = %event, outcome = "accepted", duration_ms, "webhook");
                problem::json(202, &json!({ "event": event.0 }))
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
    ) -> Result<EventId, Problem> {
        let settings = self.settings.get(tenant, connection).await.map_err(|error| {
            tracing::error!(%error, "the control table cannot be read");
            unavailable()
        })?;
        let settings = settings.ok_or_else(unknown_connection)?;
        if settings.paused {
            return Err(Problem::new(503, "connection-paused", "The connection is paused").retry_after(COME_AGAIN * 12));
        }
        let webhook = Webhook::read(request, settings.body_max_bytes as usize, self.public_origin.as_deref())?;
        self.authenticate(&settings, &webhook).await?;
        check_json(&webhook.body)?;
        let identity = event_id(&settings.event_id, |name| webhook.header(name), webhook.body.as_bytes())
            .map_err(|error| bad_request("event-id", "The event id cannot be used").detail(error.to_string()))?;
        self.make_durable(tenant, connection, identity, webhook.body).await
    }

    /// A secret that was rotated a moment ago may not be the one that is remembered, so a mismatch
    /// is judged once more with the secret as it is now.
    async fn authenticate(&self, settings: &WebhookSettings, webhook: &Webhook) -> Result<(), Problem> {
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
            let verified = ActiveSecrets::of(&fields, settings.signature.secret()).and_then(|secrets| {
                let header = |name: &str| webhook.header(name);
                let Webhook { method, url, body, .. } = webhook;
                let request = SignedRequest { method, url, body: body.as_bytes() };
                verify(&settings.signature, &secrets, header, &request, self.clock.now())
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
        body: String,
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
            body: RawValue::from_string(body).map_err(|_| not_json())?,
        };
        self.inbound.make_durable(vec![accepted]).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "the event is not durable");
            unavailable()
        })?;
        Ok(event)
    }
}

fn check_json(body: &str) -> Result<(), Problem> {
    check_depth(body)
        .map_err(|error| bad_request("body", "The body cannot be taken").detail(format!("it is {error}")))?;
    serde_json::from_str::<IgnoredAny>(body).map(drop).map_err(|_| not_json())
}

fn bad_request(slug: &str, title: &'static str) -> Problem {
    Problem::new(400, slug, title)
}

fn not_json() -> Problem {
    bad_request("body", "The body cannot be taken").detail("it is not one JSON value in UTF-8")
}

/// The same for a tenant, a connection and a webhook that do not exist: nothing can be probed.
fn unknown_connection() -> Problem {
    Problem::new(404, "unknown-connection", "There is no such webhook")
}

fn unavailable() -> Problem {
    Problem::of_status(503).retry_after(COME_AGAIN)
}
