//! Wires the `notify` function.

use fluxnex_cloud::aws::Clients;
use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::clock::SystemClock;
use fluxnex_cloud::secret_source::ConnectionSecrets;
use fluxnex_connect::Engine;
use fluxnex_connect::client::{ClientOptions, GuardedClient};
use fluxnex_core::message::Notification;
use fluxnex_lambda::{Invocation, SqsEvent, batch};
use fluxnex_store::{Database, DatabaseOptions, Tenants};
use notify::Notify;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    fluxnex_lambda::run("notify", async |settings| {
        let clients = Clients::load().await;
        let clock = Arc::new(SystemClock);
        let login = settings.database_login()?;
        let options = DatabaseOptions {
            host: login.host.clone(),
            extra_roots_pem: settings.extra_ca()?,
            application_name: "notify".to_owned(),
        };
        let database = Arc::new(Database::new(options, clients.database_secret(login))?);
        let extra_ca_pem = settings.extra_ca()?;
        let client = GuardedClient::new(&ClientOptions { extra_ca_pem, ..ClientOptions::default() })?;
        let control = clients.control(settings.text("CONTROL_TABLE")?);
        let secrets = Arc::new(CachedSecrets::new(clients.secrets(), clock.clone()));
        let secrets = Arc::new(ConnectionSecrets::new(secrets, control, clock.clone()));
        let stage = Notify { tenants: Tenants::new(database), engine: Engine::new(client, secrets), clock };
        Ok(async move |event: SqsEvent, invocation: Invocation| {
            let handle = async |works: &[batch::Work<Notification>]| stage.handle(works, invocation.deadline()).await;
            batch::run_batch(event, &invocation, batch::json::<Notification>, handle).await
        })
    })
}
