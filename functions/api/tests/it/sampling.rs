//! What a bundle would make of the records that are here, before it is applied; and those records.

use crate::support::{Answer, Stage};
use serde_json::{Value, json};

fn account(id: &str, name: &str) -> String {
    format!(r#"{{"Id": "{id}", "Name": "{name}", "CurrencyIsoCode": "USD", "Total__c": 1.10, "IsDeleted": false}}"#)
}

/// A tenant with five customers: one was never normalised, one was deleted.
async fn five() -> Stage {
    let stage = Stage::applied().await;
    for (id, normalised) in [("A1", true), ("A2", true), ("A3", true), ("A4", false)] {
        stage.setting.store_account(id, &account(id, &format!("Customer {id}")), normalised).await;
    }
    let gone = account("A5", "Gone").replace("\"IsDeleted\": false", "\"IsDeleted\": true");
    stage.setting.store_account("A5", &gone, false).await;
    stage
}

async fn sample(stage: &Stage, bundle: &Value, query: Value) -> Answer {
    stage.post_sample(&bundle.to_string(), query).await
}

fn counts(of: &Value) -> String {
    let told = of.as_object().unwrap().iter().filter(|(_, count)| **count != json!(0));
    told.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn what_runs_makes_what_is_there() {
    let stage = five().await;
    let running = stage.get_bundle(stage.setting.tenant.as_str()).await.body["bundle"].clone();
    let answer = sample(&stage, &running, json!({"flow": "customers"})).await;
    assert_eq!((answer.status, &answer.body["records"]), (200, &json!(4)), "{}", answer.body);
    assert_eq!(counts(&answer.body["entity"]), "new 1, same 3");
    assert_eq!(counts(&answer.body["targets"]["quickbooks"]), "new 1, same 3");
    assert_eq!((&answer.body["failures"], &answer.body["examples"]), (&json!([]), &json!([])));
    let few = sample(&stage, &running, json!({"flow": "customers", "records": "3"})).await;
    assert_eq!(few.body["records"], 3);
    let none = sample(&stage, &running, json!({"flow": "invoices"})).await;
    assert_eq!((none.status, &none.body["records"]), (200, &json!(0)));
}

#[tokio::test]
async fn other_mappings_are_told_with_fields_failures_and_what_is_not_sent_any_more() {
    let stage = five().await;
    let running = stage.get_bundle(stage.setting.tenant.as_str()).await.body["bundle"].clone();
    let mut next = running.clone();
    let flow = &mut next["flows"]["customers"];
    // A2 is called otherwise, A3 is no customer any more: its name is a number.
    let to_entity = flow["to_entity"]
        .as_str()
        .unwrap()
        .replace("name: .Name,", "name: (if .Id == \"A2\" then \"Other\" elif .Id == \"A3\" then 3 else .Name end),");
    flow["to_entity"] = json!(to_entity);
    flow["targets"][0]["when"] = json!(".name != \"Customer A1\"");
    let answer = sample(&stage, &next, json!({"flow": "customers"})).await.body;
    assert_eq!(counts(&answer["entity"]), "differs 1, new 1, newly_fails 1, same 1");
    assert_eq!(counts(&answer["targets"]["quickbooks"]), "differs 1, new 1, newly_filtered 1");
    let failing = answer["failures"].as_array().unwrap();
    assert_eq!((failing.len(), &failing[0]["records"], &failing[0]["ids"]), (1, &json!(1), &json!(["A3"])));
    assert!(failing[0]["reason"].as_str().unwrap().contains("/name"), "{failing:?}");
    let examples = answer["examples"].as_array().unwrap();
    let told: Vec<Value> = examples.iter().map(|it| json!([it.get("target"), it["id"], it["fields"][0]])).collect();
    let name = json!({"at": "name", "before": "\"Customer A2\"", "after": "\"Other\""});
    assert_eq!(told[0], json!([null, "A2", name]));
    assert_eq!((&told[1][0], &told[1][1]), (&json!("quickbooks"), &json!("A2")), "{told:?}");
    // Nothing was done.
    let states = "SELECT count(*)::text FROM {schema}.deliveries";
    assert_eq!(stage.setting.texts(states).await, ["0"]);
    assert_eq!(stage.get_bundle(stage.setting.tenant.as_str()).await.body["bundle"], running);
}

#[tokio::test]
async fn a_target_that_is_new_has_nothing_to_be_compared_with() {
    let stage = five().await;
    let mut next = stage.get_bundle(stage.setting.tenant.as_str()).await.body["bundle"].clone();
    let mut target = next["flows"]["customers"]["targets"][0].clone();
    target["connection"] = json!("alerts");
    target["object"] = json!("customer.updated");
    next["flows"]["customers"]["targets"].as_array_mut().unwrap().push(target);
    let answer = sample(&stage, &next, json!({"flow": "customers"})).await;
    assert_eq!(counts(&answer.body["targets"]["alerts"]), "new 4", "{}", answer.body);
    assert_eq!(counts(&answer.body["targets"]["quickbooks"]), "new 1, same 3");
}

#[tokio::test]
async fn a_mapping_that_does_not_end_fails_and_harms_nobody() {
    let stage = five().await;
    let numbers: Vec<usize> = (0..2_000).collect();
    let large = account("A6", "Large").replace("1.10", &json!(numbers).to_string());
    stage.setting.store_account("A6", &large, true).await;
    let mut next = stage.get_bundle(stage.setting.tenant.as_str()).await.body["bundle"].clone();
    let endless = "if .Id == \"A6\" then [.Total__c[] as $a | .Total__c[] as $b | .Total__c[] as $c | $a] | length | tostring else .Name end";
    let to_entity = next["flows"]["customers"]["to_entity"].as_str().unwrap();
    next["flows"]["customers"]["to_entity"] = json!(to_entity.replace("name: .Name,", &format!("name: ({endless}),")));
    let answer = sample(&stage, &next, json!({"flow": "customers"})).await;
    assert_eq!((answer.status, counts(&answer.body["entity"])), (200, "new 1, newly_fails 1, same 3".to_owned()));
    assert_eq!(answer.body["failures"][0]["ids"], json!(["A6"]));
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_refused() {
    let stage = five().await;
    let running = stage.get_bundle(stage.setting.tenant.as_str()).await.body["bundle"].clone();
    for (query, place) in [
        (json!({}), "flow"),
        (json!({"flow": "x; drop"}), "flow"),
        (json!({"flow": "nosuch"}), "no flow nosuch"),
        (json!({"flow": "customers", "records": "0"}), "records"),
        (json!({"flow": "customers", "records": "501"}), "records"),
        (json!({"flow": "customers", "records": "many"}), "records"),
    ] {
        sample(&stage, &running, query).await.assert_problem(422, "/problems/invalid-request", place);
    }
    stage.post_sample("{", json!({"flow": "customers"})).await.assert_invalid("line 1");
    let mut faulty = running.clone();
    faulty["flows"]["customers"]["to_entity"] = json!("{name: nosuch}");
    sample(&stage, &faulty, json!({"flow": "customers"})).await.assert_invalid("flows.customers.to_entity");
    let nobody = Stage::new().await;
    let bundle = nobody.bundle();
    sample(&nobody, &bundle, json!({"flow": "customers"})).await.assert_problem(404, "/problems/unknown-tenant", "");
}

#[tokio::test]
async fn a_record_is_read_as_its_source_wrote_it() {
    let stage = five().await;
    let answer = stage.get_record("revenova", json!({"object": "Account", "id": "A1"})).await;
    assert_eq!((answer.status, &answer.body["record"]["Name"]), (200, &json!("Customer A1")));
    assert_eq!(
        (&answer.body["id"], &answer.body["deleted"], &answer.body["version"]),
        (&json!("A1"), &json!(false), &Value::Null)
    );
    assert!(answer.text.contains("\"Total__c\": 1.10"), "digits stay: {}", answer.text);
    assert_eq!(stage.get_record("revenova", json!({"object": "Account", "id": "A5"})).await.body["deleted"], true);
    for (connection, query) in [
        ("revenova", json!({"object": "Account", "id": "A9"})),
        ("revenova", json!({"object": "Other", "id": "A1"})),
        ("quickbooks", json!({"object": "Account", "id": "A1"})),
    ] {
        let unknown = stage.get_record(connection, query).await;
        unknown.assert_problem(404, "/problems/unknown-record", "was seen");
    }
    for garbage in [
        json!({}),
        json!({"object": "Account"}),
        json!({"id": "A1"}),
        json!({"object": "Account", "id": "x".repeat(300)}),
    ] {
        stage.get_record("revenova", garbage).await.assert_problem(422, "/problems/invalid-request", "");
    }
}
