//! Conditions of a query, evaluated with Salesforce's rules: text without regard to case,
//! ids in either length, and null that is less than nothing.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use super::{Lookup, Path};
use crate::clock::parse_instant;
use crate::query_text::{Token, like};
use crate::revenova::schema::FieldType;

#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Compare { path: Path, operator: Operator, literal: Literal },
    In { path: Path, literals: Vec<Literal>, negated: bool },
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Text(String),
    Number(f64),
    Boolean(bool),
    Date(Date),
    DateTime(Timestamp),
}

impl Literal {
    /// Reads the literal that a token is, if it is one.
    pub fn read(token: &Token) -> Option<Self> {
        match token {
            Token::Text(text) => Some(Literal::Text(text.clone())),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "null" => Some(Literal::Null),
                "true" => Some(Literal::Boolean(true)),
                "false" => Some(Literal::Boolean(false)),
                _ => None,
            },
            Token::Literal(text) => {
                if let Ok(number) = text.parse::<f64>() {
                    return Some(Literal::Number(number));
                }
                if text.contains('T') {
                    return parse_instant(text).map(Literal::DateTime);
                }
                text.parse().ok().map(Literal::Date)
            }
            Token::Sign(_) => None,
        }
    }

    /// Whether a field of the kind can be compared with it.
    pub fn fits(&self, kind: FieldType) -> bool {
        match self {
            Literal::Null => true,
            Literal::Text(_) => {
                matches!(kind, FieldType::Id | FieldType::Reference | FieldType::Text)
            }
            Literal::Number(_) => kind == FieldType::Number,
            Literal::Boolean(_) => kind == FieldType::Boolean,
            Literal::Date(_) => kind == FieldType::Date,
            Literal::DateTime(_) => kind == FieldType::DateTime,
        }
    }
}

impl Condition {
    pub fn holds(&self, record: &Value, lookup: Lookup<'_>) -> bool {
        match self {
            Condition::And(parts) => parts.iter().all(|part| part.holds(record, lookup)),
            Condition::Or(parts) => parts.iter().any(|part| part.holds(record, lookup)),
            Condition::Not(part) => !part.holds(record, lookup),
            Condition::Compare { path, operator, literal } => {
                compare(path.kind, &path.read(record, lookup), *operator, literal)
            }
            Condition::In { path, literals, negated } => {
                let value = path.read(record, lookup);
                let found = literals.iter().any(|literal| compare(path.kind, &value, Operator::Equal, literal));
                found != *negated
            }
        }
    }
}

pub fn null(value: &Value) -> bool {
    value.is_null()
}

fn compare(kind: FieldType, value: &Value, operator: Operator, literal: &Literal) -> bool {
    let ordering = match literal {
        Literal::Null => null(value).then_some(Ordering::Equal),
        Literal::Text(text) if operator == Operator::Like => {
            return value.as_str().is_some_and(|value| like(value, text));
        }
        Literal::Text(text) => value.as_str().map(|value| compare_texts(kind, value, text)),
        Literal::Number(number) => value.as_f64().and_then(|value| value.partial_cmp(number)),
        Literal::Boolean(wanted) => value.as_bool().map(|value| value.cmp(wanted)),
        Literal::Date(date) => date_of(value).map(|value| value.cmp(date)),
        Literal::DateTime(instant) => instant_of(value).map(|value| value.cmp(instant)),
    };
    match (operator, ordering) {
        (Operator::NotEqual, ordering) => ordering != Some(Ordering::Equal),
        (_, None) => false,
        (Operator::Equal, Some(ordering)) => ordering.is_eq(),
        // Nothing is before or after null.
        (_, Some(_)) if *literal == Literal::Null => false,
        (Operator::Less, Some(ordering)) => ordering.is_lt(),
        (Operator::LessOrEqual, Some(ordering)) => ordering.is_le(),
        (Operator::Greater, Some(ordering)) => ordering.is_gt(),
        (Operator::GreaterOrEqual, Some(ordering)) => ordering.is_ge(),
        (Operator::Like, Some(_)) => false,
    }
}

/// Orders two values of a field, for `ORDER BY`; values that are not of the field's type
/// compare by their text.
pub fn compare_values(kind: FieldType, left: &Value, right: &Value) -> Ordering {
    let typed = match kind {
        FieldType::Number => left.as_f64().zip(right.as_f64()).and_then(|(left, right)| left.partial_cmp(&right)),
        FieldType::Boolean => left.as_bool().zip(right.as_bool()).map(|(left, right)| left.cmp(&right)),
        FieldType::Date => date_of(left).zip(date_of(right)).map(|(left, right)| left.cmp(&right)),
        FieldType::DateTime => instant_of(left).zip(instant_of(right)).map(|(left, right)| left.cmp(&right)),
        FieldType::Id | FieldType::Reference | FieldType::Text => None,
    };
    typed.unwrap_or_else(|| {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        compare_texts(kind, &text(left), &text(right))
    })
}

fn compare_texts(kind: FieldType, left: &str, right: &str) -> Ordering {
    match kind {
        // The 15-character form of an id is the 18-character form without its check.
        FieldType::Id | FieldType::Reference if left.is_ascii() && right.is_ascii() => {
            let short = |id: &str| id.chars().take(15).collect::<String>();
            short(left).cmp(&short(right))
        }
        _ => left.to_lowercase().cmp(&right.to_lowercase()),
    }
}

fn date_of(value: &Value) -> Option<Date> {
    value.as_str()?.parse().ok()
}

fn instant_of(value: &Value) -> Option<Timestamp> {
    parse_instant(value.as_str()?)
}
