//! Wires the `sweep` function.

use fluxnex_cloud::aws::Clients;
use fluxnex_cloud::clock::SystemClock;
use fluxnex_lambda::Invocation;
use fluxnex_store::{Database, DatabaseOptions, Tenants};
use serde_json::value::RawValue;
use std::process::ExitCode;
use std::sync::Arc;
use sweep::Sweep;

fn main() -> ExitCode {
    fluxnex_lambda::run("sweep", async |settings| {
        let clients = Clients::load().await;
        let login = settings.database_login()?;
        let options = DatabaseOptions {
            host: login.host.clone(),
            extra_roots_pem: settings.extra_ca()?,
            application_name: "sweep".to_owned(),
        };
        let database = Arc::new(Database::new(options, clients.database_secret(login))?);
        let stage = Sweep {
            tenants: Tenants::new(database),
            control: clients.control(settings.text("CONTROL_TABLE")?),
            queues: clients.queues(),
            clock: Arc::new(SystemClock),
            time_scale: settings.time_scale()?,
            blocking_fetch: clients.workflows(settings.text("BLOCKING_FETCH_ARN")?),
            fetch_request: settings.url("FETCH_REQUEST_URL")?,
            inbound_gateway: settings.url("INBOUND_GATEWAY_URL")?,
            source_replica: settings.url("SOURCE_REPLICA_URL")?,
            normalised: settings.url("NORMALISED_URL")?,
            outbound: settings.queue_map("OUTBOUND_QUEUES")?,
            delayed_wakes: settings.url("DELAYED_WAKES_URL")?,
            sweep_tenant: settings.url("SWEEP_TENANT_URL")?,
            notification_delivery: settings.url("NOTIFICATION_DELIVERY_URL")?,
        };
        Ok(async move |event: Box<RawValue>, invocation: Invocation| stage.handle(event, invocation).await)
    })
}
