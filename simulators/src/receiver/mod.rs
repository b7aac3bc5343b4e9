//! The receiver of webhooks: keeps what it gets, and verifies Standard Webhooks signatures.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;
use standardwebhooks::Webhook;

use crate::clock::now_microseconds;
use crate::commands::ReceiverSettings;
use crate::journal::{App, Receipt};
use crate::observe::{Application, Observer, Subject, observe};
use crate::recorder::lock;
use crate::world::World;

const LARGEST_BODY: usize = 1024 * 1024;

pub static APPLICATION: Application = Application { app: App::Receiver, subject, failure };

/// The secrets by the name of the hook.
#[derive(Default)]
pub struct Receiver {
    secrets: Mutex<HashMap<String, Arc<Webhook>>>,
}

impl Receiver {
    /// Adds and replaces secrets.
    ///
    /// # Errors
    /// Names the secret that is none; then nothing has changed.
    pub fn configure(&self, given: ReceiverSettings) -> Result<(), String> {
        let read = |(name, secret): (String, String)| match Webhook::new(&secret) {
            Ok(webhook) => Ok((name, Arc::new(webhook))),
            Err(error) => Err(format!("the secret of {name}: {error}")),
        };
        let secrets = given.secrets.into_iter().map(read).collect::<Result<Vec<_>, String>>()?;
        lock(&self.secrets).extend(secrets);
        Ok(())
    }
}

/// The routes.
pub fn router(world: &Arc<World>) -> Router {
    let observer = Observer { world: world.clone(), application: &APPLICATION };
    Router::new()
        .route("/hooks/{name}", post(receive))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(observer, observe))
        .with_state(world.clone())
}

async fn receive(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let secret = lock(&world.receiver.secrets).get(&name).cloned();
    let verdict = secret.map(|secret| secret.verify(&body, &headers).map_err(|error| error.to_string()));
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let receipt = Receipt {
        name,
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect::<BTreeMap<_, _>>(),
        body: String::from_utf8_lossy(&body).into_owned(),
        verified: verdict.as_ref().map(Result::is_ok),
        reason: verdict.as_ref().and_then(|verdict| verdict.as_ref().err().cloned()),
        at: now_microseconds(),
    };
    let refused = receipt.reason.clone();
    world.recorder.receipt(receipt);
    match refused {
        None => Json(json!({"received": true})).into_response(),
        Some(reason) => (StatusCode::UNAUTHORIZED, Json(json!({"error": reason}))).into_response(),
    }
}

fn subject(_method: &Method, uri: &Uri) -> Subject {
    let name = uri.path().strip_prefix("/hooks/").filter(|name| !name.is_empty());
    Subject { entity: name.map(str::to_owned), ..Subject::default() }
}

fn failure(status: StatusCode) -> Response {
    (status, Json(json!({"error": status.canonical_reason()}))).into_response()
}
