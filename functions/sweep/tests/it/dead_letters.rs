//! Dead letters: registered, told of, and let in again where that can help.

use crate::support::Stage;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::Control;
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::message::{Notification, NotificationKind, PollRequest, V1, Wake, WakeMessage};
use fluxnex_testing::{ACCOUNT, account, decoded, messages, notice, queue};
use serde_json::json;

async fn letters(stage: &Stage) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', replace(queue, 'fluxnex-local-', ''), reason, state, reentries)
               FROM fluxnex_master.dead_letters ORDER BY 1";
    stage.setting.texts(sql).await
}

async fn mark(stage: &Stage) {
    stage.setting.control.mark_busy(&stage.setting.tenant, stage.setting.clock.now()).await.unwrap();
}

#[tokio::test]
async fn what_nobody_can_read_is_a_visible_failure() {
    let stage = Stage::new().await;
    let tenant = stage.setting.tenant.as_str();
    let batch = [
        OutgoingMessage::new("garbage"),
        OutgoingMessage::new(json!({"v": 2, "tenant": tenant}).to_string()),
        OutgoingMessage::new(json!({"v": 1, "tenant": tenant}).to_string()),
    ];
    assert!(stage.batch(&queue("normalised-dlq"), &batch).await.is_empty());
    assert!(stage.batch(&queue("no-such-queue-dlq"), &batch[..1]).await.is_empty());
    let expected = [
        "no-such-queue unreadable failed 0",
        "normalised unreadable failed 0",
        "normalised unreadable failed 0",
        "normalised unreadable failed 0",
    ];
    assert_eq!(letters(&stage).await, expected);
    let mark_of_letters = stage.setting.take("notification-delivery");
    let told: Vec<Notification> = decoded(&mark_of_letters);
    assert_eq!((told.len(), told[0].kind), (2, NotificationKind::EventFailed), "of which it is known whose they are");
    assert_ne!(told[0].id, told[1].id);
    mark(&stage).await;
    stage.wait(15 * 60);
    assert_eq!(stage.minute().await["reentered"], 0, "it cannot become readable by waiting");
    stage.end().await;
}

#[tokio::test]
async fn what_lacked_infrastructure_waits_and_goes_in_again() {
    let stage = Stage::new().await;
    let letter = messages(&[stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 1)))]);
    assert!(stage.batch(&queue("inbound-gateway-dlq"), &letter).await.is_empty());
    assert_eq!(letters(&stage).await, ["inbound-gateway infrastructure waiting 0"]);
    assert_eq!(stage.setting.count("notification-delivery"), 0);
    mark(&stage).await;
    stage.wait(59);
    assert_eq!(stage.minute().await["reentered"], 0);
    stage.wait(1);
    assert_eq!(stage.minute().await["reentered"], 1);
    let sent = stage.setting.take("inbound-gateway");
    assert_eq!((sent[0].body.as_str(), sent.len()), (letter[0].body.as_str(), 1));
    assert_eq!(sent[0].group.as_deref(), Some(stage.setting.tenant.as_str()));
    assert_eq!(letters(&stage).await, ["inbound-gateway infrastructure reentered 0"]);
    assert_eq!(stage.minute().await["reentered"], 0, "once");
    stage.end().await;
}

#[tokio::test]
async fn a_poll_goes_in_again_under_the_name_of_the_run_that_it_began() {
    let stage = Stage::new().await;
    let request = json!({"v": 1, "tenant": stage.setting.tenant, "connection": "erp", "object": "Invoices"});
    let mut letter = messages(&[request]);
    mark(&stage).await;
    let mut names = Vec::new();
    for wait in [60, 120] {
        assert!(stage.batch(&queue("fetch-request-dlq"), &letter).await.is_empty());
        stage.wait(wait);
        assert_eq!(stage.minute().await["reentered"], 1);
        letter = stage.setting.take("fetch-request");
        let next = decoded::<PollRequest>(&letter)[0].next.unwrap();
        assert_eq!(next.page, 0);
        names.push(next.run);
    }
    assert_eq!(names[0], names[1], "however often it comes back");
    stage.end().await;
}

#[tokio::test]
async fn a_letter_that_keeps_coming_back_fails_in_the_end() {
    let stage = Stage::new().await;
    mark(&stage).await;
    let letter = messages(&[stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 1)))]);
    let mut waits = Vec::new();
    for _ in 0..8 {
        assert!(stage.batch(&queue("inbound-gateway-dlq"), &letter).await.is_empty());
        let mut waited = 0;
        while stage.minute().await["reentered"] == 0 {
            stage.wait(60);
            waited += 1;
        }
        waits.push(waited);
        assert_eq!(stage.setting.take("inbound-gateway").len(), 1);
        let _ = stage.setting.take("sweep-tenant");
    }
    assert!(waits.is_sorted() && waits[7] > waits[0], "each wait is longer: {waits:?}");
    assert!(stage.batch(&queue("inbound-gateway-dlq"), &letter).await.is_empty());
    assert_eq!(letters(&stage).await, ["inbound-gateway infrastructure failed 8"]);
    assert_eq!(stage.setting.count("notification-delivery"), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_wake_goes_back_into_its_group() {
    let stage = Stage::new().await;
    let target = "quickbooks".parse().unwrap();
    let wake = Wake { tenant: stage.setting.tenant.clone(), target, ordering_key: "customer/1".to_owned() };
    let group = wake.group();
    let letter = messages(&[WakeMessage { v: V1, wake }]);
    assert!(stage.batch(&queue("outbound-quickbooks-online-dlq.fifo"), &letter).await.is_empty());
    assert!(stage.batch(&queue("delayed-wakes-dlq"), &letter).await.is_empty());
    mark(&stage).await;
    stage.wait(60);
    assert_eq!(stage.minute().await["reentered"], 2);
    let sent = stage.setting.take("outbound-quickbooks-online.fifo");
    assert_eq!((sent.len(), sent[0].group.as_ref()), (1, Some(&group)));
    assert!(sent[0].deduplication.is_some());
    assert_eq!(stage.setting.take("delayed-wakes").len(), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_database_where_nothing_waits_is_left_asleep() {
    let stage = Stage::new().await;
    let letter = messages(&[stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 1)))]);
    assert!(stage.batch(&queue("inbound-gateway-dlq"), &letter).await.is_empty());
    stage.wait(60);
    assert_eq!(stage.minute().await["reentered"], 0, "nobody is marked");
    stage.wait(17 * 60);
    assert_eq!(stage.minute().await["reentered"], 1, "but once an hour it is looked for");
    stage.end().await;
}

#[tokio::test]
async fn a_letter_for_a_queue_that_is_gone_or_silent_keeps_waiting() {
    let mut stage = Stage::new().await;
    mark(&stage).await;
    let letter = messages(&[stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 1)))]);
    assert!(stage.batch(&queue("inbound-gateway-dlq"), &letter).await.is_empty());
    stage.wait(60);
    let known = std::mem::replace(&mut stage.sweep.inbound_gateway, queue("renamed"));
    stage.minute().await;
    assert_eq!(letters(&stage).await, ["inbound-gateway infrastructure waiting 0"], "it did not go in again");
    stage.sweep.inbound_gateway = known;
    assert_eq!(stage.minute().await["reentered"], 1);
    assert_eq!(stage.setting.take("inbound-gateway").len(), 1);
    stage.end().await;
}
