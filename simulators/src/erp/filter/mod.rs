//! `$filter`: conditions over the properties of an entity, with OData's rules for null.
//!
//! OData URL Conventions 4.0 §5.1.1: null is equal to itself alone, nothing is before or after it, and
//! what is not known stays unknown through `and`, `or` and `not`. Texts compare by their characters.

mod parse;
mod tokens;

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use super::schema::{EdmType, Property};
pub use parse::parse;

/// A condition that fits the entity set.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Compare {
        left: Operand,
        operator: Operator,
        right: Operand,
    },
    Contains {
        property: &'static str,
        text: String,
    },
    StartsWith {
        property: &'static str,
        text: String,
    },
    /// A Boolean by itself.
    Is(Operand),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Property { name: &'static str, kind: EdmType },
    Literal(Typed),
}

/// A value by its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Typed {
    Null,
    Text(String),
    Number(f64),
    Boolean(bool),
    Date(Date),
    Instant(Timestamp),
}

impl Condition {
    /// Whether the condition holds; nothing where that is not known.
    pub fn holds(&self, entity: &Value) -> Option<bool> {
        match self {
            Condition::Compare { left, operator, right } => {
                Some(operator.holds(&left.value(entity), &right.value(entity)))
            }
            Condition::Contains { property, text } => text_of(entity, property).map(|value| value.contains(text)),
            Condition::StartsWith { property, text } => text_of(entity, property).map(|value| value.starts_with(text)),
            Condition::Is(operand) => match operand.value(entity) {
                Typed::Boolean(value) => Some(value),
                _ => None,
            },
            Condition::And(parts) => all(parts.iter().map(|part| part.holds(entity))),
            // Either is true: not all of them are false.
            Condition::Or(parts) => {
                all(parts.iter().map(|part| part.holds(entity).map(|holds| !holds))).map(|holds| !holds)
            }
            Condition::Not(part) => part.holds(entity).map(|holds| !holds),
        }
    }
}

fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = true;
    for part in parts {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = false,
        }
    }
    known.then_some(true)
}

fn text_of<'entity>(entity: &'entity Value, property: &str) -> Option<&'entity str> {
    entity.get(property).and_then(Value::as_str)
}

impl Operator {
    fn holds(self, left: &Typed, right: &Typed) -> bool {
        let ordering = left.compare(right);
        match self {
            Operator::Equal => ordering == Some(Ordering::Equal),
            Operator::NotEqual => ordering != Some(Ordering::Equal),
            // The parser refuses `null` here; a property that is null is before and after nothing.
            _ if *left == Typed::Null || *right == Typed::Null => false,
            Operator::Greater => ordering.is_some_and(Ordering::is_gt),
            Operator::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
            Operator::Less => ordering.is_some_and(Ordering::is_lt),
            Operator::LessOrEqual => ordering.is_some_and(Ordering::is_le),
        }
    }
}

impl Operand {
    fn value(&self, entity: &Value) -> Typed {
        match self {
            Operand::Literal(value) => value.clone(),
            Operand::Property { name, kind } => Typed::of(entity.get(name).unwrap_or(&Value::Null), *kind),
        }
    }
}

impl Typed {
    /// The value of a property. What is not of its type is null: the store holds nothing else.
    pub fn of(value: &Value, kind: EdmType) -> Self {
        let typed = match kind {
            EdmType::Text => value.as_str().map(|text| Typed::Text(text.to_owned())),
            EdmType::Decimal | EdmType::Integer => value.as_f64().map(Typed::Number),
            EdmType::Boolean => value.as_bool().map(Typed::Boolean),
            EdmType::Date => value.as_str().and_then(|text| text.parse().ok()).map(Typed::Date),
            EdmType::DateTimeOffset => value.as_str().and_then(|text| text.parse().ok()).map(Typed::Instant),
            EdmType::Lines => None,
        };
        typed.unwrap_or(Typed::Null)
    }

    /// The order of two values of one type; of null only that it is equal to itself.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Typed::Null, Typed::Null) => Some(Ordering::Equal),
            (Typed::Text(left), Typed::Text(right)) => Some(left.cmp(right)),
            (Typed::Number(left), Typed::Number(right)) => left.partial_cmp(right),
            (Typed::Boolean(left), Typed::Boolean(right)) => Some(left.cmp(right)),
            (Typed::Date(left), Typed::Date(right)) => Some(left.cmp(right)),
            (Typed::Instant(left), Typed::Instant(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }

    /// The order for `$orderby`: null comes first (OData Protocol 4.0 §11.2.5.2).
    pub fn sort(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Typed::Null, Typed::Null) => Ordering::Equal,
            (Typed::Null, _) => Ordering::Less,
            (_, Typed::Null) => Ordering::Greater,
            _ => self.compare(other).unwrap_or(Ordering::Equal),
        }
    }
}

impl From<&'static Property> for Operand {
    fn from(property: &'static Property) -> Self {
        Operand::Property { name: property.name, kind: property.kind }
    }
}

#[cfg(test)]
mod tests;
