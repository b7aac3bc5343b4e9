//! The bundles of the simulated tenants (`faults/bundle`), and what is published of them.

use super::scenario::WIDE;
use anyhow::{Context as _, Result};
use fluxnex_cloud::control::{Control as _, Facet};
use fluxnex_cloud::twin::InMemoryControl;
use fluxnex_connect::catalog;
use fluxnex_core::bundle::{Bundle, inline};
use fluxnex_core::connector::Manifest;
use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_core::poll::PollSettings;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const BUNDLE: &str = include_str!("../../bundle/fluxnex.yaml");
const MAPPINGS: [(&str, &str); 5] = [
    ("mappings/customer.to_entity.jq", include_str!("../../bundle/mappings/customer.to_entity.jq")),
    ("mappings/customer.to_quickbooks.jq", include_str!("../../bundle/mappings/customer.to_quickbooks.jq")),
    ("mappings/customer.to_partner.jq", include_str!("../../bundle/mappings/customer.to_partner.jq")),
    ("mappings/invoice.to_entity.jq", include_str!("../../bundle/mappings/invoice.to_entity.jq")),
    ("mappings/invoice.to_quickbooks.jq", include_str!("../../bundle/mappings/invoice.to_quickbooks.jq")),
];

/// What one tenant runs, and what it may change to in flight.
pub struct Bundles {
    /// The tenant.
    pub tenant: TenantId,
    /// What every seed begins with.
    pub first: Bundle,
    /// The same with other mappings to targets.
    pub changed: Bundle,
    /// The manifests of its connections.
    pub manifests: BTreeMap<ConnectionId, Manifest>,
    webhook: (ConnectionId, Value),
    polls: (ConnectionId, Value),
}

impl Bundles {
    /// Those of a tenant whose applications are at `<application>.<tenant>.example`.
    ///
    /// # Errors
    /// If the files of the simulation are no bundle.
    pub fn of(tenant: &str) -> Result<Self> {
        let first = bundle(tenant, &|text| text.to_owned())?;
        let changed = bundle(tenant, &|text| text.replace("\"mapping 1\"", "\"mapping 2\""))?;
        let mut manifests = BTreeMap::new();
        for (id, definition) in &first.connections {
            let manifest = catalog::manifest(definition.connector.as_str());
            manifests.insert(id.clone(), manifest.map_err(|error| anyhow::anyhow!("{id}: {error}"))?);
        }
        let source = ConnectionId::parse("revenova")?;
        let definition = first.connections.get(&source).context("the source has no definition")?;
        let manifest = manifests.get(&source).context("the source has no manifest")?;
        let secret_name = definition.secret.as_deref().context("the source has no secret")?;
        let settings = manifest.published_webhook(&definition.settings, secret_name, false)?;
        let settings = settings.context("the source takes no webhooks")?;
        let polls = PollSettings { definition: definition.clone(), manifest: manifest.clone() };
        let webhook = (source.clone(), serde_json::to_value(&settings)?);
        let polls = (source, serde_json::to_value(&polls)?);
        Ok(Self { tenant: TenantId::parse(tenant)?, first, changed, manifests, webhook, polls })
    }

    /// Publishes what `ingest` and `poll` must know, as `api` does when a bundle is applied.
    ///
    /// # Errors
    /// Never, with the control table in memory.
    pub async fn publish(&self, control: &InMemoryControl, version: u64) -> Result<()> {
        for (facet, (connection, document)) in [(Facet::Webhook, &self.webhook), (Facet::Polls, &self.polls)] {
            control.publish(&self.tenant, connection, facet, version, document).await?;
        }
        Ok(())
    }
}

fn bundle(tenant: &str, edit: &dyn Fn(&str) -> String) -> Result<Bundle> {
    let document: Value = serde_saphyr::from_str(BUNDLE)?;
    let url = |application: &str| format!("https://{application}.{tenant}.example");
    // One tenant has wide ordering keys, the other has not.
    let key = if tenant == WIDE { "connection" } else { "record" };
    let variables = BTreeMap::from(
        [
            ("TENANT", tenant.to_owned()),
            ("REVENOVA_URL", url("crm")),
            ("QUICKBOOKS_URL", url("books")),
            ("PARTNER_URL", url("partner")),
            ("ALERTS_URL", url("alerts")),
            ("POLL_SINCE", "2026-11-20T11:00:00Z".to_owned()),
            ("INVOICES_ORDERING_KEY", key.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let mut read = |path: &str| {
        let found = MAPPINGS.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| edit(text)).ok_or_else(|| "there is no such file".to_owned())
    };
    let mut document = inline(document, &variables, &mut read).map_err(|error| anyhow::anyhow!("{error}"))?;
    if let Some(document) = document.as_object_mut() {
        document.insert("tenant".to_owned(), json!(tenant));
    }
    Ok(serde_json::from_value(document)?)
}
