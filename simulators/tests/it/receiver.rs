//! The webhook receiver.

use fluxnex_simulators::journal::{Action, App, Effect};
use serde_json::json;
use standardwebhooks::Webhook;

use crate::harness::{Simulation, send};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[tokio::test]
async fn signatures_are_verified_where_a_secret_is_known() {
    let simulation = Simulation::start().await;
    let given = json!({"receiver": {"secrets": {"alerts": SECRET}}});
    assert_eq!(simulation.put("/configuration", given).await.status, 204);

    let body = r#"{"type":"delivery.failed"}"#;
    let now = jiff::Timestamp::now().as_second();
    let sign = |timestamp: i64| Webhook::new(SECRET).unwrap().sign("msg_1", timestamp, body.as_bytes()).unwrap();
    let post = async |name: &str, timestamp: i64, signature: String, body: &'static str| {
        let request = simulation
            .client
            .post(simulation.receiver(&format!("/hooks/{name}")))
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature)
            .body(body);
        send(request).await.status
    };
    assert_eq!(post("alerts", now, format!("v1,bm9uc2Vuc2U= {}", sign(now)), body).await, 200);
    assert_eq!(post("alerts", now, sign(now), r#"{"type":"forged"}"#).await, 401);
    assert_eq!(post("alerts", now - 3_600, sign(now - 3_600), body).await, 401);
    assert_eq!(post("other", now, String::new(), body).await, 200);

    let receipts = simulation.journal().await.receipts;
    let verified: Vec<Option<bool>> = receipts.iter().map(|receipt| receipt.verified).collect();
    assert_eq!(verified, [Some(true), Some(false), Some(false), None]);
    assert_eq!((receipts[0].name.as_str(), receipts[0].body.as_str()), ("alerts", body));
    assert_eq!(receipts[0].headers["webhook-id"], "msg_1");
    assert_eq!(receipts[1].reason.as_deref(), Some("signature invalid"));
    assert!(receipts[2].reason.as_deref().unwrap().contains("too old"));
    assert_eq!(simulation.get("/counts").await.body["receipts"], json!({"alerts": 3, "other": 1}));
}

#[tokio::test]
async fn a_target_takes_each_webhook_once() {
    let simulation = Simulation::start().await;
    let configure = async |given| simulation.put("/configuration", json!({"receiver": given})).await.status;
    assert_eq!(configure(json!({"targets": ["globex"]})).await, 400, "anybody could write there");
    assert_eq!(configure(json!({"secrets": {"globex": SECRET}, "targets": ["globex"]})).await, 204);

    let now = jiff::Timestamp::now().as_second();
    let post = async |id: &str, body: &str, secret: &str| {
        let signature = Webhook::new(secret).unwrap().sign(id, now, body.as_bytes()).unwrap();
        let request = simulation
            .client
            .post(simulation.receiver("/hooks/globex"))
            .header("webhook-id", id)
            .header("webhook-timestamp", now.to_string())
            .header("webhook-signature", signature)
            .body(body.to_owned());
        send(request).await
    };
    let body = |version: u32| {
        json!({"type": "invoice.updated", "data": {"id": "0193-i", "total": version,
            "source": format!("ERP INV-1 @ 2026-11-21T10:00:0{version}.000Z")}})
        .to_string()
    };
    assert_eq!(post("one", &body(1), SECRET).await.body, json!({"received": true, "repeated": false}));
    assert_eq!(post("one", &body(1), SECRET).await.body, json!({"received": true, "repeated": true}));
    assert_eq!(post("two", &body(2), SECRET).await.status, 200);
    assert_eq!(post("three", &body(3), "whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhlIGhvb2s=").await.status, 401);
    for broken in ["", "{}", r#"{"type":"invoice.updated","data":{}}"#, r#"{"type":"x","data":{"id":5}}"#] {
        assert_eq!(post("four", broken, SECRET).await.status, 400, "{broken}");
    }

    let journal = simulation.journal().await;
    assert_eq!(journal.receipts.len(), 8, "whatever arrived is kept");
    let [first, second] = journal.effects.as_slice() else { panic!("{:#?}", journal.effects) };
    let named = |effect: &Effect| (effect.app, effect.entity.clone(), effect.target_id.clone(), effect.action);
    assert_eq!(named(first), (App::Receiver, "invoice".to_owned(), "0193-i".to_owned(), Action::Created));
    assert_eq!(named(second), (App::Receiver, "invoice".to_owned(), "0193-i".to_owned(), Action::Updated));
    let source = second.source.as_ref().unwrap();
    assert_eq!((source.app, source.record_id.as_str()), (App::Erp, "INV-1"));
    assert_eq!((second.request_id.as_deref(), &second.record["total"]), (Some("two"), &json!(2)));
    assert_eq!(
        simulation.get("/counts").await.body["effects"],
        json!({"receiver.invoice.created": 1, "receiver.invoice.updated": 1})
    );
}

#[tokio::test]
async fn garbage_is_kept_or_refused() {
    let simulation = Simulation::start().await;
    let post = |path: &str| simulation.client.post(simulation.receiver(path));
    assert_eq!(send(post("/hooks/x").body(vec![0, 159, 146, 150])).await.status, 200);
    assert_eq!(send(post("/hooks/x")).await.status, 200);
    assert_eq!(send(post("/hooks/x").body(vec![b'x'; 1_100_000])).await.status, 413);
    assert_eq!(send(post("/hooks/")).await.status, 404);
    assert_eq!(send(post("/hooks/x/y")).await.status, 404);
    assert_eq!(send(simulation.client.get(simulation.receiver("/hooks/x"))).await.status, 405);
    let receipts = simulation.journal().await.receipts;
    assert_eq!(receipts.len(), 2);
    assert!(receipts[0].body.contains('\u{fffd}'));

    let bad = simulation.put("/configuration", json!({"receiver": {"secrets": {"x": "whsec_???"}}})).await;
    assert_eq!(bad.status, 400, "{}", bad.body);
}
