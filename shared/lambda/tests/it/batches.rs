//! One kind of failure at a time.

use crate::captured;
use crate::sample::event;
use fluxnex_core::ids::{ConnectionId, EventId, TenantId};
use fluxnex_lambda::batch::{self, BatchError, Outcome, Record, Undecodable, Work, run_batch};
use fluxnex_lambda::{Deadline, Invocation, SqsEvent};
use std::cell::RefCell;
use std::time::Duration;
use uuid::Uuid;

fn invocation() -> Invocation {
    Invocation::new("request", Deadline::NONE)
}

fn text(record: &Record) -> Result<String, Undecodable> {
    if record.body == "undecodable" { Err(Undecodable::new("nonsense")) } else { Ok(record.body.clone()) }
}

/// Runs the event through a stage that does what each body says; answers the failed ids and the calls.
async fn run(event: SqsEvent) -> (Vec<String>, Vec<Vec<String>>) {
    captured::start();
    let calls = RefCell::new(Vec::new());
    let response = run_batch(event, &invocation(), text, async |works: &[Work<String>]| {
        calls.borrow_mut().push(works.iter().map(|work| work.record.message_id.clone()).collect::<Vec<_>>());
        let says = |what: &str| works.iter().any(|work| work.message == what);
        assert!(!says("panic"), "planted");
        if says("poison") {
            return Err(BatchError::poisoned("value too long"));
        }
        if says("outage") {
            return Err(BatchError::infrastructure("no database"));
        }
        if says("miscount") {
            return Ok(Vec::new());
        }
        Ok(works
            .iter()
            .map(|work| if work.message == "retry" { Outcome::retry("asked") } else { Outcome::done("ok") })
            .collect())
    })
    .await
    .unwrap();
    let failed = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    (failed, calls.into_inner())
}

#[tokio::test]
async fn a_good_batch_is_one_call_and_no_failure() {
    let (failed, calls) = run(event("normalised", &[("1", Some("acme"), "a"), ("2", Some("acme"), "b")])).await;
    assert!(failed.is_empty());
    assert_eq!(calls, [["1", "2"]]);
}

#[tokio::test]
async fn what_cannot_be_decoded_fails_alone() {
    let (failed, calls) = run(event("q", &[("1", None, "a"), ("2", None, "undecodable"), ("3", None, "retry")])).await;
    assert_eq!(failed, ["2", "3"]);
    assert_eq!(calls, [["1", "3"]]);
}

#[tokio::test]
async fn a_poisoned_record_is_found_by_running_each_alone() {
    for poison in ["poison", "panic"] {
        let (failed, calls) = run(event("q", &[("1", None, "a"), ("2", None, poison), ("3", None, "b")])).await;
        assert_eq!(failed, ["2"]);
        assert_eq!(calls, [vec!["1", "2", "3"], vec!["1"], vec!["2"], vec!["3"]]);
    }
    let (failed, calls) = run(event("q", &[("1", None, "panic")])).await;
    assert_eq!((failed.len(), calls.len()), (1, 1), "a single record is not run twice");
}

#[tokio::test]
async fn an_outage_returns_everything_at_once() {
    let (failed, calls) = run(event("q", &[("1", None, "a"), ("2", None, "outage")])).await;
    assert_eq!(failed, ["1", "2"]);
    assert_eq!(calls.len(), 1);
    let (failed, calls) = run(event("q", &[("1", None, "panic"), ("2", None, "outage"), ("3", None, "a")])).await;
    assert_eq!(failed, ["1", "2", "3"]);
    assert_eq!(calls, [vec!["1", "2", "3"], vec!["1"], vec!["2"]], "nothing is tried after the outage");
}

#[tokio::test]
async fn a_stage_that_miscounts_acknowledges_nothing() {
    let (failed, _) = run(event("q", &[("1", None, "a"), ("2", None, "miscount")])).await;
    assert_eq!(failed, ["1", "2"]);
}

#[tokio::test]
async fn a_fifo_group_stops_at_its_first_failure_and_no_other_does() {
    let samples = [
        ("a1", Some("a"), "x"),
        ("b1", Some("b"), "x"),
        ("a2", Some("a"), "retry"),
        ("a3", Some("a"), "x"),
        ("b2", Some("b"), "x"),
        ("c1", Some("c"), "undecodable"),
        ("c2", Some("c"), "x"),
    ];
    let (mut failed, calls) = run(event("outbound-x.fifo", &samples)).await;
    failed.sort();
    assert_eq!(failed, ["a2", "a3", "c1", "c2"]);
    assert_eq!(calls, [vec!["a1", "b1"], vec!["a2", "b2"]]);
}

#[tokio::test]
async fn an_event_that_is_no_batch_is_refused_before_anything_is_done() {
    for json in [r#"{"Records":[{"messageId":"1","body":"a"},{"body":"b"}]}"#, r#"{"Records":[{"messageId":""}]}"#] {
        let event: SqsEvent = serde_json::from_str(json).unwrap();
        let refused = run_batch(event, &invocation(), text, async |_: &[Work<String>]| panic!("nothing to do")).await;
        assert!(refused.is_err());
    }
}

#[tokio::test]
async fn a_stage_that_takes_too_long_gives_its_records_back() {
    captured::start();
    let invocation = Invocation::new("request", Deadline::after(Duration::from_millis(550)));
    let event = event("q", &[("1", None, "a"), ("2", None, "b")]);
    let response =
        run_batch(event, &invocation, text, async |_: &[Work<String>]| std::future::pending().await).await.unwrap();
    assert_eq!(response.batch_item_failures.len(), 2);
}

#[tokio::test]
async fn the_canonical_line_says_what_became_of_a_record_and_quotes_nothing() {
    captured::start();
    let samples = [("1", Some("acme"), r#"{"tenant":"acme"}"#), ("2", None, r#"{"tenant":"marked secret"}"#)];
    let event = event("fluxnex-local-normalised", &samples);
    #[derive(serde::Deserialize)]
    struct Message {
        tenant: TenantId,
    }
    run_batch(event, &invocation(), batch::json::<Message>, async |works| {
        let outcome = |work: &Work<Message>| {
            let connection = ConnectionId::parse("revenova").unwrap();
            let event = EventId(Uuid::from_u128(7));
            Outcome::done("unchanged").tenant(&work.message.tenant).connection(&connection).event(event)
        };
        Ok(works.iter().map(outcome).collect())
    })
    .await
    .unwrap();
    assert!(!captured::text().contains("marked secret"), "{}", captured::text());
    let lines = captured::records();
    assert_eq!(lines.len(), 2);
    let (bad, good) = (&lines[0], &lines[1]);
    assert_eq!((bad["message"].as_str(), bad["outcome"].as_str()), (Some("record"), Some("retry")));
    assert_eq!(bad["reason"], "undecodable: not of the expected shape at line 1 column 26");
    assert_eq!(good["level"], "INFO");
    for (field, value) in [
        ("queue", "fluxnex-local-normalised"),
        ("message_id", "1"),
        ("tenant", "acme"),
        ("connection", "revenova"),
        ("event", "00000000-0000-0000-0000-000000000007"),
        ("outcome", "unchanged"),
    ] {
        assert_eq!(good[field], value, "{field}");
    }
    assert_eq!(good["receive_count"], 3);
    assert!(good["duration_ms"].is_u64());
    assert!(good.get("delivery").is_none());
}
