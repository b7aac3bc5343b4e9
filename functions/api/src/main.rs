//! Wires the `api` function.

use api::Api;
use fluxnex_cloud::aws::{Clients, ScheduleTarget};
use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::clock::SystemClock;
use fluxnex_cloud::secret_source::ConnectionSecrets;
use fluxnex_connect::client::{ClientOptions, GuardedClient};
use fluxnex_lambda::{ApiGatewayV2httpRequest, Invocation};
use fluxnex_store::{Database, DatabaseOptions};
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long making a tenant's schema may take; below the API's own time limit.
const MIGRATION: Duration = Duration::from_secs(25);

fn main() -> ExitCode {
    fluxnex_lambda::run("api", async |settings| {
        let clients = Clients::load().await;
        let login = settings.database_login()?;
        let options = DatabaseOptions {
            host: login.host.clone(),
            extra_roots_pem: settings.extra_ca()?,
            application_name: "api".to_owned(),
        };
        let clock = Arc::new(SystemClock);
        let control = clients.control(settings.text("CONTROL_TABLE")?);
        let secrets = Arc::new(CachedSecrets::new(clients.secrets(), clock.clone()));
        let extra_ca_pem = settings.extra_ca()?;
        let stage = Api {
            database: Arc::new(Database::new(options, clients.database_secret(login))?),
            schedules: clients.schedules(ScheduleTarget {
                group: settings.text("SCHEDULE_GROUP")?.to_owned(),
                role_arn: settings.text("SCHEDULE_ROLE_ARN")?.to_owned(),
                queue_arn: settings.text("FETCH_REQUEST_ARN")?.to_owned(),
            }),
            functions: clients.functions(MIGRATION),
            secrets: clients.secret_store(),
            source: Arc::new(ConnectionSecrets::new(secrets, control.clone(), clock.clone())),
            client: GuardedClient::new(&ClientOptions { extra_ca_pem, ..ClientOptions::default() })?,
            control,
            clock,
            migrate: settings.text("MIGRATE_FUNCTION")?.to_owned(),
            profile: settings.text("PROFILE")?.to_owned(),
        };
        Ok(async move |request: ApiGatewayV2httpRequest, invocation: Invocation| {
            Ok::<_, Infallible>(stage.handle(request, &invocation).await)
        })
    })
}
