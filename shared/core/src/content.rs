//! The content of a record, made comparable: a hash that does not depend on the order of keys or
//! on white space, and a bound on nesting that keeps every later reader off a deep stack.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How deeply arrays and objects of a record may nest.
pub const DEEPEST_NESTING: usize = 64;

/// Why a text has no content hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The text is not one JSON value.
    #[error("not JSON")]
    NotJson,
    /// Arrays and objects nest deeper than [`DEEPEST_NESTING`].
    #[error("nested deeper than {DEEPEST_NESTING} levels")]
    TooDeep,
}

/// SHA-256 of a JSON value in a canonical form: keys sorted, no white space, numbers and strings
/// as they were written (so that `1.10` and `1.1` differ: a difference too many is harmless, a
/// difference missed would lose a change).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// Hashes one JSON value.
    ///
    /// # Errors
    /// [`ContentError`] if the text is not JSON, or nests too deeply.
    pub fn of_json(text: &str) -> Result<Self, ContentError> {
        check_depth(text)?;
        let value: &RawValue = serde_json::from_str(text).map_err(|_| ContentError::NotJson)?;
        let mut hasher = Sha256::new();
        feed(&mut hasher, value.get())?;
        Ok(Self(hasher.finalize().into()))
    }

    /// The hash as lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

/// Checks that brackets outside strings never nest deeper than [`DEEPEST_NESTING`]. Says nothing
/// about whether the text is JSON otherwise.
///
/// # Errors
/// [`ContentError::TooDeep`].
pub fn check_depth(text: &str) -> Result<(), ContentError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > DEEPEST_NESTING {
                    return Err(ContentError::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

// Each level is parsed only as far as its children's extents, so nothing is copied but keys.
fn feed(hasher: &mut Sha256, text: &str) -> Result<(), ContentError> {
    match text.bytes().next() {
        Some(b'{') => {
            let members: BTreeMap<Cow<'_, str>, &RawValue> =
                serde_json::from_str(text).map_err(|_| ContentError::NotJson)?;
            hasher.update(b"{");
            for (key, value) in members {
                hasher.update((key.len() as u64).to_be_bytes());
                hasher.update(key.as_bytes());
                feed(hasher, value.get())?;
            }
            hasher.update(b"}");
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| ContentError::NotJson)?;
            hasher.update(b"[");
            for item in items {
                feed(hasher, item.get())?;
            }
            hasher.update(b"]");
        }
        _ => {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_keys_and_white_space_do_not_matter_and_all_else_does() {
        let hash = |text| ContentHash::of_json(text).unwrap();
        assert_eq!(hash(r#"{"a":1,"b":[true,null]}"#), hash(" { \"b\" : [ true , null ], \"a\" : 1 } "));
        for other in [
            r#"{"a":1,"b":[null,true]}"#,
            r#"{"a":"1","b":[true,null]}"#,
            r#"{"a":1,"b":[[true],null]}"#,
            r#"{"a":1}"#,
            "[]",
            "{}",
        ] {
            assert_ne!(hash(r#"{"a":1,"b":[true,null]}"#), hash(other), "{other}");
        }
        assert_ne!(hash(r#"[["a"],"b"]"#), hash(r#"["a",["b"]]"#));
    }

    #[test]
    fn garbage_and_deep_nesting_are_refused() {
        for garbage in ["", "{", "{\"a\":}", "nul", "[1,]", "{\"a\":1}x"] {
            assert_eq!(ContentHash::of_json(garbage), Err(ContentError::NotJson), "{garbage}");
        }
        assert_eq!(ContentHash::of_json(&"[".repeat(1_000_000)), Err(ContentError::TooDeep));
        assert!(check_depth(&format!("\"{}\"", "[".repeat(100))).is_ok());
        assert!(check_depth(r#""\"[" "#).is_ok());
    }
}
