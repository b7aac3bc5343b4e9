//! The rules of FIFO queues.

use super::*;

#[test]
fn a_group_is_locked_while_one_of_its_messages_is_in_flight() {
    let mut queues = queues(Quirks::NONE);
    for (body, group) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("a3", "a")] {
        queues.send(FIFO, grouped(body, group), at(0)).unwrap();
    }
    // As many as possible of one group, then the next one.
    let first = queues.receive(FIFO, 2, at(0), &mut Calm);
    assert_eq!(bodies(&first), ["a1", "a2"]);
    let second = queues.receive(FIFO, 10, at(0), &mut Calm);
    assert_eq!(bodies(&second), ["b1"], "a3 is behind those in flight");
    assert!(queues.delete(FIFO, first[0].receipt, at(1), &mut Calm));
    assert!(!queues.is_ready(FIFO, at(1)));
    assert!(queues.delete(FIFO, first[1].receipt, at(1), &mut Calm));
    assert_eq!(bodies(&queues.receive(FIFO, 10, at(1), &mut Calm)), ["a3"]);
}

#[test]
fn what_comes_back_comes_in_its_place() {
    let mut queues = queues(Quirks::NONE);
    for body in ["1", "2", "3"] {
        queues.send(FIFO, grouped(body, "a"), at(0)).unwrap();
    }
    let batch = queues.receive(FIFO, 2, at(0), &mut Calm);
    assert!(queues.change_visibility(FIFO, batch[1].receipt, Duration::ZERO, at(1)));
    assert!(queues.receive(FIFO, 10, at(1), &mut Calm).is_empty(), "the first one locks the group");
    assert_eq!(bodies(&queues.receive(FIFO, 10, at(60), &mut Calm)), ["1", "2", "3"]);
    // Too late: it is not the receiver's any more.
    assert!(!queues.delete(FIFO, batch[0].receipt, at(61), &mut Calm));
}

#[test]
fn a_dead_letter_frees_its_group_and_starts_anew() {
    let mut queues = queues(Quirks::NONE);
    queues.send(FIFO, grouped("poison", "a"), at(0)).unwrap();
    for round in 0..3 {
        assert_eq!(bodies(&queues.receive(FIFO, 1, at(60 * round), &mut Calm)), ["poison"]);
    }
    queues.send(FIFO, grouped("next", "a"), at(170)).unwrap();
    assert!(!queues.is_ready(FIFO, at(179)));
    assert_eq!(bodies(&queues.receive(FIFO, 10, at(180), &mut Calm)), ["next"]);
    let fourteen_days = 14 * 24 * 3600;
    let dead = queues.receive(DEAD_FIFO, 10, at(fourteen_days), &mut Calm);
    assert_eq!((bodies(&dead), dead[0].group.as_deref()), (vec!["poison"], Some("a")));
    assert!(queues.receive(DEAD_FIFO, 10, at(fourteen_days + 180), &mut Calm).is_empty());
}

#[test]
fn an_id_is_remembered_for_five_minutes_also_when_its_message_is_gone() {
    let mut queues = queues(Quirks::NONE);
    let first = queues.send(FIFO, grouped("a", "group"), at(0)).unwrap();
    let batch = queues.receive(FIFO, 1, at(0), &mut Calm);
    assert!(queues.delete(FIFO, batch[0].receipt, at(1), &mut Calm));
    let again = queues.send(FIFO, grouped("a", "group"), at(299)).unwrap();
    assert_eq!((again.id, again.sequence, again.deduplicated), (first.id, first.sequence, true));
    assert!(!queues.send(FIFO, grouped("a", "other"), at(299)).unwrap().deduplicated, "by group");
    assert!(!queues.send(FIFO, grouped("a", "group"), at(300)).unwrap().deduplicated);
    assert_eq!((queues.counts(FIFO).sent, queues.counts(FIFO).deduplicated), (3, 1));
}

#[test]
fn the_default_scope_of_deduplication_is_the_queue() {
    let mut queues = queues(Quirks::NONE);
    let settings = QueueSettings::for_function("other.fifo", SECOND, Duration::ZERO);
    queues.create(QueueSettings { deduplication_scope: DeduplicationScope::Queue, ..settings }).unwrap();
    queues.send("other.fifo", grouped("a", "one"), at(0)).unwrap();
    assert!(queues.send("other.fifo", grouped("a", "two"), at(0)).unwrap().deduplicated);
}

#[test]
fn a_fifo_queue_needs_group_and_id_and_has_no_delay_for_one_message() {
    let mut queues = queues(Quirks::NONE);
    let whole = grouped("a", "group");
    for message in [
        NewMessage { group: None, ..whole.clone() },
        NewMessage { deduplication: None, ..whole.clone() },
        NewMessage { delay: SECOND, ..whole.clone() },
        NewMessage { group: Some("with space".into()), ..whole },
    ] {
        assert!(matches!(queues.send(FIFO, message, at(0)), Err(SendError::Invalid(_))));
    }
}
