//! A small HTTP/1.1 server that answers what a test tells it to, and misbehaves on command.

use fluxnex_connect::client::{ClientOptions, GuardedClient};
use fluxnex_connect::connection::Reach;
use fluxnex_connect::{Connection, DeliveryRequest, SecretSource, SecretSourceError};
use fluxnex_core::connector::CompiledManifest;
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// What the server does with the next request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers.
    Answer { status: u16, headers: Vec<(String, String)>, body: String },
    /// Closes the connection without an answer.
    Reset,
    /// Says nothing until the client gives up.
    Silence,
    /// Promises more bytes than it sends.
    Partial { status: u16 },
    /// Sends a body without end.
    Endless,
}

impl Reply {
    pub fn json(status: u16, body: impl ToString) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self::Answer { status, headers, body: body.to_string() }
    }

    pub fn with_header(status: u16, name: &str, value: &str) -> Self {
        Self::Answer { status, headers: vec![(name.to_owned(), value.to_owned())], body: String::new() }
    }
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// The server. It ends with the test's runtime.
pub struct Server {
    pub url: String,
    pub replies: Arc<Mutex<VecDeque<Reply>>>,
    pub received: Arc<Mutex<Vec<Received>>>,
    rule: Arc<Mutex<Option<Rule>>>,
}

/// Answers a request, or leaves it to the replies that were prepared.
type Rule = Box<dyn FnMut(&Received) -> Option<Reply> + Send>;

impl Server {
    pub async fn start() -> Self {
        Self::start_with(|stream| async move { Some(stream) }, "http").await
    }

    /// `accept` may wrap a connection, in TLS for example.
    pub async fn start_with<S, F>(
        accept: impl Fn(tokio::net::TcpStream) -> F + Send + Sync + 'static,
        scheme: &str,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<S>> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
        let (replies, received) = (Arc::new(Mutex::new(VecDeque::new())), Arc::new(Mutex::new(Vec::new())));
        let rule = Arc::new(Mutex::new(None));
        let server = Self { url, replies: replies.clone(), received: received.clone(), rule: rule.clone() };
        let accept = Arc::new(accept);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (accept, replies, received) = (accept.clone(), replies.clone(), received.clone());
                let rule = rule.clone();
                tokio::spawn(async move {
                    if let Some(stream) = accept(stream).await {
                        serve(stream, &rule, &replies, &received).await;
                    }
                });
            }
        });
        server
    }

    pub fn reply(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }

    /// Requests that `rule` has an answer for get that one.
    pub fn answer_by(&self, rule: impl FnMut(&Received) -> Option<Reply> + Send + 'static) {
        *self.rule.lock().unwrap() = Some(Box::new(rule));
    }

    pub fn requests(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    rule: &Mutex<Option<Rule>>,
    replies: &Mutex<VecDeque<Reply>>,
    received: &Mutex<Vec<Received>>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        let ruled = rule.lock().unwrap().as_mut().and_then(|rule| rule(&request));
        received.lock().unwrap().push(request);
        let reply = ruled.or_else(|| replies.lock().unwrap().pop_front());
        match reply.unwrap_or_else(|| Reply::json(500, "\"no reply was prepared\"")) {
            Reply::Answer { status, headers, body } => {
                let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                text.push_str("\r\n");
                text.push_str(&body);
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Reset => return,
            Reply::Silence => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                return;
            }
            Reply::Partial { status } => {
                let text = format!("HTTP/1.1 {status} X\r\ncontent-length: 1000\r\n\r\n{{\"half\":");
                let _ = stream.write_all(text.as_bytes()).await;
                return;
            }
            Reply::Endless => {
                let _ = stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 99999999999\r\n\r\n").await;
                while stream.write_all(&[b' '; 4096]).await.is_ok() {}
                return;
            }
        }
    }
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> Option<Received> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < head_end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(buffer[head_end..head_end + length].to_vec()).unwrap();
    buffer.drain(..head_end + length);
    let url = reqwest::Url::parse(&format!("http://x{target}")).unwrap();
    let query = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Some(Received { method, path: url.path().to_owned(), query, headers, body })
}

/// Secrets in memory; can be told to fail.
#[derive(Default)]
pub struct TestSecrets {
    pub secrets: Mutex<BTreeMap<String, Map<String, Value>>>,
    /// What `get` gives instead, as a cache would: older than `refresh`.
    pub remembered: Mutex<Option<Map<String, Value>>>,
    pub refuse_put: AtomicBool,
    pub puts: AtomicUsize,
}

impl TestSecrets {
    pub fn with(secret: Value) -> Arc<Self> {
        let secrets = Self::default();
        secrets.secrets.lock().unwrap().insert("secret".to_owned(), secret.as_object().unwrap().clone());
        Arc::new(secrets)
    }

    pub fn current(&self) -> Map<String, Value> {
        self.secrets.lock().unwrap()["secret"].clone()
    }

    pub fn change(&self, field: &str, value: &str) {
        let mut secrets = self.secrets.lock().unwrap();
        secrets.get_mut("secret").unwrap().insert(field.to_owned(), value.into());
    }
}

#[async_trait::async_trait]
impl SecretSource for TestSecrets {
    async fn get(&self, name: &str) -> Result<Map<String, Value>, SecretSourceError> {
        let remembered = self.remembered.lock().unwrap().clone();
        match remembered {
            Some(secret) => Ok(secret),
            None => self.refresh(name).await,
        }
    }

    async fn refresh(&self, name: &str) -> Result<Map<String, Value>, SecretSourceError> {
        self.secrets.lock().unwrap().get(name).cloned().ok_or(SecretSourceError::Unusable)
    }

    async fn put(&self, name: &str, secret: Map<String, Value>) -> Result<(), SecretSourceError> {
        if self.refuse_put.load(Ordering::SeqCst) {
            return Err(SecretSourceError::Unavailable);
        }
        self.puts.fetch_add(1, Ordering::SeqCst);
        self.secrets.lock().unwrap().insert(name.to_owned(), secret);
        Ok(())
    }
}

/// A record that the target does not know yet, under the key `k`.
pub fn new_record<'a>(object: &'a ObjectName, payload: &'a RawValue, timeout: Duration) -> DeliveryRequest<'a> {
    DeliveryRequest { object, payload, idempotency_key: "k", external_id: None, target: None, timeout }
}

pub fn client() -> GuardedClient {
    GuardedClient::new(&ClientOptions::default()).unwrap()
}

pub fn connection(manifest: CompiledManifest, base_url: Option<&str>, settings: &[(&str, &str)]) -> Connection {
    Connection {
        tenant: TenantId::parse("acme").unwrap(),
        id: ConnectionId::parse("application").unwrap(),
        manifest: Arc::new(manifest),
        base_url: base_url.map(str::to_owned),
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        secret_name: "secret".to_owned(),
        reach: Reach { private_addresses: true, plain_http: true },
    }
}
