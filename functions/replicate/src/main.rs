//! Wires the `replicate` function.

use fluxnex_cloud::aws::Clients;
use fluxnex_cloud::busy::BusyMarker;
use fluxnex_cloud::clock::SystemClock;
use fluxnex_core::message::InboundEvent;
use fluxnex_lambda::{Invocation, SqsEvent, batch};
use fluxnex_store::{Database, DatabaseOptions, Tenants};
use replicate::Replicate;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    fluxnex_lambda::run("replicate", async |settings| {
        let clients = Clients::load().await;
        let clock = Arc::new(SystemClock);
        let login = settings.database_login()?;
        let options = DatabaseOptions {
            host: login.host.clone(),
            extra_roots_pem: settings.extra_ca()?,
            application_name: "replicate".to_owned(),
        };
        let database = Arc::new(Database::new(options, clients.database_secret(login))?);
        let stage = Replicate {
            tenants: Tenants::new(database),
            objects: clients.objects(settings.text("PAYLOAD_BUCKET")?),
            queues: clients.queues(),
            busy: BusyMarker::new(clients.control(settings.text("CONTROL_TABLE")?), clock.clone()),
            clock,
            source_replica: settings.url("SOURCE_REPLICA_URL")?,
            notification_delivery: settings.url("NOTIFICATION_DELIVERY_URL")?,
        };
        Ok(async move |event: SqsEvent, invocation: Invocation| {
            let handle = async |works: &[batch::Work<InboundEvent>]| stage.handle(works).await;
            batch::run_batch(event, &invocation, batch::json::<InboundEvent>, handle).await
        })
    })
}
