//! A client of the simulated applications' control API.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use fluxnex_simulators::{
    commands::{
        Configuration, Counts, ErpPlanned, ErpScenario, FaultRule, ListedFault, Planned, Ports, Scenario,
        SilentChanges, SilentVersions,
    },
    journal::Journal,
};
use reqwest::{Client, Method};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::aws::http_client;

/// A journal of some thousand records with all requests has tens of megabytes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The control API of running simulators.
pub struct Control {
    address: String,
    http: Client,
}

impl Control {
    /// A client for the simulators on these ports.
    pub fn new(ports: &Ports) -> Result<Self> {
        Ok(Self { address: format!("http://127.0.0.1:{}", ports.control), http: http_client(TIMEOUT)? })
    }

    /// Forgets all records, settings, faults and the journal.
    pub async fn reset(&self) -> Result<()> {
        self.send(Method::POST, "/reset", None::<&Value>).await.map(drop)
    }

    /// Changes the applications' settings.
    pub async fn configure(&self, configuration: &Configuration) -> Result<()> {
        self.send(Method::PUT, "/configuration", Some(configuration)).await.map(drop)
    }

    /// Starts a scenario.
    pub async fn start(&self, scenario: &Scenario) -> Result<Planned> {
        self.read(Method::POST, "/revenova/scenario", Some(scenario)).await
    }

    /// Makes the ERP's records.
    pub async fn start_erp(&self, scenario: &ErpScenario) -> Result<ErpPlanned> {
        self.read(Method::POST, "/erp/scenario", Some(scenario)).await
    }

    /// Changes invoices at Revenova of which nobody is told.
    pub async fn change_silently(&self, changes: &SilentChanges) -> Result<SilentVersions> {
        self.read(Method::POST, "/revenova/silent-changes", Some(changes)).await
    }

    /// Adds a fault; gives its number.
    pub async fn add_fault(&self, rule: &FaultRule) -> Result<u64> {
        let answer: Value = self.read(Method::POST, "/faults", Some(rule)).await?;
        answer.get("id").and_then(Value::as_u64).context("the simulated applications gave a fault no number")
    }

    /// Removes a fault.
    pub async fn remove_fault(&self, id: u64) -> Result<()> {
        self.send(Method::DELETE, &format!("/faults/{id}"), None::<&Value>).await.map(drop)
    }

    /// How often a fault was played.
    pub async fn played(&self, id: u64) -> Result<u64> {
        let faults: Vec<ListedFault> = self.read(Method::GET, "/faults", None::<&Value>).await?;
        Ok(faults.iter().find(|fault| fault.id == id).map_or(0, |fault| fault.played))
    }

    /// What happened so far.
    pub async fn counts(&self) -> Result<Counts> {
        self.read(Method::GET, "/counts", None::<&Value>).await
    }

    /// Everything that was recorded.
    pub async fn journal(&self) -> Result<Journal> {
        self.read(Method::GET, "/journal", None::<&Value>).await
    }

    async fn read<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Result<T> {
        let answer = self.send(method, path, body).await?;
        serde_json::from_slice(&answer)
            .with_context(|| format!("the simulated applications' answer to {path} is not understood"))
    }

    async fn send(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Result<Vec<u8>> {
        let mut request = self.http.request(method, format!("{}{path}", self.address));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.context("the simulated applications do not answer")?;
        let status = answer.status();
        let bytes = answer.bytes().await.context("the simulated applications' answer broke off")?;
        if !status.is_success() {
            bail!("the simulated applications refuse {path}: {status} {}", String::from_utf8_lossy(&bytes));
        }
        Ok(bytes.to_vec())
    }
}
