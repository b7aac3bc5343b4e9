//! XML as JSON: for senders that speak XML, so that everything behind the door sees one format.
//!
//! An element becomes an object of its attributes (`@name`) and its children, under their local names: namespaces
//! and prefixes are dropped. A name that occurs several times becomes a list. An element of text alone becomes that
//! text; text beside attributes or children is `#text`. `nil="true"` (XML Schema instance) becomes `null`.
//!
//! Nothing is ever fetched or expanded: a document type, which is where entities come from, is refused as such.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use serde_json::map::Entry;
use serde_json::{Map, Value};

/// How deeply elements may nest; below the bound of JSON ([`DEEPEST_NESTING`](crate::content::DEEPEST_NESTING)) also
/// where each of them is in a list.
const DEEPEST_ELEMENT: usize = 30;
/// How many elements and attributes there may be: they take more memory than text does.
const MOST_NODES: usize = 50_000;
/// What text beside attributes or children is called.
const TEXT: &str = "#text";

/// Why a text is not taken for XML. Never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// It is not well-formed.
    #[error("not one well-formed XML document")]
    Malformed,
    /// It has a document type.
    #[error("XML with a document type, which is never taken")]
    DocumentType,
    /// It has an entity that XML itself does not define.
    #[error("XML with an entity that is not defined")]
    Entity,
    /// Elements nest too deeply.
    #[error("XML whose elements nest deeper than {DEEPEST_ELEMENT} levels")]
    TooDeep,
    /// There are too many elements and attributes.
    #[error("XML with more than {MOST_NODES} elements and attributes")]
    TooMany,
}

/// An element that is not closed yet.
struct Open {
    name: String,
    members: Map<String, Value>,
    text: String,
    is_nil: bool,
}

/// Reads a document, and leaves out the elements of the names in `omit`, wherever they are, with what they hold.
///
/// # Errors
/// [`XmlError`].
pub fn to_json(text: &str, omit: &[String]) -> Result<Value, XmlError> {
    if text.chars().any(|character| !is_allowed(character)) {
        return Err(XmlError::Malformed);
    }
    let mut reader = Reader::from_str(text);
    let mut document = Document { omit, open: Vec::new(), omitted: 0, nodes: 0, root: None };
    loop {
        match reader.read_event().map_err(|_| XmlError::Malformed)? {
            Event::Start(start) => document.open(&start)?,
            Event::Empty(start) => {
                document.open(&start)?;
                document.close()?;
            }
            Event::End(_) => document.close()?,
            Event::Text(text) => document.text(&text.xml10_content())?,
            Event::CData(text) => document.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(character)) if is_allowed(character) => document.text(character.encode_utf8(&mut [0; 4]))?,
                Ok(None) => {
                    let known = quick_xml::escape::resolve_predefined_entity(&reference);
                    document.text(known.ok_or(XmlError::Entity)?)?;
                }
                _ => return Err(XmlError::Malformed),
            },
            Event::DocType(_) => return Err(XmlError::DocumentType),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match (document.root, document.open.is_empty() && document.omitted == 0) {
        (Some((name, value)), true) => Ok(Value::Object(Map::from_iter([(name, value)]))),
        _ => Err(XmlError::Malformed),
    }
}

struct Document<'a> {
    omit: &'a [String],
    open: Vec<Open>,
    /// How many elements are open of which nothing is kept.
    omitted: usize,
    nodes: usize,
    root: Option<(String, Value)>,
}

impl Document<'_> {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(XmlError::Malformed);
        }
        if self.open.len() + self.omitted >= DEEPEST_ELEMENT {
            return Err(XmlError::TooDeep);
        }
        self.count()?;
        let name = start.local_name().into_inner();
        if self.omitted > 0 || self.omit.iter().any(|omitted| omitted == name) {
            // A document of which nothing is kept is none.
            if self.open.is_empty() {
                return Err(XmlError::Malformed);
            }
            self.omitted += 1;
            return Ok(());
        }
        let mut opened = Open { name: name.to_owned(), members: Map::new(), text: String::new(), is_nil: false };
        for attribute in start.attributes() {
            self.count()?;
            let attribute = attribute.map_err(|_| XmlError::Malformed)?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| XmlError::Entity)?;
            if !value.chars().all(is_allowed) {
                return Err(XmlError::Malformed);
            }
            let name = attribute.key.local_name().into_inner();
            opened.is_nil |= name == "nil" && matches!(value.trim(), "true" | "1");
            opened.members.insert(format!("@{name}"), Value::String(value.into_owned()));
        }
        self.open.push(opened);
        Ok(())
    }

    fn close(&mut self) -> Result<(), XmlError> {
        if self.omitted > 0 {
            self.omitted -= 1;
            return Ok(());
        }
        let Open { name, mut members, text, is_nil } = self.open.pop().ok_or(XmlError::Malformed)?;
        let value = match (is_nil, members.is_empty()) {
            (true, _) => Value::Null,
            (false, true) => Value::String(text),
            (false, false) => {
                if !text.trim().is_empty() {
                    members.insert(TEXT.to_owned(), Value::String(text));
                }
                Value::Object(members)
            }
        };
        let Some(parent) = self.open.last_mut() else {
            self.root = Some((name, value));
            return Ok(());
        };
        match parent.members.entry(name) {
            Entry::Vacant(place) => drop(place.insert(value)),
            Entry::Occupied(mut place) => match place.get_mut() {
                Value::Array(values) => values.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        match self.open.last_mut() {
            _ if self.omitted > 0 => {}
            Some(open) => open.text.push_str(text),
            // A byte order mark, and blanks between the parts of a document.
            None if text.trim_start_matches('\u{feff}').trim().is_empty() => {}
            None => return Err(XmlError::Malformed),
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), XmlError> {
        self.nodes += 1;
        if self.nodes > MOST_NODES { Err(XmlError::TooMany) } else { Ok(()) }
    }
}

/// XML 1.0, production 2: what a document may consist of.
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::check_depth;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Value, XmlError> {
        to_json(text, &["Secret".to_owned()])
    }

    #[test]
    fn elements_are_members_and_prefixes_are_dropped() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <!-- a comment --><s:a xmlns:s="urn:s" xmlns="urn:d">
              <b>one &lt; two &#x41;<![CDATA[ & <three>]]></b>
              <c s:type="s:T">4</c><c/><d nil="true"/><e f="x &amp; y"><g> h </g></e>
            </s:a>"#;
        let expected = json!({"a": {
            "b": "one < two A & <three>", "c": [{"@type": "s:T", "#text": "4"}, ""], "d": null,
            "e": {"@f": "x & y", "g": " h "},
        }});
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read("\u{feff}<a>\r\n</a>"), Ok(json!({"a": "\n"})));
    }

    #[test]
    fn what_is_to_be_left_out_is_nowhere() {
        let text = "<a><Secret x='marked'>marked<b>marked</b></Secret><b><s:Secret>marked</s:Secret></b><c>d</c></a>";
        assert_eq!(read(text), Ok(json!({"a": {"b": "", "c": "d"}})));
        assert_eq!(read("<Secret>marked</Secret>"), Err(XmlError::Malformed));
    }

    #[test]
    fn no_entity_is_expanded() {
        let laughs = r#"<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;&lol;&lol;">
            <!ENTITY lol2 "&lol1;&lol1;&lol1;&lol1;">]><lolz>&lol2;</lolz>"#;
        assert_eq!(read(laughs), Err(XmlError::DocumentType));
        let outside = r#"<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>"#;
        assert_eq!(read(outside), Err(XmlError::DocumentType));
        assert_eq!(read(r#"<!DOCTYPE a SYSTEM "https://evil.example/a.dtd"><a/>"#), Err(XmlError::DocumentType));
        assert_eq!(read("<a>&lol;</a>"), Err(XmlError::Entity));
        assert_eq!(read("<a b='&lol;'/>"), Err(XmlError::Entity));
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in [
            "",
            " ",
            "x",
            "{}",
            "<",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "<a b/>",
            "<a b=c/>",
            "<a b='1' b='2'/>",
            "<a>&#0;</a>",
            "<a>&#xFFFF;</a>",
            "<a>&;</a>",
            "<a>\u{0}</a>",
            "<a>\u{8}</a>",
            "<a b='&#8;'/>",
            "<a><![CDATA[</a>",
            "<!-- <a/>",
            "<a>&</a>",
        ] {
            assert!(read(garbage).is_err(), "{garbage:?}: {:?}", read(garbage));
        }
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        let deepest = format!("<r>{}{}</r>", nested(DEEPEST_ELEMENT - 1), nested(DEEPEST_ELEMENT - 1));
        assert!(check_depth(&read(&deepest).unwrap().to_string()).is_ok());
        assert_eq!(read(&nested(DEEPEST_ELEMENT + 1)), Err(XmlError::TooDeep));
        assert_eq!(read(&nested(300_000)), Err(XmlError::TooDeep));
        assert_eq!(read(&format!("<a>{}</a>", "<Secret>".repeat(100))), Err(XmlError::TooDeep));
        assert!(read(&format!("<a>{}</a>", "<b/>".repeat(MOST_NODES - 1))).is_ok());
        assert_eq!(read(&format!("<a>{}</a>", "<b/>".repeat(MOST_NODES))), Err(XmlError::TooMany));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[<>/a&;#x!\\[\\]CDT\"'= \\-?]{0,60}", any in ".{0,60}") {
            let _ = (read(&text), read(&any), read(&format!("<a>{text}</a>")));
        }

        #[test]
        fn text_comes_through_as_it_was(text in "[ -~]{1,40}") {
            let written = format!("<a>{}</a>", quick_xml::escape::escape(text.as_str()));
            prop_assert_eq!(read(&written), Ok(json!({"a": text})));
        }
    }
}
