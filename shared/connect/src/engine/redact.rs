//! Makes an application's words fit to keep and to show: short, printable, without credentials.

use serde_json::{Map, Value};

/// Credentials shorter than this are not looked for: every text would contain them.
const SHORTEST_SECRET: usize = 6;
/// What stands in the place of a credential.
const REDACTED: &str = "[redacted]";

/// The credentials that no text may show. It has no Debug.
#[derive(Default)]
pub struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    /// Adds every text in a secret.
    pub fn hide_all(&mut self, secret: &Map<String, Value>) {
        for value in secret.values() {
            self.hide_value(value);
        }
    }

    fn hide_value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.hide(text),
            Value::Array(values) => values.iter().for_each(|value| self.hide_value(value)),
            Value::Object(fields) => fields.values().for_each(|value| self.hide_value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Adds one credential.
    pub fn hide(&mut self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET && !self.secrets.iter().any(|known| known == secret) {
            self.secrets.push(secret.to_owned());
            // The longest first: one credential may begin with another.
            self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// The text without credentials and control characters, at most `longest` characters.
    #[must_use]
    pub fn clean(&self, text: &str, longest: usize) -> String {
        let mut clean = text.to_owned();
        for secret in &self.secrets {
            if clean.contains(secret) {
                clean = clean.replace(secret, REDACTED);
            }
        }
        let mut clean: String = clean.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if clean.chars().count() > longest {
            clean = clean.chars().take(longest.saturating_sub(1)).collect();
            clean.push('…');
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redactor() -> Redactor {
        let secret = serde_json::json!({"a": "marked-secret", "b": ["marked-secret-2"], "c": {"d": "other-mark"}, "e": "abc", "f": 7});
        let mut redactor = Redactor::default();
        redactor.hide_all(secret.as_object().unwrap());
        redactor
    }

    #[test]
    fn credentials_and_control_characters_are_gone() {
        let clean = redactor().clean("token marked-secret-2 and\nmarked-secret, other-mark; abc", 500);
        assert_eq!(clean, "token [redacted] and [redacted], [redacted]; abc");
        assert_eq!(redactor().clean("ääääää", 3), "ää…");
    }

    proptest! {
        #[test]
        fn no_text_shows_a_credential(before in ".{0,40}", after in ".{0,40}", longest in 0_usize..100) {
            let clean = redactor().clean(&format!("{before}marked-secret{after}"), longest);
            prop_assert!(!clean.contains("marked-secret"));
            prop_assert!(clean.chars().count() <= longest.max(1));
        }
    }
}
