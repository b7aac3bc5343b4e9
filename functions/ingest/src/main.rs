//! Wires the `ingest` function.

use fluxnex_cloud::aws::Clients;
use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::clock::SystemClock;
use fluxnex_lambda::{ApiGatewayV2httpRequest, Invocation};
use ingest::Ingest;
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    fluxnex_lambda::run("ingest", async |settings| {
        let clients = Clients::load().await;
        let clock = Arc::new(SystemClock);
        let stage = Ingest::new(
            clients.control(settings.text("CONTROL_TABLE")?),
            Arc::new(CachedSecrets::new(clients.secrets(), clock.clone())),
            clients.queues(),
            clients.objects(settings.text("PAYLOAD_BUCKET")?),
            clock,
            settings.url("INBOUND_GATEWAY_URL")?,
        )
        .behind(settings.optional_text("PUBLIC_ORIGIN")?.map(str::to_owned));
        Ok(async move |request: ApiGatewayV2httpRequest, _: Invocation| {
            Ok::<_, Infallible>(stage.handle(request).await)
        })
    })
}
