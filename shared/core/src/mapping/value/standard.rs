//! What jaq's standard library asks of values.

use super::Value;
use crate::mapping::budget;
use jaq_json::{Rc, Val};
use jaq_std::ValT;

impl ValT for Value {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        let depth = self.depth;
        match self.val {
            Val::Arr(items) => {
                budget::steps(items.len());
                budget::bytes(items.len() * 24);
                let items = Rc::try_unwrap(items).unwrap_or_else(|shared| (*shared).clone());
                Ok(items.into_iter().map(|item| Self::part(item, depth)).collect())
            }
            val => Err(Self { val, depth }),
        }
    }

    fn is_int(&self) -> bool {
        self.val.is_int()
    }

    fn as_isize(&self) -> Option<isize> {
        self.val.as_isize()
    }

    fn as_f64(&self) -> Option<f64> {
        budget::steps(1);
        self.val.as_f64()
    }

    fn is_utf8_str(&self) -> bool {
        self.val.is_utf8_str()
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        let bytes = self.val.as_bytes()?;
        // Whoever asks goes through all of it.
        budget::touch(bytes.len() * 4);
        Some(bytes)
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        budget::steps(1);
        Self { val: self.val.as_sub_str(part), depth: 0 }
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        budget::text(bytes.as_ref().len());
        Self { val: Val::from_utf8_bytes(bytes), depth: 0 }
    }
}
