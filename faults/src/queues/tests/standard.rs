//! The rules of standard queues.

use super::*;

#[test]
fn a_delivered_message_is_hidden_until_the_visibility_timeout_ends() {
    let mut queues = queues(Quirks::NONE);
    queues.send(QUEUE, NewMessage::new("a"), at(0)).unwrap();
    let first = queues.receive(QUEUE, 10, at(0), &mut Calm);
    assert_eq!((bodies(&first), first[0].receive_count), (vec!["a"], 1));
    assert_eq!(queues.load(QUEUE), Load { visible: 0, delayed: 0, in_flight: 1 });
    assert_eq!(queues.next_change(QUEUE), Some(at(60)));
    assert!(queues.receive(QUEUE, 10, at(59), &mut Calm).is_empty());
    let second = queues.receive(QUEUE, 10, at(60), &mut Calm);
    assert_eq!((second[0].receive_count, second[0].first_received_at), (2, at(0)));
    // The first handle is old.
    assert!(!queues.delete(QUEUE, first[0].receipt, at(61), &mut Calm));
    assert!(queues.delete(QUEUE, second[0].receipt, at(61), &mut Calm));
    assert_eq!(queues.undeleted(QUEUE), 0);
}

#[test]
fn visibility_can_be_changed_by_the_latest_receiver() {
    let mut queues = queues(Quirks::NONE);
    queues.send(QUEUE, NewMessage::new("a"), at(0)).unwrap();
    let first = queues.receive(QUEUE, 1, at(0), &mut Calm);
    assert!(queues.change_visibility(QUEUE, first[0].receipt, Duration::ZERO, at(1)));
    assert!(!queues.change_visibility(QUEUE, first[0].receipt, SECOND, at(1)));
    assert_eq!(queues.receive(QUEUE, 1, at(1), &mut Calm)[0].receive_count, 2);
}

#[test]
fn delays_are_kept() {
    let mut queues = queues(Quirks::NONE);
    queues.send(QUEUE, NewMessage { delay: 900 * SECOND, ..NewMessage::new("late") }, at(0)).unwrap();
    queues.send(QUEUE, NewMessage::new("now"), at(0)).unwrap();
    assert_eq!(bodies(&queues.receive(QUEUE, 10, at(899), &mut Calm)), ["now"]);
    assert_eq!(bodies(&queues.receive(QUEUE, 1, at(900), &mut Calm)), ["late"]);
    let longer = NewMessage { delay: 901 * SECOND, ..NewMessage::new("x") };
    assert!(matches!(queues.send(QUEUE, longer, at(0)), Err(SendError::Invalid(_))));
}

#[test]
fn what_was_delivered_too_often_becomes_a_dead_letter() {
    let mut queues = queues(Quirks::NONE);
    queues.send(QUEUE, NewMessage::new("poison"), at(0)).unwrap();
    for round in 0..3 {
        assert_eq!(queues.receive(QUEUE, 10, at(60 * round), &mut Calm).len(), 1);
    }
    assert_eq!(queues.load(QUEUE).in_flight, 1);
    assert!(queues.receive(QUEUE, 10, at(180), &mut Calm).is_empty());
    let dead = queues.receive(DEAD, 10, at(180), &mut Calm);
    assert_eq!((bodies(&dead), dead[0].receive_count), (vec!["poison"], 1));
    assert_eq!(dead[0].dead_letter_of.as_deref(), Some(QUEUE));
    assert_eq!((queues.counts(QUEUE).dead_lettered, queues.counts(DEAD).came_as_dead_letters), (1, 1));
    // The dead-letter queue counts from when it was sent.
    let fourteen_days = 14 * 24 * 3600;
    assert!(queues.receive(DEAD, 10, at(fourteen_days), &mut Calm).is_empty());
    assert_eq!(queues.counts(DEAD).expired, 1);
}

#[test]
fn any_of_the_first_messages_may_come_next() {
    let mut queues = queues(Quirks { reorder_within: 2, ..Quirks::NONE });
    for body in ["a", "b", "c"] {
        queues.send(QUEUE, NewMessage::new(body), at(0)).unwrap();
    }
    assert_eq!(bodies(&queues.receive(QUEUE, 3, at(0), &mut Contrary)), ["b", "c", "a"]);
}

#[test]
fn a_message_may_be_delivered_twice_at_once_and_after_it_was_deleted() {
    let mut queues = queues(Quirks { duplicate_one_in: 2, ..Quirks::NONE });
    queues.send(QUEUE, NewMessage::new("a"), at(0)).unwrap();
    let first = queues.receive(QUEUE, 10, at(0), &mut Contrary);
    let second = queues.receive(QUEUE, 10, at(0), &mut Calm);
    assert_eq!((first.len(), second.len()), (1, 1), "once in each answer");
    assert_eq!(first[0].id, second[0].id);
    // A copy stays, once.
    assert!(queues.delete(QUEUE, second[0].receipt, at(1), &mut Contrary));
    assert_eq!((queues.undeleted(QUEUE), queues.load(QUEUE).in_flight), (0, 1));
    let copy = queues.receive(QUEUE, 10, at(60), &mut Calm);
    assert!(queues.delete(QUEUE, copy[0].receipt, at(61), &mut Contrary));
    assert_eq!((queues.counts(QUEUE).deleted, queues.load(QUEUE)), (1, Load::default()));
}

#[test]
fn what_sqs_refuses_is_refused() {
    let mut queues = queues(Quirks::NONE);
    assert_eq!(queues.send("x", NewMessage::new("a"), at(0)), Err(SendError::NoQueue("x".to_owned())));
    let long = "x".repeat(model::MAX_MESSAGE_BYTES + 1);
    for body in ["", "a\u{1}", "\u{FFFF}", &long] {
        assert!(matches!(queues.send(QUEUE, NewMessage::new(body), at(0)), Err(SendError::Invalid(_))));
    }
    assert!(queues.send(QUEUE, grouped("a", "tenant"), at(0)).is_err(), "deduplication is for FIFO queues");
    let fair = NewMessage { group: Some("tenant".into()), ..NewMessage::new("a") };
    assert!(queues.send(QUEUE, fair, at(0)).is_ok());
}

#[test]
fn queues_need_a_dead_letter_queue_of_their_kind() {
    let mut queues = queues(Quirks::NONE);
    let settings = |name: &str| QueueSettings::for_function(name, SECOND, SECOND);
    assert_eq!(settings("q").visibility, 7 * SECOND);
    assert_eq!(queues.create(settings(QUEUE)), Err(CreateError::Exists(QUEUE.to_owned())));
    let missing = settings("q").dead_letters("none", 5);
    assert_eq!(queues.create(missing), Err(CreateError::NoDeadLetterQueue("q".to_owned())));
    let other = settings("q.fifo").dead_letters(DEAD, 5);
    assert_eq!(queues.create(other), Err(CreateError::OtherKind("q.fifo".to_owned())));
}
