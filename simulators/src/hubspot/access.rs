//! HubSpot's token endpoint: refresh tokens that stay, access tokens that expire after half an hour.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::clock::now_microseconds;
use crate::commands::HubspotClient;
use crate::recorder::lock;
use crate::world::World;

/// Access tokens are forgotten beyond so many, expired or not.
const MOST_TOKENS: usize = 10_000;

/// Clients, and the access tokens that they got.
pub struct Access {
    state: Mutex<Tokens>,
}

struct Tokens {
    access_token_seconds: u64,
    clients: Vec<HubspotClient>,
    /// Until when a token is good (microseconds).
    expiry: HashMap<String, i64>,
}

impl Default for Access {
    fn default() -> Self {
        let tokens = Tokens { access_token_seconds: 1_800, clients: Vec::new(), expiry: HashMap::new() };
        Self { state: Mutex::new(tokens) }
    }
}

impl Access {
    pub fn configure(&self, clients: Option<Vec<HubspotClient>>, access_token_seconds: Option<u64>) {
        let mut state = lock(&self.state);
        state.access_token_seconds = access_token_seconds.unwrap_or(state.access_token_seconds);
        if let Some(clients) = clients {
            state.clients = clients;
        }
    }

    pub fn allows(&self, token: &str) -> bool {
        lock(&self.state).expiry.get(token).is_some_and(|expiry| now_microseconds() < *expiry)
    }

    fn refresh(&self, form: &HashMap<String, String>) -> Result<(String, u64), (&'static str, &'static str)> {
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let mut state = lock(&self.state);
        if field("grant_type") != "refresh_token" {
            return Err(("BAD_GRANT_TYPE", "missing or unknown grant type"));
        }
        let client = state.clients.iter().find(|client| client.client_id == field("client_id"));
        let client = client.ok_or(("BAD_CLIENT_ID", "missing or unknown client id"))?;
        if client.client_secret != field("client_secret") {
            return Err(("BAD_CLIENT_SECRET", "missing or invalid client secret"));
        }
        if client.refresh_token != field("refresh_token") {
            return Err(("BAD_REFRESH_TOKEN", "missing or unknown refresh token"));
        }
        if state.expiry.len() >= MOST_TOKENS {
            state.expiry.clear();
        }
        let seconds = state.access_token_seconds;
        let lifetime = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let token = format!("CJ{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        state.expiry.insert(token.clone(), now_microseconds().saturating_add(lifetime));
        Ok((token, seconds))
    }
}

/// `POST /oauth/v1/token`.
pub async fn token(
    State(world): State<Arc<World>>,
    form: Result<Form<HashMap<String, String>>, FormRejection>,
) -> Response {
    let form = form.map(|Form(form)| form).unwrap_or_default();
    match world.hubspot.access.refresh(&form) {
        Ok((token, seconds)) => {
            let refresh_token = form.get("refresh_token").cloned().unwrap_or_default();
            let body = json!({
                "token_type": "bearer", "refresh_token": refresh_token, "access_token": token, "expires_in": seconds,
            });
            Json(body).into_response()
        }
        Err((status, message)) => {
            let correlation = uuid::Uuid::new_v4().to_string();
            let body = json!({"status": status, "message": message, "correlationId": correlation});
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}
