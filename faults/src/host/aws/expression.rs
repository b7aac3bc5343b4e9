//! The expressions of DynamoDB, as far as `shared/cloud/src/aws/control.rs` uses them: conditions of
//! `attribute_exists`, `attribute_not_exists` and comparisons, joined by AND and OR without brackets, and
//! `SET a = :b, …`. Anything else is refused, so that no condition is taken for one that it is not.

use super::Refusal;
use super::control_table::Item;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// A disjunction of conjunctions.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Condition {
    /// None is no condition: always held.
    any: Vec<Vec<Term>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    Exists { attribute: String, expected: bool },
    Compared { attribute: String, operator: Operator, value: Value },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Attributes and what they become.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Update {
    set: Vec<(String, Value)>,
}

fn refused(expression: &str) -> Refusal {
    Refusal::new("ValidationException", format!("the expression is not understood here: {expression}"))
}

/// Names and values that an expression refers to.
pub(super) struct Terms<'a> {
    names: Option<&'a Map<String, Value>>,
    values: Option<&'a Map<String, Value>>,
}

impl<'a> Terms<'a> {
    pub(super) fn of(input: &'a Value) -> Self {
        let of = |name| input.get(name).and_then(Value::as_object);
        Self { names: of("ExpressionAttributeNames"), values: of("ExpressionAttributeValues") }
    }

    fn name(&self, name: &str) -> Option<String> {
        if name.starts_with('#') {
            return Some(self.names?.get(name)?.as_str()?.to_owned());
        }
        let is_plain = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        is_plain.then(|| name.to_owned())
    }

    fn value(&self, name: &str) -> Option<Value> {
        self.values?.get(name.trim()).cloned()
    }

    pub(super) fn condition(&self, expression: Option<&str>) -> Result<Condition, Refusal> {
        let Some(expression) = expression else { return Ok(Condition::default()) };
        let conjunction =
            |text: &str| text.split(" AND ").map(|term| self.term(term.trim())).collect::<Option<Vec<_>>>();
        let any = expression.split(" OR ").map(conjunction).collect::<Option<Vec<_>>>();
        Ok(Condition { any: any.ok_or_else(|| refused(expression))? })
    }

    fn term(&self, term: &str) -> Option<Term> {
        for (function, expected) in [("attribute_exists", true), ("attribute_not_exists", false)] {
            if let Some(rest) = term.strip_prefix(function) {
                let attribute = self.name(rest.trim().strip_prefix('(')?.strip_suffix(')')?.trim())?;
                return Some(Term::Exists { attribute, expected });
            }
        }
        // The longer ones first: `<=` begins as `<`.
        let operators = [
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<>", Operator::NotEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let (sign, operator) = operators.into_iter().find(|(sign, _)| term.contains(sign))?;
        let (attribute, value) = term.split_once(sign)?;
        Some(Term::Compared { attribute: self.name(attribute.trim())?, operator, value: self.value(value)? })
    }

    pub(super) fn update(&self, expression: &str) -> Result<Update, Refusal> {
        let one = |text: &str| {
            let (attribute, value) = text.split_once('=')?;
            Some((self.name(attribute.trim())?, self.value(value)?))
        };
        let set = expression.trim().strip_prefix("SET ").and_then(|list| list.split(',').map(one).collect());
        Ok(Update { set: set.ok_or_else(|| refused(expression))? })
    }

    /// The partition of a key condition `pk = :x`.
    pub(super) fn partition(&self, expression: &str) -> Result<String, Refusal> {
        let value = expression.split_once('=').filter(|(name, _)| self.name(name.trim()).as_deref() == Some("pk"));
        let value = value.and_then(|(_, value)| self.value(value));
        let partition = value.as_ref().and_then(|value| value.get("S")).and_then(Value::as_str);
        partition.map(str::to_owned).ok_or_else(|| refused(expression))
    }
}

impl Update {
    pub(super) fn apply(&self, item: &mut Item) {
        item.extend(self.set.iter().cloned());
    }
}

impl Condition {
    pub(super) fn holds(&self, item: Option<&Item>) -> bool {
        self.any.is_empty() || self.any.iter().any(|terms| terms.iter().all(|term| term.holds(item)))
    }
}

impl Term {
    fn holds(&self, item: Option<&Item>) -> bool {
        match self {
            Self::Exists { attribute, expected } => item.is_some_and(|item| item.contains_key(attribute)) == *expected,
            Self::Compared { attribute, operator, value } => {
                let Some(stored) = item.and_then(|item| item.get(attribute)) else {
                    // A comparison with what is not there never holds, save that it differs.
                    return *operator == Operator::NotEqual;
                };
                match (operator, compared(stored, value)) {
                    (Operator::NotEqual, order) => order != Some(Ordering::Equal),
                    (_, None) => false,
                    (Operator::Equal, Some(order)) => order.is_eq(),
                    (Operator::Less, Some(order)) => order.is_lt(),
                    (Operator::LessOrEqual, Some(order)) => order.is_le(),
                    (Operator::Greater, Some(order)) => order.is_gt(),
                    (Operator::GreaterOrEqual, Some(order)) => order.is_ge(),
                }
            }
        }
    }
}

/// The order of two values of the same type; none if their types differ or have no order.
fn compared(one: &Value, other: &Value) -> Option<Ordering> {
    let of = |value: &Value, kind: &str| value.get(kind).and_then(Value::as_str).map(str::to_owned);
    if let (Some(one), Some(other)) = (of(one, "N"), of(other, "N")) {
        return match (one.parse::<i128>(), other.parse::<i128>()) {
            (Ok(one), Ok(other)) => Some(one.cmp(&other)),
            _ => one.parse::<f64>().ok()?.partial_cmp(&other.parse::<f64>().ok()?),
        };
    }
    if let (Some(one), Some(other)) = (of(one, "S"), of(other, "S")) {
        return Some(one.cmp(&other));
    }
    (one == other).then_some(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(expression: &str, item: Option<Value>) -> bool {
        let input = json!({"ExpressionAttributeValues": {":v": {"N": "10"}, ":t": {"S": "x"}}});
        let condition = Terms::of(&input).condition(Some(expression)).unwrap();
        condition.holds(item.as_ref().and_then(Value::as_object))
    }

    #[test]
    fn conditions_of_the_control_table() {
        let version = |number: &str| Some(json!({"pk": {"S": "a"}, "version": {"N": number}}));
        let condition = "attribute_not_exists(pk) OR version <= :v";
        assert!(holds(condition, None) && holds(condition, version("9")) && holds(condition, version("10")));
        assert!(!holds(condition, version("11")), "numbers are compared as numbers");
        assert!(!holds("version = :v", None) && holds("version = :v AND pk <> :t", version("10")));
        assert!(!holds("pk = :v", version("10")), "types differ");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let input = json!({"ExpressionAttributeValues": {":v": {"N": "1"}}});
        let terms = Terms::of(&input);
        for expression in ["contains(a, :v)", "(a = :v)", "a = :other", "a"] {
            assert!(terms.condition(Some(expression)).is_err(), "{expression}");
        }
        assert!(terms.update("ADD a :v").is_err() && terms.update("SET a = a + :v").is_err());
        assert!(terms.partition("sk = :v").is_err());
    }
}
