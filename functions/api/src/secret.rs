//! The secret of a connection: stored, changed and ended here, and never given back.

mod change;

use crate::connections::manifest;
use crate::request::{actor, connection, fields, invalid, only, shortened, tenant, text};
use crate::{Api, unavailable};
use change::{Change, ROTATION_FIELD, Rotation};
use fluxnex_cloud::secret_store::{RECOVERY_DAYS, Stored};
use fluxnex_cloud::secrets::{SecretError, SecretValue};
use fluxnex_core::connector::{Authentication, Manifest};
use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_core::secret_source::{SecretLock, TOKEN_FIELD};
use fluxnex_lambda::problem::{self, Problem};
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The largest body, in bytes. Secrets Manager takes 64 KiB, of which the engine needs some for tokens.
const LARGEST_BODY_BYTES: usize = 48 * 1024;
/// The longest credential, in bytes: a private key in PEM has some three thousand.
const LONGEST_CREDENTIAL_BYTES: usize = 16 * 1024;
/// For how long a secret is locked while it is changed.
const LOCKED: Duration = Duration::from_secs(20);

/// Whose secret it is.
struct Place {
    tenant: TenantId,
    connection: ConnectionId,
    name: String,
    /// The connector of the connection, if the running bundle has it.
    connector: Option<String>,
}

impl Api {
    /// Which credentials are there; never what they are.
    pub(crate) async fn show_secret(
        &self,
        request: &ApiGatewayV2httpRequest,
    ) -> Result<ApiGatewayV2httpResponse, Problem> {
        let place = self.place(request).await?;
        let Some(secret) = self.current(&place.name).await? else {
            return Err(Problem::new(404, "no-secret", "There is no such secret").detail(place.name));
        };
        let active = |value: &Value| value.as_array().map_or(1, Vec::len);
        let shown: Map<String, Value> = secret
            .iter()
            .filter(|(name, _)| !is_reserved(name))
            .map(|(name, value)| (name.clone(), json!({ "active": active(value) })))
            .collect();
        let rotation = Rotation::of(&secret);
        Ok(problem::json(200, &json!({ "secret": place.name, "fields": shown, "rotating": rotation })))
    }

    /// Makes the secret what the body says, whether there was one or not.
    pub(crate) async fn store_secret(
        &self,
        mut request: ApiGatewayV2httpRequest,
    ) -> Result<ApiGatewayV2httpResponse, Problem> {
        let place = self.place(&request).await?;
        let body = fields(&mut request, LARGEST_BODY_BYTES)?;
        only(&body, &["connector", "fields"])?;
        let connector = text(&body, "connector", 100)?;
        if place.connector.as_ref().is_some_and(|running| *running != connector) {
            let detail = "the running connection is of another connector: remove it first, or take another name";
            return Err(Problem::new(409, "other-connector", "The connection is of another connector").detail(detail));
        }
        let manifest = manifest(&connector)?;
        let Some(Value::Object(given)) = body.get("fields") else {
            return Err(invalid(vec!["fields: an object with a text for each credential is needed".to_owned()]));
        };
        check(&manifest, given)?;
        missing(&manifest, given)?;
        let lock = self.lock(&place.name).await?;
        let stored = self.put(&place.name, given.clone()).await;
        self.source.unlock(&place.name, lock).await;
        let stored = stored?;
        let detail = json!({ "connection": place.connection, "secret": place.name, "fields": names(given) });
        self.note(&place.tenant, &actor(&request), "connection.secret.store", detail).await?;
        let status = if stored == Stored::Created { 201 } else { 200 };
        Ok(problem::json(status, &json!({ "secret": place.name, "created": stored == Stored::Created })))
    }

    /// Replaces credentials, or lets a new one be active beside the old ones for a while.
    pub(crate) async fn change_secret(
        &self,
        mut request: ApiGatewayV2httpRequest,
    ) -> Result<ApiGatewayV2httpResponse, Problem> {
        let place = self.place(&request).await?;
        let body = fields(&mut request, LARGEST_BODY_BYTES)?;
        let Some(connector) = &place.connector else {
            return Err(crate::connections::unknown_connection(&place.connection));
        };
        let manifest = manifest(connector)?;
        let change = Change::read(&body, &manifest)?;
        check(&manifest, &change.replace)?;
        check(&manifest, &change.add)?;
        let lock = self.lock(&place.name).await?;
        let changed = self.change(&place.name, &change).await;
        self.source.unlock(&place.name, lock).await;
        let rotating = changed?;
        let detail = json!({
            "connection": place.connection, "secret": place.name,
            "replaced": names(&change.replace), "added": names(&change.add), "retired": change.retire,
        });
        self.note(&place.tenant, &actor(&request), "connection.secret.change", detail).await?;
        Ok(problem::json(200, &json!({ "secret": place.name, "rotating": rotating })))
    }

    async fn change(&self, name: &str, change: &Change) -> Result<Rotation, Problem> {
        let Some(mut secret) = self.current(name).await? else {
            return Err(Problem::new(404, "no-secret", "There is no such secret").detail(name));
        };
        let rotation = change.apply(&mut secret, self.clock.now())?;
        self.put(name, secret).await?;
        Ok(rotation)
    }

    /// Ends the secret of a connection that the running bundle does not have any more.
    pub(crate) async fn end_secret(
        &self,
        request: &ApiGatewayV2httpRequest,
    ) -> Result<ApiGatewayV2httpResponse, Problem> {
        let place = self.place(request).await?;
        if place.connector.is_some() {
            let detail = "the running bundle has the connection: take it out of the bundle first";
            return Err(Problem::new(409, "connection-in-use", "The connection is in use").detail(detail));
        }
        let ended = self.secrets.end(&place.name).await.map_err(|error| failed(&error))?;
        if ended {
            let detail =
                json!({ "connection": place.connection, "secret": place.name, "recovery_days": RECOVERY_DAYS });
            self.note(&place.tenant, &actor(request), "connection.secret.end", detail).await?;
        }
        let recovery_days = ended.then_some(RECOVERY_DAYS);
        Ok(problem::json(200, &json!({ "secret": place.name, "ended": ended, "recovery_days": recovery_days })))
    }

    async fn place(&self, request: &ApiGatewayV2httpRequest) -> Result<Place, Problem> {
        let (tenant, connection) = (tenant(request)?, connection(request)?);
        let running = self.running(&tenant).await?.map(|(_, bundle)| bundle);
        let name = self.secret_name(running.as_ref(), &tenant, &connection);
        let definition = running.as_ref().and_then(|bundle| bundle.connections.get(&connection));
        let connector = definition.map(|definition| definition.connector.to_string());
        Ok(Place { name, tenant, connection, connector })
    }

    /// The secret as it is now, if there is one.
    async fn current(&self, name: &str) -> Result<Option<Map<String, Value>>, Problem> {
        match self.secrets.get(name).await {
            Ok(secret) => Ok(secret.to_json().as_object().cloned()),
            Err(SecretError::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn put(&self, name: &str, fields: Map<String, Value>) -> Result<Stored, Problem> {
        let value = SecretValue::from_json(name, &Value::Object(fields)).map_err(|error| failed(&error))?;
        let stored = self.secrets.store(name, &value).await.map_err(|error| failed(&error))?;
        // What this environment remembers is the old one.
        let _ = self.source.latest(name).await;
        Ok(stored)
    }

    /// Nobody else may write the secret meanwhile, above all no renewal of a token.
    async fn lock(&self, name: &str) -> Result<SecretLock, Problem> {
        let lock = self.source.lock(name, None, LOCKED).await;
        let lock = lock.map_err(|_| unavailable("the secret cannot be locked now"))?;
        lock.ok_or_else(|| unavailable("the connection's token is being renewed: try again"))
    }
}

/// What the engine and this API keep in the secret beside the credentials.
fn is_reserved(name: &str) -> bool {
    name == TOKEN_FIELD || name == ROTATION_FIELD
}

fn names(fields: &Map<String, Value>) -> Vec<&String> {
    fields.keys().collect()
}

/// Each field is a credential of the connector, and a text of a size that one has.
fn check(manifest: &Manifest, fields: &Map<String, Value>) -> Result<(), Problem> {
    let mut errors = Vec::new();
    for (name, value) in fields {
        if !manifest.credentials.contains_key(name) {
            let known: Vec<&str> = manifest.credentials.keys().map(String::as_str).collect();
            let name = shortened(name);
            errors.push(format!("fields.{name}: the connector has no such credential; there are {}", known.join(", ")));
        } else if !value.as_str().is_some_and(|text| (1..=LONGEST_CREDENTIAL_BYTES).contains(&text.len())) {
            errors.push(format!("fields.{name}: a text of 1 to {LONGEST_CREDENTIAL_BYTES} bytes is needed"));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(invalid(errors)) }
}

/// A refresh token may be missing: a person's consent brings it.
fn missing(manifest: &Manifest, fields: &Map<String, Value>) -> Result<(), Problem> {
    let consented = match &manifest.authentication {
        Authentication::OAuth2AuthorizationCode { refresh_token, .. } => Some(refresh_token),
        _ => None,
    };
    let required = manifest.credentials.iter().filter(|(name, field)| !field.optional && Some(*name) != consented);
    let missing = required.filter(|(name, _)| !fields.contains_key(*name));
    let errors: Vec<String> = missing.map(|(name, _)| format!("fields.{name}: it is missing")).collect();
    if errors.is_empty() { Ok(()) } else { Err(invalid(errors)) }
}

fn failed(error: &SecretError) -> Problem {
    // What is logged names the secret, never its content.
    tracing::error!(%error, "a connection's secret cannot be read or written");
    match error {
        SecretError::Malformed { .. } => {
            Problem::new(409, "malformed-secret", "The secret is no JSON object").detail("store it anew")
        }
        _ => unavailable("the store of secrets cannot be used now"),
    }
}

/// The optional number of seconds in a body.
fn seconds(body: &Map<String, Value>, name: &str, most: u64) -> Result<Option<u64>, Problem> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|seconds| *seconds <= most) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(invalid(vec![format!("{name}: a whole number from 0 to {most} is needed")])),
        },
    }
}
