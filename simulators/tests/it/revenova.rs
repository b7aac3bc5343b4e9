//! Revenova's queries, pages and reads.

use serde_json::{Value, json};

use crate::harness::{Simulation, send};

async fn accounts(simulation: &Simulation, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let record = json!({"Name": format!("Acme {number:03}"), "Phone": null});
        let answer = simulation.post("/revenova/records", json!({"object": "Account", "record": record})).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        ids.push(answer.body["record_id"].as_str().unwrap().to_owned());
    }
    ids
}

#[tokio::test]
async fn a_query_comes_page_by_page() {
    let simulation = Simulation::start().await;
    accounts(&simulation, 25).await;
    simulation.put("/configuration", json!({"revenova": {"page_size": 10}})).await;
    let session = simulation.session().await;
    let query = "SELECT Name FROM Account WHERE Name LIKE 'Acme%' ORDER BY Name";
    let mut page = simulation.salesforce(&session, "/services/data/v62.0/query", &[("q", query)]).await.body;
    let mut names = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let records = page["records"].as_array().unwrap();
        sizes.push(records.len());
        names.extend(records.iter().map(|record| record["Name"].as_str().unwrap().to_owned()));
        assert_eq!(page["totalSize"], 25);
        let Some(next) = page["nextRecordsUrl"].as_str() else {
            break;
        };
        assert_eq!(page["done"], false);
        page = simulation.salesforce(&session, next, &[]).await.body;
    }
    assert_eq!((page["done"].clone(), sizes), (json!(true), vec![10, 10, 5]));
    let expected: Vec<String> = (0..25).map(|number| format!("Acme {number:03}")).collect();
    assert_eq!(names, expected);

    let count =
        simulation.salesforce(&session, "/services/data/v62.0/query", &[("q", "SELECT COUNT() FROM Account")]).await;
    assert_eq!(count.body, json!({"totalSize": 25, "done": true, "records": []}));
}

#[tokio::test]
async fn the_batch_size_header_is_honoured_within_salesforces_bounds() {
    let simulation = Simulation::start().await;
    simulation
        .put("/configuration", json!({"revenova": {"webhook": {"url": "http://127.0.0.1:1/", "secret": ""}}}))
        .await;
    let scenario = json!({"customers": 450, "invoices": 0, "poison": 0, "updates_share": 0, "deadline_seconds": 0});
    assert_eq!(simulation.post("/revenova/scenario", scenario).await.status, 202);
    let session = simulation.session().await;
    for (batch, expected) in
        [("batchSize=300", 300), ("batchsize = 5", 200), ("batchSize=99999", 450), ("nonsense", 450)]
    {
        let request = simulation
            .client
            .get(simulation.revenova("/services/data/v62.0/query?q=SELECT+Id+FROM+Account"))
            .header("Sforce-Query-Options", batch)
            .bearer_auth(&session);
        assert_eq!(send(request).await.body["records"].as_array().unwrap().len(), expected, "{batch}");
    }
}

#[tokio::test]
async fn records_are_read_whole_or_in_part() {
    let simulation = Simulation::start().await;
    let id = accounts(&simulation, 1).await.remove(0);
    let session = simulation.session().await;
    let path = format!("/services/data/v62.0/sobjects/Account/{id}");
    let whole = simulation.salesforce(&session, &path, &[]).await.body;
    assert_eq!(whole["attributes"], json!({"type": "Account", "url": path}));
    assert_eq!((&whole["Id"], &whole["IsDeleted"]), (&json!(id), &json!(false)));

    let part = simulation.salesforce(&session, &path, &[("fields", "name, Phone")]).await.body;
    let mut names: Vec<&String> = part.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["Name", "Phone", "attributes"]);
    let unknown = simulation.salesforce(&session, &path, &[("fields", "Nope")]).await;
    assert_eq!((unknown.status, &unknown.body[0]["errorCode"]), (400, &json!("INVALID_FIELD")));

    let deleted = json!({"object": "Account", "record": {"Id": id, "IsDeleted": true}});
    simulation.post("/revenova/records", deleted).await;
    assert_eq!(simulation.salesforce(&session, &path, &[]).await.body[0]["errorCode"], "ENTITY_IS_DELETED");
    let count = |resource: &'static str| {
        let simulation = &simulation;
        let session = &session;
        async move {
            let path = format!("/services/data/v62.0/{resource}");
            simulation.salesforce(session, &path, &[("q", "SELECT Id FROM Account")]).await.body["totalSize"].clone()
        }
    };
    assert_eq!((count("query").await, count("queryAll").await), (json!(0), json!(1)));
}

#[tokio::test]
async fn what_is_not_there_has_salesforces_errors() {
    let simulation = Simulation::start().await;
    let session = simulation.session().await;
    for (path, status, code) in [
        ("/services/data/v62.0/sobjects/Account/001000000000001AAA", 404, "NOT_FOUND"),
        ("/services/data/v62.0/sobjects/Account/..%2F..%2Fetc", 404, "NOT_FOUND"),
        ("/services/data/v62.0/sobjects/Lead/001000000000001AAA", 404, "NOT_FOUND"),
        ("/services/data/v62.0/sobjects/Lead/describe", 404, "NOT_FOUND"),
        ("/services/data/v1.0/sobjects/Account/describe", 404, "NOT_FOUND"),
        ("/services/data/vX/limits", 404, "NOT_FOUND"),
        ("/services/data/v62.0/nonsense", 404, "NOT_FOUND"),
        ("/nonsense", 404, "NOT_FOUND"),
        ("/services/data/v62.0/query", 400, "MALFORMED_QUERY"),
        ("/services/data/v62.0/query?q=SELECT+Nope+FROM+Account", 400, "INVALID_FIELD"),
        ("/services/data/v62.0/query/01g000000000000AAA-2000", 400, "INVALID_QUERY_LOCATOR"),
        ("/services/data/v62.0/query/%00", 400, "INVALID_QUERY_LOCATOR"),
    ] {
        let answer = simulation.salesforce(&session, path, &[]).await;
        assert_eq!((answer.status, &answer.body[0]["errorCode"]), (status, &json!(code)), "{path}: {}", answer.body);
    }
    let post = simulation.client.post(simulation.revenova("/services/data/v62.0/query")).bearer_auth(&session);
    assert_eq!(send(post).await.status, 405);
    let long = format!("SELECT Id FROM Account WHERE Name = '{}'", "x".repeat(20_000));
    let answer = simulation.salesforce(&session, "/services/data/v62.0/query", &[("q", &long)]).await;
    assert_eq!(answer.status, 414, "{}", answer.body);
    let versions = simulation.salesforce("", "/services/data/", &[]).await;
    assert!(versions.body.as_array().unwrap().iter().any(|version| version["version"] == "62.0"));
}

#[tokio::test]
async fn requests_are_recorded_with_what_they_are_about() {
    let simulation = Simulation::start().await;
    let session = simulation.session().await;
    simulation.salesforce(&session, "/services/data/v62.0/query", &[("q", "SELECT Id FROM Account")]).await;
    simulation.salesforce(&session, "/services/data/v62.0/sobjects/Account/001A", &[]).await;
    let journal = simulation.journal().await;
    let [token, query, read] = journal.requests.as_slice() else { panic!("{:?}", journal.requests) };
    assert_eq!((token.method.as_str(), token.status), ("POST", Some(200)));
    assert_eq!(query.statement.as_deref(), Some("SELECT Id FROM Account"));
    assert_eq!(
        (read.entity.as_deref(), read.target_id.as_deref(), read.status),
        (Some("Account"), Some("001A"), Some(404))
    );
    assert!(token.at <= query.at && query.at <= read.at && read.duration >= 0);
    let text = serde_json::to_string(&journal).unwrap();
    assert!(!text.contains(&session) && !text.contains("hush"), "no secret in the journal");
    assert_eq!(simulation.get("/counts").await.body["requests"]["revenova.404"], Value::from(1));
}
