//! How the pages of a list follow each other.

use serde::{Deserialize, Serialize};

/// How the pages of a list follow each other.
///
/// A keyset is the default, and the only way that misses nothing at every source: see the head of
/// `list.rs`. Take another way where the source orders by nothing that can be asked for, or keeps the
/// result of a query for as long as its pages are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Pages {
    /// Each page is asked for by the place of the last record: `{since}` and `{after}`.
    #[default]
    Keyset,
    /// jq over the answer: the URL of the next page, absolute or relative to the one that was asked,
    /// at the same origin; `null` on the last page.
    NextUrl(String),
    /// The next page is the link with `rel="next"` in the header `Link` (RFC 8288). Only `true` can be said.
    LinkHeader(bool),
    /// jq over the answer: what `{cursor}` is on the next page, a text or a number; `null` on the last
    /// page. On the first one, query parameters and headers with `{cursor}` are left out.
    Cursor(String),
    /// Pages have numbers (`{page}`), the first one this.
    Page(u32),
    /// Pages are asked for by the number of their first record (`{offset}`): from 0 (`true`), or from
    /// the number that is said.
    Offset(FirstOffset),
}

/// The number of a source's first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum FirstOffset {
    /// 0. Only `true` can be said.
    Zero(bool),
    /// This.
    Number(u32),
}

impl FirstOffset {
    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Zero(_) => 0,
            Self::Number(number) => number,
        }
    }
}

impl Pages {
    /// Whether each page is asked for by the place of the last record.
    #[must_use]
    pub fn is_keyset(&self) -> bool {
        *self == Self::Keyset
    }

    /// Whether the next page is a URL.
    #[must_use]
    pub fn by_url(&self) -> bool {
        matches!(self, Self::NextUrl(_) | Self::LinkHeader(_))
    }

    /// Whether the source itself says whether there are more, by giving something to ask with.
    pub(super) fn says_the_next(&self) -> bool {
        matches!(self, Self::NextUrl(_) | Self::LinkHeader(_) | Self::Cursor(_))
    }
}
