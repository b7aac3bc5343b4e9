//! The resources: the service document, the metadata, entity sets in pages, and single entities.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Map, Value};

use super::answer::{self, Refusal};
use super::filter::Typed;
use super::options::{self, Options};
use super::schema::{self, EntitySet, KEY};
use super::{Page, metadata};
use crate::world::World;

/// Longer addresses are refused.
const LONGEST_ADDRESS: usize = 16_384;

/// The middleware of everything: a token, an address that is not too long, a version that there is.
pub async fn admit(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let shown = text("authorization").and_then(|value| value.split_once(' '));
    let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    if !world.erp.admits(shown) {
        return answer::unauthenticated();
    }
    if request.uri().to_string().len() > LONGEST_ADDRESS {
        return answer::error(StatusCode::URI_TOO_LONG, "The address is too long.");
    }
    // OData Protocol 4.0 §8.2.7: the greatest version that is not above the one that the caller takes.
    let takes = text("odata-maxversion").map(|version| version.trim().parse::<f64>().unwrap_or(0.0));
    if takes.is_some_and(|version| version < 4.0) {
        return answer::error(StatusCode::BAD_REQUEST, "This service speaks OData 4.0.");
    }
    next.run(request).await
}

pub async fn service_document(headers: HeaderMap, uri: Uri) -> Response {
    match no_options(&uri) {
        Ok(()) => answer::json(&metadata::service_document(&root(&headers))),
        Err(refusal) => refusal.response(),
    }
}

pub async fn csdl(uri: Uri) -> Response {
    match no_options(&uri) {
        Ok(()) => answer::xml(metadata::csdl()),
        Err(refusal) => refusal.response(),
    }
}

fn no_options(uri: &Uri) -> Result<(), Refusal> {
    options::check(&options::split(uri.query().unwrap_or_default())?, &[])
}

/// `GET /Customers`, or `GET /Customers('C-1')`.
pub async fn resource(
    State(world): State<Arc<World>>,
    Path(resource): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let answered = match addressed(&resource) {
        None => return answer::not_found().await,
        Some((set, None)) => collection(&world, set, &headers, &uri),
        Some((set, Some(key))) => entity(&world, set, key, &headers, &uri),
    };
    answered.unwrap_or_else(|refusal| refusal.response())
}

/// The entity set that a path segment names, and what stands in parentheses behind it.
pub fn addressed(segment: &str) -> Option<(&'static EntitySet, Option<&str>)> {
    match segment.split_once('(') {
        None => Some((schema::set(segment)?, None)),
        Some((name, key)) => Some((schema::set(name)?, Some(key.strip_suffix(')')?))),
    }
}

/// A key as it stands in parentheses: `'C-1'`, or `ID='C-1'`; a quote within is doubled.
pub fn key_of(written: &str) -> Option<String> {
    let value = written.strip_prefix(KEY).and_then(|rest| rest.strip_prefix('=')).unwrap_or(written);
    let quoted = value.strip_prefix('\'')?.strip_suffix('\'')?;
    // Every quote is one of two.
    let single = quoted.replace("''", "");
    (!single.contains('\'')).then(|| quoted.replace("''", "'"))
}

fn entity(
    world: &World,
    set: &'static EntitySet,
    key: &str,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Response, Refusal> {
    let options = Options::of_entity(&options::split(uri.query().unwrap_or_default())?, set)?;
    let key =
        key_of(key).ok_or_else(|| Refusal::bad(format!("The key of {} is a text in single quotes.", set.name)))?;
    let record = world.erp.records.get(set, &key);
    let record = record.ok_or_else(|| Refusal::missing(format!("There is no {} with this key.", set.entity)))?;
    let mut shown = Map::new();
    let context = context(&root(headers), set, &options);
    shown.insert("@odata.context".to_owned(), Value::from(format!("{context}/$entity")));
    shown.extend(project(&record, &options));
    Ok(answer::json(&Value::Object(shown)))
}

fn collection(world: &World, set: &'static EntitySet, headers: &HeaderMap, uri: &Uri) -> Result<Response, Refusal> {
    let given = options::split(uri.query().unwrap_or_default())?;
    let options = Options::of_collection(&given, set)?;
    let page = world.erp.page(maxpagesize(headers));
    let mut found = world.erp.records.all(set);
    if let Some(filter) = &options.filter {
        found.retain(|record| filter.holds(record) == Some(true));
    }
    let found = ordered(found, &options);

    let total = found.len();
    let limited = || found.iter().skip(options.skip).take(options.top.unwrap_or(usize::MAX));
    let shown: Vec<Value> = limited()
        .skip(options.position)
        .take(page.size)
        .map(|record| Value::Object(project(record, &options)))
        .collect();
    let next = options.position.saturating_add(shown.len());
    let more = next < limited().count();

    let root = root(headers);
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), Value::from(context(&root, set, &options)));
    if options.count {
        body.insert("@odata.count".to_owned(), Value::from(total));
    }
    if more {
        let kept = given.iter().filter(|option| option.name != "$skiptoken").map(|option| option.raw.as_str());
        let token = format!("$skiptoken={next}");
        let query: Vec<&str> = kept.chain([token.as_str()]).collect();
        body.insert("@odata.nextLink".to_owned(), Value::from(format!("{root}/{}?{}", set.name, query.join("&"))));
    }
    body.insert("value".to_owned(), Value::from(shown));
    let mut response = answer::json(&Value::Object(body));
    if let Some(applied) = page.applied() {
        response.headers_mut().insert("preference-applied", applied);
    }
    Ok(response)
}

/// Sorts records that come in the order of their keys; where nothing is to be sorted by, they stay so.
fn ordered(records: Vec<Arc<Value>>, options: &Options) -> Vec<Arc<Value>> {
    let values = |record: &Value| -> Vec<Typed> {
        let value =
            |property: &schema::Property| Typed::of(record.get(property.name).unwrap_or(&Value::Null), property.kind);
        options.order.iter().map(|order| value(order.property)).collect()
    };
    let mut keyed: Vec<(Vec<Typed>, Arc<Value>)> =
        records.into_iter().map(|record| (values(&record), record)).collect();
    keyed.sort_by(|(left, _), (right, _)| {
        let compared = left.iter().zip(right).zip(&options.order).map(|((left, right), order)| {
            let compared = left.sort(right);
            if order.descending { compared.reverse() } else { compared }
        });
        compared.fold(Ordering::Equal, Ordering::then)
    });
    keyed.into_iter().map(|(_, record)| record).collect()
}

fn project(record: &Value, options: &Options) -> Map<String, Value> {
    let Some(selected) = &options.select else {
        return record.as_object().cloned().unwrap_or_default();
    };
    let value = |name: &str| record.get(name).cloned().unwrap_or(Value::Null);
    selected.iter().map(|property| (property.name.to_owned(), value(property.name))).collect()
}

fn context(root: &str, set: &EntitySet, options: &Options) -> String {
    let selected = options.select.as_ref().map(|selected| {
        let names: Vec<&str> = selected.iter().map(|property| property.name).collect();
        format!("({})", names.join(","))
    });
    format!("{root}/$metadata#{}{}", set.name, selected.unwrap_or_default())
}

/// The service's root, as the caller names it.
fn root(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("https://{host}")
}

/// `Prefer: odata.maxpagesize=N` (OData 4.0), or `maxpagesize=N` (4.01), which outranks it. What cannot be
/// understood is ignored, as preferences are.
fn maxpagesize(headers: &HeaderMap) -> Option<usize> {
    let named = |wanted: &str| {
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let mut preferences = values.flat_map(|value| value.split(','));
        preferences.find_map(|preference| {
            let (name, value) = preference.split_once('=')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"').parse().ok()).flatten()
        })
    };
    named("maxpagesize").or_else(|| named("odata.maxpagesize")).filter(|size| *size > 0)
}

impl Page {
    /// What the caller is told of the page size that it asked for; it may differ from that.
    fn applied(self) -> Option<HeaderValue> {
        let value = format!("odata.maxpagesize={}", self.size);
        self.asked.then(|| HeaderValue::from_str(&value).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_texts() {
        assert_eq!(key_of("'C-1'").as_deref(), Some("C-1"));
        assert_eq!(key_of("ID='O''Neil'").as_deref(), Some("O'Neil"));
        assert_eq!(key_of("''").as_deref(), Some(""));
        for garbage in ["", "'", "C-1", "5", "'O'Neil'", "''''' ", "Name='C-1'", "ID=5", "'a','b'"] {
            assert_eq!(key_of(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn preferences_are_read_in_every_form() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("prefer", HeaderValue::from_str(value).unwrap());
            }
            maxpagesize(&headers)
        };
        assert_eq!(read(&["odata.maxpagesize=5"]), Some(5));
        assert_eq!(read(&["return=minimal, odata.MaxPageSize=\"7\""]), Some(7));
        assert_eq!(read(&["odata.maxpagesize=5", "maxpagesize=6"]), Some(6));
        for ignored in ["odata.maxpagesize=0", "odata.maxpagesize=x", "odata.maxpagesize", "wait=5"] {
            assert_eq!(read(&[ignored]), None, "{ignored}");
        }
    }
}
