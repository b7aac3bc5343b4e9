//! Reads a bundle from JSON and finds everything that is wrong with its shape, not only the first thing: what is
//! wrong is noted, mended or left out, and the rest is read again.

use super::{Bundle, BundleError, fault};
use crate::ids::ConnectionId;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;
use std::collections::{BTreeMap, BTreeSet};

/// More than so many faults are not looked for.
const MOST_FAULTS: usize = 100;
const IN_QUOTES: &str = "put it in quotes";
/// What may fit where a text stands in for a value that is not known.
const STAND_INS: &[&str] = &["https://variable.invalid", "2026-01-01T00:00:00Z", "rate(1 hour)"];

/// A bundle that was read, as far as it could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What could be read; nothing if that is no bundle at all.
    pub bundle: Option<Bundle>,
    /// What is wrong.
    pub errors: Vec<BundleError>,
    /// What was left out.
    pub broken: Broken,
}

/// What was left out of a bundle because something is wrong with it: whatever speaks of it is not wrong for that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Broken {
    /// Whether it is not known whose bundle it is.
    pub tenant: bool,
    /// Connections.
    pub connections: BTreeSet<ConnectionId>,
    /// Whether there are such flows.
    pub flows: bool,
}

/// Reads a bundle. At the places `open` a text stands in for one that is not known: it is not judged.
#[must_use]
pub fn read(document: Value, open: &BTreeSet<String>) -> Read {
    let mut reader = Reader { document, open, tried: BTreeMap::new(), removed: BTreeMap::new(), errors: Vec::new() };
    if !reader.document.is_object() {
        let error = BundleError::new("", "a bundle has fields: `tenant`, `connections`, `flows`");
        return Read { bundle: None, errors: vec![error], broken: Broken::default() };
    }
    let all = reader.connections();
    let bundle = reader.read();
    let left = reader.connections();
    let root = reader.removed.get("");
    let broken = Broken {
        tenant: open.contains("tenant") || root.is_some_and(|names| names.contains("tenant")),
        connections: all.difference(&left).filter_map(|name| ConnectionId::parse(name.as_str()).ok()).collect(),
        flows: reader.removed.contains_key("flows") || root.is_some_and(|names| names.contains("flows")),
    };
    Read { bundle, errors: reader.errors, broken }
}

struct Reader<'a> {
    document: Value,
    open: &'a BTreeSet<String>,
    /// How many stand-ins were tried at an open place.
    tried: BTreeMap<String, usize>,
    /// What was taken away from a place: names, or numbers of entries from 0 as they were at first.
    removed: BTreeMap<String, BTreeSet<String>>,
    errors: Vec<BundleError>,
}

/// One step from a value into it, as the document is now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Entry(usize),
}

/// What serde says.
enum Said {
    Unknown { name: String, known: Vec<String> },
    Missing { name: String },
    Other { reason: String, hint: Option<String> },
}

impl Reader<'_> {
    fn connections(&self) -> BTreeSet<String> {
        let connections = self.document.get("connections").and_then(Value::as_object);
        connections.into_iter().flat_map(Map::keys).cloned().collect()
    }

    fn read(&mut self) -> Option<Bundle> {
        while self.errors.len() < MOST_FAULTS {
            let error = match serde_path_to_error::deserialize::<_, Bundle>(&self.document) {
                Ok(bundle) => return Some(bundle),
                Err(error) => error,
            };
            let steps: Vec<Step> = error.path().iter().filter_map(step).collect();
            let before = self.document.clone();
            self.mend(steps, said(&error.into_inner().to_string()));
            if self.document == before {
                // Nothing that could be mended: a loop must end.
                return None;
            }
        }
        None
    }

    fn mend(&mut self, mut steps: Vec<Step>, said: Said) {
        match said {
            Said::Unknown { name, known } => {
                if steps.last() != Some(&Step::Name(name.clone())) {
                    steps.push(Step::Name(name.clone()));
                }
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let error = BundleError::new(self.at(&steps), format_args!("unknown field `{}`", short(&name)));
                self.errors.push(error.hint(fault::meant(&name, &known)));
                let free = fault::nearest(&name, &known).filter(|meant| self.lacks(&steps, meant));
                match free.map(str::to_owned) {
                    // Read as what was meant, so that what is in it is looked at too.
                    Some(meant) => self.rename(&steps, meant),
                    None => self.remove(&steps),
                }
            }
            Said::Missing { name } => {
                let at = self.at(&steps);
                if !self.removed.get(&at).is_some_and(|names| names.contains(&name)) {
                    let error = BundleError::new(at.clone(), format_args!("`{name}` is missing"));
                    self.errors.push(error.hint(format!("add `{name}:` here")));
                }
                match steps.is_empty() {
                    true => self.complete(&name),
                    false => self.remove(&steps),
                }
            }
            Said::Other { reason, hint } => {
                let (at, quoted) = (self.at(&steps), hint.as_deref() == Some(IN_QUOTES));
                if self.open.contains(&at) {
                    return self.stand_in(&steps, at);
                }
                let moment = at.ends_with(".since").then(|| "write a moment, such as 2026-11-20T12:00:00Z".to_owned());
                self.errors.push(BundleError::new(at, reason).hint(hint.or(moment)));
                match walk(&mut self.document, &steps) {
                    // As it would be in quotes, so that it is not missing for what follows.
                    Some(value) if quoted && (value.is_number() || value.is_boolean()) => {
                        *value = Value::from(value.to_string());
                    }
                    _ => self.remove(&steps),
                }
            }
        }
    }

    // What every bundle has, so that the rest of this one can be read.
    fn complete(&mut self, name: &str) {
        if let Some(fields) = self.document.as_object_mut() {
            let value = if name == "tenant" { Value::from("tenant") } else { Value::Object(Map::new()) };
            fields.insert(name.to_owned(), value);
            self.removed.entry(String::new()).or_default().insert(name.to_owned());
        }
    }

    fn stand_in(&mut self, steps: &[Step], at: String) {
        let tried = self.tried.entry(at).or_default();
        let next = STAND_INS.get(*tried);
        *tried += 1;
        match (next, walk(&mut self.document, steps)) {
            (Some(text), Some(place)) => *place = Value::from(*text),
            _ => self.remove(steps),
        }
    }

    fn lacks(&mut self, steps: &[Step], name: &str) -> bool {
        let Some((_, parents)) = steps.split_last() else { return false };
        walk(&mut self.document, parents).and_then(|parent| parent.as_object()).is_some_and(|it| !it.contains_key(name))
    }

    fn rename(&mut self, steps: &[Step], meant: String) {
        let Some((Step::Name(name), parents)) = steps.split_last() else { return };
        let fields = walk(&mut self.document, parents).and_then(Value::as_object_mut);
        if let Some((fields, value)) = fields.and_then(|fields| fields.remove(name).map(|value| (fields, value))) {
            fields.insert(meant, value);
        }
    }

    fn remove(&mut self, steps: &[Step]) {
        let Some((last, parents)) = steps.split_last() else { return };
        let at = self.at(parents);
        let name = match last {
            Step::Name(name) => name.clone(),
            Step::Entry(index) => self.original(&at, *index).to_string(),
        };
        match (walk(&mut self.document, parents), last) {
            (Some(Value::Object(fields)), Step::Name(name)) => drop(fields.remove(name)),
            (Some(Value::Array(items)), Step::Entry(index)) if *index < items.len() => drop(items.remove(*index)),
            _ => return,
        }
        if at.starts_with("flows.") {
            self.removed.entry("flows".to_owned()).or_default();
        }
        self.removed.entry(at).or_default().insert(name);
    }

    /// The place in words, as it was in the bundle that was given.
    fn at(&self, steps: &[Step]) -> String {
        let mut at = String::new();
        for step in steps {
            let part = match step {
                Step::Name(name) => short(name),
                Step::Entry(index) => (self.original(&at, *index) + 1).to_string(),
            };
            at = if at.is_empty() { part } else { format!("{at}.{part}") };
        }
        at
    }

    /// The number that an entry had before others were taken away.
    fn original(&self, list: &str, index: usize) -> usize {
        let gone: BTreeSet<usize> =
            self.removed.get(list).into_iter().flatten().filter_map(|number| number.parse().ok()).collect();
        gone.into_iter().fold(index, |number, gone| if gone <= number { number + 1 } else { number })
    }
}

fn step(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Map { key } => Some(Step::Name(key.clone())),
        Segment::Seq { index } => Some(Step::Entry(*index)),
        _ => None,
    }
}

fn walk<'v>(value: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => value.get_mut(name),
        Step::Entry(index) => value.get_mut(*index),
    })
}

fn short(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(60).collect()
}

// What serde says in words (serde::de::Error has these forms), taken apart so that no value is quoted.
fn said(message: &str) -> Said {
    let quoted = || message.split('`').skip(1).step_by(2).map(str::to_owned);
    if let Some(rest) = message.strip_prefix("unknown field `") {
        // A name may hold a backtick itself.
        let name = rest.rsplit_once("`, ").map_or(rest, |_| rest.split("`, ").next().unwrap_or(rest));
        return Said::Unknown { name: name.trim_end_matches('`').to_owned(), known: quoted().skip(1).collect() };
    }
    if message.starts_with("missing field `") {
        return Said::Missing { name: quoted().next().unwrap_or_default() };
    }
    if message.starts_with("unknown variant `") {
        let (given, known): (Option<String>, Vec<String>) = (quoted().next(), quoted().skip(1).collect());
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let given = short(&given.unwrap_or_default());
        return Said::Other {
            reason: format!("`{given}` cannot stand here"),
            hint: Some(fault::meant(&given, &known)),
        };
    }
    let forms = ["invalid type: ", "invalid value: ", "invalid length: "];
    let Some((found, expected)) =
        forms.iter().find_map(|form| message.strip_prefix(form)).and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return Said::Other { reason: message.to_owned(), hint: None };
    };
    let found = found.split(['`', '"']).next().unwrap_or_default().trim_end();
    let expected = match expected {
        "a map" => "fields",
        expected if expected.starts_with("struct ") => "fields",
        "a sequence" => "a list",
        "a string" => "a text",
        "string or map" => "a text or fields",
        "map with a single key" => "one field",
        "newtype variant" => "a field of that name, with a value",
        expected => expected,
    };
    let found = match found {
        "map" => "fields",
        "sequence" => "a list",
        "string" => "a text",
        "integer" | "floating point" => "a number",
        "boolean" => "true or false",
        "null" => "nothing",
        "unit variant" => "that word alone",
        found => found,
    };
    let hint = match (found, expected) {
        ("fields", "a text") => Some("write a text, or {file: <path>} for a file beside the bundle".to_owned()),
        ("a number" | "true or false", "a text") => Some(IN_QUOTES.to_owned()),
        _ => None,
    };
    Said::Other { reason: format!("{found} cannot stand here, but {expected}"), hint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(document: Value) -> Vec<String> {
        read(document, &BTreeSet::new()).errors.iter().map(ToString::to_string).collect()
    }

    fn good() -> Value {
        json!({"tenant": "acme", "connections": {"a": {"connector": "webhook"}}, "flows": {
            "f": {"source": {"connection": "a", "object": "x"}, "entity": "invoice", "to_entity": ".", "targets": [
                {"connection": "b", "object": "x", "to_target": "."}, {"connection": "c", "object": "x", "to_target": "."},
            ]},
        }})
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        assert_eq!(told(good()), [""; 0]);
        let mut bundle = good();
        bundle["titel"] = json!("x");
        bundle["connections"]["a"]["paused"] = json!("no");
        bundle["connections"]["Not Valid"] = json!({});
        bundle["flows"]["f"]["targets"][0]["object"] = json!(5);
        bundle["flows"]["f"]["targets"][1]["wenn"] = json!(".a");
        bundle["flows"]["f"]["ordering_key"] = json!("recrod");
        bundle["notifications"] = json!([{"connection": "a", "on": ["event.faild"]}]);
        let mut told = told(bundle);
        told.sort();
        let expected = [
            "connections.Not Valid: not a valid connection: a lower-case letter",
            "connections.a.paused: a text cannot stand here, but a boolean",
            "flows.f.ordering_key: `recrod` cannot stand here; did you mean `record`?",
            "flows.f.targets.1.object: a number cannot stand here, but a text; put it in quotes",
            "flows.f.targets.2.wenn: unknown field `wenn`; did you mean `when`?",
            "notifications.1.on.1: `event.faild` cannot stand here; did you mean `event.failed`?",
            "titel: unknown field `titel`; did you mean `title`?",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told} is not {expected}");
        }
    }

    #[test]
    fn what_follows_of_a_fault_is_no_other_fault() {
        let mut bundle = good();
        bundle["flows"]["f"]["source"]["connection"] = json!({"secret": "marked"});
        bundle["connections"]["a"]["connector"] = json!(["marked"]);
        let read = read(bundle, &BTreeSet::new());
        assert_eq!(read.errors.len(), 2, "{:?}", read.errors);
        assert!(!format!("{:?}", read.errors).contains("marked"));
        assert!(read.broken.flows && read.broken.connections.len() == 1);
        assert!(read.bundle.is_some_and(|bundle| bundle.flows.is_empty() && bundle.connections.is_empty()));
    }

    #[test]
    fn a_missing_field_is_told_where_it_is_to_be() {
        assert_eq!(told(json!({"flows": {}})).len(), 2);
        let mut bundle = good();
        bundle["flows"]["f"].as_object_mut().unwrap().remove("entity");
        assert_eq!(told(bundle), ["flows.f: `entity` is missing; add `entity:` here"]);
        let mut renamed = good();
        let entity = renamed["flows"]["f"].as_object_mut().unwrap().remove("entity").unwrap();
        renamed["flows"]["f"]["entitty"] = entity;
        assert_eq!(told(renamed), ["flows.f.entitty: unknown field `entitty`; did you mean `entity`?"]);
    }

    #[test]
    fn what_is_open_is_not_judged() {
        let mut bundle = good();
        bundle["connections"]["a"]["polls"] = json!({"x": {"schedule": "variable", "since": "variable"}});
        let open = BTreeSet::from(["connections.a.polls.x.schedule", "connections.a.polls.x.since"].map(str::to_owned));
        assert_eq!(told(bundle.clone()).len(), 2, "both are wrong if they are what was meant");
        let read = read(bundle, &open);
        assert_eq!(read.errors, []);
        assert_eq!(read.bundle.unwrap().connections.len(), 1);
    }

    #[test]
    fn garbage_is_told_and_ends() {
        for garbage in [json!(null), json!([]), json!("x"), json!(1), json!({}), json!({"flows": 1, "connections": 2})]
        {
            assert!(!told(garbage).is_empty());
        }
        let many: Map<String, Value> = (0..1000).map(|number| (format!("x{number}"), json!(1))).collect();
        assert_eq!(told(Value::Object(many)).len(), MOST_FAULTS);
    }
}
