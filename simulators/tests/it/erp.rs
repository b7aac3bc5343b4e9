//! The ERP's OData service, as a caller meets it.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Simulation, send};

async fn get(simulation: &Simulation, path: &str) -> Answer {
    send(simulation.odata(path)).await
}

async fn with_records(scenario: Value) -> Simulation {
    let simulation = Simulation::start().await;
    let planned = simulation.post("/erp/scenario", scenario).await;
    assert_eq!(planned.status, 201, "{}", planned.body);
    simulation
}

fn ids(body: &Value) -> Vec<String> {
    body["value"].as_array().unwrap().iter().map(|record| record["ID"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_service_describes_itself() {
    let simulation = Simulation::start().await;
    let document = simulation.odata("/").send().await.unwrap();
    assert_eq!(document.headers()["odata-version"], "4.0");
    assert_eq!(document.headers()["content-type"], "application/json;odata.metadata=minimal");
    let document: Value = document.json().await.unwrap();
    let names: Vec<&str> =
        document["value"].as_array().unwrap().iter().map(|set| set["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Customers", "Invoices"]);
    let metadata = simulation.odata("/$metadata").send().await.unwrap();
    assert_eq!(metadata.headers()["content-type"], "application/xml");
    assert!(metadata.text().await.unwrap().contains("<EntityType Name=\"Invoice\">"));
}

#[tokio::test]
async fn only_the_token_lets_a_caller_in() {
    let simulation = Simulation::start().await;
    for path in ["/", "/$metadata", "/Customers"] {
        let nobody = simulation.client.get(simulation.erp(path)).send().await.unwrap();
        assert_eq!(
            (nobody.status().as_u16(), &nobody.headers()["www-authenticate"]),
            (401, &"Bearer".parse().unwrap())
        );
        let body: Value = nobody.json().await.unwrap();
        assert_eq!(body["error"]["code"], "Unauthorized");
        let other = simulation.client.get(simulation.erp(path)).bearer_auth("erp-token2");
        assert_eq!(send(other).await.status, 401);
        let basic = simulation.client.get(simulation.erp(path)).basic_auth("erp-token", None::<&str>);
        assert_eq!(send(basic).await.status, 401);
    }
    assert_eq!(simulation.put("/configuration", json!({"erp": {"api_token": "new"}})).await.status, 204);
    assert_eq!(get(&simulation, "/Customers").await.status, 401);
}

#[tokio::test]
async fn records_come_by_key_and_by_condition() {
    let simulation = with_records(json!({"customers": 12, "invoices": 30})).await;
    let all = get(&simulation, "/Invoices").await.body;
    assert_eq!(ids(&all).len(), 30);
    let invoice = &all["value"][3];
    let id = invoice["ID"].as_str().unwrap();
    assert!(!invoice["Lines"].as_array().unwrap().is_empty(), "lines come inline");

    let one = get(&simulation, &format!("/Invoices('{id}')")).await.body;
    assert!(one["@odata.context"].as_str().unwrap().ends_with("/$metadata#Invoices/$entity"));
    let mut bare = one.as_object().unwrap().clone();
    bare.remove("@odata.context");
    assert_eq!(&Value::Object(bare), invoice);
    let part = get(&simulation, &format!("/Invoices(ID='{id}')?$select=ID,TotalAmount")).await.body;
    assert_eq!(part["TotalAmount"], invoice["TotalAmount"]);
    assert!(part.get("Lines").is_none());
    assert!(part["@odata.context"].as_str().unwrap().ends_with("#Invoices(ID,TotalAmount)/$entity"));

    let customer = invoice["CustomerID"].as_str().unwrap();
    let its =
        get(&simulation, &format!("/Invoices?$filter=CustomerID%20eq%20'{customer}'&$orderby=TotalAmount%20desc"))
            .await
            .body;
    let expected: BTreeSet<String> = all["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|other| other["CustomerID"] == customer)
        .map(|other| other["ID"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids(&its).into_iter().collect::<BTreeSet<_>>(), expected);
    let totals: Vec<f64> =
        its["value"].as_array().unwrap().iter().map(|invoice| invoice["TotalAmount"].as_f64().unwrap()).collect();
    assert!(totals.is_sorted_by(|left, right| left >= right));

    let some = get(&simulation, "/Invoices?$skip=5&$top=7&$count=true&$select=ID").await.body;
    assert_eq!((some["@odata.count"].clone(), ids(&some)), (json!(30), ids(&all)[5..12].to_vec()));
    assert!(get(&simulation, "/Invoices?$top=0").await.body["value"].as_array().unwrap().is_empty());
    assert_eq!(
        get(&simulation, "/Customers?$filter=contains(Name,'C-')%20and%20not%20(ID%20eq%20null)").await.body["value"]
            .as_array()
            .unwrap()
            .len(),
        12
    );
}

#[tokio::test]
async fn pages_follow_the_preference_and_the_services_own_size() {
    let simulation = with_records(json!({"customers": 1, "invoices": 250})).await;
    let own = get(&simulation, "/Invoices").await.body;
    assert_eq!(ids(&own).len(), 100, "the service's own page");

    let first = simulation
        .odata("/Invoices?$orderby=ModifiedAt,ID&$top=130&$count=true")
        .header("Prefer", "odata.maxpagesize=60");
    let mut response = first.send().await.unwrap();
    let (mut sizes, mut seen) = (Vec::new(), Vec::new());
    loop {
        assert_eq!(response.headers()["preference-applied"], "odata.maxpagesize=60");
        let page: Value = response.json().await.unwrap();
        assert_eq!(page["@odata.count"], 250);
        sizes.push(ids(&page).len());
        seen.extend(page["value"].as_array().unwrap().clone());
        let Some(next) = page["@odata.nextLink"].as_str() else { break };
        response = simulation
            .client
            .get(next)
            .bearer_auth("erp-token")
            .header("Prefer", "odata.maxpagesize=60")
            .send()
            .await
            .unwrap();
    }
    assert_eq!(sizes, [60, 60, 10]);
    let places: Vec<(&str, &str)> =
        seen.iter().map(|record| (record["ModifiedAt"].as_str().unwrap(), record["ID"].as_str().unwrap())).collect();
    assert!(places.is_sorted_by(|left, right| left < right), "in order, and none twice");

    simulation.put("/configuration", json!({"erp": {"largest_page_size": 40}})).await;
    let bounded = simulation.odata("/Invoices").header("Prefer", "odata.maxpagesize=200").send().await.unwrap();
    assert_eq!(bounded.headers()["preference-applied"], "odata.maxpagesize=40");
    assert_eq!(ids(&bounded.json().await.unwrap()).len(), 40);
    let none = simulation.odata("/Customers").send().await.unwrap();
    assert!(none.headers().get("preference-applied").is_none());
}

/// Reads everything by keyset, as a poll does, and changes records meanwhile.
#[tokio::test]
async fn a_keyset_misses_nothing_while_records_change() {
    let simulation = with_records(json!({"customers": 5, "invoices": 200, "seed": 3})).await;
    let (mut since, mut after) = ("1970-01-01T00:00:00Z".to_owned(), String::new());
    let mut newest = std::collections::BTreeMap::new();
    for round in 0.. {
        let filter =
            format!("(ModifiedAt gt {since}) or (ModifiedAt eq {since} and ID gt '{after}')").replace(' ', "%20");
        let path = format!("/Invoices?$filter={filter}&$orderby=ModifiedAt,ID");
        let page = send(simulation.odata(&path).header("Prefer", "odata.maxpagesize=23")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        for record in page.body["value"].as_array().unwrap() {
            (since, after) =
                (record["ModifiedAt"].as_str().unwrap().to_owned(), record["ID"].as_str().unwrap().to_owned());
            newest.insert(after.clone(), since.clone());
        }
        if round < 5 {
            let changed = simulation.post("/erp/changes", json!({"count": 20, "seed": round})).await;
            assert_eq!((changed.status, &changed.body["versions"]), (201, &json!(20)));
        } else if page.body.get("@odata.nextLink").is_none() {
            break;
        }
    }
    let stored = simulation.get("/erp/records?set=Invoices").await.body;
    for record in stored.as_array().unwrap() {
        assert_eq!(newest.get(record["ID"].as_str().unwrap()).unwrap(), record["ModifiedAt"].as_str().unwrap());
    }
}

#[tokio::test]
async fn what_is_not_understood_or_not_there_is_refused() {
    let simulation = with_records(json!({"customers": 2, "invoices": 2})).await;
    let long = format!("/Customers?$filter=Name%20eq%20'{}'", "x".repeat(20_000));
    for (path, status, code) in [
        ("/Customers('nobody')", 404, "NotFound"),
        ("/Customers('')", 404, "NotFound"),
        ("/Orders", 404, "NotFound"),
        ("/customers", 404, "NotFound"),
        ("/Customers('a')/Name", 404, "NotFound"),
        ("/Customers(5)", 400, "BadRequest"),
        ("/Customers('a'b')", 400, "BadRequest"),
        ("/Customers('a')?$top=1", 400, "BadRequest"),
        ("/Customers?$filter=Name+eq+'a'", 400, "BadRequest"),
        ("/Customers?$filter=Nope%20eq%201", 400, "BadRequest"),
        ("/Customers?$filter=%GG", 400, "BadRequest"),
        ("/Customers?$orderby=Nope", 400, "BadRequest"),
        ("/Customers?$skiptoken=x", 400, "BadRequest"),
        ("/Customers?$frobnicate=1", 400, "BadRequest"),
        ("/Customers?top=1", 400, "BadRequest"),
        ("/?$filter=x", 400, "BadRequest"),
        ("/Customers?$expand=Invoices", 501, "NotImplemented"),
        ("/Customers?$filter=endswith(Name,'x')", 501, "NotImplemented"),
        (&long, 414, "URITooLong"),
    ] {
        let answer = get(&simulation, path).await;
        assert_eq!((answer.status, &answer.body["error"]["code"]), (status, &json!(code)), "{path}: {}", answer.body);
        assert!(!answer.body["error"]["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(get(&simulation, "/Customers?$top=1&custom=x").await.status, 200);
    let old = simulation.odata("/Customers").header("OData-MaxVersion", "3.0");
    assert_eq!(send(old).await.status, 400);
    let new = simulation.odata("/Customers").header("OData-MaxVersion", "4.01");
    assert_eq!(send(new).await.status, 200);
    let write = simulation.client.request(Method::POST, simulation.erp("/Customers")).bearer_auth("erp-token");
    assert_eq!(send(write).await.status, 405);
}

#[tokio::test]
async fn requests_versions_and_faults_are_recorded() {
    let simulation = with_records(json!({"customers": 2, "invoices": 3, "poison": 1})).await;
    let first = get(&simulation, "/Customers?$top=1").await.body;
    let id = first["value"][0]["ID"].as_str().unwrap();
    simulation
        .fault(json!({"app": "erp", "entity": "customers", "count": 1, "fault": {"kind": "status", "status": 503}}))
        .await;
    let refused = get(&simulation, &format!("/Customers('{id}')")).await;
    assert_eq!((refused.status, &refused.body["error"]["code"]), (503, &json!("ServiceUnavailable")));
    assert_eq!(get(&simulation, &format!("/Customers('{id}')")).await.status, 200);

    let journal = simulation.journal().await;
    let [list, failed, read] = journal.requests.as_slice() else { panic!("{:#?}", journal.requests) };
    assert_eq!((list.entity.as_deref(), list.statement.as_deref()), (Some("Customers"), Some("$top=1")));
    assert_eq!((failed.target_id.as_deref(), failed.status, failed.fault), (Some(id), Some(503), Some(1)));
    assert_eq!((read.target_id.as_deref(), read.status, read.fault), (Some(id), Some(200), None));
    assert!(!serde_json::to_string(&journal).unwrap().contains("erp-token"), "no secret in the journal");
    assert_eq!(journal.versions.len(), 6);

    let counts = simulation.get("/counts").await.body;
    assert_eq!(counts["silent_versions"], json!({"erp": 6}));
    assert_eq!((&counts["records"]["erp.Customers"], &counts["records"]["erp.Invoices"]), (&json!(2), &json!(4)));
    assert_eq!(simulation.post("/erp/scenario", json!({})).await.status, 400, "the records of this seed are there");
    assert_eq!(simulation.post("/reset", json!({})).await.status, 204);
    assert_eq!(get(&simulation, "/Customers").await.body["value"], json!([]));
}
