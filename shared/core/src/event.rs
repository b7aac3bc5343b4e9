//! The visible state of an event: where it stands, or how it ended and why.

use serde::{Deserialize, Serialize};

/// What L2 made of an event. Every accepted event has exactly one of these from the moment that
/// its batch commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// The replica has new content; the event goes on to each flow of the record.
    Changed,
    /// The same event was registered before.
    Duplicate,
    /// The replica had this content already.
    Unchanged,
    /// The replica has a later version.
    Stale,
    /// No flow takes records of this object.
    Filtered,
    /// It cannot be processed; the reason says why.
    Failed,
}

impl EventState {
    /// The name that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Duplicate => "duplicate",
            Self::Unchanged => "unchanged",
            Self::Stale => "stale",
            Self::Filtered => "filtered",
            Self::Failed => "failed",
        }
    }
}

/// How an event ended in one flow before any delivery was made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowOutcome {
    /// The canonical record had this content already.
    Unchanged,
    /// A newer version of the record took its place.
    Superseded,
    /// The flow does not take this record.
    Filtered,
    /// It cannot be processed; the reason says why.
    Failed,
}

impl FlowOutcome {
    /// The name that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Superseded => "superseded",
            Self::Filtered => "filtered",
            Self::Failed => "failed",
        }
    }
}
