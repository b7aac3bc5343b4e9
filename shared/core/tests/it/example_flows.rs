//! The mappings of the example bundle, on the connector's own sample records.

use fluxnex_core::flow::{Flow, FlowDefinition};
use fluxnex_core::ids::{CanonicalId, FlowId, ObjectName, SourceId};
use fluxnex_core::ledger::fill_references;
use fluxnex_core::mapping::Json;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn read(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn flow(name: &str, object: &str, entity: &str, mapping: &str, target: &str, requires: Value) -> Flow {
    let definition: FlowDefinition = serde_json::from_value(json!({
        "source": {"connection": "revenova", "object": object},
        "entity": entity,
        "requires": requires,
        "to_entity": read(&format!("examples/acme/mappings/{mapping}.to_entity.jq")),
        "targets": [{
            "connection": "quickbooks",
            "object": target,
            "to_target": read(&format!("examples/acme/mappings/{mapping}.to_quickbooks.jq")),
        }],
    }))
    .unwrap();
    let parents = definition.requires.iter().map(|_| ObjectName::parse("Account").unwrap()).collect();
    Flow::new(FlowId::parse(name).unwrap(), definition, parents)
}

fn target_payload(flow: &Flow, sample: &str) -> Value {
    flow.check().unwrap();
    let record = read(&format!("connectors/revenova/samples/{sample}.json"));
    let json = Json::parse("sample", &record).unwrap();
    let parents = flow.parents(&json).unwrap();
    let entity = flow.to_entity(&json, &parents, &SourceId::parse("x").unwrap(), Some(1)).unwrap();
    let names: Vec<String> = parents.iter().map(|parent| parent.name.clone()).collect();
    let canonical = Json::parse("entity", &entity.data).unwrap();
    let target = &flow.targets[0];
    assert!(target.takes(&canonical).unwrap());
    let payload = target.to_target(&canonical, &names, CanonicalId(uuid::Uuid::nil()), 1).unwrap();
    let references = BTreeMap::from([("customer".to_owned(), "58".to_owned())]);
    serde_json::from_str(&fill_references(&payload, &references).unwrap()).unwrap()
}

#[test]
fn an_invoice_becomes_what_quickbooks_takes() {
    let requires = json!([{"name": "customer", "entity": "customer", "by": ".rtms__Customer__c"}]);
    let flow = flow("invoices", "rtms__CustomerInvoice__c", "invoice", "invoice", "Invoice", requires);
    insta::assert_json_snapshot!(target_payload(&flow, "invoice"));
}

#[test]
fn a_customer_becomes_what_quickbooks_takes() {
    let flow = flow("customers", "Account", "customer", "customer", "Customer", json!([]));
    insta::assert_json_snapshot!(target_payload(&flow, "account"));
}
