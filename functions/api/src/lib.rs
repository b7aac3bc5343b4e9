//! The management API: health, a tenant's bundle, and its connections.
//!
//! API Gateway authorises: only `GET /v1/health/…` is open; everything else needs an AWS identity
//! that may call it.

mod authorise;
mod bundle;
mod connections;
mod keyed;
pub mod openapi;
mod request;
mod review;
mod routes;
mod sample;
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
use routes::{Operation, Route};
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
        let key = request.route_key.clone().unwrap_or_default();
        let response = match routes::route(&key) {
            None => Problem::of_status(404).request_id(invocation.request_id()).into_response(),
            Some(route) if route.changes => self.keyed(route, request, invocation).await,
            Some(route) => self.answer(route, request, invocation).await,
        };
        let duration_ms = self.clock.now().as_millisecond() - started.as_millisecond();
        tracing::info!(route = key, status = response.status_code, duration_ms, "request");
        response
    }

    async fn answer(
        &self,
        route: &Route,
        request: ApiGatewayV2httpRequest,
        invocation: &Invocation,
    ) -> ApiGatewayV2httpResponse {
        let result = match route.operation {
            Operation::Live => Ok(problem::json(200, &json!({ "status": "live" }))),
            Operation::Ready => self.ready().await,
            Operation::Document => Ok(problem::json(200, &openapi::document())),
            Operation::Connector => Self::connector(&request),
            Operation::ShowBundle => self.show(&request).await,
            Operation::ApplyBundle => self.apply(request).await,
            Operation::Versions => self.versions(&request).await,
            Operation::ShowVersion => self.show_version(&request).await,
            Operation::ShowSecret => self.show_secret(&request).await,
            Operation::StoreSecret => self.store_secret(request).await,
            Operation::ChangeSecret => self.change_secret(request).await,
            Operation::EndSecret => self.end_secret(&request).await,
            Operation::Consent => self.consent(request).await,
            Operation::Redeem => self.redeem(request).await,
            Operation::Test => self.test(request).await,
            Operation::Sample => self.sample(request).await,
            Operation::ShowRecord => self.record(&request).await,
        };
        result.unwrap_or_else(|problem| problem.request_id(invocation.request_id()).into_response())
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
