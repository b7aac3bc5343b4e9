//! The layer around every application: records each request and plays the faults.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::clock::now_microseconds;
use crate::commands::Fault;
use crate::journal::{App, RequestEntry};
use crate::serve::Sever;
use crate::world::World;

/// What is the application's own: how its requests read, and how it says that it failed.
pub struct Application {
    pub app: App,
    pub subject: fn(&Method, &Uri) -> Subject,
    pub failure: fn(StatusCode) -> Response,
}

/// What a request is about, as far as its address says.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Subject {
    pub entity: Option<String>,
    pub target_id: Option<String>,
    pub request_id: Option<String>,
    pub statement: Option<String>,
}

/// The longest text of a request's address that the journal keeps.
const LONGEST_TEXT: usize = 2_000;

#[derive(Clone)]
pub struct Observer {
    pub world: Arc<World>,
    pub application: &'static Application,
}

/// The middleware.
pub async fn observe(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let application = observer.application;
    let subject = (application.subject)(request.method(), request.uri());
    let (method, path) = (request.method().as_str(), request.uri().path());
    let played = observer.world.faults.play(application.app, method, path, &subject);
    let mut pending = Pending {
        entry: RequestEntry {
            app: application.app,
            method: method.to_owned(),
            path: shortened(path),
            entity: subject.entity,
            target_id: subject.target_id,
            request_id: subject.request_id,
            statement: subject.statement.as_deref().map(shortened),
            status: None,
            fault: played.map(|(id, _)| id),
            at: now_microseconds(),
            duration: 0,
        },
        world: &observer.world,
    };
    let response = match played {
        Some((_, fault)) => play(fault, application, request, next).await,
        None => next.run(request).await,
    };
    if response.extensions().get::<Sever>().is_none() {
        pending.entry.status = Some(response.status().as_u16());
    }
    response
}

async fn play(fault: Fault, application: &Application, request: Request, next: Next) -> Response {
    match fault {
        Fault::Throttle { retry_after_seconds } => {
            let mut response = (application.failure)(StatusCode::TOO_MANY_REQUESTS);
            let seconds = HeaderValue::from(retry_after_seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
        Fault::Status { status } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (application.failure)(status)
        }
        Fault::TimeoutBefore { hold_ms } => {
            hold(hold_ms).await;
            Sever::Close.response()
        }
        Fault::TimeoutAfter { hold_ms } => {
            drop(next.run(request).await);
            hold(hold_ms).await;
            Sever::Close.response()
        }
        Fault::Slow { milliseconds } => {
            hold(milliseconds).await;
            next.run(request).await
        }
        Fault::Reset { after_effect } => {
            if after_effect {
                drop(next.run(request).await);
            }
            Sever::Reset.response()
        }
    }
}

async fn hold(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// Enters the request when it ends, also if its caller went away and the future was dropped.
struct Pending<'world> {
    entry: RequestEntry,
    world: &'world World,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.entry.duration = now_microseconds() - self.entry.at;
        self.world.recorder.request(self.entry.clone());
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

/// The parameters of an address, decoded; broken ones are left out.
pub fn parameters(uri: &Uri) -> std::collections::HashMap<String, String> {
    axum::extract::Query::try_from_uri(uri).map(|query| query.0).unwrap_or_default()
}
