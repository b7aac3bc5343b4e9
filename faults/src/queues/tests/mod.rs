//! The rules, one by one; and what must hold whatever happens.

mod fifo;
mod properties;
mod source;
mod standard;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const QUEUE: &str = "inbound-gateway";
const DEAD: &str = "inbound-gateway-dlq";
const FIFO: &str = "outbound.fifo";
const DEAD_FIFO: &str = "outbound-dlq.fifo";

fn at(seconds: u64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds))
}

/// Both kinds; visible again after 60 s, delivered three times at most.
fn queues(quirks: Quirks) -> Queues {
    let mut queues = Queues::new(quirks);
    for (name, dead) in [(QUEUE, DEAD), (FIFO, DEAD_FIFO)] {
        let settings = |name| QueueSettings::for_function(name, 10 * SECOND, Duration::ZERO);
        queues.create(settings(dead)).unwrap();
        queues.create(settings(name).dead_letters(dead, 3)).unwrap();
    }
    queues
}

fn grouped(body: &str, group: &str) -> NewMessage {
    NewMessage { group: Some(group.into()), deduplication: Some(body.into()), ..NewMessage::new(body) }
}

fn bodies(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| &*delivery.body).collect()
}

/// Always the last choice: the one farthest from the ordinary.
struct Contrary;

impl Choices for Contrary {
    fn below(&mut self, limit: usize) -> usize {
        limit.saturating_sub(1)
    }
}
