//! An organisation of Salesforce with Revenova's transport-management system: the source of accounts and invoices, and
//! for the connector of Salesforce itself a target, too.

mod answer;
mod collections;
pub mod commands;
mod generate;
mod oauth;
pub mod outbound;
mod query;
mod records;
mod replication;
mod rest;
mod rows;
mod scenario;
mod schema;
mod sender;
mod soql;
mod write;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::routing::{get, patch, post};

use crate::commands::{RevenovaSettings, WebhookTarget};
use crate::journal::App;
use crate::observe::{Application, Observer, Subject, observe, parameters};
use crate::recorder::lock;
use crate::world::World;
pub use oauth::basic;
pub use scenario::Scenarios;
pub use sender::Sender;

/// A collection of 200 records fits; what is larger is refused.
const LARGEST_BODY: usize = 1024 * 1024;

pub static APPLICATION: Application = Application { app: App::Revenova, subject, failure: answer::failure };

/// The state of the organisation.
pub struct Revenova {
    settings: Mutex<Settings>,
    pub records: records::Records,
    tokens: oauth::Tokens,
    cursors: query::Cursors,
    pub scenarios: Scenarios,
    pub sender: Sender,
    /// Held while a record is written, so that what is checked still holds when it is stored.
    writing: Mutex<()>,
    /// Requests of the day; the day never ends.
    requests: AtomicU64,
}

/// The settings that are in force.
#[derive(Clone)]
struct Settings {
    organization_id: String,
    clients: Arc<Vec<crate::commands::RevenovaClient>>,
    access_token_seconds: u64,
    page_size: usize,
    daily_requests: u64,
    webhook: Option<Arc<WebhookTarget>>,
}

impl Revenova {
    pub fn new(sender: Sender) -> Self {
        Self {
            settings: Mutex::new(Settings {
                organization_id: "00D5f000000FluxEAK".to_owned(),
                clients: Arc::default(),
                access_token_seconds: 7_200,
                page_size: query::LARGEST_PAGE,
                daily_requests: 1_000_000,
                webhook: None,
            }),
            records: records::Records::default(),
            tokens: oauth::Tokens::default(),
            cursors: query::Cursors::default(),
            scenarios: Scenarios::default(),
            sender,
            writing: Mutex::default(),
            requests: AtomicU64::default(),
        }
    }

    /// The day's requests, and the most that a day may have.
    fn usage(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.settings().daily_requests)
    }

    /// The same with one request more.
    fn count_request(&self) -> (u64, u64) {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        (before.saturating_add(1), self.settings().daily_requests)
    }

    fn settings(&self) -> Settings {
        lock(&self.settings).clone()
    }

    /// Changes the settings that are given.
    ///
    /// # Errors
    /// Says which setting cannot be taken; then none is.
    pub fn configure(&self, given: RevenovaSettings) -> Result<(), String> {
        if given.page_size.is_some_and(|size| !(1..=query::LARGEST_PAGE).contains(&size)) {
            return Err(format!("page_size is not between 1 and {}", query::LARGEST_PAGE));
        }
        if let Some(webhook) = &given.webhook {
            sender::check(webhook)?;
        }
        let mut settings = lock(&self.settings);
        if let Some(organization_id) = given.organization_id {
            settings.organization_id = organization_id;
        }
        if let Some(clients) = given.clients {
            settings.clients = Arc::new(clients);
        }
        settings.access_token_seconds = given.access_token_seconds.unwrap_or(settings.access_token_seconds);
        settings.page_size = given.page_size.unwrap_or(settings.page_size);
        settings.daily_requests = given.daily_requests.unwrap_or(settings.daily_requests);
        if let Some(webhook) = given.webhook {
            settings.webhook = Some(Arc::new(webhook));
        }
        Ok(())
    }

    /// Forgets records, cursors and the scenario; keeps settings and tokens.
    pub fn reset(&self) {
        self.scenarios.forget();
        self.records.clear();
        self.cursors.clear();
        self.requests.store(0, Ordering::Relaxed);
    }
}

/// The routes.
pub fn router(world: &Arc<World>) -> Router {
    let observer = Observer { world: world.clone(), application: &APPLICATION };
    let data = Router::new()
        .route("/services/data/{version}", get(rest::resources))
        .route("/services/data/{version}/", get(rest::resources))
        .route("/services/data/{version}/limits", get(rest::limits))
        .route("/services/data/{version}/limits/", get(rest::limits))
        .route("/services/data/{version}/query", get(query::query))
        .route("/services/data/{version}/query/", get(query::query))
        .route("/services/data/{version}/queryAll", get(query::query_all))
        .route("/services/data/{version}/queryAll/", get(query::query_all))
        .route("/services/data/{version}/query/{locator}", get(query::next_page))
        .route("/services/data/{version}/sobjects", get(rest::objects))
        .route("/services/data/{version}/sobjects/", get(rest::objects))
        .route("/services/data/{version}/sobjects/{object}", post(rows::create))
        .route("/services/data/{version}/sobjects/{object}/", post(rows::create))
        .route("/services/data/{version}/sobjects/{object}/describe", get(rest::describe))
        .route("/services/data/{version}/sobjects/{object}/describe/", get(rest::describe))
        .route("/services/data/{version}/sobjects/{object}/deleted", get(replication::deleted))
        .route("/services/data/{version}/sobjects/{object}/deleted/", get(replication::deleted))
        .route("/services/data/{version}/sobjects/{object}/updated", get(replication::updated))
        .route("/services/data/{version}/sobjects/{object}/updated/", get(replication::updated))
        .route(
            "/services/data/{version}/sobjects/{object}/{id}",
            get(rest::read).patch(rows::update).delete(rows::delete),
        )
        .route(
            "/services/data/{version}/sobjects/{object}/{field}/{value}",
            get(rows::read).patch(rows::upsert).delete(rows::delete_external),
        )
        .merge(composite())
        .layer(axum::middleware::from_fn_with_state(world.clone(), oauth::authenticate));
    Router::new()
        .route("/services/oauth2/token", post(oauth::token))
        .route("/services/data", get(rest::versions))
        .route("/services/data/", get(rest::versions))
        .merge(data)
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(observer, observe))
        .with_state(world.clone())
}

fn composite() -> Router<Arc<World>> {
    Router::new()
        .route(
            "/services/data/{version}/composite/sobjects",
            post(collections::create).patch(collections::update).delete(collections::delete),
        )
        .route("/services/data/{version}/composite/sobjects/{object}", post(collections::read))
        .route("/services/data/{version}/composite/sobjects/{object}/{field}", patch(collections::upsert))
}

fn subject(_method: &Method, uri: &Uri) -> Subject {
    let mut parts = uri.path().trim_matches('/').split('/').skip(3);
    let (resource, object, id) = (parts.next(), parts.next(), parts.next());
    let statement = parameters(uri).remove("q");
    match resource {
        Some("sobjects") => {
            Subject { entity: object.map(str::to_owned), target_id: id.map(str::to_owned), ..Subject::default() }
        }
        // `composite/sobjects/<object>`: one request about many records.
        Some("composite") => Subject { entity: id.map(str::to_owned), ..Subject::default() },
        Some("query" | "queryAll") => {
            let entity = statement.as_deref().and_then(queried_object);
            let target_id = statement.as_deref().and_then(queried_id);
            Subject { entity, target_id, statement, ..Subject::default() }
        }
        _ => Subject::default(),
    }
}

/// The id of a query that reads one record: its whole condition is `Id = '…'`.
fn queried_id(statement: &str) -> Option<String> {
    let (_, condition) = statement.rsplit_once(" WHERE ")?;
    let id = condition.trim().strip_prefix("Id = '")?.strip_suffix('\'')?;
    let plain = !id.is_empty() && id.chars().all(|letter| letter.is_ascii_alphanumeric());
    plain.then(|| id.to_owned())
}

/// The object behind the last FROM that is not within parentheses.
fn queried_object(statement: &str) -> Option<String> {
    let mut depth = 0_i32;
    let mut words = statement.split_inclusive([' ', '\n', '\t', '(', ')']).skip_while(|word| {
        let within = depth > 0;
        depth += word.matches('(').count() as i32 - word.matches(')').count() as i32;
        within || !word.trim().eq_ignore_ascii_case("from")
    });
    words.next()?;
    words.map(str::trim).find(|word| !word.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_say_what_they_are_about() {
        let about = |uri: &str| subject(&Method::GET, &uri.parse().unwrap());
        let read = about("/services/data/v62.0/sobjects/Account/001A?fields=Id");
        assert_eq!((read.entity.as_deref(), read.target_id.as_deref()), (Some("Account"), Some("001A")));
        let query = about("/services/data/v62.0/query?q=SELECT+Id,(SELECT+Id+FROM+Lines)+FROM+Invoice+WHERE+a%3D1");
        assert_eq!(query.entity.as_deref(), Some("Invoice"));
        assert!(query.statement.unwrap().ends_with("a=1"));
        assert_eq!(query.target_id, None);
        let one = about("/services/data/v62.0/queryAll?q=SELECT+Id+FROM+Account+WHERE+Id+%3D+'001A'");
        assert_eq!((one.entity.as_deref(), one.target_id.as_deref()), (Some("Account"), Some("001A")));
        let more = about("/services/data/v62.0/queryAll?q=SELECT+Id+FROM+Account+WHERE+Id+%3D+'001A'+OR+Name+%3D+'x'");
        assert_eq!(more.target_id, None);
        assert_eq!(about("/services/data/v62.0/query?q=%FF((("), about("/services/data/v62.0/query?q=%FF((("));
        assert_eq!(about("/"), Subject::default());
    }
}
