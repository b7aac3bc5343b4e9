//! The words of SOQL and of Intuit's query language, which read alike: names, texts in
//! single quotes with backslash escapes, bare numbers and dates, and a few signs.

/// A query longer than this is refused (Salesforce: 100,000 characters).
pub const LONGEST_QUERY: usize = 100_000;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A keyword or a name, with dots: `rtms__Customer__r.Name`.
    Word(String),
    /// A text, unescaped.
    Text(String),
    /// A bare literal that begins with a digit or a sign: `12.5`, `2026-11-20T12:00:00Z`.
    Literal(String),
    /// `(`, `)`, `,`, `*`, `=`, `!=`, `<`, `<=`, `>`, `>=`.
    Sign(&'static str),
}

/// A token and where it begins, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    pub token: Token,
    pub at: usize,
}

/// Where a query cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub at: usize,
    pub message: String,
}

// Longer signs first: `<=` is not `<` and `=`.
const SIGNS: [(&str, &str); 11] = [
    ("!=", "!="),
    ("<>", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    ("(", "("),
    (")", ")"),
    (",", ","),
    ("*", "*"),
];

/// Splits a query into its tokens.
///
/// # Errors
/// If a text does not end, or a character belongs to no token.
pub fn tokens(query: &str) -> Result<Vec<Placed>, Unreadable> {
    if query.len() > LONGEST_QUERY {
        return Err(Unreadable {
            at: 0,
            message: "SOQL statements cannot be longer than 100000 characters.".to_owned(),
        });
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = query.get(at..).filter(|rest| !rest.is_empty()) {
        let blank = rest.len() - rest.trim_start().len();
        if blank > 0 {
            at += blank;
            continue;
        }
        let (token, length) = token(rest).map_err(|message| Unreadable { at, message })?;
        tokens.push(Placed { token, at });
        at += length;
    }
    Ok(tokens)
}

fn token(rest: &str) -> Result<(Token, usize), String> {
    let first = rest.chars().next().unwrap_or_default();
    if first == '\'' {
        return text(rest);
    }
    if let Some((written, sign)) = SIGNS.iter().find(|(written, _)| rest.starts_with(written)) {
        return Ok((Token::Sign(sign), written.len()));
    }
    let take = |belongs: fn(char) -> bool| rest.chars().take_while(|letter| belongs(*letter)).collect::<String>();
    if first.is_ascii_digit() || matches!(first, '-' | '+') {
        let literal = take(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | ':' | '-' | '+'));
        let length = literal.len();
        return Ok((Token::Literal(literal), length));
    }
    let word = take(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.'));
    if word.is_empty() {
        return Err(format!("line 1: unexpected char: '{first}'"));
    }
    let length = word.len();
    Ok((Token::Word(word), length))
}

fn text(rest: &str) -> Result<(Token, usize), String> {
    let mut content = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' => return Ok((Token::Text(content), at + 1)),
            '\\' => match letters.next().map(|(_, escaped)| escaped) {
                Some('n') => content.push('\n'),
                Some('r') => content.push('\r'),
                Some('t') => content.push('\t'),
                Some(escaped @ ('\'' | '"' | '\\' | '%' | '_')) => content.push(escaped),
                _ => return Err("Illegal string escape".to_owned()),
            },
            letter => content.push(letter),
        }
    }
    Err("expecting ''', found '<EOF>'".to_owned())
}

/// Walks over a query's tokens.
pub struct Cursor<'text> {
    text: &'text str,
    tokens: Vec<Placed>,
    next: usize,
}

impl<'text> Cursor<'text> {
    /// Splits a query and stands before its first token.
    ///
    /// # Errors
    /// As [`tokens`].
    pub fn new(text: &'text str) -> Result<Self, Unreadable> {
        Ok(Self { text, tokens: tokens(text)?, next: 0 })
    }

    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|placed| &placed.token)
    }

    pub fn advance(&mut self) {
        self.next += 1;
    }

    /// Where the next token is, to come [`back`](Self::back) to.
    pub fn place(&self) -> usize {
        self.next
    }

    /// Goes to a place and returns the one it leaves.
    pub fn back(&mut self, place: usize) -> usize {
        std::mem::replace(&mut self.next, place)
    }

    pub fn at_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    pub fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.at_keyword(keyword);
        self.next += usize::from(found);
        found
    }

    pub fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.next += usize::from(found);
        found
    }

    pub fn take_word(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.peek() else {
            return None;
        };
        let word = word.clone();
        self.next += 1;
        Some(word)
    }

    /// A whole number that is not negative.
    pub fn take_number(&mut self) -> Option<usize> {
        let Some(Token::Literal(text)) = self.peek() else {
            return None;
        };
        let number = text.parse().ok()?;
        self.next += 1;
        Some(number)
    }

    /// The next token as what does not belong there; the message is its text alone.
    pub fn unexpected(&self) -> Unreadable {
        let (at, message) = match self.tokens.get(self.next) {
            None => (self.text.len(), "<EOF>".to_owned()),
            Some(placed) => match &placed.token {
                Token::Word(text) | Token::Text(text) | Token::Literal(text) => (placed.at, text.clone()),
                Token::Sign(sign) => (placed.at, (*sign).to_owned()),
            },
        };
        Unreadable { at, message }
    }
}

/// Whether a text matches a `LIKE` pattern: `%` is any text, `_` any one character; case
/// does not matter.
pub fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    // Row by row: whether the pattern so far matches the first n characters.
    let mut matched = vec![false; text.len() + 1];
    if let Some(nothing) = matched.first_mut() {
        *nothing = true;
    }
    for sign in pattern {
        let mut next = Vec::with_capacity(matched.len());
        let mut any = false;
        for (place, here) in matched.iter().enumerate() {
            let before = place.checked_sub(1);
            let was = before.and_then(|before| matched.get(before)).copied().unwrap_or(false);
            any |= *here;
            next.push(match sign {
                '%' => any,
                '_' => was,
                letter => was && before.and_then(|before| text.get(before)) == Some(&letter),
            });
        }
        matched = next;
    }
    matched.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Vec<Token> {
        tokens(query).unwrap().into_iter().map(|placed| placed.token).collect()
    }

    #[test]
    fn a_query_is_split_into_its_words() {
        let word = |text: &str| Token::Word(text.to_owned());
        assert_eq!(
            read(r"SELECT a.b__r FROM x WHERE t>=2026-11-20T12:00:00.000+00:00 AND n != -1.5 AND s='it\'s'"),
            [
                word("SELECT"),
                word("a.b__r"),
                word("FROM"),
                word("x"),
                word("WHERE"),
                word("t"),
                Token::Sign(">="),
                Token::Literal("2026-11-20T12:00:00.000+00:00".to_owned()),
                word("AND"),
                word("n"),
                Token::Sign("!="),
                Token::Literal("-1.5".to_owned()),
                word("AND"),
                word("s"),
                Token::Sign("="),
                Token::Text("it's".to_owned()),
            ]
        );
    }

    #[test]
    fn unreadable_queries_say_where() {
        for (query, at) in [("a 'open", 2), ("a 'bad \\q'", 2), ("a ; b", 2), ("é", 0), ("'\\", 0)] {
            assert_eq!(tokens(query).unwrap_err().at, at, "{query}");
        }
        assert!(tokens(&"a".repeat(LONGEST_QUERY + 1)).is_err());
        assert_eq!(tokens(" \n\t "), Ok(Vec::new()));
    }

    #[test]
    fn patterns_match() {
        for (text, pattern) in [("Acme", "ac%"), ("Acme", "%CM_"), ("", "%"), ("Acme", "acme"), ("aXbXc", "a%b%c")] {
            assert!(like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [("Acme", "ac"), ("Acme", "_"), ("", "_"), ("abc", "a%d")] {
            assert!(!like(text, pattern), "{text} {pattern}");
        }
        assert!(!like(&"a".repeat(2_000), &"%a".repeat(20).replace("%a", "%a%b")));
    }
}
