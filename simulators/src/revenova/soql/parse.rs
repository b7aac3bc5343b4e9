//! Reads a query and checks it against the schema, with Salesforce's errors.

use super::condition::{Condition, Literal, Operator};
use super::names::{self, located};
use super::{Item, OrderBy, Path, Query, Selection, SoqlError};
use crate::query_text::{Cursor, Token, Unreadable};
use crate::revenova::schema::{self, FieldType, Object};

/// Deeper conditions are refused; the parser recurses.
const DEEPEST: usize = 20;
/// Salesforce's own bounds.
const LARGEST_OFFSET: usize = 2_000;
/// The most records of a query with `FIELDS(ALL)`.
const MOST_WITH_ALL_FIELDS: usize = 200;

/// Reads a query.
///
/// # Errors
/// `MALFORMED_QUERY`, `INVALID_FIELD`, `INVALID_TYPE`, `INVALID_QUERY_FILTER_OPERATOR` or
/// `NUMBER_OUTSIDE_VALID_RANGE`, worded like Salesforce's.
pub fn parse(query: &str) -> Result<Query, SoqlError> {
    let cursor = Cursor::new(query).map_err(|unreadable| located(query, unreadable.at, &unreadable.message))?;
    let mut parser = Parser { text: query, cursor, depth: 0 };
    let parsed = parser.query(None)?;
    match parser.cursor.peek() {
        None => Ok(parsed),
        Some(_) => Err(parser.unexpected()),
    }
}

struct Parser<'text> {
    text: &'text str,
    cursor: Cursor<'text>,
    depth: usize,
}

impl Parser<'_> {
    fn unexpected(&self) -> SoqlError {
        let Unreadable { at, message } = self.cursor.unexpected();
        located(self.text, at, &format!("unexpected token: '{message}'"))
    }

    fn expect(&self, found: bool) -> Result<(), SoqlError> {
        if found { Ok(()) } else { Err(self.unexpected()) }
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), SoqlError> {
        let found = self.cursor.take_keyword(keyword);
        self.expect(found)
    }

    fn sign(&mut self, sign: &str) -> Result<(), SoqlError> {
        let found = self.cursor.take_sign(sign);
        self.expect(found)
    }

    fn word(&mut self) -> Result<String, SoqlError> {
        self.cursor.take_word().ok_or_else(|| self.unexpected())
    }

    fn number(&mut self) -> Result<usize, SoqlError> {
        self.cursor.take_number().ok_or_else(|| self.unexpected())
    }

    /// A query, or with `outer` a query over the children of an object.
    fn query(&mut self, outer: Option<&'static Object>) -> Result<Query, SoqlError> {
        self.keyword("SELECT")?;
        // The fields can be checked only when FROM is known, which comes after them.
        let selection_at = self.cursor.place();
        self.skip_selection()?;
        self.keyword("FROM")?;
        let name = self.word()?;
        let (object, relationship) = match outer {
            None => (schema::object(&name).filter(|object| object.stored), None),
            Some(outer) => {
                let children = outer.children(&name);
                let object = children.and_then(|children| schema::object(children.object));
                (object, children.map(|children| children.relationship))
            }
        };
        let object = object.ok_or_else(|| names::unknown_object(&name, outer))?;
        let after_from = self.cursor.back(selection_at);
        let all_fields = self.at_all_fields();
        let selection = self.selection(object, relationship.is_some())?;
        self.cursor.back(after_from);

        let filter = if self.cursor.take_keyword("WHERE") { Some(self.conditions(object)?) } else { None };
        let order = if self.cursor.take_keyword("ORDER") { self.order_by(object)? } else { Vec::new() };
        let limit = if self.cursor.take_keyword("LIMIT") { Some(self.number()?) } else { None };
        let offset = if self.cursor.take_keyword("OFFSET") { self.number()? } else { 0 };
        if all_fields && limit.is_none_or(|limit| limit > MOST_WITH_ALL_FIELDS) {
            let message = "The SOQL FIELDS function must have a LIMIT of at most 200".to_owned();
            return Err(SoqlError::new("MALFORMED_QUERY", message));
        }
        if offset > LARGEST_OFFSET {
            let message = format!("Maximum SOQL offset allowed is {LARGEST_OFFSET}");
            return Err(SoqlError::new("NUMBER_OUTSIDE_VALID_RANGE", message));
        }
        Ok(Query { object, selection, filter, order, limit, offset })
    }

    /// Whether the selection begins with `FIELDS(ALL)`, the only one of Salesforce's three that is known here.
    fn at_all_fields(&mut self) -> bool {
        let start = self.cursor.place();
        let found = self.cursor.take_keyword("FIELDS") && self.cursor.take_sign("(");
        self.cursor.back(start);
        found
    }

    fn skip_selection(&mut self) -> Result<(), SoqlError> {
        let mut open = 0_usize;
        let mut after_word = false;
        loop {
            match self.cursor.peek() {
                None => return Err(self.unexpected()),
                Some(Token::Sign("(")) => open += 1,
                Some(Token::Sign(")")) if open == 0 => return Err(self.unexpected()),
                Some(Token::Sign(")")) => open -= 1,
                Some(Token::Word(word)) if open == 0 && word.eq_ignore_ascii_case("FROM") => {
                    return Ok(());
                }
                Some(Token::Word(_)) if open == 0 && after_word => return Err(self.unexpected()),
                Some(_) => {}
            }
            after_word = matches!(self.cursor.peek(), Some(Token::Word(_)));
            self.cursor.advance();
        }
    }

    fn selection(&mut self, object: &'static Object, nested: bool) -> Result<Selection, SoqlError> {
        let mut items = Vec::new();
        loop {
            if !nested && self.cursor.take_sign("(") {
                let query = self.query(Some(object))?;
                self.sign(")")?;
                let relationship = object.children.iter().find(|children| children.object == query.object.name);
                let relationship = relationship.map_or("", |children| children.relationship);
                items.push(Item::Children { relationship, query: Box::new(query) });
            } else {
                if self.cursor.at_keyword("FROM") {
                    return Err(self.unexpected());
                }
                let name = self.word()?;
                if name.eq_ignore_ascii_case("FIELDS") && self.cursor.take_sign("(") {
                    self.keyword("ALL")?;
                    self.sign(")")?;
                    for field in object.fields {
                        items.push(Item::Field(names::path(object, field.name)?));
                    }
                    if self.cursor.take_sign(",") {
                        continue;
                    }
                    break;
                }
                if !nested && items.is_empty() && name.eq_ignore_ascii_case("COUNT") && self.cursor.take_sign("(") {
                    self.sign(")")?;
                    return if self.cursor.at_keyword("FROM") { Ok(Selection::Count) } else { Err(self.unexpected()) };
                }
                items.push(Item::Field(names::path(object, &name)?));
            }
            if !self.cursor.take_sign(",") {
                break;
            }
        }
        if self.cursor.at_keyword("FROM") { Ok(Selection::Items(items)) } else { Err(self.unexpected()) }
    }

    /// Conditions joined by one of AND and OR: SOQL wants parentheses to mix them.
    fn conditions(&mut self, object: &'static Object) -> Result<Condition, SoqlError> {
        let first = self.condition(object)?;
        for (keyword, join) in [("AND", Condition::And as fn(_) -> _), ("OR", Condition::Or as fn(_) -> _)] {
            if self.cursor.at_keyword(keyword) {
                let mut parts = vec![first];
                while self.cursor.take_keyword(keyword) {
                    parts.push(self.condition(object)?);
                }
                if self.cursor.at_keyword("AND") || self.cursor.at_keyword("OR") {
                    return Err(self.unexpected());
                }
                return Ok(join(parts));
            }
        }
        Ok(first)
    }

    fn condition(&mut self, object: &'static Object) -> Result<Condition, SoqlError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.unexpected());
        }
        let condition = if self.cursor.take_keyword("NOT") {
            Condition::Not(Box::new(self.condition(object)?))
        } else if self.cursor.take_sign("(") {
            let inner = self.conditions(object)?;
            self.sign(")")?;
            inner
        } else {
            self.comparison(object)?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn comparison(&mut self, object: &'static Object) -> Result<Condition, SoqlError> {
        let name = self.word()?;
        let path = names::path(object, &name)?;
        let negated = self.cursor.take_keyword("NOT");
        if self.cursor.take_keyword("IN") {
            self.sign("(")?;
            let mut literals = Vec::new();
            loop {
                literals.push(self.literal(&path, &name)?);
                if !self.cursor.take_sign(",") {
                    break;
                }
            }
            self.sign(")")?;
            return Ok(Condition::In { path, literals, negated });
        }
        let operator = match self.cursor.peek() {
            _ if negated => None,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("LIKE") => Some(Operator::Like),
            Some(Token::Sign("=")) => Some(Operator::Equal),
            Some(Token::Sign("!=")) => Some(Operator::NotEqual),
            Some(Token::Sign("<")) => Some(Operator::Less),
            Some(Token::Sign("<=")) => Some(Operator::LessOrEqual),
            Some(Token::Sign(">")) => Some(Operator::Greater),
            Some(Token::Sign(">=")) => Some(Operator::GreaterOrEqual),
            _ => None,
        };
        let operator = operator.ok_or_else(|| self.unexpected())?;
        self.cursor.advance();
        if operator == Operator::Like && path.kind != FieldType::Text {
            return Err(SoqlError::new(
                "INVALID_FIELD",
                format!("invalid operator on {} field", names::of_kind(path.kind)),
            ));
        }
        let literal = self.literal(&path, &name)?;
        Ok(Condition::Compare { path, operator, literal })
    }

    fn literal(&mut self, path: &Path, name: &str) -> Result<Literal, SoqlError> {
        let literal = self.cursor.peek().and_then(Literal::read);
        let literal = literal.ok_or_else(|| self.unexpected())?;
        self.cursor.advance();
        if literal.fits(path.kind) {
            return Ok(literal);
        }
        let quotes = if matches!(literal, Literal::Text(_)) { " and should not be enclosed in quotes" } else { "" };
        let kind = names::of_kind(path.kind);
        let message = format!("value of filter criterion for field '{name}' must be of type {kind}{quotes}");
        Err(SoqlError::new("INVALID_FIELD", message))
    }

    fn order_by(&mut self, object: &'static Object) -> Result<Vec<OrderBy>, SoqlError> {
        self.keyword("BY")?;
        let mut order = Vec::new();
        loop {
            let name = self.word()?;
            let path = names::path(object, &name)?;
            let descending = self.cursor.take_keyword("DESC");
            if !descending {
                self.cursor.take_keyword("ASC");
            }
            let nulls_last = if self.cursor.take_keyword("NULLS") {
                let last = self.cursor.take_keyword("LAST");
                if !last {
                    self.keyword("FIRST")?;
                }
                last
            } else {
                descending
            };
            order.push(OrderBy { path, descending, nulls_last });
            if !self.cursor.take_sign(",") {
                return Ok(order);
            }
        }
    }
}
