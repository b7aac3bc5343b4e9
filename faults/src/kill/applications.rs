//! The simulated applications of the main job, and a client of their control API.

use anyhow::{Context, Result, bail};
use fluxnex_core::bundle::inline;
use fluxnex_simulators::commands::{Counts, Ports, Scenario, SilentChanges, SilentVersions};
use fluxnex_simulators::journal::Journal;
use fluxnex_simulators::tls::LocalAuthority;
use fluxnex_simulators::{Options, Running};
use jiff::Timestamp;
use reqwest::{Client, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The tenant of the job.
pub const TENANT: &str = "acme";
const REALM: &str = "9130355377388383";
const ALERTS: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The simulated applications of one job, in this process.
pub struct Applications {
    running: Running,
    http: Client,
}

impl Applications {
    /// Starts them at free ports.
    ///
    /// # Errors
    /// The certificate cannot be used, or no port is free.
    pub async fn start(authority: &LocalAuthority) -> Result<Self> {
        let server = authority.server();
        let options = Options {
            host: "127.0.0.1".to_owned(),
            ports: Ports::default(),
            tls_certificate: server.certificate,
            tls_key: server.key,
            extra_authority: Some(authority.ca()),
        };
        let running = fluxnex_simulators::start(&options).await?;
        Ok(Self { running, http: Client::builder().no_proxy().build()? })
    }

    /// Tells them who calls, and where webhooks go.
    ///
    /// # Errors
    /// They refuse.
    pub async fn configure(&self, front_door: &str) -> Result<()> {
        let webhook = json!({"url": format!("{front_door}/v1/webhooks/{TENANT}/revenova"), "secret": "shared"});
        let settings = json!({
            "revenova": {"clients": [{"client_id": "id", "client_secret": "secret"}], "webhook": webhook},
            "quickbooks": {"clients": [{
                "client_id": "id", "client_secret": "secret", "refresh_token": "refresh", "realm_id": REALM,
            }]},
            "receiver": {"secrets": {"operations": ALERTS}},
        });
        self.send(Method::PUT, "/configuration", &settings).await.map(drop)
    }

    /// Starts a scenario.
    ///
    /// # Errors
    /// Another one runs.
    pub async fn begin(&self, scenario: &Scenario) -> Result<()> {
        self.send(Method::POST, "/revenova/scenario", scenario).await.map(drop)
    }

    /// Changes invoices of the last scenario, of which nobody is told.
    ///
    /// # Errors
    /// There are none.
    pub async fn change_silently(&self, changes: &SilentChanges) -> Result<SilentVersions> {
        self.read(Method::POST, "/revenova/silent-changes", changes).await
    }

    /// What happened so far.
    ///
    /// # Errors
    /// They do not answer.
    pub async fn counts(&self) -> Result<Counts> {
        self.read(Method::GET, "/counts", &Value::Null).await
    }

    /// All that they recorded.
    ///
    /// # Errors
    /// They do not answer.
    pub async fn journal(&self) -> Result<Journal> {
        self.read(Method::GET, "/journal", &Value::Null).await
    }

    async fn read<T: DeserializeOwned>(&self, method: Method, path: &str, body: &impl Serialize) -> Result<T> {
        let answer = self.send(method, path, body).await?;
        serde_json::from_slice(&answer).with_context(|| format!("the answer to {path} is not understood"))
    }

    async fn send(&self, method: Method, path: &str, body: &impl Serialize) -> Result<Vec<u8>> {
        let url = format!("http://127.0.0.1:{}{path}", self.running.ports.control);
        let answer = self.http.request(method, url).json(body).send().await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        if !status.is_success() {
            bail!("the applications refuse {path}: {status} {}", String::from_utf8_lossy(&bytes));
        }
        Ok(bytes.to_vec())
    }

    /// Applies the tenant's bundle at FluxNex: the example's, with the addresses of these applications.
    ///
    /// # Errors
    /// It cannot be read, or FluxNex refuses it.
    pub async fn apply_bundle(&self, repository: &Path, front_door: &str) -> Result<()> {
        let url = format!("{front_door}/v1/tenants/{TENANT}/bundle");
        let answer = self.http.put(url).json(&self.bundle(repository)?).send().await?;
        let status = answer.status();
        if !status.is_success() {
            bail!("the bundle is refused: {status} {}", answer.text().await?);
        }
        Ok(())
    }

    fn bundle(&self, repository: &Path) -> Result<Value> {
        let folder = repository.join("examples").join(TENANT);
        let mut read = |name: &str| std::fs::read_to_string(folder.join(name)).map_err(|error| error.to_string());
        let text = read("fluxnex.yaml").map_err(anyhow::Error::msg)?;
        let address = |port: u16| format!("https://127.0.0.1:{port}");
        let ports = &self.running.ports;
        let variables = [
            ("REVENOVA_URL", address(ports.revenova)),
            ("QUICKBOOKS_URL", address(ports.quickbooks)),
            ("QUICKBOOKS_REALM", REALM.to_owned()),
            ("RECEIVER_URL", format!("{}/hooks/operations", address(ports.receiver))),
            ("POLL_SINCE", Timestamp::now().to_string()),
        ];
        let variables: BTreeMap<_, _> = variables.map(|(name, value)| (name.to_owned(), value)).into();
        inline(serde_saphyr::from_str(&text)?, &variables, &mut read).map_err(anyhow::Error::msg)
    }
}

/// The secrets of the tenant's connections, by name.
#[must_use]
pub fn secrets() -> [(String, Value); 3] {
    [
        ("revenova", json!({"client_id": "id", "client_secret": "secret", "webhook_secret": "shared"})),
        ("quickbooks", json!({"client_id": "id", "client_secret": "secret", "refresh_token": "refresh"})),
        ("alerts", json!({"signing_secret": ALERTS})),
    ]
    .map(|(name, secret)| (format!("fluxnex/local/connections/{TENANT}/{name}"), secret))
}
