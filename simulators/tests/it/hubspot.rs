//! HubSpot's token endpoint, single records, searches with their bound, and batches.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Simulation, send, until};

struct Account {
    simulation: Simulation,
    token: String,
}

impl Account {
    async fn open(settings: Value) -> Self {
        let simulation = Simulation::start().await;
        assert_eq!(simulation.put("/configuration", json!({"hubspot": settings})).await.status, 204);
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "id"),
            ("client_secret", "secret"),
            ("refresh_token", "stays"),
        ];
        let answer = send(simulation.client.post(simulation.hubspot("/oauth/v1/token")).form(&form)).await;
        assert_eq!((answer.status, &answer.body["expires_in"]), (200, &json!(1_800)), "{}", answer.body);
        assert_eq!(answer.body["refresh_token"], "stays");
        let token = answer.body["access_token"].as_str().unwrap().to_owned();
        Self { simulation, token }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self.simulation.client.request(method, self.simulation.hubspot(path)).bearer_auth(&self.token);
        send(if body.is_null() { request } else { request.json(&body) }).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, &format!("/crm/v3/objects/{path}"), body).await
    }

    async fn upsert(&self, inputs: Vec<(&str, Value)>) -> Answer {
        let inputs: Vec<Value> = inputs
            .into_iter()
            .enumerate()
            .map(|(place, (id, properties))| {
                json!({"idProperty": "fluxnex_id", "id": id, "properties": properties, "objectWriteTraceId": place.to_string()})
            })
            .collect();
        self.post("contacts/batch/upsert", json!({"inputs": inputs})).await
    }
}

#[tokio::test]
async fn records_are_created_read_changed_and_archived() {
    let account = Account::open(json!({})).await;
    let properties = json!({"email": "anna@example.com", "lastname": "Adler"});
    let made = account.post("contacts", json!({"properties": properties})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let path = format!("/crm/v3/objects/contacts/{}", made.body["id"].as_str().unwrap());
    let taken = account.post("contacts", json!({"properties": properties})).await;
    assert_eq!((taken.status, &taken.body["category"]), (409, &json!("CONFLICT")));
    for garbage in [json!({"properties": {"shoe_size": "43"}}), json!({"properties": {"createdate": "1"}}), json!([])] {
        assert_eq!(account.post("contacts", garbage.clone()).await.status, 400, "{garbage}");
    }
    let changed = account.call(Method::PATCH, &path, json!({"properties": {"phone": 5}})).await;
    assert_eq!(changed.body["properties"]["phone"], "5");
    assert!(changed.body["updatedAt"].as_str() > made.body["updatedAt"].as_str());
    let read = account.call(Method::GET, &format!("{path}?properties=phone,email"), Value::Null).await;
    assert_eq!(read.body["properties"]["email"], "anna@example.com");
    assert_eq!(account.call(Method::DELETE, &path, Value::Null).await.status, 204);
    assert_eq!(account.call(Method::GET, &path, Value::Null).await.status, 404);
    let archived = account.call(Method::GET, "/crm/v3/objects/contacts?archived=true", Value::Null).await;
    assert!(archived.body["results"][0]["archivedAt"].is_string(), "{}", archived.body);
}

#[tokio::test]
async fn a_search_gives_pages_in_order_up_to_its_bound() {
    let account = Account::open(json!({"search_bound": 25, "limited": false})).await;
    for batch in 0..3 {
        let names: Vec<String> = (0..10).map(|number| format!("x-{}", batch * 10 + number)).collect();
        let answer =
            account.upsert(names.iter().map(|name| (name.as_str(), json!({"lastname": name}))).collect()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let search = async |after: Option<&str>, limit: usize| {
        let filter = json!({"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1000000000000"});
        let sort = json!({"propertyName": "lastmodifieddate", "direction": "ASCENDING"});
        let body = json!({"filterGroups": [{"filters": [filter]}], "sorts": [sort], "limit": limit, "after": after});
        account.post("contacts/search", body).await
    };
    let first = search(None, 10).await;
    assert_eq!((&first.body["total"], &first.body["paging"]["next"]["after"]), (&json!(30), &json!("10")));
    let second = search(Some("10"), 10).await;
    assert_eq!(second.body["paging"]["next"]["after"], "20");
    let ids = |answer: &Answer| -> Vec<String> {
        answer.body["results"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(ids(&first).iter().all(|id| !ids(&second).contains(id)));
    assert_eq!(search(Some("20"), 10).await.status, 400, "beyond the bound");
    let last = search(Some("20"), 5).await;
    assert_eq!((ids(&last).len(), &last.body["paging"]), (5, &Value::Null));
    assert_eq!(search(None, 201).await.status, 400, "a page has 200 records at most");
}

#[tokio::test]
async fn a_batch_has_a_result_or_an_error_for_each_record() {
    let account = Account::open(json!({})).await;
    let first = account.upsert(vec![("a", json!({"email": "a@example.com"})), ("b", json!({"lastname": "B"}))]).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let news: Vec<_> = first.body["results"].as_array().unwrap().iter().map(|one| one["new"].clone()).collect();
    assert_eq!(news, [true, true]);
    let mixed = account
        .upsert(vec![
            ("a", json!({"lastname": "Adler"})),
            ("b", json!({"shoe_size": "43"})),
            ("c", json!({"email": "a@example.com"})),
        ])
        .await;
    assert_eq!((mixed.status, &mixed.body["numErrors"]), (207, &json!(2)), "{}", mixed.body);
    assert_eq!(
        (&mixed.body["results"][0]["new"], &mixed.body["results"][0]["objectWriteTraceId"]),
        (&json!(false), &json!("0"))
    );
    let traces: Vec<_> = mixed.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["context"]["objectWriteTraceId"][0].clone())
        .collect();
    assert_eq!(traces, ["1", "2"]);
    let id = mixed.body["results"][0]["id"].clone();
    let read = account
        .post("contacts/batch/read", json!({"properties": ["lastname"], "inputs": [{"id": id}, {"id": "1"}]}))
        .await;
    assert_eq!(
        (read.status, &read.body["results"][0]["properties"]["lastname"]),
        (207, &json!("Adler")),
        "{}",
        read.body
    );
    assert_eq!(read.body["errors"][0]["context"]["ids"], json!(["1"]));
    let too_many = (0..101).map(|number| json!({"id": number.to_string(), "properties": {}})).collect::<Vec<_>>();
    assert_eq!(account.post("contacts/batch/upsert", json!({"inputs": too_many})).await.status, 400);
}

#[tokio::test]
async fn who_asks_too_often_or_without_a_token_is_refused() {
    let account = Account::open(json!({})).await;
    let search = async || account.post("contacts/search", json!({})).await;
    let refused = until("a search too many", async || {
        let answer = search().await;
        (answer.status == 429).then_some(answer)
    })
    .await;
    assert_eq!(refused.body["category"], "RATE_LIMITS");
    let url = account.simulation.hubspot("/crm/v3/objects/contacts");
    assert_eq!(send(account.simulation.client.get(url).bearer_auth("nobody's")).await.status, 401);
}

#[tokio::test]
async fn events_are_sent_with_signature_v3() {
    let account = Account::open(json!({})).await;
    let url = account.simulation.receiver("/hooks/hubspot");
    let webhook = json!({"hubspot": {"webhook": {"url": url, "secret": "secret"}}});
    assert_eq!(account.simulation.put("/configuration", webhook).await.status, 204);
    let events = json!({"object": "contacts", "event": "deletion", "ids": [17, 18]});
    let sent = account.simulation.post("/hubspot/events", events).await;
    assert_eq!(sent.body, json!({"status": 200}), "{}", sent.body);
    let receipts = account.simulation.journal().await.receipts;
    assert_eq!(receipts.len(), 1);
}
