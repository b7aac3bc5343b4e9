//! Notifications through the real engine to a receiver over TLS.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first difference")]

use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::ids::{EventId, TenantId};
use fluxnex_core::message::{Notification, NotificationKind, V1};
use fluxnex_lambda::Deadline;
use fluxnex_testing::{ALERTS_SECRET, Reply, Setting, TestDatabase, bundle, messages, queue, run};
use notify::Notify;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

struct Stage {
    setting: Setting,
    notify: Notify,
}

impl Stage {
    async fn new() -> Self {
        Self::of(Setting::new().await)
    }

    fn of(setting: Setting) -> Self {
        let notify = Notify { tenants: setting.tenants(), engine: setting.engine(), clock: setting.clock.clone() };
        Self { setting, notify }
    }

    /// A stage whose bundle has these notification rules, and a second receiver, `pager`.
    async fn with_rules(rules: serde_json::Value) -> Self {
        let setting = Setting::bare(TestDatabase::shared()).await;
        setting.database.migrate().await.unwrap();
        let mut document = serde_json::to_value(bundle(&setting.tenant, &setting.target.url)).unwrap();
        let mut pager = document["connections"]["alerts"].clone();
        pager["settings"]["url"] = json!(format!("{}/hooks/pager", setting.target.url));
        document["connections"]["pager"] = pager;
        document["notifications"] = rules;
        setting.apply(&serde_json::from_value(document).unwrap()).await;
        Self::of(setting)
    }

    fn notification(&self) -> Notification {
        Notification {
            v: V1,
            tenant: self.setting.tenant.clone(),
            id: Uuid::new_v4(),
            kind: NotificationKind::EventFailed,
            at: self.setting.clock.now(),
            event: Some(EventId(Uuid::new_v4())),
            delivery: None,
            connection: None,
            record: Some("Account 001A".to_owned()),
            reason: "/date: is not a date".to_owned(),
        }
    }

    async fn run(&self, batch: &[OutgoingMessage]) -> Vec<usize> {
        let deadline = Deadline::after(Duration::from_secs(30));
        run(&queue("notification-delivery"), batch, async |works| self.notify.handle(works, deadline).await).await
    }

    async fn tell(&self, notification: &Notification) -> bool {
        self.run(&messages(std::slice::from_ref(notification))).await.is_empty()
    }

    fn paths(&self) -> Vec<String> {
        self.setting.target.requests().into_iter().map(|request| request.path).collect()
    }
}

#[tokio::test]
async fn whoever_asked_is_told_under_the_same_id_each_time() {
    let stage = Stage::new().await;
    let notification = stage.notification();
    assert!(stage.tell(&notification).await && stage.tell(&notification).await);
    let requests = stage.setting.target.requests();
    assert_eq!(stage.paths(), ["/hooks/alerts", "/hooks/alerts"]);
    let id = notification.id.simple().to_string();
    for request in &requests {
        assert_eq!(request.headers["webhook-id"], id);
        assert!(request.headers["webhook-signature"].starts_with("v1,"));
        assert_eq!(request.headers["webhook-timestamp"], stage.setting.clock.now().as_second().to_string());
    }
    let data = json!({
        "timestamp": notification.at, "tenant": stage.setting.tenant, "event": notification.event, "delivery": null,
        "connection": null, "record": "Account 001A", "reason": "/date: is not a date",
    });
    assert_eq!(requests[0].json(), json!({"type": "event.failed", "data": data}));
}

#[tokio::test]
async fn a_receiver_that_is_away_is_told_later_and_one_that_is_gone_is_not() {
    let stage = Stage::new().await;
    let notification = stage.notification();
    for status in [500, 503, 429, 404, 302] {
        stage.setting.target.reply(Reply::json(status, &json!({})));
        assert!(!stage.tell(&notification).await, "{status}: it comes back");
    }
    stage.setting.target.reply(Reply::Reset);
    assert!(!stage.tell(&notification).await);
    stage.setting.target.reply(Reply::json(410, &json!({})));
    assert!(stage.tell(&notification).await, "it asked never to be called again");
}

#[tokio::test]
async fn nobody_is_told_what_nobody_asked_for() {
    let stage = Stage::with_rules(json!([{"connection": "pager", "on": ["delivery.failed"]}])).await;
    let mut notification = stage.notification();
    assert!(stage.tell(&notification).await);
    assert_eq!(stage.paths(), Vec::<String>::new());
    notification.kind = NotificationKind::DeliveryFailed;
    assert!(stage.tell(&notification).await);
    assert_eq!(stage.paths(), ["/hooks/pager"]);
}

#[tokio::test]
async fn one_receiver_in_trouble_does_not_silence_the_others() {
    let both =
        json!([{"connection": "alerts", "on": ["event.failed"]}, {"connection": "pager", "on": ["event.failed"]}]);
    let stage = Stage::with_rules(both).await;
    let notification = stage.notification();
    stage.setting.target.reply(Reply::json(410, &json!({})));
    assert!(stage.tell(&notification).await);
    assert_eq!(stage.paths(), ["/hooks/alerts", "/hooks/pager"]);
    stage.setting.target.reply(Reply::json(500, &json!({})));
    assert!(!stage.tell(&notification).await, "the first one is told when it comes again");
    assert_eq!(stage.paths().len(), 4);
}

#[tokio::test]
async fn a_secret_that_is_missing_makes_it_come_back() {
    let stage = Stage::new().await;
    stage.setting.secrets.delete(ALERTS_SECRET);
    assert!(!stage.tell(&stage.notification()).await);
    assert_eq!(stage.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn a_garbage_message_fails_alone_and_an_unknown_tenant_comes_back() {
    let stage = Stage::new().await;
    let mut stranger = stage.notification();
    stranger.tenant = TenantId::parse("nobody_knows_me").unwrap();
    let mut batch = messages(&[stranger, stage.notification()]);
    batch.insert(0, OutgoingMessage::new("garbage"));
    assert_eq!(stage.run(&batch).await, [0, 1]);
    assert_eq!(stage.paths().len(), 1);
}
