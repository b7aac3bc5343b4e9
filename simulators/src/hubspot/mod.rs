//! HubSpot's CRM: contacts and companies, searched, read and written, one by one and in batches.
//!
//! Written after <https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide> and
//! <https://developers.hubspot.com/docs/guides/api/crm/search>.

mod access;
mod answer;
mod batch;
mod crm;
mod objects;
mod rest;
mod search;
mod webhook;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{get, post};

use crate::clock::now_microseconds;
use crate::commands::HubspotSettings;
use crate::journal::App;
use crate::observe::{Application, Observer, Subject, observe};
use crate::recorder::lock;
use crate::world::World;
pub use webhook::send;

/// A batch of a hundred records fits.
const LARGEST_BODY: usize = 1024 * 1024;
/// An app installed by OAuth: 110 requests in ten seconds for each account.
const MOST_REQUESTS: usize = 110;
const INTERVAL_MICROSECONDS: i64 = 10_000_000;
/// Searches in a second.
const MOST_SEARCHES: usize = 5;

pub static APPLICATION: Application = Application { app: App::Hubspot, subject, failure: answer::failure };

/// An account.
pub struct Hubspot {
    access: access::Access,
    pub crm: crm::Crm,
    settings: Mutex<Settings>,
    requests: Mutex<VecDeque<i64>>,
    searches: Mutex<VecDeque<i64>>,
}

/// The settings that are in force.
#[derive(Clone)]
struct Settings {
    /// The records that a search gives at most, over all pages.
    search_bound: usize,
    /// Whether the limits of requests are kept.
    limited: bool,
    webhook: Option<Arc<crate::commands::WebhookTarget>>,
}

impl Default for Hubspot {
    fn default() -> Self {
        Self {
            access: access::Access::default(),
            crm: crm::Crm::default(),
            settings: Mutex::new(Settings { search_bound: search::BOUND, limited: true, webhook: None }),
            requests: Mutex::default(),
            searches: Mutex::default(),
        }
    }
}

impl Hubspot {
    /// Changes the settings that are given.
    ///
    /// # Errors
    /// Says which setting cannot be taken; then none is.
    pub fn configure(&self, given: HubspotSettings) -> Result<(), String> {
        if given.search_bound.is_some_and(|bound| !(1..=search::BOUND).contains(&bound)) {
            return Err(format!("search_bound is not between 1 and {}", search::BOUND));
        }
        let mut settings = lock(&self.settings);
        settings.search_bound = given.search_bound.unwrap_or(settings.search_bound);
        settings.limited = given.limited.unwrap_or(settings.limited);
        if let Some(webhook) = given.webhook {
            settings.webhook = Some(Arc::new(webhook));
        }
        drop(settings);
        self.access.configure(given.clients, given.access_token_seconds);
        Ok(())
    }

    fn settings(&self) -> Settings {
        lock(&self.settings).clone()
    }

    /// Forgets the records; keeps settings and tokens.
    pub fn reset(&self) {
        self.crm.clear();
        lock(&self.requests).clear();
        lock(&self.searches).clear();
    }
}

/// The routes.
pub fn router(world: &Arc<World>) -> Router {
    let observer = Observer { world: world.clone(), application: &APPLICATION };
    let crm = Router::new()
        .route("/crm/v3/objects/{object}", get(rest::list).post(rest::create))
        .route("/crm/v3/objects/{object}/search", post(search::search))
        .route("/crm/v3/objects/{object}/batch/read", post(batch::read))
        .route("/crm/v3/objects/{object}/batch/upsert", post(batch::upsert))
        .route("/crm/v3/objects/{object}/{id}", get(rest::read).patch(rest::update).delete(rest::archive))
        .layer(axum::middleware::from_fn_with_state(world.clone(), admit));
    Router::new()
        .route("/oauth/v1/token", post(access::token))
        .merge(crm)
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(observer, observe))
        .with_state(world.clone())
}

/// The middleware of everything about records: the token must be good, and there must be room. The answer says how much
/// is left, save for searches, which HubSpot counts apart and says nothing of.
async fn admit(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
    if !token.is_some_and(|(_, token)| world.hubspot.access.allows(token.trim())) {
        return answer::unauthenticated();
    }
    let limited = world.hubspot.settings().limited;
    if request.uri().path().ends_with("/search") {
        let left = room(&world.hubspot.searches, 1_000_000, MOST_SEARCHES);
        return if left.is_none() && limited { answer::throttled("SECONDLY") } else { next.run(request).await };
    }
    let left = room(&world.hubspot.requests, INTERVAL_MICROSECONDS, MOST_REQUESTS);
    if left.is_none() && limited {
        return answer::throttled("TEN_SECONDLY_ROLLING");
    }
    let mut response = next.run(request).await;
    let headers = [
        ("x-hubspot-ratelimit-max", MOST_REQUESTS),
        ("x-hubspot-ratelimit-remaining", left.unwrap_or_default()),
        ("x-hubspot-ratelimit-interval-milliseconds", 10_000),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from(value));
    }
    response
}

/// How many requests the span still bears after this one; none if it does not bear this one.
fn room(requests: &Mutex<VecDeque<i64>>, span: i64, most: usize) -> Option<usize> {
    let now = now_microseconds();
    let mut requests = lock(requests);
    while requests.front().is_some_and(|at| now - at >= span) {
        requests.pop_front();
    }
    let left = most.checked_sub(requests.len() + 1)?;
    requests.push_back(now);
    Some(left)
}

fn subject(_method: &Method, uri: &Uri) -> Subject {
    let mut parts = uri.path().trim_matches('/').split('/').skip(3);
    let (entity, id) = (parts.next(), parts.next());
    let id = id.filter(|id| !matches!(*id, "search" | "batch"));
    Subject { entity: entity.map(str::to_owned), target_id: id.map(str::to_owned), ..Subject::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_say_what_they_are_about() {
        let about = |uri: &str| subject(&Method::POST, &uri.parse().unwrap());
        let read = about("/crm/v3/objects/contacts/17?properties=email");
        assert_eq!((read.entity.as_deref(), read.target_id.as_deref()), (Some("contacts"), Some("17")));
        for many in ["/crm/v3/objects/contacts/search", "/crm/v3/objects/contacts/batch/upsert"] {
            assert_eq!((about(many).entity.as_deref(), about(many).target_id), (Some("contacts"), None));
        }
        assert_eq!(about("/oauth/v1/token"), Subject::default());
    }

    #[test]
    fn a_span_bears_so_many_requests() {
        let requests = Mutex::default();
        let left: Vec<_> = (0..4).map(|_| room(&requests, i64::MAX, 3)).collect();
        assert_eq!(left, [Some(2), Some(1), Some(0), None]);
    }
}
