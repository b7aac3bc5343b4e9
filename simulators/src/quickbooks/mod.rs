//! QuickBooks Online: customers and invoices of companies. The target.

mod answer;
mod changes;
mod company;
mod oauth;
mod query;
mod rest;
mod validate;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::routing::{get, post};
use serde_json::Value;

use crate::clock::now_microseconds;
use crate::commands::{QuickbooksSettings, SeedRecords};
use crate::journal::App;
use crate::observe::{Application, Observer, Subject, observe, parameters};
use crate::recorder::lock;
use crate::world::World;
use company::{Change, Company};
use validate::Entity;

/// Larger requests are refused; an invoice of a thousand lines fits.
const LARGEST_BODY: usize = 1024 * 1024;
/// More records at once are surely a mistake.
const MOST_SEEDED: usize = 10_000;

pub static APPLICATION: Application = Application { app: App::Quickbooks, subject, failure: answer::failure };

/// The companies, and who may see them.
#[derive(Default)]
pub struct Quickbooks {
    companies: Mutex<HashMap<String, Arc<Mutex<Company>>>>,
    access: oauth::Access,
    limit_per_second: Mutex<u32>,
}

impl Quickbooks {
    /// Changes the settings that are given.
    pub fn configure(&self, given: QuickbooksSettings) {
        if let Some(limit) = given.limit_per_second {
            *lock(&self.limit_per_second) = limit;
        }
        self.access.configure(given);
    }

    /// A company; it comes into being when it is first asked for.
    fn company(&self, realm_id: &str) -> Arc<Mutex<Company>> {
        lock(&self.companies).entry(realm_id.to_owned()).or_default().clone()
    }

    /// All records of an entity in a company.
    ///
    /// # Errors
    /// If there is no such entity.
    pub fn records(&self, realm_id: &str, entity: &str) -> Result<Vec<Arc<Value>>, String> {
        let entity = Entity::named(entity).ok_or_else(|| format!("there is no entity {entity:?}"))?;
        let company = self.company(realm_id);
        let company: MutexGuard<'_, Company> = lock(&company);
        Ok(company.all(entity).cloned().collect())
    }

    /// Puts records into a company, without effects in the journal.
    ///
    /// # Errors
    /// Says which record cannot be taken; those before it are in.
    pub fn seed(&self, command: SeedRecords) -> Result<Vec<Arc<Value>>, String> {
        let entity =
            Entity::named(&command.entity).ok_or_else(|| format!("there is no entity {:?}", command.entity))?;
        if command.records.len() > MOST_SEEDED {
            return Err(format!("{} records are more than {MOST_SEEDED}", command.records.len()));
        }
        let company = self.company(&command.realm_id);
        let mut company = lock(&company);
        let mut seeded = Vec::new();
        for (place, record) in command.records.into_iter().enumerate() {
            let change = company.write(entity, &record, now_microseconds());
            let Change { record, .. } = change.map_err(|fault| format!("record {place}: {}", fault.detail))?;
            seeded.push(record);
        }
        Ok(seeded)
    }

    pub fn counts(&self) -> BTreeMap<String, usize> {
        let companies = lock(&self.companies).clone();
        let mut counts = BTreeMap::new();
        for company in companies.values() {
            let company = lock(company);
            for entity in Entity::ALL {
                *counts.entry(entity.name().to_owned()).or_default() += company.all(entity).count();
            }
        }
        counts
    }

    /// Forgets the companies' records; keeps settings and tokens.
    pub fn reset(&self) {
        lock(&self.companies).clear();
    }
}

/// The routes.
pub fn router(world: &Arc<World>) -> Router {
    let observer = Observer { world: world.clone(), application: &APPLICATION };
    let company = Router::new()
        .route("/v3/company/{realm}/query", get(rest::query).post(rest::posted_query))
        .route("/v3/company/{realm}/cdc", get(changes::changes))
        .route("/v3/company/{realm}/{entity}", post(rest::write))
        .route("/v3/company/{realm}/{entity}/{id}", get(rest::read))
        .layer(axum::middleware::from_fn_with_state(world.clone(), rest::admit));
    Router::new()
        .route("/oauth2/v1/tokens/bearer", post(oauth::token))
        .merge(company)
        .fallback(answer::unsupported)
        .method_not_allowed_fallback(answer::unsupported)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(observer, observe))
        .with_state(world.clone())
}

fn subject(_method: &Method, uri: &Uri) -> Subject {
    let mut parts = uri.path().trim_matches('/').split('/');
    let company = parts.next() == Some("v3") && parts.next() == Some("company");
    let mut parameters = parameters(uri);
    let request_id = parameters.remove("requestid");
    let mut parts = parts.skip(1);
    match parts.next() {
        _ if !company => Subject::default(),
        Some("query") => {
            let statement = parameters.remove("query");
            let entity = statement.as_deref().and_then(query::queried_entity);
            Subject { entity, statement, request_id, ..Subject::default() }
        }
        Some("cdc") => Subject { entity: parameters.remove("entities"), ..Subject::default() },
        Some(entity) => Subject {
            entity: Some(Entity::named(entity).map_or_else(|| entity.to_owned(), |entity| entity.name().to_owned())),
            target_id: parts.next().map(str::to_owned),
            request_id,
            statement: None,
        },
        None => Subject::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_say_what_they_are_about() {
        let about = |uri: &str| subject(&Method::POST, &uri.parse().unwrap());
        let write = about("/v3/company/9/invoice?minorversion=75&requestid=r-1");
        assert_eq!((write.entity.as_deref(), write.request_id.as_deref()), (Some("Invoice"), Some("r-1")));
        let read = about("/v3/company/9/customer/17");
        assert_eq!((read.entity.as_deref(), read.target_id.as_deref()), (Some("Customer"), Some("17")));
        let query = about("/v3/company/9/query?query=select%20*%20from%20Invoice");
        assert_eq!(
            (query.entity.as_deref(), query.statement.as_deref()),
            (Some("Invoice"), Some("select * from Invoice"))
        );
        for other in ["/", "/v3", "/v3/company", "/v3/company/9", "/oauth2/v1/tokens/bearer"] {
            assert_eq!(about(other), Subject::default(), "{other}");
        }
    }
}
