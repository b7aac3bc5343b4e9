//! From an operation of a manifest to an HTTP request: the URL, the headers, the body.

use crate::connection::{Connection, TargetRecord};
use fluxnex_core::connector::{
    CompiledOperation, ListPlaces, Method, Once, OperationVariables, SettingsError, Template, TemplateError,
    TemplateValues, Variable,
};
use fluxnex_core::ids::ObjectName;
use fluxnex_core::mapping::{Json, MappingError};
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Why no request can be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PrepareError {
    /// The connection's settings do not fit the connector.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// There is no usable base URL.
    #[error("the connection's base URL is missing or malformed")]
    BaseUrl,
    /// A place of a template has no value.
    #[error("{0}")]
    Template(#[from] TemplateError),
    /// A value cannot stand in a path or a header.
    #[error("a value cannot stand in the request's {part}")]
    Value { part: &'static str },
    /// The payload does not fit the operation.
    #[error("{0}")]
    Payload(#[from] MappingError),
}

impl PrepareError {
    /// Whether the connection is at fault, and so every request of it.
    pub(super) fn is_of_connection(&self) -> bool {
        match self {
            Self::Settings(_) | Self::BaseUrl => true,
            Self::Template(_) | Self::Value { .. } | Self::Payload(_) => false,
        }
    }
}

/// A connection's place: its settings with the defaults, and where the application is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) settings: BTreeMap<String, String>,
    pub(super) base_url: Url,
}

/// What one request is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) object: &'a ObjectName,
    pub(super) key: Option<&'a str>,
    pub(super) target: Option<&'a TargetRecord>,
    pub(super) external_id: Option<&'a str>,
    pub(super) ids: Option<&'a Ids>,
    /// Where a list begins.
    pub(super) list: Option<&'a ListPlaces>,
    /// The path and query that the source gave for this page, in place of the operation's.
    pub(super) goes_to: Option<&'a str>,
    /// JSON text; `null` for operations that only read.
    pub(super) payload: &'a str,
}

impl<'a> Subject<'a> {
    /// A request that says nothing but its object.
    pub(super) fn of(object: &'a ObjectName) -> Self {
        Self {
            object,
            key: None,
            target: None,
            external_id: None,
            ids: None,
            list: None,
            goes_to: None,
            payload: "null",
        }
    }
}

/// The ids of several records: as they stand in a request, and as the JSON text of a list.
#[derive(Debug)]
pub(super) struct Ids {
    pub(super) joined: String,
    pub(super) list: String,
}

/// A request without its proof of who sends it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) method: reqwest::Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<String>,
}

impl Place {
    pub(super) fn of(connection: &Connection) -> Result<Self, PrepareError> {
        let settings = connection.manifest.settings(&connection.settings)?;
        let template = connection.manifest.manifest().base_url.as_ref();
        let text = match (&connection.base_url, template) {
            (Some(text), _) => text.clone(),
            (None, Some(template)) => template.fill(&TemplateValues::settings(&settings), str::to_owned)?,
            (None, None) => return Err(PrepareError::BaseUrl),
        };
        let mut base_url = Url::parse(&text).map_err(|_| PrepareError::BaseUrl)?;
        if base_url.cannot_be_a_base() {
            return Err(PrepareError::BaseUrl);
        }
        base_url.set_fragment(None);
        Ok(Self { settings, base_url })
    }

    /// The URL of a path below the base URL.
    pub(super) fn below(&self, path: &str) -> Result<Url, PrepareError> {
        // The URL parser would walk up at such a segment, whether it is percent-encoded or not.
        let climbs = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
        if path.split('/').any(climbs) {
            return Err(PrepareError::Value { part: "path" });
        }
        let mut url = self.base_url.clone();
        if !path.is_empty() {
            url.set_path(&format!("{}{path}", self.base_url.path().trim_end_matches('/')));
        }
        Ok(url)
    }

    /// The URL of a path and query that the source gave: at the origin of the base URL, whatever they are.
    fn at(&self, path_and_query: &str) -> Result<Url, PrepareError> {
        let (path, query) = path_and_query.split_once('?').map_or((path_and_query, None), |(a, b)| (a, Some(b)));
        if !path.starts_with('/') {
            return Err(PrepareError::Value { part: "next page" });
        }
        let mut url = self.base_url.clone();
        url.set_path(path);
        url.set_query(query);
        Ok(url)
    }

    /// Fills an operation.
    pub(super) fn prepare(
        &self,
        operation: &CompiledOperation,
        subject: &Subject<'_>,
    ) -> Result<Prepared, PrepareError> {
        let said = &operation.operation;
        let values = self.values(subject);
        let url = match subject.goes_to {
            Some(path_and_query) => self.at(path_and_query)?,
            None => self.url(operation, &values)?,
        };
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        for (name, template) in said.headers.iter().filter(|(_, template)| has_cursor_if_named(template, subject.list))
        {
            let name = HeaderName::try_from(name).map_err(|_| PrepareError::Value { part: "headers" })?;
            let value = HeaderValue::try_from(template.fill(&values, str::to_owned)?)
                .map_err(|_| PrepareError::Value { part: "headers" })?;
            headers.insert(name, value);
        }
        let body = operation.body(&Json::parse("payload", subject.payload)?, &self.variables(subject)?)?;
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Prepared { method: method(said.method), url, headers, body })
    }

    fn url(&self, operation: &CompiledOperation, values: &TemplateValues<'_>) -> Result<Url, PrepareError> {
        let said = &operation.operation;
        let mut url = self.below(&said.path.fill(values, percent_encode)?)?;
        let mut query = url.query().map(str::to_owned).into_iter().collect::<Vec<_>>();
        for (name, template) in said.query.iter().filter(|(_, template)| has_cursor_if_named(template, values.list)) {
            // A blank as `%20`: `+` means one in forms only, and OData services take it for a plus.
            let value = template.fill(values, str::to_owned)?;
            query.push(format!("{}={}", percent_encode(name), percent_encode(&value)));
        }
        url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
        Ok(url)
    }

    fn values<'a>(&'a self, subject: &Subject<'a>) -> TemplateValues<'a> {
        TemplateValues {
            settings: &self.settings,
            key: subject.key,
            object: Some(subject.object.as_str()),
            id: subject.target.map(|target| target.id.as_str()),
            ids: subject.ids.map(|ids| ids.joined.as_str()),
            version: subject.target.and_then(|target| target.version.as_deref()),
            external_id: subject.external_id,
            list: subject.list,
        }
    }

    /// What the operation's programs see.
    pub(super) fn variables(&self, subject: &Subject<'_>) -> Result<OperationVariables, PrepareError> {
        let json = |value: serde_json::Value| Json::parse("variables", &value.to_string());
        let text = |text: Option<&str>| text.map_or_else(Json::null, Json::from);
        let target = subject.target.map(|target| serde_json::json!({"id": target.id, "version": target.version}));
        Ok(OperationVariables {
            settings: json(serde_json::json!(self.settings))?,
            object: Json::from(subject.object.as_str()),
            key: text(subject.key),
            target: target.map_or_else(|| Ok(Json::null()), json)?,
            external_id: text(subject.external_id),
            ids: subject.ids.map_or_else(|| Ok(Json::null()), |ids| Json::parse("ids", &ids.list))?,
        })
    }
}

// On the first page there is no cursor, and what would carry it is left out.
fn has_cursor_if_named(template: &Template, list: Option<&ListPlaces>) -> bool {
    list.is_some_and(|list| list.cursor.is_some()) || !template.places().any(|place| *place == Variable::Cursor)
}

/// An idempotency key as the target takes it: too long a one is hashed, which keeps it unique.
pub(super) fn fit_key(key: String, once: &Once) -> String {
    match once {
        Once::Key { max_bytes: Some(max_bytes), .. } if key.len() > usize::from(*max_bytes) => {
            let mut hash = hex::encode(Sha256::digest(key));
            hash.truncate(usize::from(*max_bytes));
            hash
        }
        Once::Key { .. } | Once::ExternalId | Once::ReadBack { .. } | Once::None => key,
    }
}

pub(super) fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

// RFC 3986: everything but the unreserved characters.
fn percent_encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                encoded.push('%');
                encoded.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(base_url: &str) -> Place {
        Place { settings: BTreeMap::new(), base_url: Url::parse(base_url).unwrap() }
    }

    #[test]
    fn a_path_goes_below_the_base_and_keeps_its_query() {
        let below = |base: &str, path: &str| place(base).below(path).unwrap().to_string();
        assert_eq!(below("https://a.example", "/v3/x"), "https://a.example/v3/x");
        assert_eq!(below("https://a.example/api/", "/v3/x"), "https://a.example/api/v3/x");
        assert_eq!(below("https://a.example/hook/?t=1", ""), "https://a.example/hook/?t=1");
    }

    #[test]
    fn no_id_climbs_out_of_its_path() {
        for id in ["..", ".", "%2e%2E"] {
            let path = format!("/customer/{id}/x");
            assert_eq!(place("https://a.example").below(&path), Err(PrepareError::Value { part: "path" }), "{id}");
        }
    }

    #[test]
    fn a_next_page_stays_at_the_origin_whatever_is_written_there() {
        let at = |path: &str| place("https://a.example/api/?t=1").at(path).map(|url| url.to_string());
        assert_eq!(at("/next?page=2").unwrap(), "https://a.example/next?page=2");
        assert_eq!(at("/next").unwrap(), "https://a.example/next");
        for hostile in ["//evil.example/x", "/\\evil.example/x", "/..//evil.example", "/@evil.example/", "/a?b#c"] {
            assert!(at(hostile).unwrap().starts_with("https://a.example/"), "{hostile}: {:?}", at(hostile));
        }
        for garbage in ["", "x", "https://evil.example/", "?page=2", "@evil.example"] {
            assert!(at(garbage).is_err(), "{garbage}");
        }
    }

    #[test]
    fn what_stands_in_a_query_is_encoded_for_a_url() {
        let manifest = serde_json::json!({
            "connector": "example", "title": "Example", "settings": {},
            "objects": {"*": {"identify": {"id": ".id"}, "read_one": {
                "method": "GET", "path": "/x", "query": {"$filter": "id eq '{id}' and a+b lt 1"}}}},
        });
        let manifest = serde_json::from_value(manifest).unwrap();
        let manifest = fluxnex_core::connector::CompiledManifest::compile(manifest).unwrap();
        let object = ObjectName::parse("Things").unwrap();
        let target = TargetRecord { id: "ä&1".to_owned(), version: None };
        let id = fluxnex_core::ids::SourceId::parse("ä&1").unwrap();
        let operation = manifest.read_one(&object, &id).unwrap();
        let subject = Subject { target: Some(&target), ..Subject::of(&object) };
        let url = |base: &str| place(base).prepare(operation, &subject).unwrap().url.to_string();
        let query = "%24filter=id%20eq%20%27%C3%A4%261%27%20and%20a%2Bb%20lt%201";
        assert_eq!(url("https://a.example"), format!("https://a.example/x?{query}"));
        assert_eq!(url("https://a.example/?t=a+b"), format!("https://a.example/x?t=a+b&{query}"));
    }

    #[test]
    fn long_keys_are_hashed() {
        let once = Once::Key { ttl_seconds: 1, max_bytes: Some(50) };
        assert_eq!(fit_key("short".to_owned(), &once), "short");
        let (one, two) = (fit_key("k".repeat(51), &once), fit_key("k".repeat(52), &once));
        assert!(one.len() == 50 && two.len() == 50 && one != two);
    }

    proptest! {
        #[test]
        fn an_encoded_value_stays_one_segment(value in ".{1,60}") {
            let path = format!("/a/{}/b", percent_encode(&value));
            if let Ok(url) = place("https://a.example").below(&path) {
                prop_assert_eq!(url.path_segments().unwrap().count(), 3);
                prop_assert!(url.query().is_none() && url.fragment().is_none() && url.host_str() == Some("a.example"));
            }
        }
    }
}
