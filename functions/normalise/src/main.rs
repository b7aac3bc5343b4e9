//! Wires the `normalise` function.

use fluxnex_cloud::aws::Clients;
use fluxnex_cloud::busy::BusyMarker;
use fluxnex_cloud::clock::SystemClock;
use fluxnex_core::message::RecordChanged;
use fluxnex_lambda::{Invocation, SqsEvent, batch};
use fluxnex_store::{Database, DatabaseOptions, Tenants};
use normalise::Normalise;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    fluxnex_lambda::run("normalise", async |settings| {
        let clients = Clients::load().await;
        let clock = Arc::new(SystemClock);
        let login = settings.database_login()?;
        let options = DatabaseOptions {
            host: login.host.clone(),
            extra_roots_pem: settings.extra_ca()?,
            application_name: "normalise".to_owned(),
        };
        let database = Arc::new(Database::new(options, clients.database_secret(login))?);
        let stage = Normalise {
            tenants: Tenants::new(database),
            queues: clients.queues(),
            blocking_fetch: clients.workflows(settings.text("BLOCKING_FETCH_ARN")?),
            busy: BusyMarker::new(clients.control(settings.text("CONTROL_TABLE")?), clock.clone()),
            clock,
            time_scale: settings.time_scale()?,
            source_replica: settings.url("SOURCE_REPLICA_URL")?,
            normalised: settings.url("NORMALISED_URL")?,
            notification_delivery: settings.url("NOTIFICATION_DELIVERY_URL")?,
        };
        Ok(async move |event: SqsEvent, invocation: Invocation| {
            let handle = async |works: &[batch::Work<RecordChanged>]| stage.handle(works).await;
            batch::run_batch(event, &invocation, batch::json::<RecordChanged>, handle).await
        })
    })
}
