//! An OData service that nobody here wrote is read, written and deleted from with the connectors as they are.
//! How it is listed is tested where lists are run: in `functions/poll/tests/it/odata_service.rs`.

use crate::sales_service::{PASSWORD, Sales, TOKEN, USER, invoice_id, stamp};
use crate::server::{TestSecrets, client, connection};
use fluxnex_connect::{
    Connection, DeleteRequest, DeliveryRequest, Engine, FailureClass, ReadOutcome, SendOutcome, TargetRecord, catalog,
};
use fluxnex_core::ids::{ObjectName, SourceId};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

struct Setting {
    _sales: Sales,
    engine: Engine,
    current: Connection,
    older: Connection,
}

impl Setting {
    async fn new(name: &'static str) -> Self {
        let sales = tokio::task::spawn_blocking(move || Sales::start(name, 20, None)).await.unwrap();
        let secret = json!({"api_token": TOKEN, "username": USER, "password": PASSWORD});
        let connected = |connector: &str, path: &str| {
            let url = format!("{}{path}", sales.url);
            connection(catalog::compiled(connector).unwrap(), None, &[("url", &url)])
        };
        let current = connected("odata", "/odata/v4/sales");
        let older = connected("odata-v2", "/odata/v2/sales/");
        Self { engine: Engine::new(client(), TestSecrets::with(secret)), current, older, _sales: sales }
    }

    async fn read(&self, connection: &Connection, id: &str) -> ReadOutcome {
        let (object, id) = (ObjectName::parse("Invoices").unwrap(), SourceId::parse(id).unwrap());
        self.engine.read_one(connection, &object, &id, PATIENCE).await.outcome
    }

    async fn found(&self, connection: &Connection, id: &str) -> Value {
        match self.read(connection, id).await {
            ReadOutcome::Found { record } => serde_json::from_str(&record).unwrap(),
            other => panic!("{id}: {other:?}"),
        }
    }

    async fn upsert(&self, object: &str, id: &str, payload: &str) -> SendOutcome {
        self.send(&self.current, object, payload, Some(id), None).await
    }

    async fn send(
        &self,
        connection: &Connection,
        object: &str,
        payload: &str,
        external_id: Option<&str>,
        known: Option<&str>,
    ) -> SendOutcome {
        let (object, payload) =
            (ObjectName::parse(object).unwrap(), RawValue::from_string(payload.to_owned()).unwrap());
        let request = DeliveryRequest {
            object: &object,
            payload: &payload,
            idempotency_key: "0193-r1",
            external_id,
            target: known.map(|id| TargetRecord { id: id.to_owned(), version: None }),
            timeout: PATIENCE,
        };
        self.engine.send(connection, &request).await.outcome
    }

    async fn delete(&self, id: &str) -> SendOutcome {
        self.delete_at(&self.current, id).await
    }

    async fn delete_at(&self, connection: &Connection, id: &str) -> SendOutcome {
        let object = ObjectName::parse("Invoices").unwrap();
        let request = DeleteRequest {
            object: &object,
            idempotency_key: "0193-r2",
            external_id: Some(id),
            target: Some(TargetRecord { id: id.to_owned(), version: None }),
            timeout: PATIENCE,
        };
        self.engine.delete(connection, &request).await.outcome
    }
}

#[tokio::test]
async fn a_record_is_read_by_its_key_and_looks_the_same_in_both_versions_of_the_protocol() {
    let setting = Setting::new("read").await;
    let (id, at) = (invoice_id(7), stamp(7));
    let record = json!({"ID": id, "Customer_ID": "C-2", "Status": "open", "Total": 7.5, "ModifiedAt": at});
    assert_eq!(setting.found(&setting.current, &id).await, record);
    // OData 2 writes decimals as texts.
    let older = json!({"ID": id, "Customer_ID": "C-2", "Status": "open", "Total": "7.5", "ModifiedAt": at});
    assert_eq!(setting.found(&setting.older, &id).await, older);
    for connection in [&setting.current, &setting.older] {
        assert_eq!(setting.read(connection, "INV-99999").await, ReadOutcome::Gone);
    }
}

#[tokio::test]
async fn an_upsert_makes_a_record_under_our_id_and_changes_it_afterwards() {
    let setting = Setting::new("write").await;
    let id = "0193-0000-7000";
    let delivered = SendOutcome::Delivered { target_id: Some(id.to_owned()), target_version: None };
    let first = r#"{"Customer_ID":"C-1","Status":"open","Total":1000.10}"#;
    for _ in 0..2 {
        // The same request again is the same request.
        assert_eq!(setting.upsert("Invoices", id, first).await, delivered);
    }
    assert_eq!(setting.upsert("Invoices", id, r#"{"Status":"paid"}"#).await, delivered);
    let record = setting.found(&setting.current, id).await;
    assert_eq!(
        (&record["Status"], &record["Total"], &record["Customer_ID"]),
        (&json!("paid"), &json!(1000.10), &json!("C-1")),
        "what the payload does not name stays"
    );
    match setting.upsert("Invoices", id, r#"{"Total":"a lot"}"#).await {
        SendOutcome::Failed(failure) => {
            assert_eq!((failure.class, failure.status), (FailureClass::Permanent, Some(400)), "{failure:?}");
            assert!(failure.reason.contains("a lot"), "{failure:?}");
        }
        other => panic!("{other:?}"),
    }
    for _ in 0..2 {
        // What is gone already is as good as deleted.
        assert!(matches!(setting.delete(id).await, SendOutcome::Delivered { .. }));
    }
    assert_eq!(setting.read(&setting.current, id).await, ReadOutcome::Gone);
}

#[tokio::test]
async fn a_record_is_made_changed_and_deleted_in_the_older_version_of_the_protocol() {
    let setting = Setting::new("write-older").await;
    let older = &setting.older;
    let delivered = SendOutcome::Delivered { target_id: Some("INV-9".to_owned()), target_version: None };
    // The service wants no token against forged requests, and gives none.
    let first = r#"{"ID":"INV-9","Customer_ID":"C-1","Status":"open","Total":"1000.1"}"#;
    assert_eq!(setting.send(older, "Invoices", first, None, None).await, delivered);
    let change = r#"{"Status":"paid"}"#;
    assert_eq!(setting.send(older, "Invoices", change, None, Some("INV-9")).await, delivered);
    let record = setting.found(older, "INV-9").await;
    assert_eq!(
        (&record["Status"], &record["Total"], &record["Customer_ID"]),
        (&json!("paid"), &json!("1000.1"), &json!("C-1")),
        "what the payload does not name stays"
    );
    // This service says 500 of a key that is there already, so nobody can tell; it made no second one.
    let again = setting.send(older, "Invoices", first, None, None).await;
    assert!(matches!(again, SendOutcome::Unknown { status: Some(500), .. }), "{again:?}");
    for _ in 0..2 {
        assert!(matches!(setting.delete_at(older, "INV-9").await, SendOutcome::Delivered { .. }));
    }
    assert_eq!(setting.read(older, "INV-9").await, ReadOutcome::Gone);
}
