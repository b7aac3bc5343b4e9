//! QuickBooks Online's writes, reads and queries.

use fluxnex_simulators::journal::Action;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{REALM, Simulation, customer, send};

fn invoice(customer: &str) -> Value {
    json!({"DocNumber": "INV-000001", "TxnDate": "2026-11-01", "CustomerRef": {"value": customer},
        "PrivateNote": "Revenova a0X000000000001AAA @ 2026-11-20T12:00:00.000+0000",
        "Line": [{"DetailType": "SalesItemLineDetail", "Amount": 1000.25,
            "SalesItemLineDetail": {"ItemRef": {"value": "1"}, "Qty": 1, "UnitPrice": 1000.25}}]})
}

#[tokio::test]
async fn a_record_is_created_read_and_updated() {
    let simulation = Simulation::start().await;
    let access = simulation.access().await;
    let made = simulation.write(&access, "customer", "r-1", &customer("Acme")).await;
    assert_eq!((made.status, &made.body["Customer"]["Id"]), (200, &json!("1")));
    let made = simulation.write(&access, "Invoice", "r-2", &invoice("1")).await;
    assert_eq!((made.status, &made.body["Invoice"]["CustomerRef"]["name"]), (200, &json!("Acme")));

    let change = json!({"Id": "2", "SyncToken": "0", "sparse": true, "DueDate": "2026-12-01"});
    let changed = simulation.write(&access, "invoice", "r-3", &change).await;
    assert_eq!(changed.body["Invoice"]["SyncToken"], "1");
    let read = send(simulation.books(Method::GET, &access, "invoice/2")).await;
    assert_eq!(
        (&read.body["Invoice"]["DueDate"], &read.body["Invoice"]["DocNumber"]),
        (&json!("2026-12-01"), &json!("INV-000001"))
    );

    let effects = simulation.journal().await.effects;
    let actions: Vec<Action> = effects.iter().map(|effect| effect.action).collect();
    assert_eq!(actions, [Action::Created, Action::Created, Action::Updated]);
    let last = &effects[2];
    assert_eq!(
        (last.entity.as_str(), last.target_id.as_str(), last.request_id.as_deref()),
        ("Invoice", "2", Some("r-3"))
    );
    let source = last.source.as_ref().unwrap();
    assert_eq!(
        (source.record_id.as_str(), source.version.as_str()),
        ("a0X000000000001AAA", "2026-11-20T12:00:00.000+0000")
    );
    assert_eq!(*last.payload, change);
    assert_eq!(last.record["DocNumber"], "INV-000001");
    assert!(effects.is_sorted_by_key(|effect| (effect.sequence, effect.at)));
}

#[tokio::test]
async fn a_request_id_takes_effect_once() {
    let simulation = Simulation::start().await;
    let access = simulation.access().await;
    let refused = simulation.write(&access, "customer", "same", &json!({})).await;
    assert_eq!(refused.status, 400);
    let body = customer("Acme");
    let writes = (0..8).map(|_| simulation.write(&access, "customer", "same", &body));
    let answers = futures(writes).await;
    for answer in &answers {
        assert_eq!((answer.0, &answer.1), (200, &answers[0].1), "the first answer, word for word");
    }
    let other = simulation.write(&access, "customer", "same", &customer("Bolt")).await;
    assert_eq!(other.body, answers[0].1);
    assert_eq!(simulation.journal().await.effects.len(), 1);

    let long = simulation.write(&access, "customer", &"x".repeat(51), &customer("Crane")).await;
    assert_eq!((long.status, &long.body["Fault"]["Error"][0]["code"]), (400, &json!("2050")));
}

async fn futures(writes: impl Iterator<Item = impl Future<Output = crate::harness::Answer>>) -> Vec<(u16, Value)> {
    let mut answers = Vec::new();
    let mut writes: Vec<_> = writes.map(Box::pin).collect();
    // All of them are under way before the first is waited for to its end.
    std::future::poll_fn(|context| {
        let mut pending = Vec::new();
        for mut write in writes.drain(..) {
            match write.as_mut().poll(context) {
                std::task::Poll::Ready(answer) => answers.push((answer.status, answer.body)),
                std::task::Poll::Pending => pending.push(write),
            }
        }
        writes = pending;
        if writes.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    answers
}

#[tokio::test]
async fn faults_have_intuits_bodies() {
    let simulation = Simulation::start().await;
    let access = simulation.access().await;
    simulation.write(&access, "customer", "r-1", &customer("Acme")).await;
    for (entity, body, code, message) in [
        ("customer", customer("acme"), "6240", "Duplicate Name Exists Error"),
        ("customer", json!({"Id": "1", "SyncToken": "7", "DisplayName": "Acme"}), "5010", "Stale Object Error"),
        ("customer", json!({"Id": "77", "SyncToken": "0", "DisplayName": "Acme"}), "610", "Object Not Found"),
        ("invoice", invoice("77"), "2500", "Invalid Reference Id"),
        (
            "invoice",
            json!({"CustomerRef": {"value": "1"}}),
            "2020",
            "Required param missing, need to supply the required value for the API",
        ),
        (
            "customer",
            json!({"DisplayName": "a:b"}),
            "6000",
            "A business validation error has occurred while processing your request",
        ),
    ] {
        let answer = simulation.write(&access, entity, "", &body).await;
        let fault = &answer.body["Fault"];
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!((&fault["type"], &fault["Error"][0]["code"]), (&json!("ValidationFault"), &json!(code)), "{body}");
        assert_eq!(fault["Error"][0]["Message"], message);
        assert!(answer.body["time"].is_string());
    }
    let missing = send(simulation.books(Method::GET, &access, "invoice/77")).await;
    assert_eq!((missing.status, &missing.body["Fault"]["Error"][0]["code"]), (400, &json!("610")));
    assert_eq!(simulation.journal().await.effects.len(), 1);
}

#[tokio::test]
async fn garbage_is_refused() {
    let simulation = Simulation::start().await;
    let access = simulation.access().await;
    for body in ["", "null", "[]", "{", "\u{0}", "{\"DisplayName\":", "5"] {
        let answer = send(simulation.books(Method::POST, &access, "customer").body(body)).await;
        assert_eq!((answer.status, &answer.body["Fault"]["Error"][0]["code"]), (400, &json!("2010")), "{body:?}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(send(simulation.books(Method::POST, &access, "customer").body(deep)).await.status, 400);
    let large = json!({"DisplayName": "x".repeat(2_000_000)});
    assert_eq!(send(simulation.books(Method::POST, &access, "customer").json(&large)).await.status, 413);
    for rest in ["vendor", "customer?operation=delete", "nonsense"] {
        let answer = send(simulation.books(Method::POST, &access, rest).body("{}")).await;
        assert_eq!((answer.status, &answer.body["Fault"]["Error"][0]["code"]), (400, &json!("500")), "{rest}");
    }
    let unknown = send(simulation.client.get(simulation.quickbooks("/nonsense"))).await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn queries_page_by_position() {
    let simulation = Simulation::start().await;
    let access = simulation.access().await;
    let records: Vec<Value> = (0..120).map(|number| customer(&format!("Acme {number:03}"))).collect();
    let seeded = simulation
        .post("/quickbooks/records", json!({"realm_id": REALM, "entity": "Customer", "records": records}))
        .await;
    assert_eq!(seeded.status, 201, "{}", seeded.body);
    let ask = async |statement: &str| {
        let request = simulation.books(Method::GET, &access, "query").query(&[("query", statement)]);
        send(request).await.body["QueryResponse"].clone()
    };
    assert_eq!(ask("select * from Customer").await["Customer"].as_array().unwrap().len(), 100);
    let last = ask("SELECT * FROM Customer ORDERBY DisplayName STARTPOSITION 101 MAXRESULTS 1000").await;
    assert_eq!((&last["startPosition"], &last["maxResults"]), (&json!(101), &json!(20)));
    assert_eq!(last["Customer"][19]["DisplayName"], "Acme 119");
    assert_eq!(ask("SELECT COUNT(*) FROM Customer WHERE DisplayName = 'Acme 007'").await, json!({"totalCount": 1}));

    let posted = send(simulation.books(Method::POST, &access, "query").body("SELECT COUNT(*) FROM Customer")).await;
    assert_eq!(posted.body["QueryResponse"]["totalCount"], 120);
    let broken = send(simulation.books(Method::GET, &access, "query?query=DROP")).await;
    assert_eq!((broken.status, &broken.body["Fault"]["Error"][0]["code"]), (400, &json!("4000")));
    let journal = simulation.journal().await;
    assert!(journal.effects.is_empty(), "seeding is no effect");
    let seen = simulation.get(&format!("/quickbooks/records?realm_id={REALM}&entity=customer")).await;
    assert_eq!(seen.body.as_array().unwrap().len(), 120);
}

#[tokio::test]
async fn change_data_capture_tells_of_changes_and_of_what_was_deleted() {
    let simulation = Simulation::start().await;
    let access = simulation.access().await;
    simulation.write(&access, "customer", "r-1", &customer("Acme")).await;
    simulation.write(&access, "invoice", "r-2", &invoice("1")).await;
    simulation.write(&access, "invoice", "r-3", &invoice("1")).await;
    let stale = json!({"Id": "2", "SyncToken": "7"});
    let refused = simulation.write(&access, "invoice", "r-4&operation=delete", &stale).await;
    assert_eq!(refused.body["Fault"]["Error"][0]["code"], "5010");
    let deleted =
        simulation.write(&access, "invoice", "r-5&operation=delete", &json!({"Id": "2", "SyncToken": "0"})).await;
    assert_eq!((deleted.status, &deleted.body["Invoice"]["status"]), (200, &json!("Deleted")));
    assert_eq!(send(simulation.books(Method::GET, &access, "invoice/2")).await.status, 400);

    let changes = async |since: jiff::Timestamp| {
        let path = format!("cdc?entities=Customer,Invoice&changedSince={since}&minorversion=75");
        send(simulation.books(Method::GET, &access, &path)).await
    };
    let now = jiff::Timestamp::now();
    let answer = changes(now - jiff::SignedDuration::from_hours(1)).await;
    let found = &answer.body["CDCResponse"][0]["QueryResponse"];
    assert_eq!(found[0]["Customer"][0]["DisplayName"], "Acme");
    let invoices: Vec<_> =
        found[1]["Invoice"].as_array().unwrap().iter().map(|one| (one["Id"].clone(), one["status"].clone())).collect();
    assert_eq!(invoices, [(json!("3"), Value::Null), (json!("2"), json!("Deleted"))]);
    let later = changes(now + jiff::SignedDuration::from_hours(1)).await;
    assert_eq!(later.body["CDCResponse"][0]["QueryResponse"], json!([{}, {}]));
    assert_eq!(changes(now - jiff::SignedDuration::from_hours(31 * 24)).await.status, 400);
}
