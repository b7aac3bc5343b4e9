//! Marked secrets go through everything: none may come out in a log, a queue or the database.

use crate::pipeline::Pipeline;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::{Control, Facet};
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_connect::catalog;
use fluxnex_core::ids::ConnectionId;
use fluxnex_lambda::Deadline;
use fluxnex_testing::{
    ACCOUNT, ALERTS_SECRET, INVOICE, QUICKBOOKS_SECRET, REVENOVA_SECRET, Reply, Setting, account, captured, invoice,
    notice, queue, run, signed, webhook_request,
};
use ingest::Ingest;
use notify::Notify;
use serde_json::{Value, json};
use std::time::Duration;

const WEBHOOK: &str = "marked-secret-webhook";
const CLIENT: &str = "marked-secret-client";
const REFRESH: &str = "marked-secret-refresh";
const ROTATED: &str = "marked-secret-rotated";
const ACCESS: &str = "marked-secret-access";
const HEADER: &str = "marked-secret-header";
/// Base64 of `marked-secret-signing`.
const SIGNING: &str = "bWFya2VkLXNlY3JldC1zaWduaW5n";
const PAYLOAD: &str = "marked-payload";
/// What no log, no message and no row may hold: the secrets above, and as the headers carry them.
const SECRETS: [&str; 4] = ["marked-secret", SIGNING, "bWFya2VkLXNlY3JldA", "bWFya2VkLXNlY3JldC1jbGllbnQ6"];

/// The whole way, and every message that was ever sent on it.
struct Way {
    pipeline: Pipeline,
    ingest: Ingest,
    notify: Notify,
    inbound: Vec<OutgoingMessage>,
    sent: Vec<OutgoingMessage>,
}

impl Way {
    async fn new() -> Self {
        captured::start();
        let setting = Setting::new().await;
        let revenova = json!({"client_id": CLIENT, "client_secret": CLIENT, "webhook_secret": WEBHOOK});
        setting.secrets.create(REVENOVA_SECRET, revenova);
        let quickbooks = json!({"client_id": CLIENT, "client_secret": CLIENT, "refresh_token": REFRESH});
        setting.secrets.create(QUICKBOOKS_SECRET, quickbooks);
        setting.secrets.create(ALERTS_SECRET, json!({"signing_secret": format!("whsec_{SIGNING}")}));
        setting
            .target
            .grant(json!({"access_token": format!("{ACCESS}-{{n}}"), "refresh_token": ROTATED, "expires_in": 3600}));
        publish(&setting).await;
        let ingest = Ingest::new(
            setting.control.clone(),
            setting.cached_secrets(),
            setting.queues.clone(),
            setting.objects.clone(),
            setting.clock.clone(),
            queue("inbound-gateway"),
        );
        let notify = Notify { tenants: setting.tenants(), engine: setting.engine(), clock: setting.clock.clone() };
        Self { pipeline: Pipeline::of(setting), ingest, notify, inbound: Vec::new(), sent: Vec::new() }
    }

    fn setting(&self) -> &Setting {
        &self.pipeline.setting
    }

    async fn webhook(&self, secret: &str, body: &str) -> i64 {
        self.setting().clock.advance(Duration::from_millis(1));
        let delivery = uuid::Uuid::new_v4().to_string();
        let mut headers = signed(secret, &delivery, self.setting().clock.now().as_second(), body.as_bytes());
        for name in ["authorization", "cookie", "x-anything"] {
            headers.insert(name.to_owned(), json!(format!("Bearer {HEADER}")));
        }
        let request = webhook_request(self.setting().tenant.as_str(), "revenova", &headers, body);
        self.ingest.handle(request).await.status_code
    }

    /// Lets everything that waits in a queue go on, until nothing does.
    async fn settle(&mut self) {
        for _ in 0..10 {
            let arrived = self.setting().take("inbound-gateway");
            let mut wakes = self.pipeline.arrived(&arrived).await;
            self.inbound.extend(arrived);
            for delayed in self.setting().take("delayed-wakes") {
                self.setting().clock.advance(delayed.delay + Duration::from_millis(1));
                wakes.push(delayed);
            }
            let told = self.setting().take("notification-delivery");
            let handle = async |works: &[_]| self.notify.handle(works, Deadline::after(Duration::from_secs(30))).await;
            run(&queue("notification-delivery"), &told, handle).await;
            self.pipeline.delivered(&wakes).await;
            self.sent.extend(told);
            self.sent.extend(wakes);
        }
    }
}

/// What `api` publishes of the connector's manifest.
async fn publish(setting: &Setting) {
    let manifest = catalog::manifest("revenova").unwrap();
    let given = [("instance".to_owned(), "acme.my.salesforce.com".to_owned())].into();
    let settings = manifest.published_webhook(&given, REVENOVA_SECRET, false).unwrap().unwrap();
    let (connection, document) = (ConnectionId::parse("revenova").unwrap(), serde_json::to_value(settings).unwrap());
    setting.control.publish(&setting.tenant, &connection, Facet::Webhook, 1, &document).await.unwrap();
}

/// Good and bad webhooks, and a target that repeats to us whatever it was sent.
async fn travel(way: &mut Way) {
    let mut poison = invoice("a0XP", PAYLOAD, "001A", 1);
    poison["rtms__Invoice_Date__c"] = json!(PAYLOAD);
    let mut unmappable = account("001U", PAYLOAD, 1);
    unmappable["BillingStreet"] = json!({ PAYLOAD: PAYLOAD });
    let good = [
        notice(INVOICE, &invoice("a0XA", PAYLOAD, "001A", 1)),
        notice(ACCOUNT, &account("001A", PAYLOAD, 1)),
        notice(ACCOUNT, &account("001B", &format!("{PAYLOAD} 2"), 1)),
        notice(INVOICE, &poison),
        notice(ACCOUNT, &unmappable),
        notice(PAYLOAD, &json!({"Id": PAYLOAD})),
        json!({ PAYLOAD: PAYLOAD }).to_string(),
        notice(ACCOUNT, &account("001L", &PAYLOAD.repeat(6_000), 1)),
    ];
    for body in &good {
        assert_eq!(way.webhook(WEBHOOK, body).await, 202);
    }
    assert_eq!(way.webhook("marked-secret-wrong", &good[0]).await, 401);
    assert_eq!(way.webhook(WEBHOOK, &format!("{PAYLOAD} is no JSON")).await, 400);
    // Each end repeats what it was sent: the API the token, the token endpoint the credentials.
    let echo = format!("{PAYLOAD} {{authorization}}");
    let target = &way.setting().target;
    for status in [400, 500] {
        let echo =
            json!({"error": "invalid_grant", "error_description": format!("{{authorization}} {CLIENT} {REFRESH}")});
        target.reply_below("/oauth2/", Reply::json(status, &echo));
    }
    for reply in [
        Reply::fault(400, "2500", &echo),
        Reply::fault(401, "3200", &echo),
        Reply::json(500, &json!({"message": echo})),
        Reply::fault(429, "003001", &echo),
        Reply::fault(400, "6240", &echo),
    ] {
        target.reply_below("/v3/", reply);
    }
    for reply in [Reply::json(500, &json!({"message": echo})), Reply::json(410, &json!({"message": echo}))] {
        target.reply_below("/hooks/", reply);
    }
    way.settle().await;
    way.setting().secrets.set_silent(true);
    way.setting().clock.advance(Duration::from_secs(7200));
    assert_eq!(way.webhook(WEBHOOK, &good[1]).await, 503);
    way.setting().secrets.set_silent(false);
}

#[tokio::test]
async fn no_secret_comes_out_anywhere_and_no_payload_in_a_log() {
    let mut way = Way::new().await;
    travel(&mut way).await;
    let setting = way.setting();
    // First: that the markers were there to be found.
    let requests = setting.target.all_requests();
    let carried = |text: &str| requests.iter().any(|request| format!("{request:?}").contains(text));
    for marker in [ACCESS, ROTATED, REFRESH, PAYLOAD] {
        assert!(carried(marker), "{marker} was never sent");
    }
    assert!(
        requests
            .iter()
            .any(|request| request.path == "/hooks/alerts" && request.headers.contains_key("webhook-signature"))
    );
    assert_eq!(setting.target.left_over(), 0, "each fault was met");
    let states = setting.texts("SELECT DISTINCT state FROM {schema}.event_states ORDER BY 1").await;
    assert!(states.contains(&"delivered".to_owned()) && states.contains(&"failed".to_owned()), "{states:?}");
    let log = captured::text();
    for level in ["INFO", "WARN", "ERROR"] {
        assert!(log.contains(&format!("\"level\":\"{level}\"")), "nothing was logged at {level}");
    }
    assert!(way.inbound.len() == 8 && way.sent.len() > 10);
    // Then: where they are not.
    for line in log.lines() {
        for secret in SECRETS.iter().chain([&PAYLOAD]) {
            assert!(!line.contains(secret), "{secret} was logged: {line}");
        }
    }
    for message in way.inbound.iter().chain(&way.sent) {
        assert_no_secret(&message.body);
    }
    for message in &way.sent {
        let content: Value = serde_json::from_str(&message.body).unwrap();
        // What the target itself says is told to people as it said it.
        assert!(content.get("reason").is_some() || !message.body.contains(PAYLOAD), "{}", message.body);
    }
    let rows = setting.tables.dump(&[&setting.tenant.schema_name(), "fluxnex_master"]).await;
    assert!(rows.iter().any(|row| row.contains(PAYLOAD)), "the replica keeps what was sent");
    for row in &rows {
        assert_no_secret(row);
    }
}

fn assert_no_secret(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in {text}");
        // As PostgreSQL writes bytes.
        let bytes: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!text.contains(&bytes), "{secret} is in {text}");
    }
}
