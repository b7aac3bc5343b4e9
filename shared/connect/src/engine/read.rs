//! Reading: one record, several, or a page of a list.

use super::answer::{Refusal, body_json};
use super::call::{Answered, Call, Exchange, Trouble};
use super::link::next_link;
use super::prepare::{Ids, Place, PrepareError, Subject};
use crate::connection::{ListRequest, TargetRecord};
use fluxnex_core::connector::{Authentication, CompiledOperation, ListPlaces, ListedPage, PageError};
use fluxnex_core::ids::{ObjectName, SourceId};
use fluxnex_core::poll::Listing;
use reqwest::Url;
use std::collections::BTreeMap;

/// What reading a record came to.
pub(super) enum Read {
    Found { record: Option<String>, version: Option<String> },
    Refused(Refusal),
}

impl Call<'_> {
    pub(super) async fn read(
        &mut self,
        operation: Option<&CompiledOperation>,
        object: &ObjectName,
        target: &TargetRecord,
    ) -> Result<Read, Trouble> {
        let operation = operation.ok_or(Trouble::NoOperation)?;
        let subject = Subject { target: Some(target), ..Subject::of(object) };
        let Answered { answer, variables, .. } = match self.exchange(operation, &subject).await? {
            Exchange::Answered(answered) => *answered,
            Exchange::Refused(refusal) => return Ok(Read::Refused(refusal)),
        };
        let unreadable = Trouble::UnreadableRecord { status: answer.status };
        let Some(body) = body_json(&answer) else { return Err(unreadable) };
        match operation.answered_record(&body, &variables) {
            Ok(record) => Ok(Read::Found { version: operation.answered_version(&body, &variables), record }),
            Err(_) => Err(unreadable),
        }
    }

    /// The records of these ids, in their order; nothing for those that are not there.
    pub(super) async fn read_many(
        &mut self,
        object: &ObjectName,
        ids: &[SourceId],
    ) -> Result<Result<Vec<Option<String>>, Refusal>, Trouble> {
        let manifest = self.connection.manifest.clone();
        let many = manifest.read_many(object, ids).map_err(|_| Trouble::NoOperation)?;
        let mut found: BTreeMap<SourceId, String> = BTreeMap::new();
        for some in ids.chunks(usize::from(many.read_many.max).max(1)) {
            let joined = many.joined(some).ok_or(PrepareError::Value { part: "ids" })?;
            let ids = Ids { joined, list: serde_json::json!(some).to_string() };
            let subject = Subject { ids: Some(&ids), ..Subject::of(object) };
            let Answered { answer, variables, .. } = match self.exchange(&many.operation, &subject).await? {
                Exchange::Answered(answered) => *answered,
                Exchange::Refused(refusal) => return Ok(Err(refusal)),
            };
            let unreadable = || Trouble::UnreadableRecord { status: answer.status };
            let body = body_json(&answer).ok_or_else(unreadable)?;
            for record in many.records(&body, &variables.settings).map_err(|_| unreadable())? {
                // One that cannot be told may be one that was asked for: it is not to be taken for absent.
                let identified = manifest.identify(object, record.get(), &variables.settings);
                let id = identified.map_err(|_| unreadable())?.id;
                found.insert(id, Box::<str>::from(record).into_string());
            }
        }
        Ok(Ok(ids.iter().map(|id| found.get(id).cloned()).collect()))
    }

    pub(super) async fn list(&mut self, request: &ListRequest<'_>) -> Result<Result<ListedPage, Refusal>, Trouble> {
        let manifest = self.connection.manifest.clone();
        let list = match request.list {
            Listing::Changed => manifest.list_changed(request.object),
            Listing::Deleted => manifest.list_deleted(request.object),
        };
        let list = list.ok_or(Trouble::NoOperation)?;
        let places = list.places(request.position, request.continuation, self.now()).map_err(next_page)?;
        let goes_to = request.continuation.filter(|_| list.list.pages.by_url());
        let subject = Subject {
            list: Some(&places),
            goes_to: goes_to.map(|continuation| continuation.as_str()),
            payload: &payload(&places),
            ..Subject::of(request.object)
        };
        let Answered { answer, url, variables } = match self.exchange(&list.operation, &subject).await? {
            Exchange::Answered(answered) => *answered,
            Exchange::Refused(refusal) => return Ok(Err(refusal)),
        };
        let unreadable = || Trouble::UnreadableRecord { status: answer.status };
        let body = body_json(&answer).ok_or_else(unreadable)?;
        let place = Place::of(self.connection)?;
        let secret_parameter = match &manifest.manifest().authentication {
            Authentication::ApiKey { query, .. } => query.as_deref(),
            _ => None,
        };
        let path_of = |link: &str| path_of(&place, &url, link, secret_parameter);
        let link = next_link(&answer.headers);
        let page = list.page(&body, link.as_deref(), &variables.settings, &places, path_of);
        let page = page.map_err(|error| match error {
            PageError::Shape(_) => unreadable(),
            error => next_page(error),
        })?;
        // What is kept to go on with is kept outside of the secret.
        if page.next.as_ref().is_some_and(|next| self.shows_a_credential(next.as_str())) {
            return Err(next_page(PageError::Elsewhere { reason: "it holds a credential" }));
        }
        Ok(Ok(page))
    }
}

fn next_page(error: PageError) -> Trouble {
    Trouble::NextPage { reason: error.to_string() }
}

/// What a list's body program runs on.
fn payload(places: &ListPlaces) -> String {
    let ListPlaces { since, since_unzoned, since_milliseconds, after, now, page_size, cursor, page, offset } = places;
    serde_json::json!({
        "since": since, "since_unzoned": since_unzoned, "since_milliseconds": since_milliseconds, "after": after,
        "now": now, "page_size": page_size, "cursor": cursor, "page": page, "offset": offset,
    })
    .to_string()
}

/// The path and query of the URL of a next page. It must be at the origin of the base URL: credentials go there.
fn path_of(place: &Place, asked: &Url, link: &str, secret_parameter: Option<&str>) -> Result<String, PageError> {
    let elsewhere = |reason| PageError::Elsewhere { reason };
    let mut url = asked.join(link.trim()).map_err(|_| elsewhere("it is no URL"))?;
    if url.origin() != place.base_url.origin() {
        return Err(elsewhere("it is at another origin"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(elsewhere("it carries a user name or password"));
    }
    if let Some(name) = secret_parameter {
        // Some sources repeat what they were asked with; it is added anew.
        let is_other = |pair: &&str| !matches!(pair.split_once('='), Some((found, _)) if found == name);
        let query: Vec<&str> = url.query().unwrap_or_default().split('&').filter(is_other).collect();
        let query = query.join("&");
        url.set_query((!query.is_empty()).then_some(query.as_str()));
    }
    Ok(url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(link: &str) -> Result<String, PageError> {
        let base_url = Url::parse("https://a.example/api").unwrap();
        let asked = Url::parse("https://a.example/api/Things?$top=2").unwrap();
        path_of(&Place { settings: BTreeMap::new(), base_url }, &asked, link, Some("api_key"))
    }

    #[test]
    fn a_next_page_is_absolute_or_relative_to_the_page_before() {
        for (link, path) in [
            ("https://a.example/api/Things?$skip=2", "/api/Things?$skip=2"),
            ("https://a.example:443/x", "/x"),
            ("HTTPS://A.EXAMPLE/x#fragment", "/x"),
            ("/services/query/01g-2000", "/services/query/01g-2000"),
            ("Things?$skiptoken=a%20b", "/api/Things?$skiptoken=a%20b"),
            ("?page=2", "/api/Things?page=2"),
            ("?page=2&api_key=secret&x=1", "/api/Things?page=2&x=1"),
        ] {
            assert_eq!(next(link).as_deref(), Ok(path), "{link}");
        }
    }

    #[test]
    fn a_next_page_elsewhere_is_refused() {
        for link in [
            "https://evil.example/",
            "//evil.example/x",
            "\\\\evil.example\\x",
            "http://a.example/x",
            "https://a.example:8443/x",
            "https://a.example.evil.example/",
            "https://a.example@evil.example/",
            "https://user:password@a.example/x",
            "https://169.254.169.254/latest/meta-data/",
            "data:text/plain,x",
            "file:///etc/passwd",
            "javascript:0",
            "https://[::1",
        ] {
            assert!(matches!(next(link), Err(PageError::Elsewhere { .. })), "{link}: {:?}", next(link));
        }
    }
}
