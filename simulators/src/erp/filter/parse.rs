//! Reads a `$filter` expression and checks it against the entity set.
//!
//! Operators bind as OData URL Conventions 4.0 §5.1.1.9 says: `not`, comparisons, `and`, `or`. The prose lets
//! `not` bind tighter than `eq`, the grammar does not; where it would matter, parentheses are demanded.

use super::super::answer::Refusal;
use super::super::schema::{EdmType, EntitySet};
use super::tokens::{Token, tokens};
use super::{Condition, Operand, Operator, Typed};

/// Deeper expressions are refused; the parser recurses.
const DEEPEST: usize = 20;

/// OData's other operators and functions, which this service does not do.
const UNSUPPORTED_OPERATORS: [&str; 8] = ["has", "in", "add", "sub", "mul", "div", "divby", "mod"];
const UNSUPPORTED_FUNCTIONS: [&str; 27] = [
    "endswith",
    "length",
    "indexof",
    "substring",
    "tolower",
    "toupper",
    "trim",
    "concat",
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "fractionalseconds",
    "date",
    "time",
    "totaloffsetminutes",
    "totalseconds",
    "now",
    "maxdatetime",
    "mindatetime",
    "round",
    "floor",
    "ceiling",
    "cast",
    "isof",
];

/// Reads an expression.
///
/// # Errors
/// 400 if it is not understood or does not fit the entity set, 501 for what OData knows and this service does not.
pub fn parse(expression: &str, set: &'static EntitySet) -> Result<Condition, Refusal> {
    let mut parser = Parser { tokens: tokens(expression)?, next: 0, depth: 0, set };
    let condition = parser.either()?;
    match parser.peek() {
        None => Ok(condition),
        Some(_) => Err(parser.unexpected()),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    set: &'static EntitySet,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word == wanted);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, token: &Token) -> Result<(), Refusal> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Refusal {
        match self.peek() {
            None => Refusal::bad("$filter: the expression ends too early."),
            Some(Token::Word(word)) if UNSUPPORTED_OPERATORS.contains(&word.as_str()) => {
                Refusal::unsupported(&format!("the operator {word}"))
            }
            Some(Token::Word(text) | Token::Literal(text)) => {
                Refusal::bad(format!("$filter: {text} is not expected here."))
            }
            Some(Token::Text(text)) => Refusal::bad(format!("$filter: '{text}' is not expected here.")),
            Some(Token::Open) => Refusal::bad("$filter: ( is not expected here."),
            Some(Token::Close) => Refusal::bad("$filter: ) is not expected here."),
            Some(Token::Comma) => Refusal::bad("$filter: a comma is not expected here."),
        }
    }

    fn either(&mut self) -> Result<Condition, Refusal> {
        self.joined("or", Self::both, Condition::Or)
    }

    fn both(&mut self) -> Result<Condition, Refusal> {
        self.joined("and", Self::single, Condition::And)
    }

    fn joined(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Result<Condition, Refusal>,
        join: fn(Vec<Condition>) -> Condition,
    ) -> Result<Condition, Refusal> {
        let first = part(self)?;
        let mut parts = vec![first];
        while self.take_word(word) {
            parts.push(part(self)?);
        }
        Ok(if parts.len() > 1 { join(parts) } else { parts.swap_remove(0) })
    }

    fn single(&mut self) -> Result<Condition, Refusal> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Refusal::bad(format!("$filter: the expression is deeper than {DEEPEST}.")));
        }
        let condition = if self.take_word("not") {
            let negated = self.single()?;
            if matches!(negated, Condition::Compare { .. }) && !self.after_close() {
                return Err(Refusal::bad("$filter: put what follows `not` into parentheses."));
            }
            Condition::Not(Box::new(negated))
        } else if self.take(&Token::Open) {
            let inner = self.either()?;
            self.expect(&Token::Close)?;
            inner
        } else {
            self.term()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    /// Whether the last token closed a parenthesis.
    fn after_close(&self) -> bool {
        self.next.checked_sub(1).and_then(|before| self.tokens.get(before)) == Some(&Token::Close)
    }

    fn term(&mut self) -> Result<Condition, Refusal> {
        if let (Some(Token::Word(word)), Some(Token::Open)) = (self.peek(), self.tokens.get(self.next + 1)) {
            let name = word.clone();
            return self.function(&name);
        }
        let left = self.operand()?;
        let Some(operator) = self.operator() else {
            return match left {
                Operand::Property { kind: EdmType::Boolean, .. } | Operand::Literal(Typed::Boolean(_)) => {
                    Ok(Condition::Is(left))
                }
                _ => Err(self.unexpected()),
            };
        };
        let right = self.operand()?;
        check(&left, operator, &right)?;
        Ok(Condition::Compare { left, operator, right })
    }

    fn function(&mut self, name: &str) -> Result<Condition, Refusal> {
        if UNSUPPORTED_FUNCTIONS.contains(&name) {
            return Err(Refusal::unsupported(&format!("the function {name}")));
        }
        if !matches!(name, "contains" | "startswith") {
            return Err(Refusal::bad(format!("$filter: there is no function {name}.")));
        }
        self.next += 2;
        let Operand::Property { name: property, kind: EdmType::Text } = self.operand()? else {
            return Err(Refusal::bad(format!("$filter: {name} takes a property of type Edm.String.")));
        };
        self.expect(&Token::Comma)?;
        let Operand::Literal(Typed::Text(text)) = self.operand()? else {
            return Err(Refusal::bad(format!("$filter: {name} takes a text in single quotes.")));
        };
        self.expect(&Token::Close)?;
        Ok(match name {
            "contains" => Condition::Contains { property, text },
            _ => Condition::StartsWith { property, text },
        })
    }

    fn operator(&mut self) -> Option<Operator> {
        let Some(Token::Word(word)) = self.peek() else {
            return None;
        };
        let operator = match word.as_str() {
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "gt" => Operator::Greater,
            "ge" => Operator::GreaterOrEqual,
            "lt" => Operator::Less,
            "le" => Operator::LessOrEqual,
            _ => return None,
        };
        self.next += 1;
        Some(operator)
    }

    fn operand(&mut self) -> Result<Operand, Refusal> {
        let operand = match self.peek() {
            Some(Token::Text(text)) => Operand::Literal(Typed::Text(text.clone())),
            Some(Token::Literal(text)) => Operand::Literal(literal(text)?),
            Some(Token::Word(word)) => match word.as_str() {
                "null" => Operand::Literal(Typed::Null),
                "true" => Operand::Literal(Typed::Boolean(true)),
                "false" => Operand::Literal(Typed::Boolean(false)),
                name => match self.set.property(name) {
                    Some(property) => property.into(),
                    None if UNSUPPORTED_FUNCTIONS.contains(&name) => {
                        return Err(Refusal::unsupported(&format!("the function {name}")));
                    }
                    None if UNSUPPORTED_OPERATORS.contains(&name) => return Err(self.unexpected()),
                    None => {
                        let message = format!("$filter: {} has no property {name}.", self.set.entity);
                        return Err(Refusal::bad(message));
                    }
                },
            },
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(operand)
    }
}

/// A number, a date, or an instant, which has an offset (OData ABNF 4.0 §7).
fn literal(text: &str) -> Result<Typed, Refusal> {
    let read = if text.contains('T') {
        text.parse().ok().map(Typed::Instant)
    } else if let Ok(number) = text.parse::<f64>() {
        number.is_finite().then_some(Typed::Number(number))
    } else {
        text.parse().ok().map(Typed::Date)
    };
    read.ok_or_else(|| Refusal::bad(format!("$filter: {text} is no number, no date, and no instant with an offset.")))
}

fn check(left: &Operand, operator: Operator, right: &Operand) -> Result<(), Refusal> {
    let ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
    let (left, right) = (class(left), class(right));
    match (left, right) {
        (Class::Lines, _) | (_, Class::Lines) => Err(Refusal::unsupported("comparing collections")),
        // OData 4.0 and 4.01 differ on `null ge null`; nobody needs it.
        (Class::Null, _) | (_, Class::Null) if ordered => {
            Err(Refusal::bad("$filter: null can be compared with eq and ne alone."))
        }
        (Class::Null, _) | (_, Class::Null) => Ok(()),
        _ if left == right => Ok(()),
        _ => Err(Refusal::bad("$filter: the two sides of a comparison are of different types.")),
    }
}

/// What can be compared with one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Null,
    Text,
    Number,
    Boolean,
    Date,
    Instant,
    Lines,
}

fn class(operand: &Operand) -> Class {
    match operand {
        Operand::Property { kind, .. } => match kind {
            EdmType::Text => Class::Text,
            EdmType::Decimal | EdmType::Integer => Class::Number,
            EdmType::Boolean => Class::Boolean,
            EdmType::Date => Class::Date,
            EdmType::DateTimeOffset => Class::Instant,
            EdmType::Lines => Class::Lines,
        },
        Operand::Literal(value) => match value {
            Typed::Null => Class::Null,
            Typed::Text(_) => Class::Text,
            Typed::Number(_) => Class::Number,
            Typed::Boolean(_) => Class::Boolean,
            Typed::Date(_) => Class::Date,
            Typed::Instant(_) => Class::Instant,
        },
    }
}
