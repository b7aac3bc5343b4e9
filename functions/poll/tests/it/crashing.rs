//! What a crash leaves, at each step: records queued, progress saved, next page asked for.

use crate::support::Stage;
use fluxnex_testing::queue;
use std::time::Duration;

#[tokio::test]
async fn records_that_cannot_be_queued_leave_the_watermark_where_it_was() {
    let stage = Stage::new().await;
    let tick = stage.tick();
    stage.page(&[("a", 1), ("b", 2)], true);
    stage.queues.set_silent(&queue("inbound-gateway"), true);
    assert!(!stage.run(&tick).await, "the message comes back");
    assert_eq!(stage.progress().await.changed.watermark, None);
    stage.queues.set_silent(&queue("inbound-gateway"), false);
    stage.page(&[("a", 1), ("b", 2)], true);
    stage.page(&[("c", 3)], false);
    stage.run_all(tick).await;
    assert_eq!(stage.ids(), ["a", "b", "c"]);
}

#[tokio::test]
async fn progress_that_cannot_be_saved_reads_the_page_again() {
    let stage = Stage::new().await;
    let tick = stage.tick();
    stage.page(&[("a", 1)], false);
    stage.control.set_silent(true);
    assert!(!stage.run(&tick).await);
    stage.control.set_silent(false);
    stage.run_all(tick).await;
    assert_eq!(stage.ids(), ["a"]);
}

#[tokio::test]
async fn a_next_page_that_could_not_be_asked_for_is_asked_for_when_the_message_comes_again() {
    let stage = Stage::new().await;
    let tick = stage.tick();
    stage.page(&[("a", 1), ("b", 2)], true);
    stage.queues.set_silent(&queue("fetch-request"), true);
    assert!(!stage.run(&tick).await);
    assert_eq!(stage.progress().await.run.unwrap().page, 2, "the page is durable and noted");
    stage.queues.set_silent(&queue("fetch-request"), false);
    stage.page(&[("c", 3)], false);
    stage.run_all(tick).await;
    assert_eq!(stage.ids(), ["a", "b", "c"], "the first page is not read again");
}

#[tokio::test]
async fn the_same_message_twice_does_no_harm() {
    let stage = Stage::new().await;
    let tick = stage.tick();
    stage.page(&[("a", 1), ("b", 2)], true);
    assert!(stage.run(&tick).await);
    assert!(stage.run(&tick).await, "it only asks for the next page again");
    let next = stage.next();
    assert_eq!((next.len(), stage.source.requests().len()), (2, 1));
    stage.page(&[("c", 3)], false);
    for message in next {
        stage.run_all(message).await;
    }
    assert_eq!(stage.ids(), ["a", "b", "c"]);
    assert!(stage.run(&tick).await);
    assert_eq!(stage.source.left_over(), 0);
}

#[tokio::test]
async fn a_dead_letter_goes_on_with_the_run_that_it_began_or_begins_it() {
    for begins_before in [true, false] {
        let stage = Stage::new().await;
        let tick = stage.tick();
        if begins_before {
            stage.page(&[("a", 1), ("b", 2)], true);
            stage.queues.set_silent(&queue("inbound-gateway"), true);
            assert!(!stage.run(&tick).await);
            stage.queues.set_silent(&queue("inbound-gateway"), false);
            assert!(stage.run(&stage.tick()).await);
            assert_eq!(stage.source.requests().len(), 1, "another schedule's message finds that run under way");
        }
        let again = stage.let_in_again(&tick);
        stage.page(&[("a", 1), ("b", 2)], true);
        stage.page(&[("c", 3)], false);
        stage.run_all(again).await;
        assert_eq!(stage.ids(), ["a", "b", "c"]);
    }
}

#[tokio::test]
async fn a_run_that_died_is_taken_over_when_its_lease_is_over() {
    let stage = Stage::new().await;
    stage.page(&[("a", 1), ("b", 2)], true);
    assert!(stage.run(&stage.tick()).await);
    let lost = stage.next();
    assert!(stage.run(&stage.tick()).await);
    assert_eq!(stage.source.requests().len(), 1, "another run is under way, as far as one can know");
    stage.clock.advance(Duration::from_secs(16 * 60));
    stage.page(&[("c", 3)], false);
    stage.run_all(stage.tick()).await;
    assert_eq!(stage.ids(), ["a", "b", "c"]);
    // What was believed lost comes after all.
    for message in lost {
        stage.run_all(message).await;
    }
    assert_eq!((stage.source.requests().len(), stage.ids().len()), (2, 3));
}
