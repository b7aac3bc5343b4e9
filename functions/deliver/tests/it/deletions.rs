//! What the source deletes goes from the target as well, where the flow says so.

use crate::pipeline::Pipeline;
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_testing::{ACCOUNT, INVOICE, Reply, account, invoice, notice};
use serde_json::{Value, json};

fn gone(mut record: Value) -> String {
    record["IsDeleted"] = json!(true);
    notice(INVOICE, &record)
}

impl Pipeline {
    /// The invoice's way to the target, after its customer's.
    async fn with_invoice(&self) {
        let wakes = self.routed(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
        self.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "0"}})));
        self.delivered(&wakes).await;
        let wakes = self.routed(&[notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 1))]).await;
        self.setting.target.reply(Reply::json(200, &json!({"Invoice": {"Id": "130", "SyncToken": "2"}})));
        self.delivered(&wakes).await;
    }

    async fn deletion(&self, version: u32) -> Vec<OutgoingMessage> {
        self.routed(&[gone(invoice("a0XA", "INV-1", "001A", version))]).await
    }

    async fn known(&self) -> Vec<String> {
        self.setting.texts("SELECT entity || ' ' || target_id FROM {schema}.cross_references ORDER BY 1").await
    }
}

#[tokio::test]
async fn a_deleted_record_is_deleted_once_and_made_anew_when_it_comes_back() {
    let pipeline = Pipeline::new().await;
    pipeline.with_invoice().await;
    let wakes = pipeline.deletion(2).await;
    pipeline.setting.target.reply(Reply::json(200, &json!({"Invoice": {"Id": "130", "status": "Deleted"}})));
    pipeline.delivered(&wakes).await;
    pipeline.delivered(&wakes).await;
    let requests = pipeline.setting.target.requests();
    assert_eq!(requests.len(), 3, "the same wake again sends nothing");
    assert_eq!(
        (requests[2].path.as_str(), requests[2].query["operation"].as_str()),
        ("/v3/company/4620816365/invoice", "delete")
    );
    assert_eq!(requests[2].json(), json!({"Id": "130", "SyncToken": "2"}));
    assert_eq!(pipeline.known().await, ["customer 58"]);
    assert_eq!(pipeline.deliveries().await, ["delivered 1", "delivered 1", "delivered 1"]);

    let wakes = pipeline.routed(&[notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 3))]).await;
    pipeline.setting.target.reply(Reply::json(200, &json!({"Invoice": {"Id": "131", "SyncToken": "0"}})));
    pipeline.delivered(&wakes).await;
    let made = pipeline.setting.target.requests().pop().unwrap().json();
    assert_eq!((made.get("Id"), &made["DocNumber"]), (None, &json!("INV-1")));
    assert_eq!(pipeline.known().await, ["customer 58", "invoice 131"]);
}

#[tokio::test]
async fn a_record_that_is_gone_at_the_target_is_deleted() {
    let pipeline = Pipeline::new().await;
    pipeline.with_invoice().await;
    let wakes = pipeline.deletion(2).await;
    pipeline.setting.target.reply(Reply::fault(400, "610", "Object Not Found"));
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.deliveries().await, ["delivered 1", "delivered 1", "delivered 1"]);
    assert_eq!(pipeline.known().await, ["customer 58"]);
}

#[tokio::test]
async fn what_was_deleted_before_it_was_sent_is_not_sent_at_all() {
    let pipeline = Pipeline::new().await;
    let customer = pipeline.routed(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    pipeline.routed(&[notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 1))]).await;
    let wakes = pipeline.deletion(2).await;
    pipeline.delivered(&wakes).await;
    assert!(pipeline.setting.target.requests().is_empty());
    pipeline.delivered(&customer).await;
    assert_eq!(pipeline.deliveries().await, ["delivered 1", "superseded 0", "filtered 1"]);
    let reason = "SELECT reason FROM {schema}.deliveries WHERE state = 'filtered'";
    assert_eq!(pipeline.setting.texts(reason).await, ["the target does not know the record that its source deleted"]);
}

#[tokio::test]
async fn an_older_state_that_comes_late_does_not_bring_a_deleted_record_back() {
    let pipeline = Pipeline::new().await;
    pipeline.with_invoice().await;
    let wakes = pipeline.deletion(3).await;
    pipeline.delivered(&wakes).await;
    let wakes = pipeline.routed(&[notice(INVOICE, &invoice("a0XA", "INV-1-late", "001A", 2))]).await;
    assert!(wakes.is_empty());
    assert_eq!(pipeline.known().await, ["customer 58"]);
}

#[tokio::test]
async fn a_record_that_was_deleted_before_it_was_known_is_not_made_by_an_older_state() {
    let pipeline = Pipeline::new().await;
    assert!(pipeline.deletion(3).await.is_empty());
    let late = notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 2));
    assert!(pipeline.routed(&[notice(ACCOUNT, &account("001A", "Ada", 1)), late]).await.len() == 1, "the customer's");
    let states = "SELECT state || ' ' || version FROM {schema}.deliveries WHERE entity = 'invoice'";
    assert_eq!(pipeline.setting.texts(states).await, ["filtered 1"]);
}
