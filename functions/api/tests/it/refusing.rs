//! Bundles that are refused as a whole: nothing of them runs, and the place of the fault is named.

use crate::support::Stage;
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_no_bundle_is_refused() {
    let stage = Stage::new().await;
    let tenant = stage.setting.tenant.as_str();
    for (garbage, place) in [
        ("", "line 1"),
        ("{", "line 1"),
        ("[]", "a bundle has fields"),
        ("{}", "tenant"),
        (r#"{"tenant":"acme"}"#, "connections"),
        (r#"{"tenant":"acme","connections":{},"colour":1}"#, "colour"),
        (r#"{"tenant":"Not A Tenant","connections":{}}"#, "tenant"),
    ] {
        stage.put_text(tenant, garbage).await.assert_invalid(place);
    }
    assert!(stage.setting.database.running_version(&stage.setting.tenant).await.is_err());
}

#[tokio::test]
async fn a_bundle_of_another_tenant_is_refused() {
    let stage = Stage::new().await;
    let bundle = stage.bundle().to_string();
    stage.put_text("somebody_else", &bundle).await.assert_invalid("tenant: the bundle is of");
    for malformed in ["", "Not A Tenant", "x; drop schema y"] {
        stage.put_text(malformed, &bundle).await.assert_invalid("not a valid tenant");
    }
}

#[tokio::test]
async fn a_fault_inside_a_bundle_is_named_by_its_place() {
    let stage = Stage::new().await;
    let cases: [(&str, Value, &str); 11] = [
        (
            "/connections/revenova/connector",
            json!("nosuch"),
            "connections.revenova.connector: there is no connector nosuch",
        ),
        ("/connections/revenova/settings", json!({}), "connections.revenova.settings"),
        ("/connections/quickbooks/settings/colour", json!("red"), "connections.quickbooks.settings"),
        ("/connections/quickbooks/secret", Value::Null, "connections.quickbooks.secret"),
        ("/connections/quickbooks/secret", json!("fluxnex/local/connections/other/x"), "connections.quickbooks.secret"),
        ("/flows/customers/to_entity", json!("{name: .Name"), "flows.customers"),
        ("/flows/invoices/targets/0/to_target", json!("nosuchfunction(1)"), "flows.invoices"),
        ("/flows/invoices/source/object", json!("NoSuchObject"), "flows.invoices.source"),
        ("/flows/invoices/targets/0/connection", json!("nosuch"), "flows.invoices.targets.1.connection"),
        ("/flows/invoices/entity", json!("nosuch"), "flows.invoices.entity"),
        ("/notifications/0/connection", json!("nosuch"), "notifications.1.connection"),
    ];
    for (pointer, value, place) in cases {
        let mut bundle = stage.bundle();
        match bundle.pointer_mut(pointer) {
            Some(there) => *there = value,
            None => {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                bundle.pointer_mut(parent).unwrap()[name] = value;
            }
        }
        stage.put(&bundle).await.assert_invalid(place);
    }
    assert!(stage.setting.database.running_version(&stage.setting.tenant).await.is_err());
}

#[tokio::test]
async fn a_refused_bundle_leaves_the_running_one_alone() {
    let stage = Stage::new().await;
    let mut bundle = stage.bundle();
    assert_eq!(stage.put(&bundle).await.status, 200);
    bundle["flows"]["customers"]["to_entity"] = json!("{");
    stage.put(&bundle).await.assert_invalid("flows.customers");
    assert_eq!(stage.setting.database.running_version(&stage.setting.tenant).await.unwrap(), 1);
}

#[tokio::test]
async fn a_bundle_that_is_too_large_is_refused() {
    let stage = Stage::new().await;
    let mut bundle = stage.bundle();
    bundle["title"] = json!("x".repeat(1024 * 1024));
    let answer = stage.put(&bundle).await;
    assert_eq!((answer.status, &answer.headers["content-type"]), (413, &json!("application/problem+json")));
}
