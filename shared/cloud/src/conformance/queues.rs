//! What every queue does with what is sent to it.

use crate::queue::{MAX_MESSAGE_BYTES, OutgoingMessage, QueueError, QueueUrl, Queues};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::time::Duration;

/// A message as a consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// Its body.
    pub body: String,
    /// Its group.
    pub group: Option<String>,
}

/// Queues, and a consumer who looks into them.
#[async_trait]
pub trait QueueWorld: Send + Sync {
    /// The port.
    fn queues(&self) -> &dyn Queues;

    /// A new, empty queue: FIFO, without deduplication by content, if the name ends so.
    async fn create(&self, name: &str) -> QueueUrl;

    /// Takes what is visible now out of the queue, in order.
    async fn take(&self, queue: &QueueUrl) -> Vec<Seen>;

    /// Lets a short time pass, at most a second; answers how much.
    async fn pass(&self) -> Duration;
}

/// Runs the suite.
pub async fn suite(world: &dyn QueueWorld) {
    many_messages_arrive_once(world).await;
    large_messages_arrive(world).await;
    what_is_not_valid_is_refused_whole(world).await;
    a_delay_is_kept(world).await;
    fifo_keeps_order_and_swallows_repetitions(world).await;
}

/// Takes messages until so many came; gives up after ten seconds of the world's time.
async fn collect(world: &dyn QueueWorld, queue: &QueueUrl, count: usize) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut waited = Duration::ZERO;
    while seen.len() < count {
        assert!(waited < Duration::from_secs(10), "only {} of {count} messages came", seen.len());
        seen.extend(world.take(queue).await);
        if seen.len() < count {
            waited += world.pass().await;
        }
    }
    seen
}

async fn many_messages_arrive_once(world: &dyn QueueWorld) {
    let queue = world.create("many").await;
    world.queues().send(&queue, Vec::new()).await.expect("nothing to send");
    let messages: Vec<OutgoingMessage> = (0..25)
        .map(|number| OutgoingMessage::json(&format!("é\u{FFFF}\"{number}")).expect("JSON").group("acme"))
        .collect();
    let sent: BTreeSet<String> = messages.iter().map(|message| message.body.clone()).collect();
    world.queues().send(&queue, messages).await.expect("send");
    let seen = collect(world, &queue, 25).await;
    assert_eq!(seen.len(), 25);
    assert!(seen.iter().all(|seen| seen.group.as_deref() == Some("acme")), "the tenant is the group");
    assert_eq!(seen.into_iter().map(|seen| seen.body).collect::<BTreeSet<_>>(), sent);
}

async fn large_messages_arrive(world: &dyn QueueWorld) {
    let queue = world.create("large").await;
    let sizes = [MAX_MESSAGE_BYTES, 400_000, 400_000, 400_000];
    let messages = sizes.iter().map(|size| OutgoingMessage::new("x".repeat(*size))).collect();
    world.queues().send(&queue, messages).await.expect("send");
    let mut seen: Vec<usize> = collect(world, &queue, 4).await.iter().map(|seen| seen.body.len()).collect();
    seen.sort_unstable();
    assert_eq!(seen, [400_000, 400_000, 400_000, MAX_MESSAGE_BYTES]);
}

async fn what_is_not_valid_is_refused_whole(world: &dyn QueueWorld) {
    let standard = world.create("whole").await;
    let fifo = world.create("whole.fifo").await;
    let good = OutgoingMessage::new("{}");
    let large = OutgoingMessage::new("x".repeat(MAX_MESSAGE_BYTES + 1));
    let error = world.queues().send(&standard, vec![good.clone(), large]).await;
    assert!(matches!(error, Err(QueueError::TooLarge { index: 1, .. })), "{error:?}");
    let forbidden = OutgoingMessage::new("\u{1}");
    for (queue, bad) in [(&standard, forbidden), (&fifo, good.clone())] {
        let error = world.queues().send(queue, vec![bad]).await;
        assert!(matches!(error, Err(QueueError::Invalid { index: 0, .. })), "{error:?}");
    }
    world.pass().await;
    assert!(world.take(&standard).await.is_empty(), "none was sent");
    assert!(world.take(&fifo).await.is_empty(), "none was sent");
}

async fn a_delay_is_kept(world: &dyn QueueWorld) {
    let queue = world.create("delay").await;
    let later = OutgoingMessage::new("later").delay(Duration::from_millis(1500));
    world.queues().send(&queue, vec![later, OutgoingMessage::new("now")]).await.expect("send");
    let bodies = |seen: Vec<Seen>| seen.into_iter().map(|seen| seen.body).collect::<Vec<_>>();
    assert_eq!(bodies(collect(world, &queue, 1).await), ["now"]);
    assert_eq!(bodies(collect(world, &queue, 1).await), ["later"]);
}

async fn fifo_keeps_order_and_swallows_repetitions(world: &dyn QueueWorld) {
    let queue = world.create("order.fifo").await;
    let message = |group: &str, number: usize| {
        OutgoingMessage::new(format!("{group}{number}")).group(group).deduplication(format!("{group}-{number}"))
    };
    let messages = (0..12).flat_map(|number| [message("a", number), message("b", number)]).collect();
    world.queues().send(&queue, messages).await.expect("send");
    world.queues().send(&queue, vec![message("a", 3), message("b", 12)]).await.expect("send again");
    let seen = collect(world, &queue, 25).await;
    for (group, count) in [("a", 12), ("b", 13)] {
        let of_group = seen.iter().filter(|seen| seen.group.as_deref() == Some(group));
        let expected: Vec<String> = (0..count).map(|number| format!("{group}{number}")).collect();
        assert_eq!(of_group.map(|seen| seen.body.clone()).collect::<Vec<_>>(), expected);
    }
    world.pass().await;
    assert!(world.take(&queue).await.is_empty(), "the repetition was swallowed");
}
