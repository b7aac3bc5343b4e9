//! Wires the `poll` function.

use fluxnex_cloud::aws::Clients;
use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::clock::SystemClock;
use fluxnex_cloud::secret_source::ConnectionSecrets;
use fluxnex_connect::Engine;
use fluxnex_connect::client::{ClientOptions, GuardedClient};
use fluxnex_core::message::PollRequest;
use fluxnex_lambda::inbound::Inbound;
use fluxnex_lambda::{Invocation, SqsEvent, batch};
use poll::{Poll, PollQueues};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    fluxnex_lambda::run("poll", async |settings| {
        let clients = Clients::load().await;
        let clock = Arc::new(SystemClock);
        let extra_ca_pem = settings.extra_ca()?;
        let client = GuardedClient::new(&ClientOptions { extra_ca_pem, ..ClientOptions::default() })?;
        let control = clients.control(settings.text("CONTROL_TABLE")?);
        let secrets = Arc::new(CachedSecrets::new(clients.secrets(), clock.clone()));
        let secrets = Arc::new(ConnectionSecrets::new(secrets, control.clone(), clock.clone()));
        let inbound = Inbound {
            objects: clients.objects(settings.text("PAYLOAD_BUCKET")?),
            queues: clients.queues(),
            inbound_gateway: settings.url("INBOUND_GATEWAY_URL")?,
        };
        let queues = PollQueues {
            fetch_request: settings.url("FETCH_REQUEST_URL")?,
            notification_delivery: settings.url("NOTIFICATION_DELIVERY_URL")?,
        };
        let stage = Poll::new(control, Engine::new(client, secrets), inbound, clock, settings.time_scale()?, queues);
        Ok(async move |event: SqsEvent, invocation: Invocation| {
            let handle = async |works: &[batch::Work<PollRequest>]| stage.handle(works, invocation.deadline()).await;
            batch::run_batch(event, &invocation, batch::json::<PollRequest>, handle).await
        })
    })
}
