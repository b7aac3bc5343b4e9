//! Access tokens over many environments: one renewal, stored before it is used, lost in no crash.

use crate::server::{Received, Reply, Server, client, connection, new_record};
use fluxnex_authoring::cases::outcome::sent;
use fluxnex_connect::{Connection, Engine, SecretSource, SecretSourceError, catalog};
use fluxnex_core::ids::ObjectName;
use fluxnex_core::secret_source::{SecretLock, StoredToken};
use jiff::{Timestamp, ToSpan};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What all environments share: the store of secrets, its locks, and the time.
#[derive(Default)]
struct Shared {
    secret: Mutex<Map<String, Value>>,
    /// Who holds the lock, and until when.
    lock: Mutex<Option<(String, i64)>>,
    holders: AtomicUsize,
    puts: AtomicUsize,
    refuse_put: AtomicBool,
    milliseconds: AtomicI64,
}

/// One environment: it remembers what it read first.
struct Environment {
    shared: Arc<Shared>,
    remembered: Mutex<Option<Map<String, Value>>>,
}

#[async_trait::async_trait]
impl SecretSource for Environment {
    async fn get(&self, name: &str) -> Result<Map<String, Value>, SecretSourceError> {
        let remembered = self.remembered.lock().unwrap().clone();
        match remembered {
            Some(secret) => Ok(secret),
            None => self.latest(name).await,
        }
    }

    async fn latest(&self, _: &str) -> Result<Map<String, Value>, SecretSourceError> {
        tokio::task::yield_now().await;
        let secret = self.shared.secret.lock().unwrap().clone();
        *self.remembered.lock().unwrap() = Some(secret.clone());
        Ok(secret)
    }

    async fn put(&self, _: &str, secret: Map<String, Value>) -> Result<(), SecretSourceError> {
        if self.shared.refuse_put.load(Ordering::SeqCst) {
            return Err(SecretSourceError::Unavailable);
        }
        self.shared.puts.fetch_add(1, Ordering::SeqCst);
        *self.shared.secret.lock().unwrap() = secret.clone();
        *self.remembered.lock().unwrap() = Some(secret);
        Ok(())
    }

    async fn lock(
        &self,
        _: &str,
        again: Option<&SecretLock>,
        span: Duration,
    ) -> Result<Option<SecretLock>, SecretSourceError> {
        let now = self.shared.milliseconds.load(Ordering::SeqCst);
        let next = self.shared.holders.fetch_add(1, Ordering::SeqCst).to_string();
        let holder = again.map_or(next, |again| again.holder.clone());
        let mut lock = self.shared.lock.lock().unwrap();
        if lock.as_ref().is_some_and(|(known, until)| *known != holder && *until > now) {
            return Ok(None);
        }
        *lock = Some((holder.clone(), now + i64::try_from(span.as_millis()).unwrap()));
        Ok(Some(SecretLock { holder }))
    }

    async fn unlock(&self, _: &str, given: SecretLock) {
        let mut lock = self.shared.lock.lock().unwrap();
        if lock.as_ref().is_some_and(|(holder, _)| *holder == given.holder) {
            *lock = None;
        }
    }
}

struct Setting {
    server: Server,
    shared: Arc<Shared>,
    connection: Connection,
}

const MINUTE: i64 = 60_000;

impl Setting {
    async fn new() -> Self {
        let server = Server::start().await;
        let shared = Arc::new(Shared::default());
        *shared.secret.lock().unwrap() = credentials("marked-refresh-0");
        let token_url = format!("{}/token", server.url);
        let settings = [("realm", "9"), ("token_url", token_url.as_str())];
        let connection = connection(catalog::compiled("quickbooks-online").unwrap(), Some(&server.url), &settings);
        Self { server, shared, connection }
    }

    /// A new environment. Its waits move the time that all of them see.
    fn engine(&self) -> Engine {
        let secrets = Arc::new(Environment { shared: self.shared.clone(), remembered: Mutex::default() });
        let (clock, pauses) = (self.shared.clone(), self.shared.clone());
        Engine::new(client(), secrets)
            .with_clock(move || Timestamp::UNIX_EPOCH + clock.milliseconds.load(Ordering::SeqCst).milliseconds())
            .with_pause(move |span| {
                pauses.milliseconds.fetch_add(i64::try_from(span.as_millis()).unwrap() / 50, Ordering::SeqCst);
                Box::pin(tokio::time::sleep(span / 50))
            })
    }

    fn token(&self, access: &str, refresh: Option<&str>) {
        let body = json!({"access_token": access, "expires_in": 3600, "refresh_token": refresh});
        self.server.reply(Reply::json(200, body));
    }

    fn pass(&self, milliseconds: i64) {
        self.shared.milliseconds.fetch_add(milliseconds, Ordering::SeqCst);
    }

    async fn send(&self, engine: &Engine) -> Value {
        let object = ObjectName::parse("Customer").unwrap();
        let payload = RawValue::from_string("{}".to_owned()).unwrap();
        let timeout = Duration::from_secs(30);
        let request = new_record(&object, &payload, timeout);
        sent(&engine.send(&self.connection, &request).await.outcome)
    }

    async fn succeeds(&self, engine: &Engine) {
        self.server.reply(record());
        let outcome = self.send(engine).await;
        assert_eq!(outcome["delivered"]["target_id"], "1", "{outcome}");
    }

    fn asked(&self) -> usize {
        self.server.requests().iter().filter(|request| request.path == "/token").count()
    }

    fn last_token(&self) -> String {
        self.server.requests().last().unwrap().headers["authorization"].clone()
    }

    fn stored(&self) -> Option<StoredToken> {
        StoredToken::of(&self.shared.secret.lock().unwrap())
    }

    fn refresh_token(&self) -> String {
        self.shared.secret.lock().unwrap()["refresh_token"].as_str().unwrap().to_owned()
    }
}

fn credentials(refresh_token: &str) -> Map<String, Value> {
    let secret = json!({"client_id": "id", "client_secret": "marked-client-secret", "refresh_token": refresh_token});
    secret.as_object().unwrap().clone()
}

fn record() -> Reply {
    Reply::json(200, json!({"Customer": {"Id": "1", "SyncToken": "0"}}))
}

/// An application that gives the token `a-<n>` for the n-th request, rotates, and takes the newest one only.
fn application(setting: &Setting) {
    let mut given = 0;
    setting.server.answer_by(move |request: &Received| {
        if request.path == "/token" {
            given += 1;
            let refresh_token = format!("marked-refresh-{given}");
            let body =
                json!({"access_token": format!("a-{given}"), "expires_in": 3600, "refresh_token": refresh_token});
            return Some(Reply::json(200, body));
        }
        let is_newest = request.headers["authorization"] == format!("Bearer a-{given}");
        Some(if is_newest { record() } else { Reply::json(401, json!({"fault": {"error": [{"code": "3200"}]}})) })
    });
}

#[tokio::test]
async fn fifty_environments_with_an_ended_token_ask_once() {
    let setting = Setting::new().await;
    application(&setting);
    let engines: Vec<Engine> = (0..50).map(|_| setting.engine()).collect();
    for round in 1..=3 {
        let sends = engines.iter().map(|engine| setting.send(engine));
        for outcome in futures::future::join_all(sends).await {
            assert_eq!(outcome["delivered"]["target_id"], "1", "{outcome}");
        }
        assert_eq!(setting.asked(), round, "one for each end of a token");
        assert_eq!(setting.shared.puts.load(Ordering::SeqCst), round);
        assert_eq!(setting.refresh_token(), format!("marked-refresh-{round}"));
        setting.pass(60 * MINUTE);
    }
}

#[tokio::test]
async fn fifty_environments_whose_token_is_refused_ask_once() {
    let setting = Setting::new().await;
    application(&setting);
    let engines: Vec<Engine> = (0..50).map(|_| setting.engine()).collect();
    futures::future::join_all(engines.iter().map(|engine| setting.send(engine))).await;
    assert_eq!(setting.asked(), 1);
    // Somebody else asks for a token: the application knows the one before no longer.
    let other = reqwest::Client::new().post(format!("{}/token", setting.server.url)).send().await.unwrap();
    assert_eq!(other.status(), 200);
    for outcome in futures::future::join_all(engines.iter().map(|engine| setting.send(engine))).await {
        assert_eq!(outcome["delivered"]["target_id"], "1", "{outcome}");
    }
    assert_eq!(setting.asked(), 3, "the other's, and one of ours");
}

#[tokio::test]
async fn a_cold_environment_takes_the_token_that_is_stored() {
    let setting = Setting::new().await;
    setting.token("a-1", Some("marked-refresh-1"));
    setting.succeeds(&setting.engine()).await;
    let stored = setting.stored().unwrap();
    assert_eq!(stored.access_token, "a-1");
    assert_eq!(stored.expires_at, Timestamp::UNIX_EPOCH + 3600.seconds());
    for _ in 0..3 {
        setting.succeeds(&setting.engine()).await;
    }
    assert_eq!((setting.asked(), setting.last_token().as_str()), (1, "Bearer a-1"));
}

#[tokio::test]
async fn who_dies_with_the_answer_loses_nothing_where_the_old_token_stays_good() {
    let setting = Setting::new().await;
    setting.shared.refuse_put.store(true, Ordering::SeqCst);
    setting.token("a-1", Some("marked-refresh-1"));
    let dying = setting.engine();
    let outcome = setting.send(&dying).await;
    assert_eq!(outcome["failed"]["class"], "retry", "{outcome}");
    assert_eq!(setting.server.requests().len(), 1, "the token that is not stored is not used");
    drop(dying);
    setting.shared.refuse_put.store(false, Ordering::SeqCst);

    // Its lock is still held: whoever comes now waits in vain, and is told to come again, at no attempt's cost.
    let next = setting.engine();
    let outcome = setting.send(&next).await;
    assert_eq!(outcome["failed"]["class"], "throttle", "{outcome}");
    assert_eq!(outcome["failed"]["retry_after_seconds"], 5);
    assert_eq!(setting.asked(), 1);

    // It ends by itself, and the old refresh token is what is stored.
    setting.pass(2 * MINUTE);
    setting.token("a-2", Some("marked-refresh-2"));
    setting.succeeds(&next).await;
    assert!(setting.server.requests()[1].body.contains("marked-refresh-0"));
    assert_eq!(setting.refresh_token(), "marked-refresh-2");
}

#[tokio::test]
async fn what_could_not_be_stored_is_stored_first_and_nobody_renews_meanwhile() {
    let setting = Setting::new().await;
    setting.shared.refuse_put.store(true, Ordering::SeqCst);
    setting.token("a-1", Some("marked-refresh-1"));
    let (one, other) = (setting.engine(), setting.engine());
    assert_eq!(setting.send(&one).await["failed"]["class"], "retry");
    assert_eq!(setting.send(&other).await["failed"]["class"], "throttle", "the lock is kept");
    setting.shared.refuse_put.store(false, Ordering::SeqCst);
    setting.succeeds(&one).await;
    setting.succeeds(&other).await;
    assert_eq!((setting.asked(), setting.refresh_token().as_str()), (1, "marked-refresh-1"));
    assert_eq!(setting.last_token(), "Bearer a-1");
}

#[tokio::test]
async fn credentials_that_a_person_replaced_meanwhile_are_not_overwritten() {
    let setting = Setting::new().await;
    // The person is faster than the answer.
    let shared = setting.shared.clone();
    let mut given = 0;
    setting.server.answer_by(move |request| {
        if request.path != "/token" {
            return Some(record());
        }
        given += 1;
        if given == 1 {
            *shared.secret.lock().unwrap() = credentials("marked-by-a-person");
        }
        Some(Reply::json(200, json!({"access_token": format!("a-{given}"), "expires_in": 3600})))
    });
    let outcome = setting.send(&setting.engine()).await;
    assert_eq!(outcome["delivered"]["target_id"], "1", "{outcome}");
    assert_eq!(setting.refresh_token(), "marked-by-a-person");
    let requests = setting.server.requests();
    assert!(requests[0].body.contains("marked-refresh-0") && requests[1].body.contains("marked-by-a-person"));
    assert_eq!(setting.last_token(), "Bearer a-2", "the first one was of the old credentials");
}

#[tokio::test]
async fn a_token_beside_other_credentials_is_not_believed() {
    let setting = Setting::new().await;
    setting.token("a-1", None);
    setting.succeeds(&setting.engine()).await;
    // A person who edits one field and leaves the rest.
    setting.shared.secret.lock().unwrap().insert("refresh_token".to_owned(), json!("marked-by-a-person"));
    setting.token("a-2", None);
    setting.succeeds(&setting.engine()).await;
    assert_eq!(setting.last_token(), "Bearer a-2");
    // And one that somebody else put there, without saying with what, is.
    let token = json!({"access_token": "a-3", "expires_at": "1970-01-01T02:00:00Z"});
    setting.shared.secret.lock().unwrap().insert("fluxnex_token".to_owned(), token);
    setting.succeeds(&setting.engine()).await;
    assert_eq!((setting.asked(), setting.last_token().as_str()), (2, "Bearer a-3"));
}

#[tokio::test]
async fn a_short_token_stays_in_memory_unless_a_refresh_token_has_to_be_stored() {
    let short = |refresh: Option<&str>| {
        Reply::json(200, json!({"access_token": "a", "expires_in": 1199, "refresh_token": refresh}))
    };
    let setting = Setting::new().await;
    setting.server.reply(short(None));
    setting.succeeds(&setting.engine()).await;
    assert_eq!((setting.stored(), setting.shared.puts.load(Ordering::SeqCst)), (None, 0));
    assert_eq!(*setting.shared.lock.lock().unwrap(), None, "the lock is given back");
    setting.server.reply(short(Some("marked-refresh-1")));
    setting.succeeds(&setting.engine()).await;
    assert!(setting.stored().is_some());
    assert_eq!(setting.shared.puts.load(Ordering::SeqCst), 1, "both in one write");
}

#[tokio::test]
async fn an_application_that_refuses_everything_is_not_asked_for_tokens_without_end() {
    let setting = Setting::new().await;
    let refused = || Reply::json(401, json!({"fault": {"error": [{"code": "3200", "message": "x"}]}}));
    let engine = setting.engine();
    setting.token("a-1", None);
    setting.server.reply(refused());
    setting.token("a-2", None);
    setting.server.reply(refused());
    assert_eq!(setting.send(&engine).await["failed"]["class"], "reauthenticate");
    for engine in [engine, setting.engine()] {
        setting.server.reply(refused());
        let outcome = setting.send(&engine).await;
        assert_eq!(outcome["failed"]["status"], 401, "{outcome}");
        assert_eq!(setting.asked(), 2);
    }
    setting.pass(15 * MINUTE);
    let engine = setting.engine();
    setting.server.reply(refused());
    setting.token("a-3", None);
    setting.succeeds(&engine).await;
    assert_eq!(setting.asked(), 3);
}
