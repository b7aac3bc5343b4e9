//! Applying a bundle: looked at as a whole, stored as a new version, published to `ingest` and `poll`.
//!
//! Each step may be repeated: a call that was cut short is simply made again.

use crate::request::actor;
use crate::review::{invalid, reviewed};
use crate::{Api, request, unavailable};
use fluxnex_cloud::control::Facet;
use fluxnex_core::bundle::Bundle;
use fluxnex_core::connector::Manifest;
use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_core::poll::PollSettings;
use fluxnex_lambda::problem::{self, Problem};
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse, ETAG, HeaderValue};
use fluxnex_store::AppliedConfiguration;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What an apply says that was cut short after the bundle was stored.
pub(crate) const NOT_PUBLISHED: &str = "the bundle is stored, but not in force everywhere yet: apply it again";

impl Api {
    /// The bundle that runs. Its version is the `ETag`, for an apply that must not undo another one.
    pub(crate) async fn show(&self, request: &ApiGatewayV2httpRequest) -> Result<ApiGatewayV2httpResponse, Problem> {
        let tenant = request::tenant(request)?;
        let Some((version, bundle)) = self.running(&tenant).await? else {
            let detail = "it comes into being with its first bundle";
            return Err(Problem::new(404, "unknown-tenant", "The tenant runs nothing").detail(detail));
        };
        let mut response = problem::json(200, &json!({ "version": version, "bundle": bundle }));
        if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
            response.headers.insert(ETAG, tag);
        }
        Ok(response)
    }

    pub(crate) async fn apply(&self, request: ApiGatewayV2httpRequest) -> Result<ApiGatewayV2httpResponse, Problem> {
        let actor = actor(&request);
        let tenant = request.path_parameters.get("tenant").cloned().unwrap_or_default();
        let tenant = TenantId::parse(tenant).map_err(|error| invalid(vec![error.to_string()]))?;
        let expected = expected(&request)?;
        let restores = restores(&request)?;
        let (bundle, manifests) = reviewed(request, &tenant, &self.secret_folder(&tenant))?;
        if let Some(version) = restores {
            self.is_that_version(&bundle, version).await?;
        }
        let applied = self.store(expected, &bundle, &manifests, &actor).await?;
        if let (Some(restores), true) = (restores, applied.changed) {
            let detail = json!({ "version": applied.version, "restores": restores });
            self.note(&tenant, &actor, "bundle.rollback", detail).await?;
        }
        self.publish(&bundle, &manifests, applied.version).await?;
        self.schedule(&tenant).await?;
        let body = json!({ "tenant": tenant, "version": applied.version, "changed": applied.changed });
        Ok(problem::json(200, &body))
    }

    /// What is said to be an older version is that one.
    async fn is_that_version(&self, bundle: &Bundle, version: i64) -> Result<(), Problem> {
        let (_, stored) = self.version(&bundle.tenant, version).await?;
        if stored == *bundle {
            return Ok(());
        }
        Err(invalid(vec![format!("restores: the bundle is not that of version {version}")]))
    }

    async fn store(
        &self,
        expected: Option<i64>,
        bundle: &Bundle,
        manifests: &BTreeMap<ConnectionId, Manifest>,
        actor: &str,
    ) -> Result<AppliedConfiguration, Problem> {
        let failed = |what: &'static str| {
            move |error: &dyn std::fmt::Display| {
                tracing::error!(%error, what, "a bundle cannot be applied");
                unavailable(what)
            }
        };
        let now = self.clock.now();
        let registering = failed("the tenant cannot be registered");
        self.database.register_tenant(&bundle.tenant, now).await.map_err(|error| registering(&error))?;
        let migrating = failed("the tenant's schema cannot be made");
        let migrated = self.functions.invoke(&self.migrate, &json!({ "tenant": bundle.tenant })).await;
        migrated.map_err(|error| migrating(&error))?;
        let storing = failed("the bundle cannot be stored");
        let entry = self.clock.new_id();
        let applied = self.database.apply_bundle_over(expected, bundle, manifests, actor, entry, now).await;
        applied.map_err(|error| storing(&error))?.ok_or_else(|| {
            let detail = "somebody applied another bundle meanwhile: read it, change it, and apply it again";
            Problem::new(412, "another-version", "Another version of the bundle runs").detail(detail)
        })
    }

    /// Lets `ingest` know the connections that take webhooks and `poll` those that are polled, and both
    /// forget those that are not any more.
    async fn publish(
        &self,
        bundle: &Bundle,
        manifests: &BTreeMap<ConnectionId, Manifest>,
        version: i64,
    ) -> Result<(), Problem> {
        let version = u64::try_from(version).unwrap_or_default();
        let failed = |error: fluxnex_cloud::control::ControlError| {
            tracing::error!(%error, "a connection cannot be published");
            unavailable(NOT_PUBLISHED)
        };
        let mut published: BTreeSet<(&ConnectionId, Facet)> = BTreeSet::new();
        for (id, definition) in &bundle.connections {
            let paused = bundle.paused || definition.paused;
            if let Some(manifest) = manifests.get(id).filter(|_| !definition.polls.is_empty() && !paused) {
                let settings = PollSettings { definition: definition.clone(), manifest: manifest.clone() };
                let document = serde_json::to_value(&settings).map_err(|_| Problem::of_status(500))?;
                self.control.publish(&bundle.tenant, id, Facet::Polls, version, &document).await.map_err(failed)?;
                published.insert((id, Facet::Polls));
            }
            let (Some(manifest), Some(secret)) = (manifests.get(id), &definition.secret) else { continue };
            let settings = manifest.published_webhook(&definition.settings, secret, paused);
            // Settings were checked with the bundle.
            let Some(settings) = settings.map_err(|_| Problem::of_status(500))? else { continue };
            let document = serde_json::to_value(&settings).map_err(|_| Problem::of_status(500))?;
            self.control.publish(&bundle.tenant, id, Facet::Webhook, version, &document).await.map_err(failed)?;
            published.insert((id, Facet::Webhook));
        }
        let known = self.database.connections_ever(&bundle.tenant).await.map_err(|error| {
            tracing::error!(%error, "the catalog cannot be read");
            unavailable(NOT_PUBLISHED)
        })?;
        let all = known.iter().flat_map(|id| [(id, Facet::Webhook), (id, Facet::Polls)]);
        for (id, facet) in all.filter(|one| !published.contains(one)) {
            self.control.withdraw(&bundle.tenant, id, facet, version).await.map_err(failed)?;
        }
        Ok(())
    }
}

/// The version that an apply goes back to (`?restores=3`): noted in the audit log.
fn restores(request: &ApiGatewayV2httpRequest) -> Result<Option<i64>, Problem> {
    match request.query_string_parameters.first("restores") {
        None => Ok(None),
        Some(text) => crate::versions::number(text).map(Some),
    }
}

/// The version that must run for the bundle to be applied (RFC 9110, section 13.1): `If-Match: "3"`, or
/// `If-None-Match: *` for none. Nothing: any.
fn expected(request: &ApiGatewayV2httpRequest) -> Result<Option<i64>, Problem> {
    let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    match (header("if-match"), header("if-none-match")) {
        (None, None) => Ok(None),
        (None, Some("*")) => Ok(Some(0)),
        (Some(tag), None) => {
            let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let version = version.and_then(|version| version.parse().ok()).filter(|version| *version > 0);
            version.map(Some).ok_or_else(precondition)
        }
        _ => Err(precondition()),
    }
}

fn precondition() -> Problem {
    Problem::new(400, "precondition", "The condition is not understood")
        .detail("If-Match takes the ETag of the bundle, If-None-Match takes *; only one of them")
}
