//! The receiver of webhooks: keeps what it gets, and verifies Standard Webhooks signatures.
//!
//! A hook that is a target plays a partner's system: what comes rightly signed and under a new `webhook-id` takes
//! effect there.

mod target;

use std::collections::{BTreeMap, HashMap, HashSet};
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

/// What the hooks are.
#[derive(Default)]
pub struct Receiver {
    hooks: Mutex<Hooks>,
    /// What took effect at the hooks that are targets.
    partners: Mutex<target::Partners>,
}

#[derive(Default)]
struct Hooks {
    /// The secrets by the name of the hook.
    secrets: HashMap<String, Arc<Webhook>>,
    /// The names of the hooks that are targets.
    targets: HashSet<String>,
}

impl Receiver {
    /// Adds and replaces secrets, and adds targets.
    ///
    /// # Errors
    /// Names the secret that is none, or the target without one; then nothing has changed.
    pub fn configure(&self, given: ReceiverSettings) -> Result<(), String> {
        let read = |(name, secret): (String, String)| match Webhook::new(&secret) {
            Ok(webhook) => Ok((name, Arc::new(webhook))),
            Err(error) => Err(format!("the secret of {name}: {error}")),
        };
        let secrets = given.secrets.into_iter().map(read).collect::<Result<HashMap<_, _>, String>>()?;
        let mut hooks = lock(&self.hooks);
        let unsigned = |name: &&String| !secrets.contains_key(*name) && !hooks.secrets.contains_key(*name);
        if let Some(name) = given.targets.iter().find(unsigned) {
            return Err(format!("{name} cannot be a target without a secret: anybody could write there"));
        }
        hooks.secrets.extend(secrets);
        hooks.targets.extend(given.targets);
        Ok(())
    }

    /// Forgets what took effect; keeps secrets and targets.
    pub fn reset(&self) {
        *lock(&self.partners) = target::Partners::default();
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
    let (secret, is_target) = {
        let hooks = lock(&world.receiver.hooks);
        (hooks.secrets.get(&name).cloned(), hooks.targets.contains(&name))
    };
    let verdict = secret.map(|secret| secret.verify(&body, &headers).map_err(|error| error.to_string()));
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let receipt = Receipt {
        name: name.clone(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect::<BTreeMap<_, _>>(),
        body: String::from_utf8_lossy(&body).into_owned(),
        verified: verdict.as_ref().map(Result::is_ok),
        reason: verdict.as_ref().and_then(|verdict| verdict.as_ref().err().cloned()),
        at: now_microseconds(),
    };
    let refused = receipt.reason.clone();
    let webhook_id = receipt.headers.get("webhook-id").cloned().unwrap_or_default();
    world.recorder.receipt(receipt);
    if let Some(reason) = refused {
        return error(StatusCode::UNAUTHORIZED, &reason);
    }
    if !is_target {
        return Json(json!({"received": true})).into_response();
    }
    match target::take(&world, &name, webhook_id, &body) {
        Ok(repeated) => Json(json!({"received": true, "repeated": repeated})).into_response(),
        Err(reason) => error(StatusCode::BAD_REQUEST, reason),
    }
}

fn error(status: StatusCode, reason: &str) -> Response {
    (status, Json(json!({"error": reason}))).into_response()
}

fn subject(_method: &Method, uri: &Uri) -> Subject {
    let name = uri.path().strip_prefix("/hooks/").filter(|name| !name.is_empty());
    Subject { entity: name.map(str::to_owned), ..Subject::default() }
}

fn failure(status: StatusCode) -> Response {
    error(status, status.canonical_reason().unwrap_or("error"))
}
