//! Prepares the main job: credentials on both sides, and the tenant's configuration.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use fluxnex_core::bundle::inline;
use fluxnex_simulators::commands::{
    Configuration, ErpSettings, HubspotSettings, Ports, QuickbooksClient, QuickbooksSettings, ReceiverSettings,
    RevenovaClient, RevenovaSettings, WebhookTarget,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{aws::Aws, layout::Layout, system::secret};

use super::control::Control;

/// The tenants of the main job: one whose source sends webhooks, and one whose source is polled.
pub const TENANTS: [&str; 2] = [ACME, GLOBEX];
/// Revenova → QuickBooks Online.
pub const ACME: &str = "acme";
/// A legacy ERP → signed webhooks.
pub const GLOBEX: &str = "globex";
/// The company at QuickBooks Online.
const REALM: &str = "9130355377388383";
/// The receiver's name for the notifications of both tenants.
const HOOK: &str = "operations";
/// The receiver's name for what globex sends.
const PARTNER: &str = "partner";

/// Everything that one run needs to know.
pub struct Job<'a> {
    /// The clone.
    pub layout: &'a Layout,
    /// The emulated AWS.
    pub aws: &'a Aws,
    /// The simulated applications.
    pub control: &'a Control,
    /// Their ports.
    pub ports: Ports,
    /// The address of FluxNex's HTTP API.
    pub api_url: &'a str,
    /// What both sides agree on.
    pub credentials: Credentials,
    /// The most records that the sources give at once, so that a poll takes several pages.
    pub page_size: usize,
}

/// The credentials that both sides agree on. Made once for a platform: functions remember secrets for a while.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Credentials {
    client_id: String,
    client_secret: String,
    refresh_token: String,
    webhook_secret: String,
    signing_secret: String,
    #[serde(default = "signing_secret")]
    partner_secret: String,
    #[serde(default = "secret")]
    api_token: String,
    #[serde(default = "secret")]
    outbound_message_token: String,
}

impl Credentials {
    /// New random ones.
    pub fn generate() -> Self {
        Self {
            client_id: secret(),
            client_secret: secret(),
            refresh_token: secret(),
            webhook_secret: secret(),
            signing_secret: signing_secret(),
            partner_secret: signing_secret(),
            api_token: secret(),
            outbound_message_token: secret(),
        }
    }
}

/// Stores the credentials, tells the applications about them and applies the tenants' bundles.
pub async fn prepare(job: &Job<'_>) -> Result<()> {
    job.control.reset().await?;
    let since = Timestamp::now();
    for tenant in TENANTS {
        let bundle = bundle_document(&bundle_file(job.layout, tenant), &variables(&job.ports, since))?;
        store_secrets(job.aws, &bundle, &job.credentials).await?;
        if let Some(source) = webhook_source(&bundle) {
            job.control.configure(&configuration(job, tenant, &source)).await?;
        }
        let url = format!("{}/v1/tenants/{tenant}/bundle", job.api_url);
        let headers = [("content-type", "application/json")];
        let answer = job.aws.signed(reqwest::Method::PUT, &url, "execute-api", &headers, serde_json::to_vec(&bundle)?);
        answer.await.with_context(|| format!("FluxNex does not take the bundle of {tenant}"))?;
    }
    Ok(())
}

fn bundle_file(layout: &Layout, tenant: &str) -> PathBuf {
    layout.root().join("examples").join(tenant).join("fluxnex.yaml")
}

/// The bundle as the API takes it: one JSON document, with the files it names and the variables put in.
pub fn bundle_document(path: &Path, variables: &BTreeMap<String, String>) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bundle: Value =
        serde_saphyr::from_str(&text).with_context(|| format!("{} is not understood", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut read = |name: &str| fs::read_to_string(folder.join(name)).map_err(|error| error.to_string());
    inline(bundle, variables, &mut read).with_context(|| format!("{} is incomplete", path.display()))
}

/// What `${…}` in the examples stands for here.
fn variables(ports: &Ports, since: Timestamp) -> BTreeMap<String, String> {
    let address = |port: u16| format!("https://127.0.0.1:{port}");
    let hook = |name: &str| format!("{}/hooks/{name}", address(ports.receiver));
    [
        ("REVENOVA_URL", address(ports.revenova)),
        ("QUICKBOOKS_URL", address(ports.quickbooks)),
        ("QUICKBOOKS_REALM", REALM.to_owned()),
        ("ERP_URL", address(ports.erp)),
        ("PARTNER_URL", hook(PARTNER)),
        ("RECEIVER_URL", hook(HOOK)),
        ("POLL_SINCE", since.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Stores a secret for each connection of the bundle.
async fn store_secrets(aws: &Aws, bundle: &Value, credentials: &Credentials) -> Result<()> {
    let connections = bundle.get("connections").and_then(Value::as_object);
    let connections = connections.ok_or_else(|| anyhow!("the bundle has no connections"))?;
    for (name, connection) in connections {
        let connector = connection.get("connector").and_then(Value::as_str).unwrap_or_default();
        let document = match (connector, name.as_str()) {
            ("revenova", _) => json!({
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret,
                "webhook_secret": credentials.webhook_secret,
                "outbound_message_token": credentials.outbound_message_token,
            }),
            ("quickbooks-online", _) => json!({
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret,
                "refresh_token": credentials.refresh_token,
            }),
            ("odata", _) => json!({ "api_token": credentials.api_token }),
            ("webhook", PARTNER) => json!({ "signing_secret": credentials.partner_secret }),
            ("webhook", _) => json!({ "signing_secret": credentials.signing_secret }),
            (other, _) => bail!("the demo has no credentials for the connector {other} of the connection {name}"),
        };
        if let Some(secret) = connection.get("secret").and_then(Value::as_str) {
            aws.put_secret(secret, &document).await.with_context(|| format!("cannot store the secret of {name}"))?;
        }
    }
    Ok(())
}

/// The connection that webhooks come from, if there is one.
fn webhook_source(bundle: &Value) -> Option<String> {
    let connections = bundle.get("connections")?.as_object()?;
    let is_revenova = |connection: &Value| connection.get("connector").and_then(Value::as_str) == Some("revenova");
    connections.iter().find(|(_, connection)| is_revenova(connection)).map(|(name, _)| name.clone())
}

fn configuration(job: &Job<'_>, tenant: &str, webhook_source: &str) -> Configuration {
    let credentials = &job.credentials;
    let revenova = RevenovaClient {
        client_id: credentials.client_id.clone(),
        client_secret: credentials.client_secret.clone(),
        refresh_token: None,
        username: None,
        password: None,
    };
    let quickbooks = QuickbooksClient {
        client_id: credentials.client_id.clone(),
        client_secret: credentials.client_secret.clone(),
        refresh_token: credentials.refresh_token.clone(),
        realm_id: REALM.to_owned(),
    };
    Configuration {
        revenova: RevenovaSettings {
            clients: Some(vec![revenova]),
            webhook: Some(WebhookTarget {
                url: format!("{}/v1/webhooks/{tenant}/{webhook_source}", job.api_url),
                secret: credentials.webhook_secret.clone(),
                headers: BTreeMap::new(),
            }),
            page_size: Some(job.page_size),
            ..RevenovaSettings::default()
        },
        quickbooks: QuickbooksSettings { clients: Some(vec![quickbooks]), ..QuickbooksSettings::default() },
        hubspot: HubspotSettings::default(),
        erp: ErpSettings {
            api_token: Some(credentials.api_token.clone()),
            largest_page_size: Some(job.page_size),
            ..ErpSettings::default()
        },
        receiver: ReceiverSettings {
            secrets: [(HOOK, &credentials.signing_secret), (PARTNER, &credentials.partner_secret)]
                .map(|(name, secret)| (name.to_owned(), secret.clone()))
                .into(),
            targets: [PARTNER.to_owned()].into(),
        },
    }
}

/// 256 random bits in the form of Standard Webhooks: `whsec_` and base64.
fn signing_secret() -> String {
    // Any 44 characters of the alphabet are base64 of 33 bytes.
    format!("whsec_{}", secret().get(..44).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signing_secret_is_well_formed() {
        let secret = signing_secret();
        let encoded = secret.strip_prefix("whsec_").unwrap();
        assert_eq!(encoded.len(), 44);
    }

    #[test]
    fn a_bundle_is_one_document() {
        let folder = std::env::temp_dir().join(format!("xtask-bundle-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(folder.join("mappings")).unwrap();
        fs::write(folder.join("mappings/a.jq"), "{name: .Name}").unwrap();
        let yaml = "tenant: acme\nconnections:\n  one:\n    connector: webhook\n    settings: {url: \"${RECEIVER_URL}\"}\n\
                    flows:\n  a:\n    to_entity: {file: mappings/a.jq}\n";
        fs::write(folder.join("fluxnex.yaml"), yaml).unwrap();
        let ports = Ports { revenova: 1, quickbooks: 2, erp: 3, receiver: 4, control: 5, ..Ports::default() };
        let document =
            bundle_document(&folder.join("fluxnex.yaml"), &variables(&ports, Timestamp::UNIX_EPOCH)).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(document["flows"]["a"]["to_entity"], "{name: .Name}");
        assert_eq!(document["connections"]["one"]["settings"]["url"], "https://127.0.0.1:4/hooks/operations");
    }
}
