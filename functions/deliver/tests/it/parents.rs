//! A child goes to the target after its parent.

use crate::pipeline::Pipeline;
use fluxnex_core::message::WakeMessage;
use fluxnex_testing::{ACCOUNT, INVOICE, Reply, account, decoded, invoice, notice};
use serde_json::json;

fn family() -> [String; 2] {
    [notice(ACCOUNT, &account("001A", "Ada", 1)), notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 1))]
}

/// The wakes of the family's parent and child.
async fn routed(pipeline: &Pipeline) -> [fluxnex_cloud::queue::OutgoingMessage; 2] {
    let wakes = pipeline.routed(&family()).await;
    let is_parent = |message: &WakeMessage| message.wake.ordering_key.starts_with("customer/");
    let (parents, children): (Vec<_>, Vec<_>) =
        wakes.into_iter().partition(|wake| is_parent(&decoded(std::slice::from_ref(wake))[0]));
    [parents[0].clone(), children[0].clone()]
}

#[tokio::test]
async fn a_child_waits_for_its_parent_and_is_woken_by_it() {
    let pipeline = Pipeline::new().await;
    let [parent, child] = routed(&pipeline).await;
    pipeline.delivered(std::slice::from_ref(&child)).await;
    assert!(pipeline.setting.target.requests().is_empty(), "the target does not know the customer yet");
    assert_eq!(pipeline.deliveries().await, ["pending 0", "pending 0"]);
    pipeline.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "0"}})));
    pipeline.delivered(&[parent]).await;
    let woken = pipeline.wakes();
    assert_eq!(woken.iter().map(|wake| &wake.body).collect::<Vec<_>>(), [&child.body]);
    assert_eq!(woken[0].group, child.group);
    pipeline.delivered(&woken).await;
    let requests = pipeline.setting.target.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].path, "/v3/company/4620816365/invoice");
    assert_eq!(requests[1].json()["CustomerRef"], json!({"value": "58"}));
    assert!(requests[1].body.contains("1000.25"), "{}", requests[1].body);
    assert_eq!(pipeline.deliveries().await, ["delivered 1", "delivered 1"]);
}

#[tokio::test]
async fn a_child_in_the_same_batch_is_not_sent_before_its_parent() {
    let pipeline = Pipeline::new().await;
    let [parent, child] = routed(&pipeline).await;
    pipeline.delivered(&[child, parent]).await;
    let woken = pipeline.wakes();
    assert_eq!(woken.len(), 1);
    pipeline.delivered(&woken).await;
    let paths: Vec<String> = pipeline.setting.target.requests().iter().map(|request| request.path.clone()).collect();
    assert!(paths.len() == 2 && paths[0].ends_with("customer") && paths[1].ends_with("invoice"), "{paths:?}");
}

#[tokio::test]
async fn a_child_of_a_failed_parent_waits_and_follows_when_the_parent_is_mended() {
    let pipeline = Pipeline::new().await;
    let [parent, child] = routed(&pipeline).await;
    pipeline.setting.target.reply(Reply::fault(400, "6240", "Duplicate Name Exists Error"));
    pipeline.delivered(&[parent, child]).await;
    assert_eq!(pipeline.deliveries().await, ["failed 1", "pending 0"]);
    assert!(pipeline.wakes().is_empty());
    let mended = pipeline.customer("Ada King", 2).await;
    pipeline.delivered(&mended).await;
    let woken = pipeline.wakes();
    pipeline.delivered(&woken).await;
    assert_eq!(pipeline.deliveries().await, ["superseded 1", "delivered 1", "delivered 1"]);
}
