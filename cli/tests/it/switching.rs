//! Pausing and resuming on the command line, against the real API.

use crate::gateway::Gateway;
use fluxnex_core::bundle::Bundle;
use serde_json::Value;
use std::path::Path;

async fn running(gateway: &Gateway) -> Bundle {
    gateway.setting.database.running_bundle(&gateway.setting.tenant).await.unwrap().1
}

#[tokio::test]
async fn a_tenant_a_flow_and_a_connection_are_stopped_and_go_on() {
    let mut gateway = Gateway::start().await;
    let before = running(&gateway).await;
    for (what, waits) in [
        (&["connection", "quickbooks"][..], "What flows deliver to it waits"),
        (&["flow", "invoices"], "What it delivers waits"),
        (&["tenant"], "What flows deliver to it waits"),
    ] {
        let all =
            |command: &'static str| -> Vec<&str> { std::iter::once(command).chain(what.iter().copied()).collect() };
        let said = gateway.run_in(Path::new("/"), &all("pause")).await;
        assert!(said.code == 0 && said.out.contains(waits), "{said:?}");
        assert_ne!(running(&gateway).await, before);
        let mut json = all("resume");
        json.push("--json");
        let said = gateway.run_in(Path::new("/"), &json).await;
        let answer: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!((said.code, &answer["paused"]), (0, &Value::Bool(false)), "{said:?}");
        assert_eq!(running(&gateway).await, before);
    }
    let stopped = gateway.run_in(Path::new("/"), &["pause", "tenant"]).await;
    assert!(stopped.out.contains("nothing is polled") && running(&gateway).await.paused, "{stopped:?}");
    assert!(gateway.run(&["list"]).await.out.contains("PAUSED, as all of the tenant"));
    for (arguments, expected) in [
        (&["pause", "flow", "nosuch"][..], "there are: customers, invoices"),
        (&["pause", "connection", "nosuch"], "there is no connection nosuch"),
        (&["pause", "flow", "../x"], "not a valid flow"),
        (&["pause"], "Usage"),
    ] {
        let said = gateway.run_in(Path::new("/"), arguments).await;
        assert!(said.code == 2 && said.err.contains(expected), "{arguments:?}: {said:?}");
    }
}
