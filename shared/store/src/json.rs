//! JSON columns as text: payloads pass through without being parsed into a tree.

use std::error::Error;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// A `json` or `jsonb` value as its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JsonText<'a>(pub &'a str);

/// `jsonb` on the wire is this byte and then text (PostgreSQL: `jsonb_recv`).
const JSONB_VERSION: u8 = 1;

impl ToSql for JsonText<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        if *kind == Type::JSONB {
            out.extend_from_slice(&[JSONB_VERSION]);
        }
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    accepts!(JSON, JSONB);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for JsonText<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let raw = match raw {
            [JSONB_VERSION, text @ ..] if *kind == Type::JSONB => text,
            text => text,
        };
        Ok(Self(std::str::from_utf8(raw)?))
    }

    accepts!(JSON, JSONB);
}
