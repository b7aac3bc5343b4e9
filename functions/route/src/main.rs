//! Wires the `route` function.

use fluxnex_cloud::aws::Clients;
use fluxnex_cloud::busy::BusyMarker;
use fluxnex_cloud::clock::SystemClock;
use fluxnex_core::message::RecordNormalised;
use fluxnex_lambda::{Invocation, SqsEvent, batch};
use fluxnex_store::{Database, DatabaseOptions, Tenants};
use route::Route;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    fluxnex_lambda::run("route", async |settings| {
        let clients = Clients::load().await;
        let clock = Arc::new(SystemClock);
        let login = settings.database_login()?;
        let options = DatabaseOptions {
            host: login.host.clone(),
            extra_roots_pem: settings.extra_ca()?,
            application_name: "route".to_owned(),
        };
        let database = Arc::new(Database::new(options, clients.database_secret(login))?);
        let stage = Route {
            tenants: Tenants::new(database),
            queues: clients.queues(),
            busy: BusyMarker::new(clients.control(settings.text("CONTROL_TABLE")?), clock.clone()),
            clock,
            time_scale: settings.time_scale()?,
            outbound: settings.queue_map("OUTBOUND_QUEUES")?,
            notification_delivery: settings.url("NOTIFICATION_DELIVERY_URL")?,
        };
        Ok(async move |event: SqsEvent, invocation: Invocation| {
            let handle = async |works: &[batch::Work<RecordNormalised>]| stage.handle(works).await;
            batch::run_batch(event, &invocation, batch::json::<RecordNormalised>, handle).await
        })
    })
}
