//! Intuit's token endpoint: refresh tokens that may rotate, access tokens that expire.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::clock::now_microseconds;
use crate::commands::QuickbooksSettings;
use crate::recorder::lock;
use crate::world::World;

/// Access tokens are forgotten beyond so many, expired or not.
const MOST_TOKENS: usize = 10_000;
/// Intuit: a refresh token that is not used dies after a hundred days and some.
const REFRESH_TOKEN_SECONDS: u64 = 8_726_400;

/// Clients, their refresh tokens, and the access tokens that they got.
#[derive(Default)]
pub struct Access {
    state: Mutex<Tokens>,
}

struct Tokens {
    access_token_seconds: u64,
    rotate: bool,
    replaced_seconds: u64,
    clients: Vec<Client>,
    /// The company that a token is good for, and until when (microseconds).
    tokens: HashMap<String, (String, i64)>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            access_token_seconds: 3_600,
            rotate: false,
            replaced_seconds: 60,
            clients: Vec::new(),
            tokens: HashMap::new(),
        }
    }
}

struct Client {
    client_id: String,
    client_secret: String,
    realm_id: String,
    refresh_token: String,
    /// Refresh tokens that were replaced, and until when they still work (microseconds).
    replaced: Vec<(String, i64)>,
}

/// What an access token allows.
pub enum Allowed {
    Company,
    OtherCompany,
    Nothing,
}

impl Access {
    pub fn configure(&self, given: QuickbooksSettings) {
        let mut state = lock(&self.state);
        state.access_token_seconds = given.access_token_seconds.unwrap_or(state.access_token_seconds);
        state.rotate = given.rotate_refresh_tokens.unwrap_or(state.rotate);
        state.replaced_seconds = given.replaced_refresh_token_seconds.unwrap_or(state.replaced_seconds);
        if let Some(clients) = given.clients {
            let client = |given: crate::commands::QuickbooksClient| Client {
                client_id: given.client_id,
                client_secret: given.client_secret,
                realm_id: given.realm_id,
                refresh_token: given.refresh_token,
                replaced: Vec::new(),
            };
            state.clients = clients.into_iter().map(client).collect();
        }
    }

    pub fn allows(&self, token: &str, realm_id: &str) -> Allowed {
        match lock(&self.state).tokens.get(token) {
            Some((_, expiry)) if *expiry <= now_microseconds() => Allowed::Nothing,
            Some((realm, _)) if realm == realm_id => Allowed::Company,
            Some(_) => Allowed::OtherCompany,
            None => Allowed::Nothing,
        }
    }

    /// Gives an access token for a refresh token; none if the refresh token is no good.
    fn refresh(&self, client: (&str, &str), refresh_token: &str, now: i64) -> Result<Granted, Refused> {
        let mut state = lock(&self.state);
        let Tokens { access_token_seconds, rotate, replaced_seconds, clients, tokens } = &mut *state;
        let known = clients.iter_mut().find(|known| (known.client_id.as_str(), known.client_secret.as_str()) == client);
        let Some(known) = known else {
            return Err(Refused::Client);
        };
        known.replaced.retain(|(_, until)| now < *until);
        if known.refresh_token == refresh_token {
            if *rotate {
                let until = now.saturating_add(microseconds(*replaced_seconds));
                let replaced = std::mem::replace(&mut known.refresh_token, new_token("AB11"));
                known.replaced.push((replaced, until));
            }
        } else if !known.replaced.iter().any(|(replaced, _)| replaced == refresh_token) {
            return Err(Refused::Grant);
        }
        if tokens.len() >= MOST_TOKENS {
            tokens.clear();
        }
        let access_token = new_token("eyJlbmMi");
        let expiry = now.saturating_add(microseconds(*access_token_seconds));
        tokens.insert(access_token.clone(), (known.realm_id.clone(), expiry));
        Ok(Granted {
            access_token,
            access_token_seconds: *access_token_seconds,
            refresh_token: known.refresh_token.clone(),
        })
    }
}

struct Granted {
    access_token: String,
    access_token_seconds: u64,
    refresh_token: String,
}

#[derive(Debug, PartialEq)]
enum Refused {
    Client,
    Grant,
}

fn microseconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

fn new_token(prefix: &str) -> String {
    format!("{prefix}{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

fn grant(world: &World, headers: &HeaderMap, form: &HashMap<String, String>) -> Response {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let Some((id, secret)) = crate::revenova::basic(headers) else {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client", "client authentication is missing");
    };
    if field("grant_type") != "refresh_token" {
        return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", "only refresh_token is supported");
    }
    match world.quickbooks.access.refresh((&id, &secret), field("refresh_token"), now_microseconds()) {
        Err(Refused::Client) => refused(StatusCode::UNAUTHORIZED, "invalid_client", "Invalid client"),
        Err(Refused::Grant) => refused(StatusCode::BAD_REQUEST, "invalid_grant", "Incorrect or invalid refresh token"),
        Ok(granted) => {
            let body = json!({
                "token_type": "bearer",
                "access_token": granted.access_token,
                "expires_in": granted.access_token_seconds,
                "refresh_token": granted.refresh_token,
                "x_refresh_token_expires_in": REFRESH_TOKEN_SECONDS,
            });
            let mut response = Json(body).into_response();
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
    }
}

/// `POST /oauth2/v1/tokens/bearer`.
pub async fn token(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    form: Result<Form<HashMap<String, String>>, FormRejection>,
) -> Response {
    match form {
        Ok(Form(form)) => grant(&world, &headers, &form),
        Err(_) => refused(StatusCode::BAD_REQUEST, "invalid_request", "the request is not form encoded"),
    }
}

fn refused(status: StatusCode, error: &str, description: &str) -> Response {
    (status, Json(json!({"error": error, "error_description": description}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::QuickbooksClient;

    fn access(rotate: bool) -> Access {
        let access = Access::default();
        access.configure(QuickbooksSettings {
            clients: Some(vec![QuickbooksClient {
                client_id: "id".to_owned(),
                client_secret: "secret".to_owned(),
                refresh_token: "first".to_owned(),
                realm_id: "9".to_owned(),
            }]),
            rotate_refresh_tokens: Some(rotate),
            replaced_refresh_token_seconds: Some(10),
            ..QuickbooksSettings::default()
        });
        access
    }

    #[test]
    fn a_token_is_good_for_its_company_until_it_expires() {
        let access = access(false);
        let now = now_microseconds();
        let granted = access.refresh(("id", "secret"), "first", now).ok().unwrap();
        assert_eq!(granted.refresh_token, "first");
        assert!(matches!(access.allows(&granted.access_token, "9"), Allowed::Company));
        assert!(matches!(access.allows(&granted.access_token, "8"), Allowed::OtherCompany));
        assert!(matches!(access.allows("stranger", "9"), Allowed::Nothing));
        let old = access.refresh(("id", "secret"), "first", now - 3_600_000_001).ok().unwrap();
        assert!(matches!(access.allows(&old.access_token, "9"), Allowed::Nothing));
    }

    #[test]
    fn a_replaced_refresh_token_works_only_for_a_while() {
        let access = access(true);
        let second = access.refresh(("id", "secret"), "first", 0).ok().unwrap().refresh_token;
        assert_ne!(second, "first");
        assert!(access.refresh(("id", "secret"), "first", 9_999_999).is_ok());
        assert_eq!(access.refresh(("id", "secret"), "first", 10_000_001).err(), Some(Refused::Grant));
        assert!(access.refresh(("id", "secret"), &second, 10_000_001).is_ok());
    }

    #[test]
    fn strangers_get_nothing() {
        let access = access(false);
        assert_eq!(access.refresh(("id", "wrong"), "first", 0).err(), Some(Refused::Client));
        assert_eq!(access.refresh(("id", "secret"), "", 0).err(), Some(Refused::Grant));
    }
}
