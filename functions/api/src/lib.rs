//! The management API: health, a tenant's bundle, and its connections.
//!
//! API Gateway authorises: only `GET /v1/health/…` is open; everything else needs an AWS identity
//! that may call it.

mod authorise;
mod bundle;
mod connections;
mod request;
mod review;
mod schedules;
mod secret;
mod test;
mod versions;

use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::Control;
use fluxnex_cloud::functions::Functions;
use fluxnex_cloud::schedules::Schedules;
use fluxnex_cloud::secret_store::SecretStore;
use fluxnex_connect::client::GuardedClient;
use fluxnex_connect::{Engine, SecretSource};
use fluxnex_lambda::problem::{self, Problem};
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse, Invocation};
use fluxnex_store::Database;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// What the stage needs.
pub struct Api {
    /// The database.
    pub database: Arc<Database>,
    /// Where connections are published for `ingest`.
    pub control: Arc<dyn Control>,
    /// Asks for polls.
    pub schedules: Arc<dyn Schedules>,
    /// Calls the migrations.
    pub functions: Arc<dyn Functions>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Name of the function that makes a tenant's schema.
    pub migrate: String,
    /// The deployment profile: part of the names of secrets.
    pub profile: String,
    /// Makes and ends the secrets of connections.
    pub secrets: Arc<dyn SecretStore>,
    /// The same secrets, as the engine asks for them.
    pub source: Arc<dyn SecretSource>,
    /// The way to applications.
    pub client: GuardedClient,
}

impl Api {
    /// Serves one request. Never fails: what goes wrong is an answer.
    pub async fn handle(&self, request: ApiGatewayV2httpRequest, invocation: &Invocation) -> ApiGatewayV2httpResponse {
        let started = self.clock.now();
        let route = request.route_key.clone().unwrap_or_default();
        let result = match route.as_str() {
            "GET /v1/health/live" => Ok(problem::json(200, &json!({ "status": "live" }))),
            "GET /v1/health/ready" => self.ready().await,
            "GET /v1/connectors/{connector}" => Self::connector(&request),
            "GET /v1/tenants/{tenant}/bundle" => self.show(&request).await,
            "PUT /v1/tenants/{tenant}/bundle" => self.apply(request).await,
            "GET /v1/tenants/{tenant}/bundle/versions" => self.versions(&request).await,
            "GET /v1/tenants/{tenant}/bundle/versions/{version}" => self.show_version(&request).await,
            "GET /v1/tenants/{tenant}/connections/{connection}/secret" => self.show_secret(&request).await,
            "PUT /v1/tenants/{tenant}/connections/{connection}/secret" => self.store_secret(request).await,
            "PATCH /v1/tenants/{tenant}/connections/{connection}/secret" => self.change_secret(request).await,
            "DELETE /v1/tenants/{tenant}/connections/{connection}/secret" => self.end_secret(&request).await,
            "POST /v1/tenants/{tenant}/connections/{connection}/consent" => self.consent(request).await,
            "POST /v1/tenants/{tenant}/connections/{connection}/consent/code" => self.redeem(request).await,
            "POST /v1/tenants/{tenant}/connections/{connection}/test" => self.test(request).await,
            _ => Err(Problem::of_status(404)),
        };
        let response = result.unwrap_or_else(|problem| problem.request_id(invocation.request_id()).into_response());
        let duration_ms = self.clock.now().as_millisecond() - started.as_millisecond();
        tracing::info!(route, status = response.status_code, duration_ms, "request");
        response
    }

    /// An engine that remembers no token: what somebody changed a moment ago must count.
    fn engine(&self) -> Engine {
        let clock = self.clock.clone();
        Engine::new(self.client.clone(), self.source.clone()).with_clock(move || clock.now())
    }

    async fn ready(&self) -> Result<ApiGatewayV2httpResponse, Problem> {
        match self.database.ping().await {
            Ok(()) => Ok(problem::json(200, &json!({ "status": "ready" }))),
            Err(error) => {
                tracing::error!(error = %error, "not ready");
                Err(unavailable("the database does not answer"))
            }
        }
    }
}

fn unavailable(detail: &str) -> Problem {
    Problem::of_status(503).detail(detail).retry_after(Duration::from_secs(5))
}
