//! Salesforce's token endpoint, and the check of the tokens that it gave.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use serde_json::json;

use super::{Settings, answer};
use crate::clock::now_microseconds;
use crate::commands::RevenovaClient;
use crate::recorder::lock;
use crate::world::World;

/// Old tokens are forgotten beyond so many, expired or not.
const MOST_TOKENS: usize = 10_000;
/// Salesforce: 16,384 bytes.
const LONGEST_ADDRESS: usize = 16_384;

/// Access tokens and when they expire, in microseconds.
#[derive(Default)]
pub struct Tokens {
    expiry: Mutex<HashMap<String, i64>>,
}

impl Tokens {
    fn issue(&self, settings: &Settings) -> String {
        let prefix: String = settings.organization_id.chars().take(15).collect();
        let token = format!("{prefix}!AQ{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let now = now_microseconds();
        let lifetime = i64::try_from(settings.access_token_seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let mut expiry = lock(&self.expiry);
        if expiry.len() >= MOST_TOKENS {
            expiry.clear();
        }
        expiry.insert(token.clone(), now.saturating_add(lifetime));
        token
    }

    fn is_valid(&self, token: &str) -> bool {
        lock(&self.expiry).get(token).is_some_and(|expiry| now_microseconds() < *expiry)
    }
}

/// `POST /services/oauth2/token`.
pub async fn token(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    form: Result<Form<HashMap<String, String>>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", "the request is not form encoded");
    };
    let settings = world.revenova.settings();
    match granted(&settings, &headers, &form) {
        Err((status, error, description)) => refused(status, error, description),
        Ok(()) => {
            let token = world.revenova.tokens.issue(&settings);
            given(&settings, &headers, &token)
        }
    }
}

/// A status, an error of RFC 6749, and Salesforce's description of it.
type Refusal = (StatusCode, &'static str, &'static str);

fn granted(settings: &Settings, headers: &HeaderMap, form: &HashMap<String, String>) -> Result<(), Refusal> {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let basic = basic(headers);
    let (client_id, client_secret) = match &basic {
        Some((id, secret)) => (id.as_str(), secret.as_str()),
        None => (field("client_id"), field("client_secret")),
    };
    // RFC 6749 §5.2: 401 if the client used the Authorization header, else 400.
    let refused = StatusCode::BAD_REQUEST;
    let unauthenticated = if basic.is_some() { StatusCode::UNAUTHORIZED } else { refused };
    let client = settings.clients.iter().find(|client| client.client_id == client_id).ok_or((
        unauthenticated,
        "invalid_client_id",
        "client identifier invalid",
    ))?;
    if client.client_secret != client_secret {
        return Err((unauthenticated, "invalid_client", "invalid client credentials"));
    }
    let refresh_token = field("refresh_token");
    match field("grant_type") {
        "client_credentials" => Ok(()),
        "refresh_token" if client.refresh_token.as_deref() == Some(refresh_token) => Ok(()),
        "refresh_token" => Err((refused, "invalid_grant", "expired access/refresh token")),
        "password" if knows_password(client, field("username"), field("password")) => Ok(()),
        "password" => Err((refused, "invalid_grant", "authentication failure")),
        _ => Err((refused, "unsupported_grant_type", "grant type not supported")),
    }
}

fn knows_password(client: &RevenovaClient, username: &str, password: &str) -> bool {
    client.username.as_deref() == Some(username) && client.password.as_deref() == Some(password)
}

fn given(settings: &Settings, headers: &HeaderMap, token: &str) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let instance = format!("https://{host}");
    let user = "0055f000000FluxUAK";
    let body = json!({
        "access_token": token,
        "signature": base64::engine::general_purpose::STANDARD.encode(token),
        "scope": "api refresh_token",
        "instance_url": instance,
        "id": format!("{instance}/id/{}/{user}", settings.organization_id),
        "token_type": "Bearer",
        "issued_at": (now_microseconds() / 1_000).to_string(),
    });
    let mut response = Json(body).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refused(status: StatusCode, error: &str, description: &str) -> Response {
    (status, Json(json!({"error": error, "error_description": description}))).into_response()
}

/// Reads HTTP Basic credentials.
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// The middleware of everything behind a session: `Authorization: Bearer <token>`, or the
/// older `OAuth <token>`.
pub async fn authenticate(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    if request.uri().to_string().len() > LONGEST_ADDRESS {
        return answer::error(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", "The length of the URI exceeds the limit");
    }
    let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.split_once(' ')).and_then(|(scheme, token)| {
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
        known.then_some(token.trim())
    });
    match token {
        Some(token) if world.revenova.tokens.is_valid(token) => metered(&world, request, next).await,
        _ => answer::session_expired(),
    }
}

/// Counts the request against the day's and says so in the answer (`Sforce-Limit-Info`).
async fn metered(world: &World, request: Request, next: Next) -> Response {
    let (used, most) = world.revenova.count_request();
    let mut response = if used > most {
        answer::error(StatusCode::FORBIDDEN, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    } else {
        next.run(request).await
    };
    if let Ok(usage) = HeaderValue::try_from(format!("api-usage={}/{most}", used.min(most))) {
        response.headers_mut().insert("sforce-limit-info", usage);
    }
    response
}
