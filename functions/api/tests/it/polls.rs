//! Polls of a bundle: published to `poll`, and scheduled.

use crate::support::Stage;
use fluxnex_cloud::control::{Control, Facet};
use fluxnex_core::ids::ConnectionId;
use fluxnex_core::poll::PollSettings;
use serde_json::{Value, json};

fn polled(stage: &Stage) -> Value {
    let mut bundle = stage.bundle();
    bundle["connections"]["revenova"]["polls"] = json!({
        "Account": {"schedule": "rate(5 minutes)"},
        "rtms__CustomerInvoice__c": {"schedule": "cron(0/15 6-20 ? * MON-FRI *)", "timezone": "Europe/Berlin"},
    });
    bundle
}

async fn published(stage: &Stage) -> Option<PollSettings> {
    let connection = ConnectionId::parse("revenova").unwrap();
    let document = stage.setting.control.published(&stage.setting.tenant, &connection, Facet::Polls).await.unwrap();
    document.map(|document| serde_json::from_value(document.body).unwrap())
}

#[tokio::test]
async fn each_object_gets_a_schedule_and_poll_learns_how_to_ask() {
    let stage = Stage::new().await;
    assert_eq!(stage.put(&polled(&stage)).await.status, 200);
    let settings = published(&stage).await.unwrap();
    assert_eq!(settings.polls().len(), 2);
    assert_eq!(settings.manifest.connector.as_str(), "revenova");
    let schedules = stage.setting.schedules.schedules();
    assert_eq!(schedules.len(), 2);
    let cron = schedules.iter().find(|schedule| schedule.expression.is_cron()).unwrap();
    assert_eq!(cron.timezone.as_deref(), Some("Europe/Berlin"));
    let tenant = stage.setting.tenant.as_str();
    let input: Value = serde_json::from_str(&cron.input).unwrap();
    let expected = json!({"v": 1, "tenant": tenant, "connection": "revenova", "object": "rtms__CustomerInvoice__c"});
    assert_eq!(input, expected);
    assert!(cron.name.starts_with(&format!("{tenant}.revenova.")) && cron.description.contains("revenova"));
}

#[tokio::test]
async fn what_is_not_polled_any_more_loses_its_schedule_and_another_tenants_stays() {
    let (stage, other) = (Stage::new().await, Stage::new().await);
    assert_eq!(stage.put(&polled(&stage)).await.status, 200);
    let mut bundle = polled(&stage);
    bundle["connections"]["revenova"]["polls"].as_object_mut().unwrap().remove("Account");
    assert_eq!(stage.put(&bundle).await.status, 200);
    let inputs: Vec<String> = stage.setting.schedules.schedules().into_iter().map(|schedule| schedule.input).collect();
    assert!(inputs.len() == 1 && inputs[0].contains("CustomerInvoice"), "{inputs:?}");
    bundle["connections"]["revenova"].as_object_mut().unwrap().remove("polls");
    assert_eq!(stage.put(&bundle).await.status, 200);
    assert!(stage.setting.schedules.schedules().is_empty() && published(&stage).await.is_none());
    assert_eq!(other.put(&polled(&other)).await.status, 200);
    assert_eq!(other.setting.schedules.schedules().len(), 2);
}

#[tokio::test]
async fn an_apply_that_could_not_schedule_is_finished_by_the_same_call_again() {
    let stage = Stage::new().await;
    stage.setting.schedules.set_silent(true);
    let answer = stage.put(&polled(&stage)).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &json!("5")));
    stage.setting.schedules.set_silent(false);
    let answer = stage.put(&polled(&stage)).await;
    assert_eq!((answer.status, &answer.body["changed"]), (200, &json!(false)));
    assert_eq!(stage.setting.schedules.schedules().len(), 2);
}

#[tokio::test]
async fn polls_that_cannot_be_are_refused() {
    let stage = Stage::new().await;
    for (polls, place) in [
        (json!({"Nothing": {"schedule": "rate(5 minutes)"}}), "connections.revenova.polls.Nothing"),
        (json!({"Account": {"schedule": "every minute"}}), "a schedule is rate(…), cron(…)"),
        (json!({"Account": {"schedule": "rate(0 minutes)"}}), "a number above 0"),
        (json!({"Account": {"schedule": "cron(* * * * *)"}}), "six fields"),
        (json!({"Account": {"schedule": "at(2026-11-20T13:00:00)"}}), "again and again"),
        (json!({"Account": {"schedule": "rate(5 minutes)", "timezone": "UTC"}}), "only a cron schedule"),
        (
            json!({"Account": {"schedule": "rate(5 minutes)", "since": "yesterday"}}),
            "connections.revenova.polls.Account.since",
        ),
        (json!({"Account": {"schedule": "rate(5 minutes)", "colour": 1}}), "colour"),
    ] {
        let mut bundle = stage.bundle();
        bundle["connections"]["revenova"]["polls"] = polls;
        let answer = stage.put(&bundle).await;
        assert_eq!(answer.status, 422, "{place}");
        assert!(answer.body.to_string().contains(place), "{place}: {}", answer.body);
    }
    assert!(stage.setting.schedules.schedules().is_empty());
}
