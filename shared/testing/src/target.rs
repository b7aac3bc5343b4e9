//! A target on this machine, over TLS: it stands for QuickBooks Online and for a webhook receiver,
//! answers as it is told, and otherwise as they would.

use fluxnex_connect::client::{ClientOptions, GuardedClient};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the target does with the next request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers with a status, headers and a body.
    Answer(u16, Vec<(String, String)>, String),
    /// Closes the connection without an answer.
    Reset,
}

impl Reply {
    /// An answer with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Answer(status, vec![("content-type".to_owned(), "application/json".to_owned())], body.to_string())
    }

    /// A fault as QuickBooks words it.
    #[must_use]
    pub fn fault(status: u16, code: &str, message: &str) -> Self {
        let error = json!({"Message": message, "Detail": message, "code": code});
        Self::json(status, &json!({"Fault": {"Error": [error], "type": "ValidationFault"}}))
    }
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its path.
    pub path: String,
    /// Its query.
    pub query: BTreeMap<String, String>,
    /// Its headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

impl Received {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Default)]
struct State {
    replies: VecDeque<(String, Reply)>,
    received: Vec<Received>,
    token_answer: Value,
}

/// The target. It ends with the test's runtime.
pub struct Target {
    /// Where it is.
    pub url: String,
    authority: String,
    state: Arc<Mutex<State>>,
}

impl Target {
    /// Starts it at a free port.
    pub async fn start() -> Self {
        let (acceptor, authority) = acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let token_answer = json!({"access_token": "access", "refresh_token": "refresh", "expires_in": 3600});
        let state = Arc::new(Mutex::new(State { token_answer, ..State::default() }));
        let target = Self { url, authority, state: state.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), state.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, &state).await;
                    }
                });
            }
        });
        target
    }

    /// The next request, those for tokens apart, is answered so.
    pub fn reply(&self, reply: Reply) {
        self.reply_below("/", reply);
    }

    /// The next request to a path that begins so is answered so.
    pub fn reply_below(&self, path: &str, reply: Reply) {
        self.state.lock().unwrap().replies.push_back((path.to_owned(), reply));
    }

    /// How many prepared answers nobody asked for.
    #[must_use]
    pub fn left_over(&self) -> usize {
        self.state.lock().unwrap().replies.len()
    }

    /// What whoever asks for a token is answered; `{n}` in it becomes the number of the request.
    pub fn grant(&self, answer: Value) {
        self.state.lock().unwrap().token_answer = answer;
    }

    /// The requests so far, those for tokens apart.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.all_requests().into_iter().filter(|request| !is_token(request)).collect()
    }

    /// The requests so far.
    #[must_use]
    pub fn all_requests(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// A client that trusts the target.
    #[must_use]
    pub fn client(&self) -> GuardedClient {
        let extra_ca_pem = Some(self.authority.clone().into_bytes());
        GuardedClient::new(&ClientOptions { extra_ca_pem, ..ClientOptions::default() }).unwrap()
    }
}

fn is_token(request: &Received) -> bool {
    ["/oauth2/v1/tokens/bearer", "/services/oauth2/token"].contains(&request.path.as_str())
}

/// A certificate for `localhost`, its key, and the authority that issued it.
pub struct Issued {
    /// The authority's certificate, PEM.
    pub authority: String,
    /// The certificate.
    pub certificate: rcgen::Certificate,
    /// Its key.
    pub key: KeyPair,
}

impl Issued {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        Self { authority: authority.pem(), certificate, key }
    }

    /// A client that trusts the authority.
    #[must_use]
    pub fn client(&self) -> GuardedClient {
        let extra_ca_pem = Some(self.authority.clone().into_bytes());
        GuardedClient::new(&ClientOptions { extra_ca_pem, ..ClientOptions::default() }).unwrap()
    }
}

impl Default for Issued {
    fn default() -> Self {
        Self::new()
    }
}

fn acceptor() -> (TlsAcceptor, String) {
    let Issued { authority, certificate, key } = Issued::new();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (TlsAcceptor::from(Arc::new(tls)), authority)
}

fn answer(state: &mut State, request: &Received) -> Reply {
    let is_meant = |path: &str| request.path.starts_with(path) && (path != "/" || !is_token(request));
    let prepared = state.replies.iter().position(|(path, _)| is_meant(path));
    if let Some((_, reply)) = prepared.and_then(|place| state.replies.remove(place)) {
        return reply;
    }
    if is_token(request) {
        let number = state.received.len().to_string();
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        return Reply::Answer(200, headers, state.token_answer.to_string().replace("{n}", &number));
    }
    let made = state.received.len() + 1000;
    match request.path.rsplit('/').next() {
        Some("customer") => Reply::json(200, &json!({"Customer": {"Id": made.to_string(), "SyncToken": "0"}})),
        Some("invoice") => Reply::json(200, &json!({"Invoice": {"Id": made.to_string(), "SyncToken": "0"}})),
        _ => Reply::json(200, &json!({})),
    }
}

/// `{authorization}` in an answer becomes what the request carried: some applications repeat it.
fn echoed(reply: Reply, request: &Received) -> Reply {
    match (reply, request.headers.get("authorization")) {
        (Reply::Answer(status, headers, body), Some(carried)) => {
            Reply::Answer(status, headers, body.replace("{authorization}", carried))
        }
        (reply, _) => reply,
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, state: &Mutex<State>) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        let reply = {
            let mut state = state.lock().unwrap();
            let reply = echoed(answer(&mut state, &request), &request);
            state.received.push(request);
            reply
        };
        let Reply::Answer(status, headers, body) = reply else { return };
        let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&body);
        if stream.write_all(text.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
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
    let address = lines.next()?.split(' ').nth(1)?.to_owned();
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
    let url = reqwest::Url::parse(&format!("http://x{address}")).unwrap();
    let query = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Some(Received { path: url.path().to_owned(), query, headers, body })
}
