//! What an apply would change: a bundle compared with the one that runs, part by part and field by field.

use fluxnex_core::bundle::Bundle;
use serde::Serialize;
use serde_json::{Map, Value};
use similar::TextDiff;
use std::collections::BTreeSet;

/// Longer texts, and those of several lines, are shown as what differs in them.
const SHORT_TEXT: usize = 80;
/// Parts of which each entry is told by itself.
const PARTS: &[(&str, &str)] = &[("connections", "connection"), ("flows", "flow"), ("entities", "entity")];

/// Everything that would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What is added, changed and removed.
    pub changes: Vec<Change>,
}

/// One part that is added, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What happens to it.
    pub action: Action,
    /// What it is: `connection crm`, `flow invoices`, `title`.
    pub part: String,
    /// The fields that change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// What happens to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It does not run yet.
    Add,
    /// It runs otherwise.
    Change,
    /// It does not run any more.
    Remove,
}

/// A field that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The fields that lead there, with dots; entries of lists are counted from 1.
    pub at: String,
    /// What is there now; absent if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What will be there; absent if it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl Plan {
    /// What changes from the bundle that runs, if one does, to another.
    #[must_use]
    pub fn of(running: Option<&Bundle>, next: &Bundle) -> Self {
        let value = |bundle: &Bundle| serde_json::to_value(bundle).unwrap_or_default();
        let (before, after) = (running.map(value).unwrap_or_default(), value(next));
        let mut changes = Vec::new();
        for (field, name) in PARTS {
            let entries = |bundle: &Value| bundle.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
            entry_changes(name, &entries(&before), &entries(&after), &mut changes);
        }
        for field in ["title", "paused", "notifications"] {
            let (before, after) = (before.get(field), after.get(field));
            let is_empty = |value: &Value| value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
            let (before, after) = (before.filter(|it| !is_empty(it)), after.filter(|it| !is_empty(it)));
            if before != after {
                let fields = vec![Field { at: field.to_owned(), before: before.cloned(), after: after.cloned() }];
                changes.push(Change { action: Action::Change, part: field.to_owned(), fields });
            }
        }
        Self { changes }
    }

    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The parts that would not run any more.
    #[must_use]
    pub fn removed(&self) -> Vec<&str> {
        let removed = self.changes.iter().filter(|change| change.action == Action::Remove);
        removed.map(|change| change.part.as_str()).collect()
    }

    /// The plan for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for change in &self.changes {
            let sign = match change.action {
                Action::Add => '+',
                Action::Change => '~',
                Action::Remove => '-',
            };
            text.push_str(&format!("{sign} {}\n", change.part));
            for field in &change.fields {
                text.push_str(&field.text());
            }
        }
        let count = |action: Action| self.changes.iter().filter(|change| change.action == action).count();
        let (add, change, remove) = (count(Action::Add), count(Action::Change), count(Action::Remove));
        text.push_str(&format!("{add} to add, {change} to change, {remove} to remove"));
        text
    }
}

impl Field {
    fn text(&self) -> String {
        let long = |value: &Value| value.as_str().is_some_and(|text| text.contains('\n') || text.len() > SHORT_TEXT);
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match (&self.before, &self.after) {
            (Some(Value::String(before)), Some(Value::String(after)))
                if long(&Value::from(before.as_str())) || long(&Value::from(after.as_str())) =>
            {
                let difference = indented(&lines(before, after));
                format!("    {}:\n{difference}", self.at)
            }
            (Some(before), Some(after)) => format!("    {}: {} -> {}\n", self.at, plain(before), plain(after)),
            (None, Some(after)) => format!("    {}: + {}\n", self.at, short(&plain(after))),
            (Some(before), None) => format!("    {}: - {}\n", self.at, short(&plain(before))),
            (None, None) => String::new(),
        }
    }
}

fn short(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().chars().take(SHORT_TEXT).collect();
    if line.len() < text.trim_end().len() { format!("{line} …") } else { line }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("        {line}\n")).collect()
}

/// What differs between two texts, as lines with `-` and `+` and three lines around them.
#[must_use]
pub fn lines(before: &str, after: &str) -> String {
    let difference = TextDiff::from_lines(before, after);
    let mut shown = String::new();
    for hunk in difference.unified_diff().context_radius(3).missing_newline_hint(false).iter_hunks() {
        shown.push_str(&hunk.to_string());
        if !shown.ends_with('\n') {
            shown.push('\n');
        }
    }
    shown
}

fn entry_changes(name: &str, before: &Map<String, Value>, after: &Map<String, Value>, changes: &mut Vec<Change>) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for id in names {
        let part = format!("{name} {id}");
        let change = |action, fields| Change { action, part, fields };
        match (before.get(id), after.get(id)) {
            (None, Some(_)) => changes.push(change(Action::Add, Vec::new())),
            (Some(_), None) => changes.push(change(Action::Remove, Vec::new())),
            (Some(before), Some(after)) if before != after => {
                let mut fields = Vec::new();
                differ("", Some(before), Some(after), &mut fields);
                changes.push(change(Action::Change, fields));
            }
            _ => {}
        }
    }
}

fn differ(at: &str, before: Option<&Value>, after: Option<&Value>, fields: &mut Vec<Field>) {
    let below = |part: &str| if at.is_empty() { part.to_owned() } else { format!("{at}.{part}") };
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for name in names {
                differ(&below(name), before.get(name), after.get(name), fields);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for index in 0..before.len().max(after.len()) {
                differ(&below(&(index + 1).to_string()), before.get(index), after.get(index), fields);
            }
        }
        (before, after) => {
            fields.push(Field { at: at.to_owned(), before: before.cloned(), after: after.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bundle(change: impl FnOnce(&mut Value)) -> Bundle {
        let mut document = json!({
            "tenant": "acme", "title": "Acme",
            "connections": {"a": {"connector": "webhook", "settings": {"url": "https://a.example"}}},
            "flows": {"f": {
                "source": {"connection": "a", "object": "x"}, "entity": "customer", "to_entity": "{\n  name: .a\n}",
                "targets": [{"connection": "a", "object": "x", "to_target": "."}],
            }},
        });
        change(&mut document);
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn each_change_is_told_with_its_fields() {
        let running = bundle(|_| {});
        assert!(Plan::of(Some(&running), &running).is_empty());
        let next = bundle(|document| {
            document["title"] = json!("Acme Freight");
            document["connections"]["b"] = json!({"connector": "webhook"});
            document["connections"]["a"]["settings"]["url"] = json!("https://b.example");
            document["flows"]["f"]["to_entity"] = json!("{\n  name: .b\n}");
            document["flows"]["f"]["targets"][0]["when"] = json!(".active");
        });
        insta::assert_snapshot!(Plan::of(Some(&running), &next).text());
        let back = Plan::of(Some(&next), &running);
        assert_eq!(back.removed(), ["connection b"]);
    }

    #[test]
    fn before_the_first_bundle_everything_is_new() {
        let plan = Plan::of(None, &bundle(|_| {}));
        assert!(plan.changes.iter().take(2).all(|change| change.action == Action::Add), "{plan:?}");
        assert!(plan.text().ends_with("2 to add, 1 to change, 0 to remove"), "{}", plan.text());
    }
}
