//! Children that come before their parents.

use crate::support::Stage;
use fluxnex_core::message::RecordChanged;
use fluxnex_testing::{ACCOUNT, INVOICE, account, decoded, invoice, notice};

#[tokio::test]
async fn a_child_waits_for_its_parent_and_the_parent_lets_it_in_again() {
    let stage = Stage::new().await;
    let child = stage.replicated(&[notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 1))]).await;
    assert!(stage.run(&child).await.is_empty(), "it waits where it can be seen, not in the queue");
    assert!(stage.normalised().is_empty());
    assert_eq!(stage.states().await, ["waiting: waits for customer 001A of revenova"]);
    let _ = stage.after_grace();
    let parent = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    assert!(stage.run(&parent).await.is_empty());
    assert_eq!(stage.normalised()[0].flow.as_str(), "customers");
    let released = stage.setting.take("source-replica");
    let messages: Vec<RecordChanged> = decoded(&released);
    assert_eq!((messages.len(), messages[0].source_id.as_str()), (1, "a0XA"));
    assert!(stage.run(&released).await.is_empty());
    let sent = stage.normalised();
    assert_eq!((sent.len(), sent[0].flow.as_str()), (1, "invoices"));
    assert_eq!(stage.setting.texts("SELECT flow FROM {schema}.waiting_records").await, Vec::<String>::new());
    let customer = "SELECT (i.data ->> 'customer' = c.canonical_id::text)::text FROM {schema}.canonical_records i,
                    {schema}.canonical_records c WHERE i.entity = 'invoice' AND c.entity = 'customer'";
    assert_eq!(stage.setting.texts(customer).await, ["true"]);
}

#[tokio::test]
async fn a_child_and_its_parent_in_one_batch_both_go_on() {
    let stage = Stage::new().await;
    let batch = stage
        .replicated(&[
            notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 1)),
            notice(INVOICE, &invoice("a0XB", "INV-2", "001A", 1)),
            notice(ACCOUNT, &account("001A", "Ada", 1)),
        ])
        .await;
    assert!(stage.run(&batch).await.is_empty());
    let mut flows: Vec<String> = stage.normalised().iter().map(|message| message.flow.to_string()).collect();
    // What the parent let in again meanwhile does no harm.
    let released = stage.setting.take("source-replica");
    assert!(stage.run(&released).await.is_empty());
    flows.sort();
    flows.dedup();
    assert_eq!(flows, ["customers", "invoices"]);
    assert_eq!(stage.setting.texts("SELECT version::text FROM {schema}.canonical_records").await, ["1", "1", "1"]);
    assert_eq!(stage.setting.texts("SELECT flow FROM {schema}.waiting_records").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_parent_lets_all_its_children_in_and_those_of_others_wait_on() {
    let stage = Stage::new().await;
    let children: Vec<String> = [("a0XA", "001A"), ("a0XB", "001A"), ("a0XC", "001C")]
        .iter()
        .map(|(id, customer)| notice(INVOICE, &invoice(id, id, customer, 1)))
        .collect();
    let batch = stage.replicated(&children).await;
    assert!(stage.run(&batch).await.is_empty());
    assert_eq!(stage.after_grace().len(), 2, "one message for each missing parent, not for each child");
    let parent = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    assert!(stage.run(&parent).await.is_empty());
    let released: Vec<RecordChanged> = decoded(&stage.setting.take("source-replica"));
    let mut ids: Vec<&str> = released.iter().map(|message| message.source_id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a0XA", "a0XB"]);
    assert_eq!(stage.states().await[2], "waiting: waits for customer 001C of revenova");
}

#[tokio::test]
async fn a_release_that_was_lost_is_repeated_with_its_parent() {
    let stage = Stage::new().await;
    let child = stage.replicated(&[notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 1))]).await;
    assert!(stage.run(&child).await.is_empty());
    let _ = stage.after_grace();
    let parent = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    stage.setting.queues.set_silent(&fluxnex_testing::queue("source-replica"), true);
    assert_eq!(stage.run(&parent).await, [0]);
    stage.setting.queues.set_silent(&fluxnex_testing::queue("source-replica"), false);
    assert!(stage.run(&parent).await.is_empty());
    assert_eq!(stage.setting.count("source-replica"), 1);
}
