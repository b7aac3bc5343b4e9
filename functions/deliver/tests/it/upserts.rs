//! A target that keeps our own id of a record: each version is written under the canonical id.

use crate::pipeline::Pipeline;
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::ids::{ConnectionId, ConnectorName};
use fluxnex_testing::{QUICKBOOKS_SECRET, Reply, Setting, TestDatabase, bundle, queue, run};
use serde_json::{Value, json};
use std::time::Duration;

/// A tenant whose target is Salesforce in place of QuickBooks Online.
async fn pipeline() -> Pipeline {
    let setting = Setting::bare(TestDatabase::shared()).await;
    setting.database.migrate().await.unwrap();
    setting.secrets.create(QUICKBOOKS_SECRET, json!({"client_id": "i", "client_secret": "s"}));
    let mut bundle = bundle(&setting.tenant, &setting.target.url);
    let target = bundle.connections.get_mut(&ConnectionId::parse("quickbooks").unwrap()).unwrap();
    target.connector = ConnectorName::parse("salesforce").unwrap();
    target.settings = [("instance".to_owned(), "acme.my.salesforce.com".to_owned())].into();
    setting.apply(&bundle).await;
    setting.target.grant(json!({"access_token": "access", "token_type": "Bearer"}));
    Pipeline::of(setting)
}

async fn delivered(pipeline: &Pipeline, wakes: &[OutgoingMessage]) {
    let time = fluxnex_lambda::Deadline::after(Duration::from_secs(60));
    let outbound = queue("outbound-salesforce.fifo");
    let back = run(&outbound, wakes, async |works| pipeline.deliver.handle(works, time).await).await;
    assert_eq!(back, Vec::<usize>::new());
}

async fn customer(pipeline: &Pipeline, name: &str, version: u32) -> Vec<OutgoingMessage> {
    assert!(pipeline.customer(name, version).await.is_empty(), "the connector's own queue has it");
    let wakes = pipeline.setting.queues.drain(&queue("outbound-salesforce.fifo"));
    assert_eq!(wakes.len(), 1);
    wakes
}

fn taken(id: &str, created: bool) -> Reply {
    Reply::json(if created { 201 } else { 200 }, &json!({"id": id, "success": true, "errors": [], "created": created}))
}

#[tokio::test]
async fn each_version_is_an_upsert_of_the_canonical_id() {
    let pipeline = pipeline().await;
    let target = &pipeline.setting.target;
    let wakes = customer(&pipeline, "Ada", 1).await;
    target.reply(taken("0015f00000FluxS1AA", true));
    delivered(&pipeline, &wakes).await;
    assert_eq!(pipeline.deliveries().await, ["delivered 1"]);
    let canonical = pipeline.setting.texts("SELECT canonical_id::text FROM {schema}.canonical_records").await;
    let path = format!("/services/data/v62.0/sobjects/Customer/FluxNex_Id__c/{}", canonical[0]);
    let requests = target.requests();
    assert_eq!((requests.len(), &requests[0].path), (1, &path));
    assert_eq!(requests[0].json()["DisplayName"], "Ada");
    let known = "SELECT target_id FROM {schema}.cross_references WHERE connection = 'quickbooks'";
    assert_eq!(pipeline.setting.texts(known).await, ["0015f00000FluxS1AA"]);
    // The same wake again, and one that strayed, send nothing.
    for _ in 0..2 {
        delivered(&pipeline, &wakes).await;
    }
    assert_eq!(target.requests().len(), 1);
    // What the target calls it makes no difference: it is written under our id again.
    let wakes = customer(&pipeline, "Ada King", 2).await;
    target.reply(taken("0015f00000FluxS1AA", false));
    delivered(&pipeline, &wakes).await;
    let requests = target.requests();
    assert_eq!((requests.len(), &requests[1].path, &requests[1].json()["DisplayName"]), (2, &path, &json!("Ada King")));
    assert_eq!(pipeline.deliveries().await, ["delivered 1", "delivered 1"]);
    assert_eq!(pipeline.setting.texts(known).await, ["0015f00000FluxS1AA"]);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_under_the_same_id() {
    let pipeline = pipeline().await;
    let target = &pipeline.setting.target;
    let wakes = customer(&pipeline, "Ada", 1).await;
    target.reply(Reply::Reset);
    delivered(&pipeline, &wakes).await;
    assert_eq!(pipeline.deliveries().await, ["sending 1"]);
    let (alarm, delay) = pipeline.alarm();
    pipeline.setting.clock.advance(delay + Duration::from_millis(1));
    target.reply(taken("0015f00000FluxS1AA", true));
    delivered(&pipeline, &[alarm]).await;
    let requests = target.requests();
    let same = |request: &fluxnex_testing::Received| -> (String, Value) { (request.path.clone(), request.json()) };
    assert_eq!((requests.len(), same(&requests[0])), (2, same(&requests[1])));
    assert_eq!(pipeline.deliveries().await, ["delivered 2"]);
}
