//! Migrations as CloudFormation and `api` ask for them, on a PostgreSQL database of their own.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first difference")]

use fluxnex_lambda::BoxError;
use fluxnex_store::Database;
use fluxnex_testing::{TestDatabase, captured};
use futures::future::BoxFuture;
use migrate::{Migrate, Responder};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const URL: &str = "https://cloudformation.example/answer?X-Amz-Signature=marked-signature";

/// CloudFormation's end: keeps what it is answered.
#[derive(Default)]
struct Answers {
    put: Mutex<Vec<(String, Value)>>,
    refuses: bool,
}

impl Responder for Answers {
    fn put<'a>(&'a self, url: &'a str, body: String) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            if self.refuses {
                return Err("refused".into());
            }
            self.put.lock().unwrap().push((url.to_owned(), serde_json::from_str(&body).unwrap()));
            Ok(())
        })
    }
}

struct Stage {
    migrate: Migrate,
    answers: Arc<Answers>,
}

impl Stage {
    fn new(database: Database) -> Self {
        let answers = Arc::new(Answers::default());
        Self { migrate: Migrate { database: Arc::new(database), responder: answers.clone() }, answers }
    }

    async fn handle(&self, event: &Value) -> Result<Value, BoxError> {
        self.migrate.handle(to_raw_value(event).unwrap()).await
    }

    /// What CloudFormation was answered, alone.
    fn answer(&self) -> Value {
        let mut put = self.answers.put.lock().unwrap();
        assert_eq!(put.len(), 1, "each request is answered once");
        let (url, answer) = put.remove(0);
        assert_eq!(url, URL);
        assert_eq!((&answer["StackId"], &answer["RequestId"]), (&json!("stack"), &json!("request")));
        assert_eq!(answer["LogicalResourceId"], "Migrations");
        answer
    }
}

fn request(kind: &str, physical: Option<&str>) -> Value {
    let mut request = json!({
        "RequestType": kind, "ResponseURL": URL, "StackId": "stack", "RequestId": "request",
        "LogicalResourceId": "Migrations", "ResourceType": "Custom::Migrations",
        "ResourceProperties": {"ServiceToken": "arn", "Version": "1"},
    });
    if let Some(physical) = physical {
        request["PhysicalResourceId"] = json!(physical);
    }
    request
}

async fn schemas(database: &TestDatabase) -> Vec<String> {
    let sql =
        "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'tenant%' OR nspname LIKE 'fluxnex%' ORDER BY 1";
    database.texts(sql).await
}

#[tokio::test]
async fn a_deploy_migrates_and_is_answered_under_one_name_for_ever() {
    let database = TestDatabase::own().await;
    let stage = Stage::new(database.store());
    let report = stage.handle(&request("Create", None)).await.unwrap();
    let applied =
        ["fluxnex_master: 0001_catalog", "fluxnex_master: 0002_bundle_versions", "fluxnex_master: 0003_paused"];
    assert_eq!(report, json!({"schemas": 1, "applied": applied}));
    let answer = stage.answer();
    assert_eq!((&answer["Status"], &answer["PhysicalResourceId"]), (&json!("SUCCESS"), &json!("fluxnex-migrations")));
    assert_eq!(answer["Data"], json!({"Applied": 3, "Schemas": 1}));
    assert_eq!(schemas(&database).await, ["fluxnex_master"]);
    stage.handle(&request("Update", Some("an-older-name"))).await.unwrap();
    let answer = stage.answer();
    assert_eq!((&answer["Status"], &answer["PhysicalResourceId"]), (&json!("SUCCESS"), &json!("an-older-name")));
    assert_eq!(answer["Data"]["Applied"], 0);
    database.remove().await;
}

#[tokio::test]
async fn deleting_the_stack_deletes_no_data_and_needs_no_database() {
    let database = TestDatabase::own().await;
    let stage = Stage::new(database.store());
    stage.handle(&request("Create", None)).await.unwrap();
    stage.answer();
    stage.handle(&request("Delete", Some("fluxnex-migrations"))).await.unwrap();
    assert_eq!(stage.answer()["Status"], "SUCCESS");
    assert_eq!(schemas(&database).await, ["fluxnex_master"]);
    database.remove().await;

    let stage = Stage::new(TestDatabase::nobody());
    stage.handle(&request("Delete", None)).await.unwrap();
    assert_eq!(stage.answer()["Status"], "SUCCESS", "a stack whose database is gone can still be deleted");
}

#[tokio::test]
async fn a_failure_is_answered_too_and_tells_no_secret() {
    captured::start();
    let stage = Stage::new(TestDatabase::nobody());
    let error = stage.handle(&request("Create", None)).await.unwrap_err().to_string();
    let answer = stage.answer();
    assert_eq!((&answer["Status"], &answer["PhysicalResourceId"]), (&json!("FAILED"), &json!("fluxnex-migrations")));
    assert!(answer["Reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{answer}");
    for text in [answer.to_string(), error, captured::text()] {
        assert!(!text.contains("marked-"), "{text}");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_takes_fails_the_invocation() {
    let answers = Arc::new(Answers { refuses: true, ..Answers::default() });
    let stage =
        Stage { migrate: Migrate { database: Arc::new(TestDatabase::nobody()), responder: answers.clone() }, answers };
    assert!(stage.handle(&request("Delete", None)).await.is_err());
}

#[tokio::test]
async fn one_tenant_gets_its_schema_and_nothing_the_second_time() {
    let database = TestDatabase::own().await;
    let stage = Stage::new(database.store());
    stage.handle(&request("Create", None)).await.unwrap();
    stage.answer();
    let first = stage.handle(&json!({"tenant": "acme"})).await.unwrap();
    assert_eq!(first["schemas"], 1);
    assert!(
        first["applied"].as_array().unwrap().iter().all(|name| name.as_str().unwrap().starts_with("tenant_acme: "))
    );
    assert_eq!(schemas(&database).await, ["fluxnex_master", "tenant_acme"]);
    assert_eq!(stage.handle(&json!({"tenant": "acme"})).await.unwrap()["applied"], json!([]));
    database.remove().await;
}

#[tokio::test]
async fn events_of_neither_shape_are_refused_without_quoting_them() {
    let stage = Stage::new(TestDatabase::nobody());
    let garbage = [
        json!({}),
        json!(null),
        json!("marked-text"),
        json!({"tenant": "marked-text; DROP SCHEMA x"}),
        json!({"tenant": "acme", "marked-text": 1}),
        json!({"RequestType": "Create", "marked-text": 1}),
    ];
    for event in garbage {
        let error = stage.handle(&event).await.unwrap_err().to_string();
        assert!(!error.contains("marked-text"), "{error}");
    }
    assert!(stage.answers.put.lock().unwrap().is_empty());
}
