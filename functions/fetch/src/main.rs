//! Wires the `fetch` function.

use fetch::Fetch;
use fluxnex_cloud::aws::Clients;
use fluxnex_cloud::busy::BusyMarker;
use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::clock::SystemClock;
use fluxnex_cloud::secret_source::ConnectionSecrets;
use fluxnex_connect::Engine;
use fluxnex_connect::client::{ClientOptions, GuardedClient};
use fluxnex_core::fetch::FetchTask;
use fluxnex_lambda::Invocation;
use fluxnex_lambda::inbound::Inbound;
use fluxnex_store::{Database, DatabaseOptions, Tenants};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    fluxnex_lambda::run("fetch", async |settings| {
        let clients = Clients::load().await;
        let clock = Arc::new(SystemClock);
        let login = settings.database_login()?;
        let options = DatabaseOptions {
            host: login.host.clone(),
            extra_roots_pem: settings.extra_ca()?,
            application_name: "fetch".to_owned(),
        };
        let database = Arc::new(Database::new(options, clients.database_secret(login))?);
        let extra_ca_pem = settings.extra_ca()?;
        let client = GuardedClient::new(&ClientOptions { extra_ca_pem, ..ClientOptions::default() })?;
        let control = clients.control(settings.text("CONTROL_TABLE")?);
        let secrets = Arc::new(CachedSecrets::new(clients.secrets(), clock.clone()));
        let secrets = Arc::new(ConnectionSecrets::new(secrets, control.clone(), clock.clone()));
        let stage = Fetch {
            tenants: Tenants::new(database),
            engine: Engine::new(client, secrets),
            inbound: Inbound {
                objects: clients.objects(settings.text("PAYLOAD_BUCKET")?),
                queues: clients.queues(),
                inbound_gateway: settings.url("INBOUND_GATEWAY_URL")?,
            },
            queues: clients.queues(),
            busy: BusyMarker::new(control, clock.clone()),
            blocking_fetch: clients.workflows(settings.text("BLOCKING_FETCH_ARN")?),
            clock,
            time_scale: settings.time_scale()?,
            notification_delivery: settings.url("NOTIFICATION_DELIVERY_URL")?,
        };
        Ok(async move |task: FetchTask, invocation: Invocation| stage.handle(task, &invocation).await)
    })
}
