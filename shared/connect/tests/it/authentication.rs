//! Each kind of authentication: what is sent, what happens when it is refused, and that no credential is shown.

use crate::server::{Received, Reply, Server, TestSecrets, client, connection, new_record};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fluxnex_authoring::cases::outcome::sent;
use fluxnex_connect::{Connection, Engine, catalog};
use fluxnex_core::connector::CompiledManifest;
use fluxnex_core::ids::ObjectName;
use jiff::{Timestamp, ToSpan};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const REST: &str = r#"
target: {once: none, objects: {Thing: {create: {method: POST, path: "/things", query: {a: "1 2"}, body: ., id: .id}}}}
errors: {message: .message}
"#;

struct Setting {
    server: Server,
    secrets: Arc<TestSecrets>,
    engine: Engine,
    connection: Connection,
    seconds: Arc<AtomicI64>,
}

async fn setting(manifest: &str, secret: Value) -> Setting {
    let server = Server::start().await;
    let secrets = TestSecrets::with(secret);
    let seconds = Arc::new(AtomicI64::new(1_795_176_000));
    let clock = seconds.clone();
    let engine = Engine::new(client(), secrets.clone())
        .with_clock(move || Timestamp::UNIX_EPOCH + clock.load(Ordering::SeqCst).seconds());
    let manifest = format!("connector: example\ntitle: Example\n{manifest}\n{REST}");
    let manifest = CompiledManifest::compile(catalog::parse(&manifest).unwrap()).unwrap();
    let connection = connection(manifest, Some(&server.url), &[]);
    Setting { server, secrets, engine, connection, seconds }
}

impl Setting {
    async fn send(&self) -> Value {
        let object = ObjectName::parse("Thing").unwrap();
        let payload = RawValue::from_string(r#"{"é":1}"#.to_owned()).unwrap();
        let timeout = Duration::from_secs(5);
        let request = new_record(&object, &payload, timeout);
        sent(&self.engine.send(&self.connection, &request).await.outcome)
    }

    fn done(&self) {
        self.server.reply(Reply::json(200, json!({"id": "1"})));
    }

    fn refused(&self, words: &str) {
        self.server.reply(Reply::json(401, json!({ "message": words })));
    }

    async fn succeeds(&self) {
        let outcome = self.send().await;
        assert_eq!(outcome["delivered"]["target_id"], "1", "{outcome}");
    }

    fn requests(&self) -> Vec<Received> {
        self.server.requests()
    }
}

#[tokio::test]
async fn an_api_key_goes_where_the_manifest_says() {
    let of = |how: &str| {
        format!("credentials: {{key: {{description: d}}}}\nauthentication: {{kind: api_key, key: key, {how}}}")
    };
    let secret = || json!({"key": "marked key+/1"});
    let header = setting(&of("header: X-Api-Key, prefix: 'Token '"), secret()).await;
    header.done();
    header.succeeds().await;
    assert_eq!(header.requests()[0].headers["x-api-key"], "Token marked key+/1");
    let query = setting(&of("query: api_key"), secret()).await;
    query.done();
    query.succeeds().await;
    let request = &query.requests()[0];
    assert_eq!((request.query["api_key"].as_str(), request.query["a"].as_str()), ("marked key+/1", "1 2"));
    // A key that a person replaced is taken at once, and no answer shows either.
    for setting in [header, query] {
        *setting.secrets.remembered.lock().unwrap() = Some(setting.secrets.current());
        setting.secrets.change("key", "marked-new-key");
        setting.refused("marked key+/1");
        setting.done();
        setting.succeeds().await;
        setting.refused("?api_key=marked%20key%2B%2F1 marked+key%2B%2F1 and marked-new-key");
        setting.refused("marked-new-key");
        let outcome = setting.send().await;
        assert_eq!(outcome["failed"]["class"], "reauthenticate", "{outcome}");
        assert!(!outcome.to_string().contains("marked"), "{outcome}");
    }
}

#[tokio::test]
async fn basic_is_name_and_password() {
    let manifest =
        "credentials: {username: {description: d}, password: {description: d}}\nauthentication: {kind: basic}";
    let secret = json!({"username": "marked-user", "password": "marked:pass é"});
    let setting = setting(manifest, secret).await;
    setting.done();
    setting.succeeds().await;
    let pair = STANDARD.encode("marked-user:marked:pass é");
    assert_eq!(setting.requests()[0].headers["authorization"], format!("Basic {pair}"));
    setting.refused(&format!("Basic {pair}"));
    let outcome = setting.send().await;
    assert_eq!(outcome["failed"]["class"], "reauthenticate");
    assert!(!outcome.to_string().contains(&pair), "{outcome}");
    assert_eq!(setting.requests().len(), 2, "the same password is not tried twice");
    setting.secrets.change("username", "a:b");
    assert_eq!(setting.send().await["failed"]["class"], "reauthenticate");
    assert_eq!(setting.requests().len(), 2, "a colon would make it another name");
}

#[tokio::test]
async fn each_request_is_signed_and_its_key_may_be_replaced() {
    let manifest = "settings: {account: {description: d, default: north}}\ncredentials: {key: {description: d}}\n\
        authentication: {kind: hmac_signature, key: key, header: Authorization, prefix: 'HMAC {settings.account}:', \
        encoding: hex, signed: \"{method}\\n{path}?{query}\\n{timestamp}\\n{body_sha256}\", \
        timestamp_header: X-Time, timestamp_unit: milliseconds}";
    let setting = setting(manifest, json!({"key": "marked-key"})).await;
    setting.done();
    setting.succeeds().await;
    let request = &setting.requests()[0];
    assert_eq!(request.headers["x-time"], "1795176000000");
    let expected = |key: &str| {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        use sha2::Digest as _;
        let body = hex::encode(sha2::Sha256::digest(r#"{"é":1}"#));
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(format!("POST\n/things?a=1%202\n1795176000000\n{body}").as_bytes());
        format!("HMAC north:{}", hex::encode(mac.finalize().into_bytes()))
    };
    assert_eq!(request.headers["authorization"], expected("marked-key"));
    *setting.secrets.remembered.lock().unwrap() = Some(setting.secrets.current());
    setting.secrets.change("key", "marked-new-key");
    setting.refused(&expected("marked-key"));
    setting.done();
    setting.succeeds().await;
    assert_eq!(setting.requests()[2].headers["authorization"], expected("marked-new-key"));
    let signature = expected("marked-new-key").replace("HMAC north:", "");
    *setting.secrets.remembered.lock().unwrap() = None;
    setting.refused(&format!("the signature {signature} is wrong"));
    let outcome = setting.send().await;
    assert!(!outcome.to_string().contains(&signature), "{outcome}");
}

const SESSION: &str = "credentials: {company: {description: d}, password: {description: d}}\n\
    authentication: {kind: session_login, login: {method: POST, path: /login, json: {CompanyDB: company, Password: password}}, ";

fn session_secret() -> Value {
    json!({"company": "marked-company", "password": "marked-password"})
}

#[tokio::test]
async fn a_session_is_opened_once_and_again_when_it_ended() {
    let setting =
        setting(&format!("{SESSION} token: .session.id, header: X-Session, lifetime_seconds: 900}}"), session_secret())
            .await;
    let opens = |id: &str| setting.server.reply(Reply::json(200, json!({"session": {"id": id}})));
    opens("marked-s-1");
    for _ in 0..2 {
        setting.done();
        setting.succeeds().await;
    }
    let requests = setting.requests();
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/login"));
    assert_eq!(requests[0].body, r#"{"CompanyDB":"marked-company","Password":"marked-password"}"#);
    assert_eq!((requests.len(), requests[2].headers["x-session"].as_str()), (3, "marked-s-1"));
    // The application ended it early.
    setting.refused("marked-s-1");
    opens("marked-s-2");
    setting.done();
    setting.succeeds().await;
    assert_eq!(setting.requests()[5].headers["x-session"], "marked-s-2");
    // It ends by itself.
    setting.seconds.fetch_add(900 - 60, Ordering::SeqCst);
    opens("marked-s-3");
    setting.done();
    setting.succeeds().await;
    assert_eq!(setting.requests()[7].headers["x-session"], "marked-s-3");
    assert_eq!(setting.secrets.puts.load(Ordering::SeqCst), 0, "a short session stays in memory");
}

#[tokio::test]
async fn a_session_may_be_a_cookie() {
    let setting = setting(&format!("{SESSION} cookie: B1SESSION, lifetime_seconds: 1800}}"), session_secret()).await;
    let headers = [
        ("set-cookie", "B1SESSION=marked-old; HttpOnly"),
        ("set-cookie", "ROUTEID=.node1; path=/b1s"),
        ("set-cookie", "B1SESSION=marked-cookie-1; HttpOnly; SameSite=None"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    setting.server.reply(Reply::Answer { status: 200, headers, body: "{}".to_owned() });
    setting.done();
    setting.succeeds().await;
    assert_eq!(setting.requests()[1].headers["cookie"], "B1SESSION=marked-cookie-1");
    assert_eq!(setting.secrets.puts.load(Ordering::SeqCst), 1, "half an hour is shared");
}

#[tokio::test]
async fn what_a_login_answers_decides_the_class_and_shows_no_credential() {
    let cookie = |value: &str| Reply::with_header(200, "set-cookie", value);
    let cases = [
        (Reply::json(401, json!({"error": "x", "error_description": "marked-password"})), "reauthenticate"),
        (Reply::json(403, "marked-password"), "reauthenticate"),
        (Reply::json(429, "{}"), "retry"),
        (Reply::json(503, "{}"), "retry"),
        (Reply::json(200, "{}"), "retry"),
        (cookie("B1SESSION="), "retry"),
        (cookie("B1SESSION=\"a b\""), "retry"),
        (cookie("OTHER=marked"), "retry"),
        (cookie("B1SESSION"), "retry"),
        (cookie(&format!("B1SESSION={}", "x".repeat(5_000))), "retry"),
        (Reply::Reset, "retry"),
        (Reply::Endless, "retry"),
    ];
    for (reply, class) in cases {
        let setting = setting(&format!("{SESSION} cookie: B1SESSION}}"), session_secret()).await;
        setting.server.reply(reply.clone());
        let outcome = setting.send().await;
        assert_eq!(outcome["failed"]["class"], class, "{reply:?}: {outcome}");
        assert!(!outcome.to_string().contains("marked"), "{outcome}");
        assert!(setting.requests().iter().all(|request| request.path == "/login"));
    }
}

/// Key pairs as PEM: made for each run, so that none lies about.
struct Keys {
    private: String,
    public: Vec<u8>,
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn ecdsa() -> Keys {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap();
    Keys { private: pem("PRIVATE KEY", document.as_ref()), public: pair.public_key().as_ref().to_vec() }
}

fn rsa() -> Keys {
    use aws_lc_rs::encoding::AsDer as _;
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let document: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    Keys { private: pem("PRIVATE KEY", document.as_ref()), public: pair.public_key().as_ref().to_vec() }
}

fn jwt(algorithm: &str) -> String {
    format!(
        "settings: {{user: {{description: d, default: ann@example.com}}}}\n\
         credentials: {{client_id: {{description: d}}, private_key: {{description: d}}}}\n\
         authentication: {{kind: oauth2_jwt_bearer, token_url: /token, issuer: {{credential: client_id}}, \
         subject: \"{{settings.user}}\", audience: https://login.example.com, algorithm: {algorithm}, key_id: key-1, \
         scope: api}}"
    )
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_signed_assertion_gives_a_token() {
    let cases: [(&str, Keys, &'static dyn VerificationAlgorithm); 3] = [
        ("ES256", ecdsa(), &ECDSA_P256_SHA256_FIXED),
        ("RS256", rsa(), &RSA_PKCS1_2048_8192_SHA256),
        ("PS256", rsa(), &RSA_PSS_2048_8192_SHA256),
    ];
    for (algorithm, keys, verified) in cases {
        let secret = json!({"client_id": "marked-client", "private_key": keys.private});
        let setting = setting(&jwt(algorithm), secret).await;
        setting.server.reply(Reply::json(200, json!({"access_token": "marked-access", "expires_in": 3600})));
        setting.done();
        setting.succeeds().await;
        let requests = setting.requests();
        let url = reqwest::Url::parse(&format!("http://x/?{}", requests[0].body)).unwrap();
        let form: std::collections::BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
        assert_eq!(form["scope"], "api");
        let (content, signature) = form["assertion"].rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(verified, &keys.public).verify(content.as_bytes(), &signature).unwrap();
        let (header, claims) = content.split_once('.').unwrap();
        assert_eq!(decoded(header), json!({"alg": algorithm, "typ": "JWT", "kid": "key-1"}));
        let expected = json!({"iss": "marked-client", "sub": "ann@example.com", "aud": "https://login.example.com",
            "scope": "api", "iat": 1_795_176_000, "exp": 1_795_176_180});
        assert_eq!(decoded(claims), expected);
        assert_eq!(requests[1].headers["authorization"], "Bearer marked-access");
        assert_eq!(setting.secrets.puts.load(Ordering::SeqCst), 1, "an hour is shared");
    }
}

#[tokio::test]
async fn an_assertion_that_is_refused_or_cannot_be_made_is_for_a_person() {
    let good = ecdsa();
    let secret = |key: &str| json!({"client_id": "marked-client", "private_key": key});
    let refusing = setting(&jwt("ES256"), secret(&good.private)).await;
    let words = json!({"error": "invalid_grant", "error_description": "marked-client has not approved this"});
    refusing.server.reply(Reply::json(400, words));
    let outcome = refusing.send().await;
    assert_eq!(outcome["failed"]["class"], "reauthenticate");
    assert!(outcome.to_string().contains("invalid_grant") && !outcome.to_string().contains("marked"), "{outcome}");
    let rsa = rsa().private;
    for (algorithm, key) in [
        ("ES256", "marked garbage"),
        ("ES256", rsa.as_str()),
        ("RS256", good.private.as_str()),
        ("ES256", "-----BEGIN PRIVATE KEY-----\nbWFya2Vk\n-----END PRIVATE KEY-----\n"),
        ("ES256", ""),
    ] {
        let setting = setting(&jwt(algorithm), secret(key)).await;
        let outcome = setting.send().await;
        assert_eq!(outcome["failed"]["class"], "reauthenticate", "{algorithm}: {outcome}");
        assert!(!outcome.to_string().contains("marked"), "{outcome}");
        assert!(setting.requests().is_empty());
    }
}
