//! Every version of a bundle can be read, and an older one applied again.

use crate::support::Stage;
use serde_json::{Value, json};

async fn three_versions() -> (Stage, Vec<Value>) {
    let stage = Stage::new().await;
    let mut bundles = Vec::new();
    for title in ["first", "second", "third"] {
        let mut bundle = stage.bundle();
        bundle["title"] = json!(title);
        if title == "second" {
            bundle["entities"] = json!({"invoice": {"extensions": {"type": "object"}}});
        }
        assert_eq!(stage.put(&bundle).await.status, 200);
        bundles.push(bundle);
    }
    (stage, bundles)
}

#[tokio::test]
async fn versions_are_listed_page_by_page_the_newest_first() {
    let (stage, _) = three_versions().await;
    let tenant = stage.setting.tenant.as_str();
    let page = stage.get_versions(tenant, json!({"limit": "2"})).await;
    assert_eq!((page.status, &page.body["next"]), (200, &json!("2")), "{}", page.body);
    let told = |page: &Value| -> Vec<Value> {
        let versions = page["versions"].as_array().unwrap();
        versions.iter().map(|it| json!([it["version"], it["title"], it["running"], it["flows"]])).collect()
    };
    assert_eq!(told(&page.body), [json!([3, "third", true, 2]), json!([2, "second", false, 2])]);
    assert_eq!(page.body["versions"][0]["applied_by"], "arn:aws:iam::000000000000:user/ops");
    let rest = stage.get_versions(tenant, json!({"limit": "2", "cursor": "2"})).await;
    assert_eq!((told(&rest.body), &rest.body["next"]), (vec![json!([1, "first", false, 2])], &Value::Null));
    let other = stage.get_versions("nobody_at_all", json!({})).await;
    assert_eq!((other.status, &other.body["versions"]), (200, &json!([])));
    for garbage in [json!({"limit": "0"}), json!({"limit": "101"}), json!({"limit": "x"}), json!({"cursor": "-1"})] {
        stage.get_versions(tenant, garbage).await.assert_problem(422, "/problems/invalid-request", "");
    }
    stage.get_versions("x; drop", json!({})).await.assert_problem(422, "/problems/invalid-request", "tenant");
}

#[tokio::test]
async fn an_older_version_is_read_and_applied_again_as_a_new_one() {
    let (stage, bundles) = three_versions().await;
    let second = stage.get_version("2").await;
    assert_eq!((second.status, &second.body["bundle"]), (200, &bundles[1]));
    stage.get_version("9").await.assert_problem(404, "/problems/unknown-version", "no version 9");
    for garbage in ["0", "-1", "x", ""] {
        stage.get_version(garbage).await.assert_problem(422, "/problems/invalid-request", "number");
    }
    let wrong = stage.put_restoring(&bundles[0], "2").await;
    wrong.assert_invalid("restores: the bundle is not that of version 2");
    stage.put_restoring(&bundles[0], "9").await.assert_problem(404, "/problems/unknown-version", "");
    let back = stage.put_restoring(&second.body["bundle"], "2").await;
    assert_eq!((&back.body["version"], &back.body["changed"]), (&json!(4), &json!(true)));
    let running = stage.get_bundle(stage.setting.tenant.as_str()).await;
    assert_eq!(running.body["bundle"], bundles[1]);
    let log = stage.log().await;
    assert!(
        log.iter().any(|entry| entry.starts_with("bundle.rollback") && entry.contains("\"restores\":2")),
        "{log:?}"
    );
}

#[tokio::test]
async fn a_tenants_own_fields_come_with_the_configuration() {
    let (stage, bundles) = three_versions().await;
    assert_eq!(stage.put(&bundles[1]).await.status, 200);
    let running = stage.setting.database.tenant(&stage.setting.tenant).await.unwrap();
    let entities: Vec<&str> = running.configuration().entities.keys().map(|name| name.as_str()).collect();
    assert_eq!(entities, ["invoice"]);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let stage = Stage::new().await;
    let mut bundle = stage.bundle();
    bundle["colour"] = json!("red");
    bundle["connections"]["quickbooks"]["settings"]["relm"] = json!("1");
    bundle["flows"]["invoices"]["entity"] = json!("invoce");
    bundle["flows"]["customers"]["to_entity"] = json!("{name: nosuch}");
    bundle["notifications"][0]["connection"] = json!("alert");
    let answer = stage.put(&bundle).await;
    let errors: Vec<&str> = answer.body["errors"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(errors.len(), 5, "{errors:#?}");
    for expected in [
        "colour: unknown field `colour`; there are: ",
        "connections.quickbooks.settings.relm: the connector has no setting relm; did you mean `realm`?",
        "flows.invoices.entity: there is no entity invoce; did you mean `invoice`?",
        "flows.customers.to_entity: ",
        "notifications.1.connection: there is no connection alert in this bundle; did you mean `alerts`?",
    ] {
        assert!(errors.iter().any(|error| error.starts_with(expected)), "{expected}: {errors:#?}");
    }
}
