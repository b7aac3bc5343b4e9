//! Wires the `migrate` function.

use fluxnex_cloud::aws::Clients;
use fluxnex_lambda::{BoxError, Invocation};
use fluxnex_store::{Database, DatabaseOptions};
use futures::future::BoxFuture;
use migrate::{Migrate, Responder};
use serde_json::value::RawValue;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Answers at CloudFormation's signed URL.
struct Http(reqwest::Client);

impl Responder for Http {
    fn put<'a>(&'a self, url: &'a str, body: String) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            // The URL is signed: whoever reads it could answer in our place.
            let answer = self.0.put(url).body(body).send().await.and_then(reqwest::Response::error_for_status);
            answer.map_err(reqwest::Error::without_url)?;
            Ok(())
        })
    }
}

fn main() -> ExitCode {
    fluxnex_lambda::run("migrate", async |settings| {
        let clients = Clients::load().await;
        let login = settings.database_login()?;
        let options = DatabaseOptions {
            host: login.host.clone(),
            extra_roots_pem: settings.extra_ca()?,
            application_name: "migrate".to_owned(),
        };
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?;
        let stage = Migrate {
            database: Arc::new(Database::new(options, clients.database_secret(login))?),
            responder: Arc::new(Http(http)),
        };
        Ok(async move |event: Box<RawValue>, _: Invocation| stage.handle(event).await)
    })
}
