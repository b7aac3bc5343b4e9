//! The rules of the books.

use super::*;

fn customer(name: &str) -> Value {
    json!({"DisplayName": name, "Notes": "Revenova 001A @ 2026-11-20T12:00:00.000+0000"})
}

fn invoice(customer: &str) -> Value {
    json!({"CustomerRef": {"value": customer}, "Line": [
        {"DetailType": "SalesItemLineDetail", "Amount": 0.1, "SalesItemLineDetail": {}},
        {"DetailType": "SalesItemLineDetail", "Amount": "0.2", "SalesItemLineDetail": {}}]})
}

fn code(result: Result<Change, Fault>) -> &'static str {
    result.map_or_else(|fault| fault.code, |_| "")
}

#[test]
fn a_created_record_has_what_quickbooks_adds() {
    let mut company = Company::default();
    company.write(Entity::Customer, &customer("Acme"), 0).unwrap();
    let change = company.write(Entity::Invoice, &invoice("1"), 0).unwrap();
    assert_eq!((change.action, change.target_id.as_str()), (Action::Created, "2"));
    let record = &change.record;
    assert_eq!(record["SyncToken"], "0");
    assert_eq!(record["CustomerRef"], json!({"value": "1", "name": "Acme"}));
    assert_eq!(record["TotalAmt"], json!(0.3));
    assert_eq!(record["Line"][1]["LineNum"], 2);
    assert_eq!(record["Line"][2]["DetailType"], "SubTotalLineDetail");
    assert_eq!(record["MetaData"]["CreateTime"], "1970-01-01T00:00:00+00:00");
}

#[test]
fn an_update_needs_the_present_sync_token() {
    let mut company = Company::default();
    company.write(Entity::Customer, &customer("Acme"), 0).unwrap();
    let update = |token: Value| json!({"Id": "1", "SyncToken": token, "DisplayName": "Acme"});
    assert_eq!(code(company.write(Entity::Customer, &json!({"Id": "1", "DisplayName": "Acme"}), 0)), "2020");
    assert_eq!(code(company.write(Entity::Customer, &update(json!("1")), 0)), "5010");
    assert_eq!(code(company.write(Entity::Customer, &update(json!(0)), 0)), "2010");
    let change = company.write(Entity::Customer, &update(json!("0")), 1).unwrap();
    assert_eq!((change.action, &change.record["SyncToken"]), (Action::Updated, &json!("1")));
    assert_eq!(code(company.write(Entity::Customer, &update(json!("0")), 0)), "5010");
}

#[test]
fn a_full_update_forgets_and_a_sparse_one_keeps() {
    let mut company = Company::default();
    let mut given = customer("Acme");
    given["PrimaryPhone"] = json!({"FreeFormNumber": "1"});
    company.write(Entity::Customer, &given, 0).unwrap();

    let sparse = json!({"Id": "1", "SyncToken": "0", "sparse": true, "CompanyName": "Acme Inc", "Notes": null});
    let record = company.write(Entity::Customer, &sparse, 0).unwrap().record;
    assert_eq!(record["PrimaryPhone"]["FreeFormNumber"], "1");
    assert_eq!((&record["CompanyName"], record.get("Notes")), (&json!("Acme Inc"), None));

    let full = json!({"Id": "1", "SyncToken": "1", "DisplayName": "Acme", "PrimaryPhone": {"FreeFormNumber": null}});
    let record = company.write(Entity::Customer, &full, 0).unwrap().record;
    assert_eq!((record.get("CompanyName"), &record["PrimaryPhone"]), (None, &json!({})));
    assert_eq!(record["SyncToken"], "2");
}

#[test]
fn names_are_unique_and_free_again_after_a_change() {
    let mut company = Company::default();
    company.write(Entity::Customer, &customer("Acme"), 0).unwrap();
    assert_eq!(code(company.write(Entity::Customer, &customer(" aCME "), 0)), "6240");
    let rename = json!({"Id": "1", "SyncToken": "0", "sparse": true, "DisplayName": "Bolt"});
    company.write(Entity::Customer, &rename, 0).unwrap();
    assert_eq!(code(company.write(Entity::Customer, &customer("Acme"), 0)), "");
    assert_eq!(code(company.write(Entity::Customer, &customer("bolt"), 0)), "6240");
}

#[test]
fn invoices_need_their_customer() {
    let mut company = Company::default();
    for stranger in ["1", "", "x", "-1", "99999999999999999999999"] {
        assert_eq!(code(company.write(Entity::Invoice, &invoice(stranger), 0)), "2500", "{stranger}");
    }
    assert_eq!(company.all(Entity::Invoice).count(), 0);
}

#[test]
fn garbage_changes_nothing() {
    let mut company = Company::default();
    for (body, expected) in [
        (json!([]), "2010"),
        (Value::Null, "2010"),
        (json!({"Id": 5}), "2010"),
        (json!({"Id": "5", "SyncToken": "0"}), "610"),
        (json!({"Id": "5x"}), "610"),
        (json!({"DisplayName": null}), "2020"),
    ] {
        assert_eq!(code(company.write(Entity::Customer, &body, 0)), expected, "{body}");
    }
    assert_eq!(company.all(Entity::Customer).count(), 0);
    assert_eq!(company.write(Entity::Customer, &customer("Acme"), 0).unwrap().target_id, "1");
}

#[test]
fn no_second_sees_more_than_the_limit() {
    let mut company = Company::default();
    let admitted = (0..30).filter(|tenth| company.admit(5, tenth * 100_000)).count();
    assert_eq!(admitted, 15);
    assert!((0..1_000).all(|_| company.admit(0, 0)));
}
