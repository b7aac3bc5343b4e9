//! A small HTTP server on this machine that gives the answers of a case, and remembers what it was asked.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The largest body that it reads, in bytes.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The path, percent-encoded as it was sent.
    pub path: String,
    /// The query, decoded.
    pub query: BTreeMap<String, String>,
    /// The headers, by their lower-case names.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

#[derive(Default)]
struct Exchanges {
    replies: VecDeque<Reply>,
    received: Vec<Received>,
}

/// The server. It ends when it is dropped.
pub struct Server {
    /// Where it is.
    pub url: String,
    exchanges: Arc<Mutex<Exchanges>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a server on a free port.
    ///
    /// # Errors
    /// If this machine lets it listen on no port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://localhost:{}", listener.local_addr()?.port());
        let exchanges = Arc::new(Mutex::new(Exchanges::default()));
        let router = Router::new().fallback(answer).with_state(exchanges.clone());
        let task = tokio::spawn(async move {
            // It ends with the task: an error would only be that of a socket that is gone.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, exchanges, task })
    }

    /// Gives this answer to the next request that has none yet.
    pub fn reply(&self, reply: Reply) {
        lock(&self.exchanges).replies.push_back(reply);
    }

    /// What it was asked, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        lock(&self.exchanges).received.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(exchanges): State<Arc<Mutex<Exchanges>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, LARGEST_BODY).await.unwrap_or_else(|_| Bytes::new());
    let pairs = reqwest::Url::parse(&format!("http://x/?{}", head.uri.query().unwrap_or_default())).ok();
    let query = pairs.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let received = Received {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query,
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let reply = {
        let mut exchanges = lock(&exchanges);
        exchanges.received.push(received);
        exchanges.replies.pop_front()
    };
    response(reply.unwrap_or_else(|| Reply {
        status: 500,
        headers: Vec::new(),
        body: "\"no answer is left\"".to_owned(),
    }))
}

fn response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
