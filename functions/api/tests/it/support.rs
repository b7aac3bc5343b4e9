//! The stage, its setting, and requests as API Gateway makes them.

use api::Api;
use async_trait::async_trait;
use fluxnex_cloud::functions::{FunctionError, Functions};
use fluxnex_cloud::twin::InMemoryControl;
use fluxnex_lambda::{Deadline, Invocation};
use fluxnex_store::Database;
use fluxnex_testing::{Setting, TestDatabase, bundle};
use futures::future::BoxFuture;
use migrate::{Migrate, Responder};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Nobody to answer: `migrate` is called by us, not by CloudFormation.
struct Nobody;

impl Responder for Nobody {
    fn put<'a>(&'a self, _: &'a str, _: String) -> BoxFuture<'a, Result<(), fluxnex_lambda::BoxError>> {
        Box::pin(async { panic!("there is no CloudFormation here") })
    }
}

/// The functions service with the real `migrate`.
pub(crate) struct RealMigrate {
    tables: TestDatabase,
    pub(crate) silent: AtomicBool,
    /// The control table answers no more once this was called.
    pub(crate) ends: AtomicBool,
    control: Arc<InMemoryControl>,
}

#[async_trait]
impl Functions for RealMigrate {
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value, FunctionError> {
        assert_eq!(name, "fluxnex-local-migrate");
        let function = name.to_owned();
        if self.silent.load(Ordering::SeqCst) {
            return Err(FunctionError::Unavailable { function, code: "Silent".to_owned(), source: None });
        }
        if self.ends.load(Ordering::SeqCst) {
            self.control.set_silent(true);
        }
        let (tables, event) = (self.tables.clone(), to_raw_value(payload).unwrap());
        // As in Lambda, it runs apart from us; its futures stay on one thread.
        let ran = tokio::task::spawn_blocking(move || {
            let stage = Migrate { database: Arc::new(tables.store()), responder: Arc::new(Nobody) };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(stage.handle(event)).map_err(|error| error.to_string())
        });
        let failed = |message| FunctionError::Failed { function, error_type: "Failed".to_owned(), message };
        ran.await.unwrap().map_err(failed)
    }
}

pub(crate) struct Stage {
    pub(crate) setting: Setting,
    pub(crate) functions: Arc<RealMigrate>,
    /// Who calls, as API Gateway authenticated them.
    pub(crate) caller: &'static str,
    api: Api,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let setting = Setting::bare(TestDatabase::shared()).await;
        setting.database.migrate().await.unwrap();
        // Identifiers come of the clock, and those of audit entries must differ between tests.
        let apart = uuid::Uuid::new_v4().as_u128() % 1_000_000_000;
        setting.clock.advance(Duration::from_millis(u64::try_from(apart).unwrap()));
        let database = setting.database.clone();
        Self::of(setting, database)
    }

    pub(crate) fn of(setting: Setting, database: Arc<Database>) -> Self {
        let functions = Arc::new(RealMigrate {
            tables: setting.tables.clone(),
            silent: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            control: setting.control.clone(),
        });
        let api = Api {
            database,
            control: setting.control.clone(),
            schedules: setting.schedules.clone(),
            functions: functions.clone(),
            clock: setting.clock.clone(),
            migrate: "fluxnex-local-migrate".to_owned(),
            profile: "local".to_owned(),
            secrets: setting.secrets.clone(),
            source: setting.connection_secrets(),
            client: setting.target.client(),
        };
        Self { setting, functions, caller: "arn:aws:iam::000000000000:user/ops", api }
    }

    /// The example bundle, of this tenant.
    pub(crate) fn bundle(&self) -> Value {
        let bundle = bundle(&self.setting.tenant, "https://localhost:1");
        let text = serde_json::to_string(&bundle).unwrap();
        serde_json::from_str(&text.replace("/acme/", &format!("/{}/", self.setting.tenant))).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), json!({}), json!({}), None).await
    }

    /// Calls a route of one connection of the tenant.
    pub(crate) async fn call(&self, method: &str, connection: &str, what: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string());
        self.call_text(method, self.setting.tenant.as_str(), connection, what, body.as_deref()).await
    }

    pub(crate) async fn call_text(
        &self,
        method: &str,
        tenant: &str,
        connection: &str,
        what: &str,
        body: Option<&str>,
    ) -> Answer {
        let route = format!("{method} /v1/tenants/{{tenant}}/connections/{{connection}}/{what}");
        self.request(&route, json!({ "tenant": tenant, "connection": connection }), json!({}), body).await
    }

    /// The tenant runs the example bundle, whose connections are at the target.
    pub(crate) async fn applied() -> Self {
        let stage = Self::new().await;
        let mut bundle = stage.bundle();
        let text = bundle.to_string().replace("https://localhost:1", &stage.setting.target.url);
        bundle = serde_json::from_str(&text).unwrap();
        let answer = stage.put(&bundle).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        stage
    }

    /// The name of a connection's secret.
    pub(crate) fn secret(&self, connection: &str) -> String {
        format!("fluxnex/local/connections/{}/{connection}", self.setting.tenant)
    }

    /// What the audit log says of the tenant, in order.
    pub(crate) async fn log(&self) -> Vec<String> {
        let tenant = &self.setting.tenant;
        let log = format!(
            "SELECT action || ' ' || detail FROM fluxnex_master.audit_log WHERE tenant = '{tenant}' ORDER BY entry"
        );
        self.setting.texts(&log).await
    }

    pub(crate) async fn put(&self, bundle: &Value) -> Answer {
        self.put_text(self.setting.tenant.as_str(), &bundle.to_string()).await
    }

    pub(crate) async fn put_text(&self, tenant: &str, body: &str) -> Answer {
        self.put_if(tenant, body, json!({})).await
    }

    /// With headers: the conditions of an apply.
    pub(crate) async fn put_if(&self, tenant: &str, body: &str, headers: Value) -> Answer {
        self.request("PUT /v1/tenants/{tenant}/bundle", json!({ "tenant": tenant }), headers, Some(body)).await
    }

    /// A changing call of a route of one connection, under a key.
    pub(crate) async fn call_keyed(
        &self,
        method: &str,
        connection: &str,
        what: &str,
        body: &Value,
        key: &str,
    ) -> Answer {
        let route = format!("{method} /v1/tenants/{{tenant}}/connections/{{connection}}/{what}");
        let parameters = json!({ "tenant": self.setting.tenant, "connection": connection });
        self.request(&route, parameters, json!({"idempotency-key": key}), Some(&body.to_string())).await
    }

    pub(crate) async fn get_bundle(&self, tenant: &str) -> Answer {
        self.request("GET /v1/tenants/{tenant}/bundle", json!({ "tenant": tenant }), json!({}), None).await
    }

    /// A bundle applied as an older version: `PUT …/bundle?restores=3`.
    pub(crate) async fn put_restoring(&self, bundle: &Value, version: &str) -> Answer {
        let parameters = json!({ "tenant": self.setting.tenant });
        let query = json!({ "restores": version });
        let body = bundle.to_string();
        let route = "PUT /v1/tenants/{tenant}/bundle";
        self.request_with(route, parameters, json!({}), query, Some(&body)).await
    }

    pub(crate) async fn get_versions(&self, tenant: &str, query: Value) -> Answer {
        let route = "GET /v1/tenants/{tenant}/bundle/versions";
        self.request_with(route, json!({ "tenant": tenant }), json!({}), query, None).await
    }

    pub(crate) async fn get_version(&self, version: &str) -> Answer {
        let parameters = json!({ "tenant": self.setting.tenant, "version": version });
        self.request("GET /v1/tenants/{tenant}/bundle/versions/{version}", parameters, json!({}), None).await
    }

    pub(crate) async fn post_sample(&self, body: &str, query: Value) -> Answer {
        let parameters = json!({ "tenant": self.setting.tenant });
        let route = "POST /v1/tenants/{tenant}/bundle/sample";
        self.request_with(route, parameters, json!({}), query, Some(body)).await
    }

    pub(crate) async fn get_record(&self, connection: &str, query: Value) -> Answer {
        let parameters = json!({ "tenant": self.setting.tenant, "connection": connection });
        let route = "GET /v1/tenants/{tenant}/connections/{connection}/record";
        self.request_with(route, parameters, json!({}), query, None).await
    }

    pub(crate) async fn get_connector(&self, name: &str) -> Answer {
        self.request("GET /v1/connectors/{connector}", json!({ "connector": name }), json!({}), None).await
    }

    async fn request(&self, route: &str, parameters: Value, headers: Value, body: Option<&str>) -> Answer {
        self.request_with(route, parameters, headers, json!({}), body).await
    }

    async fn request_with(
        &self,
        route: &str,
        parameters: Value,
        headers: Value,
        query: Value,
        body: Option<&str>,
    ) -> Answer {
        let request = json!({
            "version": "2.0",
            "routeKey": route,
            "rawPath": "/", "rawQueryString": "", "headers": headers,
            "pathParameters": parameters,
            "queryStringParameters": query,
            "requestContext": {
                "http": {"method": "PUT", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.1", "userAgent": "x"},
                "requestId": "r", "routeKey": route, "stage": "$default", "timeEpoch": 0,
                "authorizer": {"iam": {"userArn": self.caller}},
            },
            "body": body,
            "isBase64Encoded": false,
        });
        let invocation = Invocation::new("request-7", Deadline::after(Duration::from_secs(29)));
        let response = self.api.handle(serde_json::from_value(request).unwrap(), &invocation).await;
        let answer = serde_json::to_value(&response).unwrap();
        let text = answer["body"].as_str().unwrap().to_owned();
        let body = serde_json::from_str(&text).unwrap();
        let answer = Answer { status: response.status_code, headers: answer["headers"].clone(), body, text };
        crate::documented::assert_documented(route, &answer);
        answer
    }
}

pub(crate) struct Answer {
    pub(crate) status: i64,
    pub(crate) headers: Value,
    pub(crate) body: Value,
    /// The body as it is sent.
    pub(crate) text: String,
}

impl Answer {
    /// It is a problem of that type, which says this somewhere.
    pub(crate) fn assert_problem(&self, status: i64, kind: &str, says: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!((&self.body["type"], &self.body["requestId"]), (&json!(kind), &json!("request-7")));
        assert!(self.body.to_string().contains(says), "{says} is not in {}", self.body);
    }

    /// It is a problem that names the place, and the request.
    pub(crate) fn assert_invalid(&self, place: &str) {
        assert_eq!(self.status, 422, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(
            (&self.body["type"], &self.body["requestId"]),
            (&json!("/problems/invalid-bundle"), &json!("request-7"))
        );
        let errors = self.body["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error.as_str().unwrap().contains(place)), "{place} is not in {errors:?}");
    }
}
