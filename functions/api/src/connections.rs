//! What the routes of one connection share: where it runs, its secret's name, and the audit log.

use crate::{Api, request, unavailable};
use fluxnex_connect::Connection;
use fluxnex_connect::catalog::{self, CatalogError};
use fluxnex_core::bundle::Bundle;
use fluxnex_core::connector::Manifest;
use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_lambda::problem::{self, Problem};
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use fluxnex_store::{AuditEntry, StoreError, Tenant};
use serde_json::Value;

impl Api {
    /// A connector's manifest: what a connection has to say, and its credentials.
    pub(crate) fn connector(request: &ApiGatewayV2httpRequest) -> Result<ApiGatewayV2httpResponse, Problem> {
        let name = request.path_parameters.get("connector").map(String::as_str).unwrap_or_default();
        let manifest = manifest(name)?;
        Ok(problem::json(200, &manifest))
    }

    /// The bundle that a tenant runs, and its version; nothing if it runs none.
    pub(crate) async fn running(&self, tenant: &TenantId) -> Result<Option<(i64, Bundle)>, Problem> {
        match self.database.running_bundle(tenant).await {
            Ok(running) => Ok(Some(running)),
            Err(StoreError::UnknownTenant(_)) => Ok(None),
            Err(error) => {
                tracing::error!(%error, "the running bundle cannot be read");
                Err(unavailable("the running bundle cannot be read now"))
            }
        }
    }

    /// A connection of the configuration that runs.
    pub(crate) async fn configured(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
    ) -> Result<(Connection, Tenant), Problem> {
        let running = match self.database.tenant(tenant).await {
            Ok(running) => running,
            Err(StoreError::UnknownTenant(_)) => return Err(unknown_connection(id)),
            Err(error) => {
                tracing::error!(%error, "the running configuration cannot be read");
                return Err(unavailable("the running configuration cannot be read now"));
            }
        };
        let configured = running.configuration().connections.get(id).ok_or_else(|| unknown_connection(id))?;
        let connection = Connection::of(tenant, configured).map_err(|error| request::invalid(vec![error]))?;
        Ok((connection, running))
    }

    /// The name of a connection's secret: what the running bundle says, otherwise what it is by rule.
    pub(crate) fn secret_name(&self, running: Option<&Bundle>, tenant: &TenantId, id: &ConnectionId) -> String {
        let definition = running.and_then(|bundle| bundle.connections.get(id));
        let own = definition.and_then(|definition| definition.secret.clone());
        own.unwrap_or_else(|| format!("{}{id}", self.secret_folder(tenant)))
    }

    /// What the names of a tenant's secrets begin with.
    pub(crate) fn secret_folder(&self, tenant: &TenantId) -> String {
        format!("fluxnex/{}/connections/{tenant}/", self.profile)
    }

    /// Notes what somebody did, in the audit log.
    pub(crate) async fn note(
        &self,
        tenant: &TenantId,
        actor: &str,
        action: &'static str,
        detail: Value,
    ) -> Result<(), Problem> {
        let entry =
            AuditEntry { entry: self.clock.new_id(), actor: actor.to_owned(), action, detail, at: self.clock.now() };
        self.database.note(tenant, &entry).await.map_err(|error| {
            tracing::error!(%error, action, "the audit log cannot be written");
            unavailable("it is done, but not noted in the audit log: do it again")
        })
    }
}

/// The manifest of a built-in connector.
pub(crate) fn manifest(name: &str) -> Result<Manifest, Problem> {
    catalog::manifest(name).map_err(|error| match error {
        CatalogError::Unknown { .. } => {
            let known: Vec<&str> = catalog::names().collect();
            let detail = format!("there is no such connector; there are {}", known.join(", "));
            Problem::new(404, "unknown-connector", "There is no such connector").detail(detail)
        }
        error => {
            tracing::error!(%error, "a built-in manifest cannot be read");
            Problem::of_status(500)
        }
    })
}

pub(crate) fn unknown_connection(id: &ConnectionId) -> Problem {
    let detail = format!("the bundle that runs has no connection {id}");
    Problem::new(404, "unknown-connection", "There is no such connection").detail(detail)
}
