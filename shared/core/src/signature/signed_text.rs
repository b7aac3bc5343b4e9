//! What a signature covers: a text with named places, filled from a request.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// A request as its signature sees it.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// `POST` and the like, in capitals.
    pub method: &'a str,
    /// The whole URL as it was called, with its query.
    pub url: &'a str,
    /// The body, byte by byte.
    pub body: &'a [u8],
}

/// What is signed: a text with the places `{method}`, `{url}`, `{url_decoded}`, `{path}`, `{query}`, `{timestamp}`,
/// `{body}` and `{body_sha256}`. There is no way to write a literal brace.
///
/// - `{url}`: the whole URL as it was called; `{path}` and `{query}` (without `?`) are parts of it
/// - `{url_decoded}`: the same with the escapes of `: / ? @ ! $ ' ( ) * , ;` decoded, as HubSpot signs it
///   (<https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation>)
/// - `{timestamp}`: the time of sending as it stands in its header
/// - `{body_sha256}`: the SHA-256 of the body in lower-case hexadecimal digits
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct SignedText {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Place(SignedPlace),
}

/// A place of a [`SignedText`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedPlace {
    /// The method.
    Method,
    /// The URL.
    Url,
    /// The URL with some escapes decoded.
    UrlDecoded,
    /// The URL's path.
    Path,
    /// The URL's query.
    Query,
    /// The time of sending.
    Timestamp,
    /// The body.
    Body,
    /// The body's SHA-256.
    BodySha256,
}

const PLACES: [(&str, SignedPlace); 8] = [
    ("method", SignedPlace::Method),
    ("url", SignedPlace::Url),
    ("url_decoded", SignedPlace::UrlDecoded),
    ("path", SignedPlace::Path),
    ("query", SignedPlace::Query),
    ("timestamp", SignedPlace::Timestamp),
    ("body", SignedPlace::Body),
    ("body_sha256", SignedPlace::BodySha256),
];

const RULE: &str = "what is signed is a text with the places {method}, {url}, {url_decoded}, {path}, {query}, \
                    {timestamp}, {body} and {body_sha256}, at least one of them";

/// The escapes that HubSpot decodes in a URL before it signs it.
const DECODED: [(&str, char); 12] = [
    ("3A", ':'),
    ("2F", '/'),
    ("3F", '?'),
    ("40", '@'),
    ("21", '!'),
    ("24", '$'),
    ("27", '\''),
    ("28", '('),
    ("29", ')'),
    ("2A", '*'),
    ("2C", ','),
    ("3B", ';'),
];

impl SignedText {
    /// The body alone, which lets a captured request be sent again at any time.
    #[must_use]
    pub fn body() -> Self {
        Self { text: "{body}".to_owned(), parts: vec![Part::Place(SignedPlace::Body)] }
    }

    /// Whether it has the place.
    #[must_use]
    pub fn has(&self, place: SignedPlace) -> bool {
        self.parts.contains(&Part::Place(place))
    }

    /// Whether it covers the body.
    #[must_use]
    pub fn covers_body(&self) -> bool {
        self.has(SignedPlace::Body) || self.has(SignedPlace::BodySha256)
    }

    /// The pieces that are signed one after the other; `timestamp` is empty where there is none.
    #[must_use]
    pub fn fill<'a>(&'a self, request: &SignedRequest<'a>, timestamp: &'a str) -> Vec<Cow<'a, [u8]>> {
        let text = |text: &'a str| Cow::Borrowed(text.as_bytes());
        let piece = |part: &'a Part| match part {
            Part::Literal(literal) => text(literal),
            Part::Place(SignedPlace::Method) => text(request.method),
            Part::Place(SignedPlace::Url) => text(request.url),
            Part::Place(SignedPlace::UrlDecoded) => Cow::Owned(decoded(request.url).into_bytes()),
            Part::Place(SignedPlace::Path) => text(path_and_query(request.url).0),
            Part::Place(SignedPlace::Query) => text(path_and_query(request.url).1),
            Part::Place(SignedPlace::Timestamp) => text(timestamp),
            Part::Place(SignedPlace::Body) => Cow::Borrowed(request.body),
            Part::Place(SignedPlace::BodySha256) => Cow::Owned(hex::encode(Sha256::digest(request.body)).into_bytes()),
        };
        self.parts.iter().map(piece).collect()
    }
}

impl Default for SignedText {
    fn default() -> Self {
        Self::body()
    }
}

impl TryFrom<String> for SignedText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(RULE)?;
            let (_, place) = PLACES.into_iter().find(|(known, _)| *known == name).ok_or(RULE)?;
            push(&mut parts, literal)?;
            parts.push(Part::Place(place));
            rest = after;
        }
        push(&mut parts, rest)?;
        if !parts.iter().any(|part| matches!(part, Part::Place(_))) {
            return Err(RULE);
        }
        Ok(Self { text, parts })
    }
}

impl From<SignedText> for String {
    fn from(signed: SignedText) -> Self {
        signed.text
    }
}

fn push(parts: &mut Vec<Part>, literal: &str) -> Result<(), &'static str> {
    if literal.contains('}') {
        return Err(RULE);
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.to_owned()));
    }
    Ok(())
}

/// Path and query of a URL, both as they were called.
fn path_and_query(url: &str) -> (&str, &str) {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.find(['/', '?']).and_then(|at| after_scheme.get(at..)).unwrap_or_default();
    path.split_once('?').unwrap_or((path, ""))
}

fn decoded(url: &str) -> String {
    let mut text = String::with_capacity(url.len());
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let escape = after.get(..2).unwrap_or_default();
        match DECODED.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(escape)) {
            Some((_, character)) => {
                text.push(character);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                text.push('%');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str, url: &str) -> String {
        let signed = SignedText::try_from(text.to_owned()).unwrap();
        let request = SignedRequest { method: "POST", url, body: b"{}" };
        String::from_utf8(signed.fill(&request, "17").concat()).unwrap()
    }

    #[test]
    fn each_place_is_filled() {
        let url = "https://a.example/x%2Fy?b=%3A%20&c";
        assert_eq!(filled("{method}{url}{body}{timestamp}", url), format!("POST{url}{{}}17"));
        assert_eq!(filled("{path}|{query}", url), "/x%2Fy|b=%3A%20&c");
        assert_eq!(filled("{url_decoded}", url), "https://a.example/x/y?b=:%20&c");
        assert_eq!(filled("{path}|{query}", "https://a.example?b"), "|b");
        assert_eq!(filled("{path}|{query}", "https://a.example"), "|");
        assert_eq!(filled("{body_sha256}", url), hex::encode(Sha256::digest(b"{}")));
    }

    #[test]
    fn it_reads_as_it_writes() {
        for text in ["{body}", "{timestamp}.{body}", "{timestamp}{body}", "{timestamp}:v1:{body}", "{method} {path}"] {
            assert_eq!(String::from(SignedText::try_from(text.to_owned()).unwrap()), text);
        }
        for garbage in ["", "body", "x", "{", "}", "{body", "body}", "{id}{body}", "{{body}}", "{body}}", "{}"] {
            assert!(SignedText::try_from(garbage.to_owned()).is_err(), "{garbage}");
        }
        assert!(!SignedText::try_from("{timestamp}".to_owned()).unwrap().covers_body());
    }

    proptest! {
        #[test]
        fn any_text_and_any_url_are_taken_or_refused(text in ".{0,60}", url in ".{0,60}") {
            if let Ok(signed) = SignedText::try_from(text) {
                let _ = signed.fill(&SignedRequest { method: "GET", url: &url, body: b"" }, "");
            }
            let _ = decoded(&url);
            let (path, query) = path_and_query(&url);
            prop_assert!(url.ends_with(query) && url.contains(path));
        }
    }
}
