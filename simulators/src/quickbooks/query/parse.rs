//! Reads Intuit's query language.

use super::{Condition, Operator, Query};
use crate::query_text::{Cursor, Token, Unreadable};
use crate::quickbooks::answer::Fault;
use crate::quickbooks::validate::Entity;

/// Intuit's default page, and its largest.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;
const MOST_CONDITIONS: usize = 100;

/// Reads a query.
///
/// # Errors
/// 4000 if it cannot be read, 4001 if it cannot be answered.
pub fn parse(statement: &str) -> Result<Query, Fault> {
    let cursor = Cursor::new(statement).map_err(|unreadable| unparsable(&unreadable.message))?;
    let mut parser = Parser { cursor };
    let query = parser.query()?;
    match parser.cursor.peek() {
        None => Ok(query),
        Some(_) => Err(parser.unexpected()),
    }
}

fn unparsable(detail: &str) -> Fault {
    Fault::query("4000", "Error parsing query", format!("QueryParserError: {detail}"))
}

fn invalid(detail: String) -> Fault {
    Fault::query("4001", "Invalid query", format!("QueryValidationError: {detail}"))
}

struct Parser<'text> {
    cursor: Cursor<'text>,
}

impl Parser<'_> {
    fn unexpected(&self) -> Fault {
        let Unreadable { at, message } = self.cursor.unexpected();
        let column = at + 1;
        unparsable(&format!("Encountered \"{message}\" at line 1, column {column}."))
    }

    fn expect(&self, found: bool) -> Result<(), Fault> {
        if found { Ok(()) } else { Err(self.unexpected()) }
    }

    fn word(&mut self) -> Result<String, Fault> {
        self.cursor.take_word().ok_or_else(|| self.unexpected())
    }

    fn number(&mut self) -> Result<usize, Fault> {
        self.cursor.take_number().ok_or_else(|| self.unexpected())
    }

    fn query(&mut self) -> Result<Query, Fault> {
        let selected = self.cursor.take_keyword("SELECT");
        self.expect(selected)?;
        let fields = self.fields()?;
        let from = self.cursor.take_keyword("FROM");
        self.expect(from)?;
        let name = self.word()?;
        let entity = Entity::named(&name).ok_or_else(|| invalid(format!("there is no entity {name}")))?;
        let conditions = if self.cursor.take_keyword("WHERE") { self.conditions()? } else { Vec::new() };
        // Intuit writes it as one word, and takes it as two.
        let ordered = self.cursor.take_keyword("ORDERBY")
            || (self.cursor.take_keyword("ORDER") && self.cursor.take_keyword("BY"));
        let order = if ordered { self.order()? } else { Vec::new() };
        let start_position = if self.cursor.take_keyword("STARTPOSITION") { self.number()? } else { 1 };
        let max_results = if self.cursor.take_keyword("MAXRESULTS") { self.number()? } else { PAGE };
        if start_position == 0 {
            return Err(invalid("value 0 for startPosition must be at least 1".to_owned()));
        }
        let max_results = max_results.min(LARGEST_PAGE);
        Ok(Query { entity, fields, conditions, order, start_position, max_results })
    }

    fn fields(&mut self) -> Result<Option<Vec<String>>, Fault> {
        if self.cursor.take_sign("*") {
            return Ok(Some(Vec::new()));
        }
        let first = self.word()?;
        if first.eq_ignore_ascii_case("COUNT") && self.cursor.take_sign("(") {
            let counted = self.cursor.take_sign("*") && self.cursor.take_sign(")");
            self.expect(counted)?;
            return Ok(None);
        }
        let mut fields = vec![first];
        while self.cursor.take_sign(",") {
            fields.push(self.word()?);
        }
        Ok(Some(fields))
    }

    fn conditions(&mut self) -> Result<Vec<Condition>, Fault> {
        let mut conditions = Vec::new();
        loop {
            let field = self.word()?;
            let operator = match self.cursor.peek() {
                Some(Token::Word(word)) if word.eq_ignore_ascii_case("LIKE") => Operator::Like,
                Some(Token::Word(word)) if word.eq_ignore_ascii_case("IN") => Operator::In,
                Some(Token::Sign("=")) => Operator::Equal,
                Some(Token::Sign("!=")) => Operator::NotEqual,
                Some(Token::Sign("<")) => Operator::Less,
                Some(Token::Sign("<=")) => Operator::LessOrEqual,
                Some(Token::Sign(">")) => Operator::Greater,
                Some(Token::Sign(">=")) => Operator::GreaterOrEqual,
                _ => return Err(self.unexpected()),
            };
            self.cursor.advance();
            let mut values = Vec::new();
            if operator == Operator::In {
                let opened = self.cursor.take_sign("(");
                self.expect(opened)?;
                values.push(self.value()?);
                while self.cursor.take_sign(",") {
                    values.push(self.value()?);
                }
                let closed = self.cursor.take_sign(")");
                self.expect(closed)?;
            } else {
                values.push(self.value()?);
            }
            conditions.push((field, operator, values));
            if conditions.len() > MOST_CONDITIONS {
                return Err(invalid(format!("more than {MOST_CONDITIONS} conditions")));
            }
            if !self.cursor.take_keyword("AND") {
                return Ok(conditions);
            }
        }
    }

    /// Intuit wants every value in quotes, but takes bare numbers and booleans.
    fn value(&mut self) -> Result<String, Fault> {
        let value = match self.cursor.peek() {
            Some(Token::Text(text) | Token::Literal(text)) => text.clone(),
            Some(Token::Word(word)) if matches!(word.to_lowercase().as_str(), "true" | "false") => word.to_lowercase(),
            _ => return Err(self.unexpected()),
        };
        self.cursor.advance();
        Ok(value)
    }

    fn order(&mut self) -> Result<Vec<(String, bool)>, Fault> {
        let mut order = Vec::new();
        loop {
            let field = self.word()?;
            let descending = self.cursor.take_keyword("DESC");
            if !descending {
                self.cursor.take_keyword("ASC");
            }
            order.push((field, descending));
            if !self.cursor.take_sign(",") {
                return Ok(order);
            }
        }
    }
}
