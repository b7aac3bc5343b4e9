//! Where each field of a YAML text is, so that a fault that was found later can be shown at its line.

use crate::finding::Place;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// The fields of a YAML text with their places.
#[derive(Debug)]
pub struct Places(Spanned<Node>);

#[derive(Debug)]
enum Node {
    Fields(Vec<(Spanned<String>, Spanned<Node>)>),
    Items(Vec<Spanned<Node>>),
    Leaf,
}

impl Places {
    /// Reads the places of a text; nothing if it is no YAML.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        serde_saphyr::from_str(text).ok().map(Self)
    }

    /// The place of a field by the names that lead there, with dots (`objects.Invoice.read_one.path`; a
    /// rule of a list by its number from 1). A field that is not there has the place of what it would be in.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Place> {
        let (key, value) = self.walk(path)?;
        // A text is marked itself, what has fields by its name.
        Some(place(if matches!(value.value, Node::Leaf) && known(value.referenced) { value.referenced } else { key }))
    }

    /// The place of a field's name.
    #[must_use]
    pub fn name(&self, path: &str) -> Option<Place> {
        self.walk(path).map(|(key, _)| place(key))
    }

    fn walk(&self, path: &str) -> Option<(Location, &Spanned<Node>)> {
        let mut node = &self.0;
        let mut here = None;
        let mut rest = path;
        while !rest.is_empty() {
            let (key, value, left) = match &node.value {
                Node::Fields(fields) => {
                    let Some((name, value)) = longest(fields, rest) else { break };
                    (name.referenced, value, after(rest, &name.value))
                }
                Node::Items(items) => {
                    let number = rest.split('.').next().unwrap_or_default();
                    let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                    let Some(item) = index.and_then(|index| items.get(index)) else { break };
                    (item.referenced, item, after(rest, number))
                }
                Node::Leaf => break,
            };
            (here, node, rest) = (Some((key, value)), value, left);
        }
        here
    }

    /// How the fields below a path are called, for hints.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match &self.0.value {
            Node::Fields(fields) => fields.iter().map(|(name, _)| name.value.as_str()).collect(),
            _ => Vec::new(),
        }
    }
}

// Names may hold dots themselves (`invoice.updated`): the longest that fits is meant.
fn longest<'n>(
    fields: &'n [(Spanned<String>, Spanned<Node>)],
    path: &str,
) -> Option<&'n (Spanned<String>, Spanned<Node>)> {
    let fits = |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    fields.iter().filter(|(name, _)| fits(&name.value)).max_by_key(|(name, _)| name.value.len())
}

fn after<'p>(path: &'p str, name: &str) -> &'p str {
    path.strip_prefix(name).unwrap_or_default().trim_start_matches('.')
}

fn known(location: Location) -> bool {
    location != Location::UNKNOWN
}

/// The place that a location of the YAML library means.
pub(crate) fn place(location: Location) -> Place {
    let (offset, length) = (location.span().byte_offset(), location.span().byte_len());
    let at = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let start = at(offset);
    Place { line: location.line(), column: location.column(), bytes: start..start.saturating_add(at(length)) }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

/// Deeper nesting than any connector has.
const DEEPEST: usize = 64;

thread_local! {
    // The library asks for `Deserialize`, which has no place for a depth.
    static DEPTH: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let depth = DEPTH.get();
        if depth > DEEPEST {
            return Err(D::Error::custom("nested too deeply"));
        }
        DEPTH.set(depth + 1);
        let read = deserializer.deserialize_any(NodeVisitor);
        DEPTH.set(depth);
        read
    }
}

struct NodeVisitor;

macro_rules! leaves {
    ($($visit:ident: $type:ty),*) => {
        $(fn $visit<E: de::Error>(self, _: $type) -> Result<Node, E> {
            Ok(Node::Leaf)
        })*
    };
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    leaves!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Node::Items(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            fields.push((name, map.next_value()?));
        }
        Ok(Node::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
connector: x
objects:
  Invoice:
    read_one: &read
      method: GET
      path: \"/{id\"
  invoice.updated:
    read_one: *read
errors:
  rules:
    - {status: 404, means: gone}
    - status: 200
";

    fn line(path: &str) -> Option<u64> {
        Places::of(TEXT).unwrap().find(path).map(|place| place.line)
    }

    #[test]
    fn fields_are_found_by_their_path() {
        assert_eq!(line("connector"), Some(1));
        assert_eq!(line("objects.Invoice"), Some(3));
        assert_eq!(line("objects.Invoice.read_one.path"), Some(6));
        assert_eq!(line("errors.rules.1"), Some(11));
        assert_eq!(line("errors.rules.2.status"), Some(12));
    }

    #[test]
    fn names_with_dots_and_what_is_missing_are_found_too() {
        assert_eq!(line("objects.invoice.updated.read_one"), Some(8));
        assert_eq!(line("objects.Invoice.list_changed.path"), Some(3));
        assert_eq!(line("target.objects"), None);
        assert_eq!(line("errors.rules.9"), Some(10));
    }

    #[test]
    fn garbage_has_no_places() {
        for garbage in ["a: [", "\u{0}", "a: *b", &"[".repeat(10_000), &"- ".repeat(500)] {
            assert!(Places::of(garbage).is_none_or(|places| places.find("a.b").is_none()), "{garbage:.20}");
        }
    }
}
