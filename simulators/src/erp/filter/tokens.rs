//! The words of a `$filter` expression.
//!
//! OData ABNF 4.0 §4 and §7: blanks are spaces and tabs, a quote within a text is doubled.

use super::super::answer::Refusal;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A property, an operator, a function, `true`, `false` or `null`.
    Word(String),
    /// A text in single quotes, undoubled.
    Text(String),
    /// A number, a date or an instant.
    Literal(String),
    Open,
    Close,
    Comma,
}

/// Splits an expression into its tokens.
///
/// # Errors
/// 400 if a text does not end or a character belongs to no token, 501 for paths.
pub fn tokens(expression: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            ' ' | '\t' => (None, 1),
            '(' => (Some(Token::Open), 1),
            ')' => (Some(Token::Close), 1),
            ',' => (Some(Token::Comma), 1),
            '\'' => text(rest).map(|(content, length)| (Some(Token::Text(content)), length))?,
            '/' => return Err(Refusal::unsupported("paths in $filter")),
            '@' | '$' => return Err(Refusal::unsupported("parameter aliases and $it in $filter")),
            first if first.is_ascii_digit() || first == '-' => {
                let literal =
                    take(rest, |letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | ':' | '-' | '+'));
                (Some(Token::Literal(literal.to_owned())), literal.len())
            }
            first if first.is_ascii_alphabetic() || first == '_' => {
                let word = take(rest, |letter| letter.is_ascii_alphanumeric() || letter == '_');
                (Some(Token::Word(word.to_owned())), word.len())
            }
            '+' => {
                let message = "$filter: '+' is no blank; a blank is sent as %20 (OData URL Conventions, URL Parsing).";
                return Err(Refusal::bad(message));
            }
            other => return Err(Refusal::bad(format!("$filter: the character {other:?} is not understood."))),
        };
        tokens.extend(token);
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(tokens)
}

fn take(rest: &str, belongs: fn(char) -> bool) -> &str {
    let end = rest.find(|letter| !belongs(letter)).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// A text at the beginning of `rest`, and how long it is there.
fn text(rest: &str) -> Result<(String, usize), Refusal> {
    let mut content = String::new();
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != '\'' {
            content.push(letter);
        } else if letters.next_if(|(_, next)| *next == '\'').is_some() {
            content.push('\'');
        } else {
            return Ok((content, at + 1));
        }
    }
    Err(Refusal::bad("$filter: a text does not end."))
}
