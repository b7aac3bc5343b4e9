//! Texts with named places: `/v3/company/{settings.realm}/invoice/{id}`.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A text with places that are filled when a request is made: `{settings.<name>}`, `{key}`,
/// `{object}`, `{id}`, `{ids}`, `{version}`, `{external_id}`, and in lists `{since}`, `{since_unzoned}`,
/// `{since_milliseconds}`, `{after}`, `{now}`, `{page_size}`, `{cursor}`, `{page}` and `{offset}`. There
/// is no way to write a literal brace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Place(Variable),
}

/// What can stand in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// A setting of the connection.
    Setting(String),
    /// The idempotency key.
    Key,
    /// The object's name.
    Object,
    /// The id of the record at the application.
    Id,
    /// The ids of several records at the application.
    Ids,
    /// The version of the record at the application.
    Version,
    /// Our own id of the record, for applications that keep it.
    ExternalId,
    /// The version after which records are listed.
    Since,
    /// The same in UTC, without the letter that says so.
    SinceUnzoned,
    /// The same in milliseconds since 1970.
    SinceMilliseconds,
    /// The moment of the request.
    Now,
    /// The id after which records of that version are listed.
    After,
    /// How many records a page has at most.
    PageSize,
    /// What the application said to ask with for the next page.
    Cursor,
    /// The number of the page.
    Page,
    /// How many records were listed before the page.
    Offset,
}

impl fmt::Display for Variable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(name) => write!(formatter, "settings.{name}"),
            Self::Key => formatter.write_str("key"),
            Self::Object => formatter.write_str("object"),
            Self::Id => formatter.write_str("id"),
            Self::Ids => formatter.write_str("ids"),
            Self::Version => formatter.write_str("version"),
            Self::ExternalId => formatter.write_str("external_id"),
            Self::Since => formatter.write_str("since"),
            Self::SinceUnzoned => formatter.write_str("since_unzoned"),
            Self::SinceMilliseconds => formatter.write_str("since_milliseconds"),
            Self::Now => formatter.write_str("now"),
            Self::After => formatter.write_str("after"),
            Self::PageSize => formatter.write_str("page_size"),
            Self::Cursor => formatter.write_str("cursor"),
            Self::Page => formatter.write_str("page"),
            Self::Offset => formatter.write_str("offset"),
        }
    }
}

/// Why a template cannot be read or filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Braces that do not pair.
    #[error("`{{` and `}}` do not pair")]
    Braces,
    /// A place that nothing fills.
    #[error(
        "there is no {{{place}}}; there are settings.<name>, key, object, id, ids, version, external_id, since, \
         since_unzoned, since_milliseconds, after, now, page_size, cursor, page and offset"
    )]
    UnknownPlace {
        /// What stands between the braces.
        place: String,
    },
    /// The request has no value for the place.
    #[error("there is no value for {{{place}}}")]
    NoValue {
        /// What stands between the braces.
        place: String,
    },
}

/// What fills the places of templates.
#[derive(Debug, Clone, Copy)]
pub struct TemplateValues<'a> {
    /// The connection's settings.
    pub settings: &'a BTreeMap<String, String>,
    /// The idempotency key.
    pub key: Option<&'a str>,
    /// The object's name.
    pub object: Option<&'a str>,
    /// The record's id at the application.
    pub id: Option<&'a str>,
    /// The ids of several records at the application, with what stands between them.
    pub ids: Option<&'a str>,
    /// The record's version at the application.
    pub version: Option<&'a str>,
    /// Our own id of the record.
    pub external_id: Option<&'a str>,
    /// Where a list begins.
    pub list: Option<&'a ListPlaces>,
}

/// Where a list begins, as it stands in a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPlaces {
    /// The version after which records are listed.
    pub since: String,
    /// The same without the `Z`, where versions are moments.
    pub since_unzoned: Option<String>,
    /// The same in milliseconds since 1970, where versions are moments.
    pub since_milliseconds: Option<i64>,
    /// The id after which records of that version are listed; may be empty.
    pub after: String,
    /// The moment of the request.
    pub now: String,
    /// How many records a page has at most.
    pub page_size: u16,
    /// What the application said to ask with for this page; nothing on the first one.
    pub cursor: Option<String>,
    /// The number of the page, where pages are numbered.
    pub page: Option<u32>,
    /// How many records were listed before the page, where that is what is asked with.
    pub offset: Option<u32>,
}

impl<'a> TemplateValues<'a> {
    /// Values for templates that use settings alone.
    #[must_use]
    pub fn settings(settings: &'a BTreeMap<String, String>) -> Self {
        Self { settings, key: None, object: None, id: None, ids: None, version: None, external_id: None, list: None }
    }

    fn get(&self, variable: &Variable) -> Option<Cow<'a, str>> {
        let text = |text: Option<&'a str>| text.filter(|text| !text.is_empty()).map(Cow::Borrowed);
        let number = |number: Option<i64>| number.map(|number| Cow::Owned(number.to_string()));
        match variable {
            Variable::Setting(name) => text(self.settings.get(name).map(String::as_str)),
            Variable::Key => text(self.key),
            Variable::Object => text(self.object),
            Variable::Id => text(self.id),
            Variable::Ids => text(self.ids),
            Variable::Version => text(self.version),
            Variable::ExternalId => text(self.external_id),
            Variable::Since => text(self.list.map(|list| list.since.as_str())),
            Variable::SinceUnzoned => text(self.list?.since_unzoned.as_deref()),
            Variable::SinceMilliseconds => number(self.list?.since_milliseconds),
            Variable::Now => text(self.list.map(|list| list.now.as_str())),
            // Before the first record it may well be the empty text.
            Variable::After => Some(Cow::Borrowed(self.list?.after.as_str())),
            Variable::PageSize => number(Some(self.list?.page_size.into())),
            Variable::Cursor => text(self.list?.cursor.as_deref()),
            Variable::Page => number(self.list?.page.map(i64::from)),
            Variable::Offset => number(self.list?.offset.map(i64::from)),
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError::Braces`] or [`TemplateError::UnknownPlace`].
    pub fn parse(text: impl Into<String>) -> Result<Self, TemplateError> {
        let text = text.into();
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((literal, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').ok_or(TemplateError::Braces)?;
            push_literal(&mut parts, literal)?;
            parts.push(Part::Place(parse_place(place)?));
            rest = after;
        }
        push_literal(&mut parts, rest)?;
        Ok(Self { text, parts })
    }

    /// Fills the places; an empty value is none, save for `{after}`. `encode` makes a value fit for where the text goes.
    ///
    /// # Errors
    /// [`TemplateError::NoValue`].
    pub fn fill(&self, values: &TemplateValues<'_>, encode: impl Fn(&str) -> String) -> Result<String, TemplateError> {
        let mut filled = String::with_capacity(self.text.len());
        for part in &self.parts {
            match part {
                Part::Literal(literal) => filled.push_str(literal),
                Part::Place(variable) => {
                    let value =
                        values.get(variable).ok_or_else(|| TemplateError::NoValue { place: variable.to_string() })?;
                    filled.push_str(&encode(&value));
                }
            }
        }
        Ok(filled)
    }

    /// The places, in their order.
    pub fn places(&self) -> impl Iterator<Item = &Variable> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place(variable) => Some(variable),
            Part::Literal(_) => None,
        })
    }

    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn push_literal(parts: &mut Vec<Part>, literal: &str) -> Result<(), TemplateError> {
    if literal.contains('}') {
        return Err(TemplateError::Braces);
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.to_owned()));
    }
    Ok(())
}

fn parse_place(place: &str) -> Result<Variable, TemplateError> {
    match place {
        "key" => Ok(Variable::Key),
        "object" => Ok(Variable::Object),
        "id" => Ok(Variable::Id),
        "ids" => Ok(Variable::Ids),
        "version" => Ok(Variable::Version),
        "external_id" => Ok(Variable::ExternalId),
        "since" => Ok(Variable::Since),
        "since_unzoned" => Ok(Variable::SinceUnzoned),
        "since_milliseconds" => Ok(Variable::SinceMilliseconds),
        "now" => Ok(Variable::Now),
        "after" => Ok(Variable::After),
        "page_size" => Ok(Variable::PageSize),
        "cursor" => Ok(Variable::Cursor),
        "page" => Ok(Variable::Page),
        "offset" => Ok(Variable::Offset),
        _ => match place.strip_prefix("settings.") {
            Some(name) if is_name(name) => Ok(Variable::Setting(name.to_owned())),
            _ if place.contains('{') => Err(TemplateError::Braces),
            _ => Err(TemplateError::UnknownPlace { place: place.chars().take(60).collect() }),
        },
    }
}

/// Whether the text can name a setting or a credential.
pub(super) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    text.len() <= 60
        && characters.next().is_some_and(|c| c.is_ascii_lowercase())
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

impl TryFrom<String> for Template {
    type Error = TemplateError;
    fn try_from(text: String) -> Result<Self, TemplateError> {
        Self::parse(text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(text: &str) -> Result<String, TemplateError> {
        let settings = BTreeMap::from([("realm".to_owned(), "a/b".to_owned())]);
        let values = TemplateValues { id: Some("7"), ..TemplateValues::settings(&settings) };
        Template::parse(text)?.fill(&values, |value| value.replace('/', "%2F"))
    }

    #[test]
    fn places_are_filled_and_only_values_are_encoded() {
        assert_eq!(fill("/v3/{settings.realm}/invoice/{id}").unwrap(), "/v3/a%2Fb/invoice/7");
        assert_eq!(fill("").unwrap(), "");
        assert_eq!(fill("{id}{id}").unwrap(), "77");
    }

    #[test]
    fn what_has_no_value_is_named() {
        assert_eq!(fill("/{key}").unwrap_err(), TemplateError::NoValue { place: "key".to_owned() });
        assert_eq!(fill("/{settings.other}").unwrap_err().to_string(), "there is no value for {settings.other}");
    }

    #[test]
    fn garbage_is_refused() {
        for braces in ["{", "}", "a{id", "a}b", "{{id}}", "{id}}"] {
            assert_eq!(Template::parse(braces).unwrap_err(), TemplateError::Braces, "{braces}");
        }
        for unknown in ["{}", "{ID}", "{credentials.token}", "{settings.}", "{settings.A}", "{settings.a.b}"] {
            assert!(matches!(Template::parse(unknown), Err(TemplateError::UnknownPlace { .. })), "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            if let Ok(template) = Template::parse(text.clone()) {
                prop_assert_eq!(template.as_str(), text);
            }
        }
    }
}
