//! Starts the applications for one test, and speaks to them.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fluxnex_simulators::commands::Ports;
use fluxnex_simulators::journal::Journal;
use fluxnex_simulators::tls::LocalAuthority;
use fluxnex_simulators::{Options, Running, start};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

pub const REALM: &str = "9130347";

/// The certificates of this run of the tests.
pub fn authority() -> &'static LocalAuthority {
    static AUTHORITY: OnceLock<LocalAuthority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("simulators-tls");
        LocalAuthority::ensure(&folder, jiff::Timestamp::now()).unwrap()
    })
}

pub struct Simulation {
    pub running: Running,
    pub client: Client,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<String>,
    pub body: Value,
}

impl Simulation {
    pub async fn start() -> Self {
        let authority = authority();
        let server = authority.server();
        let running = start(&Options {
            host: "127.0.0.1".to_owned(),
            ports: Ports::default(),
            tls_certificate: server.certificate,
            tls_key: server.key,
            extra_authority: Some(authority.ca()),
        })
        .await
        .unwrap();
        let ca = std::fs::read(authority.ca()).unwrap();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let simulation = Self { running, client };
        simulation.configure().await;
        simulation
    }

    async fn configure(&self) {
        let receiver = self.receiver("/hooks/revenova");
        let answer = self
            .put("/configuration", json!({
                "revenova": {
                    "clients": [{"client_id": "key", "client_secret": "hush", "refresh_token": "again", "username": "user", "password": "word"}],
                    "webhook": {"url": receiver, "secret": "shared"}},
                "quickbooks": {
                    "clients": [{"client_id": "id", "client_secret": "secret", "refresh_token": "refresh", "realm_id": REALM}]},
                "erp": {"api_token": "erp-token"},
                "hubspot": {"clients": [{"client_id": "id", "client_secret": "secret", "refresh_token": "stays"}]},
            }))
            .await;
        assert_eq!(answer.status, 204, "{}", answer.body);
    }

    pub fn revenova(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.running.ports.revenova)
    }

    pub fn quickbooks(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.running.ports.quickbooks)
    }

    pub fn erp(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.running.ports.erp)
    }

    /// A GET at the ERP. The path is the whole address behind the host, percent-encoded as it is sent.
    pub fn odata(&self, path: &str) -> RequestBuilder {
        self.client.get(self.erp(path)).bearer_auth("erp-token")
    }

    pub fn hubspot(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.running.ports.hubspot)
    }

    pub fn receiver(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.running.ports.receiver)
    }

    pub fn control(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.running.ports.control)
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.client.get(self.control(path))).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.client.post(self.control(path)).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.client.put(self.control(path)).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.client.delete(self.control(path))).await
    }

    pub async fn fault(&self, rule: Value) {
        let answer = self.post("/faults", rule).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }

    pub async fn journal(&self) -> Journal {
        serde_json::from_value(self.get("/journal").await.body).unwrap()
    }

    /// A Revenova session.
    pub async fn session(&self) -> String {
        let form = [("grant_type", "client_credentials"), ("client_id", "key"), ("client_secret", "hush")];
        let answer = send(self.client.post(self.revenova("/services/oauth2/token")).form(&form)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    /// A GET at Revenova, with a query's parameters.
    pub async fn salesforce(&self, session: &str, path: &str, parameters: &[(&str, &str)]) -> Answer {
        send(self.client.get(self.revenova(path)).query(parameters).bearer_auth(session)).await
    }

    /// A QuickBooks access token.
    pub async fn access(&self) -> String {
        let form = [("grant_type", "refresh_token"), ("refresh_token", "refresh")];
        let request = self.client.post(self.quickbooks("/oauth2/v1/tokens/bearer"));
        let answer = send(request.basic_auth("id", Some("secret")).form(&form)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    pub fn books(&self, method: Method, access: &str, rest: &str) -> RequestBuilder {
        let url = self.quickbooks(&format!("/v3/company/{REALM}/{rest}"));
        self.client.request(method, url).bearer_auth(access)
    }

    /// Creates or updates a record at QuickBooks.
    pub async fn write(&self, access: &str, entity: &str, request_id: &str, body: &Value) -> Answer {
        let rest = format!("{entity}?minorversion=75&requestid={request_id}");
        send(self.books(Method::POST, access, &rest).json(body)).await
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    read(request.send().await.unwrap()).await
}

pub async fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, retry_after, body }
}

/// Waits for a condition; fails loudly when it does not come true in time.
pub async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A customer as a request sends it.
pub fn customer(name: &str) -> Value {
    json!({"DisplayName": name, "Notes": "Revenova 001000000000001AAA @ 2026-11-20T12:00:00.000+0000"})
}
