//! The management API behind a gateway of this machine: the real handler over a real PostgreSQL; the services of AWS in memory.

use crate::command::{Said, fluxnex_with};
use api::Api;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use fluxnex_cloud::functions::{FunctionError, Functions};
use fluxnex_lambda::{ApiGatewayV2httpRequest, Deadline, Invocation};
use fluxnex_testing::{Setting, bundle};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

const ROUTES: &[&str] = &[
    "/v1/connectors/{connector}",
    "/v1/tenants/{tenant}/bundle",
    "/v1/tenants/{tenant}/bundle/versions",
    "/v1/tenants/{tenant}/bundle/versions/{version}",
    "/v1/tenants/{tenant}/bundle/sample",
    "/v1/tenants/{tenant}/connections/{connection}/record",
    "/v1/tenants/{tenant}/connections/{connection}/secret",
    "/v1/tenants/{tenant}/connections/{connection}/consent",
    "/v1/tenants/{tenant}/connections/{connection}/consent/code",
    "/v1/tenants/{tenant}/connections/{connection}/test",
];

type Call = (ApiGatewayV2httpRequest, oneshot::Sender<Value>);

/// Where calls go, and how many answers of changing calls break off on their way back.
#[derive(Clone)]
struct Passage {
    calls: mpsc::UnboundedSender<Call>,
    losing: Arc<AtomicUsize>,
}

/// The setting has made the tenant's schema.
struct Migrated;

#[async_trait]
impl Functions for Migrated {
    async fn invoke(&self, _: &str, _: &Value) -> Result<Value, FunctionError> {
        Ok(json!({}))
    }
}

/// A tenant, its API, and what was called.
pub struct Gateway {
    pub setting: Setting,
    pub url: String,
    /// So many answers of changing calls get lost.
    pub losing: Arc<AtomicUsize>,
    api: Api,
    calls: mpsc::UnboundedReceiver<Call>,
}

impl Gateway {
    pub async fn start() -> Self {
        let setting = Setting::new().await;
        // A tenant may name its own secrets only, and the example names those of acme.
        let text = serde_json::to_string(&bundle(&setting.tenant, &setting.target.url)).unwrap();
        let own = text.replace("/acme/", &format!("/{}/", setting.tenant));
        setting.apply(&serde_json::from_str(&own).unwrap()).await;
        let (sender, calls) = mpsc::unbounded_channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let losing = Arc::new(AtomicUsize::new(0));
        let router = Router::new().fallback(pass).with_state(Passage { calls: sender, losing: losing.clone() });
        tokio::spawn(async move { axum::serve(listener, router).await });
        let api = Api {
            database: setting.database.clone(),
            control: setting.control.clone(),
            schedules: setting.schedules.clone(),
            functions: Arc::new(Migrated),
            clock: setting.clock.clone(),
            migrate: "migrate".to_owned(),
            profile: "local".to_owned(),
            secrets: setting.secrets.clone(),
            source: setting.connection_secrets(),
            client: setting.target.client(),
        };
        Self { setting, url, losing, api, calls }
    }

    /// The name of a connection's secret.
    pub fn secret(&self, connection: &str) -> String {
        format!("fluxnex/local/connections/{}/{connection}", self.setting.tenant)
    }

    /// Runs `fluxnex connection …` for the tenant.
    pub async fn run(&mut self, arguments: &[&str]) -> Said {
        let mut all = vec!["connection"];
        all.extend(arguments);
        self.run_in(Path::new("/"), &all).await
    }

    /// Runs `fluxnex …` for the tenant in a folder.
    pub async fn run_in(&mut self, folder: &Path, arguments: &[&str]) -> Said {
        let all: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let folder = folder.to_owned();
        let (url, tenant) = (self.url.clone(), self.setting.tenant.to_string());
        self.serve_while(move || {
            let words: Vec<&str> = all.iter().map(String::as_str).collect();
            fluxnex_with(&folder, &words, &[("FLUXNEX_API", &url), ("FLUXNEX_TENANT", &tenant)])
        })
        .await
    }

    /// Serves calls while something runs on another thread.
    pub async fn serve_while<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let mut work = tokio::task::spawn_blocking(work);
        loop {
            tokio::select! {
                done = &mut work => return done.unwrap(),
                Some((request, reply)) = self.calls.recv() => {
                    let invocation = Invocation::new("request-7", Deadline::after(Duration::from_secs(29)));
                    let response = self.api.handle(request, &invocation).await;
                    let _ = reply.send(serde_json::to_value(&response).unwrap());
                }
            }
        }
    }
}

/// As API Gateway does it: the route, its parameters, the caller.
async fn pass(State(passage): State<Passage>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 10 * 1024 * 1024).await.unwrap();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let signed = header("authorization").unwrap_or_default();
    assert!(signed.starts_with("AWS4-HMAC-SHA256 ") && signed.contains("/execute-api/aws4_request"), "{signed}");
    if head.method != "GET" {
        let key = header("idempotency-key").unwrap_or_default();
        assert!(signed.contains("idempotency-key") && key.len() == 38, "{signed} {key}");
    }
    let (route, parameters) = ROUTES.iter().find_map(|route| matched(route, head.uri.path())).unwrap();
    let headers: Vec<(String, String)> =
        head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let headers: serde_json::Map<String, Value> =
        headers.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    let pairs = head.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let query: serde_json::Map<String, Value> =
        pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    let key = format!("{} {route}", head.method);
    let event = json!({
        "version": "2.0", "routeKey": key, "rawPath": head.uri.path(), "rawQueryString": "",
        "headers": headers, "pathParameters": parameters, "queryStringParameters": query,
        "requestContext": {
            "http": {"method": head.method.as_str(), "path": head.uri.path(), "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "x"},
            "requestId": "r", "routeKey": key, "stage": "$default", "timeEpoch": 0,
            "authorizer": {"iam": {"userArn": "arn:aws:iam::000000000000:user/ops"}},
        },
        "body": String::from_utf8(body.to_vec()).unwrap(), "isBase64Encoded": false,
    });
    let (reply, answer) = oneshot::channel();
    passage.calls.send((serde_json::from_value(event).unwrap(), reply)).unwrap();
    let answer = answer.await.unwrap();
    let take_one = |left: usize| left.checked_sub(1);
    if head.method != "GET" && passage.losing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_one).is_ok() {
        // It is done, and then the line breaks.
        let broken = futures::stream::once(async { Err::<String, _>(std::io::Error::other("the line broke")) });
        return Response::new(Body::from_stream(broken));
    }
    let mut response = Response::builder().status(u16::try_from(answer["statusCode"].as_i64().unwrap()).unwrap());
    for (name, value) in answer["headers"].as_object().unwrap() {
        response = response.header(name, value.as_str().unwrap());
    }
    response.body(Body::from(answer["body"].as_str().unwrap_or_default().to_owned())).unwrap()
}

fn matched(route: &'static str, path: &str) -> Option<(&'static str, Value)> {
    let (expected, found): (Vec<&str>, Vec<&str>) = (route.split('/').collect(), path.split('/').collect());
    let mut parameters = serde_json::Map::new();
    for (expected, found) in expected.iter().zip(&found) {
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => drop(parameters.insert(name.to_owned(), Value::from(*found))),
            None if expected == found => {}
            None => return None,
        }
    }
    (expected.len() == found.len()).then_some((route, Value::Object(parameters)))
}
