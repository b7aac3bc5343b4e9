//! A legacy ERP: customers and invoices behind an OData 4.0 service that tells nobody what changed.
//!
//! Written after the OASIS specification (OData Version 4.0: Part 1 Protocol, Part 2 URL Conventions, Part 3 CSDL,
//! JSON Format, ABNF; <https://docs.oasis-open.org/odata/odata/v4.0/>). The service reads only. What it does not
//! understand it refuses, since a condition that is quietly left out would be a wrong answer.

mod answer;
pub mod commands;
mod filter;
mod generate;
mod metadata;
mod options;
mod records;
mod schema;
mod service;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::routing::get;

use crate::commands::ErpSettings;
use crate::journal::App;
use crate::observe::{Application, Observer, Subject, observe};
use crate::recorder::lock;
use crate::world::World;

/// Nobody sends bodies to a service that reads only.
const LARGEST_BODY: usize = 1_024;
/// No page is larger, whatever the settings say.
const LARGEST_PAGE: usize = 1_000;

pub static APPLICATION: Application = Application { app: App::Erp, subject, failure: answer::failure };

/// The state of the ERP.
pub struct Erp {
    settings: Mutex<Settings>,
    pub records: records::Records,
}

/// The settings that are in force.
struct Settings {
    api_token: Option<String>,
    page_size: usize,
    largest_page_size: usize,
}

/// How many records a page has at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Page {
    size: usize,
    /// Whether the caller asked for a size.
    asked: bool,
}

impl Default for Erp {
    fn default() -> Self {
        let settings = Settings { api_token: None, page_size: 100, largest_page_size: LARGEST_PAGE };
        Self { settings: Mutex::new(settings), records: records::Records::default() }
    }
}

impl Erp {
    /// Changes the settings that are given.
    ///
    /// # Errors
    /// Says which setting cannot be taken; then none is.
    pub fn configure(&self, given: ErpSettings) -> Result<(), String> {
        for (name, size) in [("page_size", given.page_size), ("largest_page_size", given.largest_page_size)] {
            if size.is_some_and(|size| !(1..=LARGEST_PAGE).contains(&size)) {
                return Err(format!("{name} is not between 1 and {LARGEST_PAGE}"));
            }
        }
        let mut settings = lock(&self.settings);
        settings.page_size = given.page_size.unwrap_or(settings.page_size);
        settings.largest_page_size = given.largest_page_size.unwrap_or(settings.largest_page_size);
        if let Some(token) = given.api_token {
            settings.api_token = Some(token);
        }
        Ok(())
    }

    /// Whether a caller with this token gets in.
    fn admits(&self, token: Option<&str>) -> bool {
        let settings = lock(&self.settings);
        settings.api_token.as_deref().is_some_and(|known| Some(known) == token)
    }

    /// The page for a caller that asks for one of at most so many records, or for none.
    fn page(&self, asked: Option<usize>) -> Page {
        let settings = lock(&self.settings);
        let size = asked.unwrap_or(settings.page_size).min(settings.largest_page_size);
        Page { size, asked: asked.is_some() }
    }

    /// Forgets the records; keeps the settings.
    pub fn reset(&self) {
        self.records.clear();
    }
}

/// The routes.
pub fn router(world: &Arc<World>) -> Router {
    let observer = Observer { world: world.clone(), application: &APPLICATION };
    Router::new()
        .route("/", get(service::service_document))
        .route("/$metadata", get(service::csdl))
        .route("/{resource}", get(service::resource))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::read_only)
        .layer(axum::middleware::from_fn_with_state(world.clone(), service::admit))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(observer, observe))
        .with_state(world.clone())
}

/// Which set a request is about, and which record if it reads one; of a list, its options.
fn subject(_method: &Method, uri: &Uri) -> Subject {
    let segment = options::decode(uri.path().trim_matches('/')).unwrap_or_default();
    let Some((set, key)) = service::addressed(&segment) else {
        return Subject::default();
    };
    let statement = uri.query().filter(|_| key.is_none()).and_then(options::decode);
    Subject {
        entity: Some(set.name.to_owned()),
        target_id: key.and_then(service::key_of),
        statement,
        ..Subject::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_say_what_they_are_about() {
        let about = |uri: &str| subject(&Method::GET, &uri.parse().unwrap());
        let read = about("/Customers('C-1')?$select=ID");
        assert_eq!((read.entity.as_deref(), read.target_id.as_deref()), (Some("Customers"), Some("C-1")));
        assert_eq!(about("/Customers%28%27C-1%27%29").target_id, read.target_id);
        let list = about("/Invoices?$filter=ID%20gt%20'I'&$top=5");
        assert_eq!((list.entity.as_deref(), list.target_id), (Some("Invoices"), None));
        assert_eq!(list.statement.as_deref(), Some("$filter=ID gt 'I'&$top=5"));
        for other in ["/", "/$metadata", "/Orders", "/Customers('C-1')/Name", "/Customers('C-1'", "/%FF"] {
            assert_eq!(about(other), Subject::default(), "{other}");
        }
    }

    #[test]
    fn pages_are_as_large_as_both_sides_bear() {
        let erp = Erp::default();
        assert_eq!(erp.page(None), Page { size: 100, asked: false });
        assert_eq!(erp.page(Some(5_000)), Page { size: 1_000, asked: true });
        erp.configure(ErpSettings { largest_page_size: Some(50), ..ErpSettings::default() }).unwrap();
        assert_eq!((erp.page(None).size, erp.page(Some(7)).size, erp.page(Some(70)).size), (50, 7, 50));
        for refused in [Some(0), Some(LARGEST_PAGE + 1)] {
            assert!(erp.configure(ErpSettings { page_size: refused, ..ErpSettings::default() }).is_err());
        }
        assert!(!erp.admits(None) && !erp.admits(Some("")));
    }
}
