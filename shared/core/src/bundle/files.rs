//! Puts the files that a bundle names in their places: `{file: mappings/invoice.jq}` becomes the
//! file's text (that of a `.json` file the JSON that it holds), and `${NAME}` in the bundle's own texts
//! the value of that variable.

use super::BundleError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What stands for a text that cannot be had yet.
const STAND_IN: &str = "variable";
/// The most files that one bundle may name.
const MOST_FILES: usize = 500;

/// A bundle with its files in their places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inlined {
    /// The bundle.
    pub document: Value,
    /// The file that stands at a place.
    pub files: BTreeMap<String, String>,
    /// The variables that are used.
    pub variables: BTreeSet<String>,
    /// Places at which a text stands in for one that is not known.
    pub open: BTreeSet<String>,
    /// Variables without a value, each with the first place that uses it.
    pub missing: BTreeMap<String, String>,
    /// Files that cannot be had.
    pub errors: Vec<BundleError>,
}

/// Reads one file by its path relative to the bundle.
pub type ReadFile<'a> = dyn FnMut(&str) -> Result<String, String> + 'a;

/// Replaces `{file: path}` and `${NAME}` throughout a bundle. `read` gives the text of a file by
/// its path relative to the bundle.
///
/// # Errors
/// The first file or variable that cannot be had.
pub fn inline(
    bundle: Value,
    variables: &BTreeMap<String, String>,
    read: &mut ReadFile<'_>,
) -> Result<Value, BundleError> {
    let mut inlined = inline_all(bundle, variables, read);
    if !inlined.errors.is_empty() {
        return Err(inlined.errors.remove(0));
    }
    match inlined.missing.pop_first() {
        Some((name, at)) => Err(without_value(&name, at)),
        None => Ok(inlined.document),
    }
}

/// A variable without a value, where one is needed.
#[must_use]
pub fn without_value(name: &str, at: impl Into<String>) -> BundleError {
    BundleError::new(at, format_args!("the variable {name} has no value"))
        .hint(format!("give --set {name}=…, or set FLUXNEX_VAR_{name}"))
}

/// The same, going on where something cannot be had: a stand-in is put there, and it is said.
pub fn inline_all(bundle: Value, variables: &BTreeMap<String, String>, read: &mut ReadFile<'_>) -> Inlined {
    let mut walk = Walk { variables, read, inlined: Inlined::default() };
    let document = walk.value(bundle, "");
    Inlined { document, ..walk.inlined }
}

struct Walk<'a, 'r> {
    variables: &'a BTreeMap<String, String>,
    read: &'a mut ReadFile<'r>,
    inlined: Inlined,
}

impl Walk<'_, '_> {
    fn value(&mut self, value: Value, at: &str) -> Value {
        let below = |part: &str| if at.is_empty() { part.to_owned() } else { format!("{at}.{part}") };
        match value {
            Value::String(text) => Value::String(self.fill(&text, at)),
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                items.map(|(index, item)| self.value(item, &below(&(index + 1).to_string()))).collect()
            }
            Value::Object(members) => match (members.len(), members.get("file")) {
                (1, Some(Value::String(path))) => self.file(path, at),
                _ => members
                    .into_iter()
                    .map(|(name, member)| {
                        let member = self.value(member, &below(&name));
                        (name, member)
                    })
                    .collect(),
            },
            other => other,
        }
    }

    fn file(&mut self, path: &str, at: &str) -> Value {
        self.inlined.files.insert(at.to_owned(), path.to_owned());
        let read = if path.starts_with('/') || path.contains('\\') || path.split('/').any(|part| part == "..") {
            Err("it must be inside the bundle's folder".to_owned())
        } else if self.inlined.files.len() > MOST_FILES {
            Err(format!("a bundle names at most {MOST_FILES} files"))
        } else {
            (self.read)(path)
        };
        let value = read.and_then(|text| match path.ends_with(".json") {
            true => serde_json::from_str(&text).map_err(|error| format!("it is no JSON: {error}")),
            false => Ok(Value::String(text)),
        });
        value.unwrap_or_else(|reason| {
            let path: String = path.chars().take(200).collect();
            self.inlined.errors.push(BundleError::new(at, format_args!("cannot read {path}: {reason}")));
            self.inlined.open.insert(at.to_owned());
            Value::from(STAND_IN)
        })
    }

    fn fill(&mut self, text: &str, at: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            filled.push_str(before);
            let Some((name, tail)) = after.split_once('}') else {
                filled.push_str("${");
                rest = after;
                continue;
            };
            let name: String = name.chars().take(60).collect();
            match self.variables.get(&name) {
                Some(value) => filled.push_str(value),
                None => {
                    filled.push_str(STAND_IN);
                    self.inlined.open.insert(at.to_owned());
                    self.inlined.missing.entry(name.clone()).or_insert_with(|| at.to_owned());
                }
            }
            self.inlined.variables.insert(name);
            rest = tail;
        }
        filled.push_str(rest);
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn files_and_variables_are_put_in_their_places() {
        let bundle = json!({"flows": {"a": {"to_entity": {"file": "a.jq"}}}, "url": "https://h:${PORT}/", "n": 1});
        let variables = BTreeMap::from([("PORT".to_owned(), "80".to_owned())]);
        let inlined = inline(bundle, &variables, &mut |path| Ok(format!("# {path}"))).unwrap();
        assert_eq!(inlined, json!({"flows": {"a": {"to_entity": "# a.jq"}}, "url": "https://h:80/", "n": 1}));
        let schema = json!({"extensions": {"file": "s.json"}});
        let inlined = inline(schema, &variables, &mut |_| Ok(r#"{"type":"object"}"#.to_owned())).unwrap();
        assert_eq!(inlined, json!({"extensions": {"type": "object"}}));
    }

    #[test]
    fn errors_say_where() {
        let none = BTreeMap::new();
        let error = inline(json!({"a": ["${X}"]}), &none, &mut |_| Ok(String::new())).unwrap_err();
        assert!(error.to_string().starts_with("a.1: the variable X has no value"), "{error}");
        for path in ["../x", "/etc/passwd", "a/../../b", "a\\..\\b"] {
            let error = inline(json!({"a": {"file": path}}), &none, &mut |_| Ok(String::new())).unwrap_err();
            assert!(error.reason.contains("inside the bundle's folder"), "{path}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_told_and_stood_in_for() {
        let bundle = json!({"a": "${X}", "b": {"file": "no.jq"}, "c": "${X}/${Y}", "d": "$X ${"});
        let inlined = inline_all(bundle, &BTreeMap::new(), &mut |_| Err("not there".to_owned()));
        assert_eq!(inlined.document["c"], "variable/variable");
        assert_eq!(inlined.document["d"], "$X ${");
        assert_eq!(inlined.missing, BTreeMap::from([("X".into(), "a".into()), ("Y".into(), "c".into())]));
        assert_eq!(inlined.open, BTreeSet::from(["a".into(), "b".into(), "c".into()]));
        assert_eq!(inlined.errors[0].to_string(), "b: cannot read no.jq: not there");
    }
}
