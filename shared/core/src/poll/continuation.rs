//! Where a list goes on within a run, in the source's own words.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest continuation, in bytes: it is kept in the control table with the rest of the progress.
pub const LONGEST_CONTINUATION_BYTES: usize = 2048;

/// What a source said to ask with for the next page: a cursor, the number of a page, or the path and query of a
/// URL. Nobody but the engine reads it. It holds no credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Continuation(String);

/// Why a text is no continuation. The text is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadContinuation {
    /// It is longer than [`LONGEST_CONTINUATION_BYTES`].
    #[error("what the source gives to ask for the next page with is longer than {LONGEST_CONTINUATION_BYTES} bytes")]
    TooLong,
    /// It is empty, or has control characters.
    #[error("what the source gives to ask for the next page with is empty, or has control characters")]
    Unprintable,
}

impl Continuation {
    /// Checks a text.
    ///
    /// # Errors
    /// [`BadContinuation`].
    pub fn parse(text: impl Into<String>) -> Result<Self, BadContinuation> {
        let text = text.into();
        if text.len() > LONGEST_CONTINUATION_BYTES {
            return Err(BadContinuation::TooLong);
        }
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(BadContinuation::Unprintable);
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Continuation {
    type Error = BadContinuation;
    fn try_from(text: String) -> Result<Self, BadContinuation> {
        Self::parse(text)
    }
}

impl From<Continuation> for String {
    fn from(continuation: Continuation) -> Self {
        continuation.0
    }
}

/// What recognises a page, or the way to one, that was seen before. Equal pages have equal marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(u64);

impl Mark {
    /// The mark of some texts, in their order.
    #[must_use]
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut digest = Sha256::new();
        for text in texts {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = digest.finalize().into();
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continuation_is_short_and_printable() {
        assert_eq!(Continuation::parse("a".repeat(2048)).unwrap().as_str().len(), 2048);
        assert_eq!(Continuation::parse("a".repeat(2049)), Err(BadContinuation::TooLong));
        for garbage in ["", "a\nb", "\u{0}", "\u{7f}"] {
            assert_eq!(Continuation::parse(garbage), Err(BadContinuation::Unprintable), "{garbage:?}");
        }
        assert!(serde_json::from_str::<Continuation>("\"a\\u0000\"").is_err());
        assert!(serde_json::from_str::<Continuation>("7").is_err());
    }

    #[test]
    fn marks_tell_texts_apart() {
        assert_eq!(Mark::of(["a", "b"]), Mark::of(["a", "b"]));
        assert_ne!(Mark::of(["a", "b"]), Mark::of(["ab"]));
        assert_ne!(Mark::of(["a", "b"]), Mark::of(["b", "a"]));
        assert_ne!(Mark::of([]), Mark::of([""]));
    }
}
