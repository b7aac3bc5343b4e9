//! The rules of the event source.

use super::*;

fn source(queue: &str, batch_size: usize, window: Duration) -> EventSource {
    EventSource::new(EventSourceSettings { queue: queue.to_owned(), batch_size, window, maximum_concurrency: Some(2) })
}

fn failures(ids: &[&str]) -> Vec<u8> {
    let items: Vec<_> = ids.iter().map(|id| serde_json::json!({"itemIdentifier": id})).collect();
    serde_json::json!({ "batchItemFailures": items }).to_string().into_bytes()
}

#[test]
fn a_batch_is_given_when_it_is_full_or_its_window_ends() {
    let mut queues = queues(Quirks::NONE);
    let mut source = source(QUEUE, 25, 5 * SECOND);
    for number in 0..30 {
        queues.send(QUEUE, NewMessage::new(number.to_string()), at(0)).unwrap();
    }
    assert_eq!(source.poll(&mut queues, at(0), &mut Calm).unwrap().deliveries.len(), 25);
    assert_eq!(source.poll(&mut queues, at(1), &mut Calm), None);
    assert_eq!(source.next_poll(&queues), Some(at(6)));
    assert_eq!(source.poll(&mut queues, at(6), &mut Calm).unwrap().deliveries.len(), 5);
    // Two are under way.
    queues.send(QUEUE, NewMessage::new("more"), at(7)).unwrap();
    assert_eq!(source.poll(&mut queues, at(20), &mut Calm), None);
    assert_eq!(source.finish(&mut queues, 1, Answer::Response(b"{}"), at(20), &mut Calm).deleted, 25);
    assert_eq!(source.poll(&mut queues, at(20), &mut Calm), None, "its window begins");
    assert_eq!(source.poll(&mut queues, at(25), &mut Calm).unwrap().deliveries.len(), 1);
}

#[test]
fn a_batch_ends_at_six_megabytes() {
    let mut queues = queues(Quirks::NONE);
    let mut source = source(QUEUE, 10_000, SECOND);
    for _ in 0..13 {
        queues.send(QUEUE, NewMessage::new("x".repeat(1_000_000)), at(0)).unwrap();
    }
    let sizes: Vec<usize> =
        std::iter::from_fn(|| source.poll(&mut queues, at(0), &mut Calm)).map(|batch| batch.deliveries.len()).collect();
    assert_eq!(sizes, [6, 6], "the last one waits for its window");
}

#[test]
fn only_what_failed_comes_back() {
    let mut queues = queues(Quirks::NONE);
    let mut source = source(QUEUE, 10, Duration::ZERO);
    let sent = ["a", "b"].map(|body| queues.send(QUEUE, NewMessage::new(body), at(0)).unwrap());
    let batch = source.poll(&mut queues, at(0), &mut Calm).unwrap();
    let answer = failures(&[&sent[1].id]);
    let finished = source.finish(&mut queues, batch.number, Answer::Response(&answer), at(1), &mut Calm);
    assert_eq!((finished.deleted, finished.returned), (1, 1));
    assert_eq!(source.poll(&mut queues, at(59), &mut Calm), None);
    assert_eq!(bodies(&source.poll(&mut queues, at(60), &mut Calm).unwrap().deliveries), ["b"]);
}

#[test]
fn a_bad_answer_brings_back_the_whole_batch() {
    for answer in [Answer::Response(br#"{"batchItemFailures":[{"itemIdentifier":"x"}]}"#), Answer::FunctionError] {
        let mut queues = queues(Quirks::NONE);
        let mut source = source(QUEUE, 10, Duration::ZERO);
        for body in ["a", "b"] {
            queues.send(QUEUE, NewMessage::new(body), at(0)).unwrap();
        }
        let batch = source.poll(&mut queues, at(0), &mut Calm).unwrap();
        let finished = source.finish(&mut queues, batch.number, answer, at(1), &mut Calm);
        assert_eq!((finished.deleted, finished.returned, finished.whole_batch.is_some()), (0, 2, true));
        assert_eq!(source.poll(&mut queues, at(60), &mut Calm).unwrap().deliveries.len(), 2);
    }
}

#[test]
fn a_fifo_answer_that_lets_a_message_overtake_is_found() {
    let mut queues = queues(Quirks::NONE);
    let mut source = source(FIFO, 10, Duration::ZERO);
    let sent = [("a1", "a"), ("a2", "a"), ("b1", "b")]
        .map(|(body, group)| queues.send(FIFO, grouped(body, group), at(0)).unwrap());
    let batch = source.poll(&mut queues, at(0), &mut Calm).unwrap();
    assert_eq!(bodies(&batch.deliveries), ["a1", "a2", "b1"]);
    let answer = failures(&[&sent[0].id]);
    let finished = source.finish(&mut queues, batch.number, Answer::Response(&answer), at(1), &mut Calm);
    assert_eq!(finished.overtaken, [sent[1].id.clone()]);
    assert_eq!((finished.deleted, finished.returned), (2, 1));
}

#[test]
fn an_acknowledgement_may_be_lost() {
    let mut queues = queues(Quirks { lost_acknowledgement_one_in: 2, ..Quirks::NONE });
    let mut source = source(FIFO, 10, Duration::ZERO);
    queues.send(FIFO, grouped("a", "a"), at(0)).unwrap();
    let batch = source.poll(&mut queues, at(0), &mut Calm).unwrap();
    let finished = source.finish(&mut queues, batch.number, Answer::Response(b"null"), at(1), &mut Contrary);
    assert_eq!((finished.deleted, finished.returned), (0, 1));
    assert_eq!(source.poll(&mut queues, at(60), &mut Calm).unwrap().deliveries[0].receive_count, 2);
}
