//! Faults on command.

use serde::{Deserialize, Serialize};

use crate::journal::App;

/// `POST /faults`: something that shall go wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The application.
    pub app: App,
    /// What goes wrong.
    pub fault: Fault,
    /// Only requests with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only paths that begin so.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// Only requests about this record type (case does not matter).
    #[serde(default)]
    pub entity: Option<String>,
    /// How often at most; none for always.
    #[serde(default)]
    pub count: Option<u64>,
    /// How likely for each matching request, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// The seed of the drawing.
    #[serde(default)]
    pub seed: u64,
}

fn always() -> f64 {
    1.0
}

/// What goes wrong. In JSON: `{"kind": "status", "status": 503}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// 429 with `Retry-After`, without effect.
    Throttle {
        /// The value of `Retry-After`.
        #[serde(default = "one_second")]
        retry_after_seconds: u64,
    },
    /// A status of the 5xx kind, without effect.
    Status {
        /// 500 to 599.
        status: u16,
    },
    /// No answer and no effect.
    TimeoutBefore {
        /// The connection is closed after so long, if the caller has not.
        #[serde(default = "half_a_minute")]
        hold_ms: u64,
    },
    /// The effect, but no answer.
    TimeoutAfter {
        /// The connection is closed after so long, if the caller has not.
        #[serde(default = "half_a_minute")]
        hold_ms: u64,
    },
    /// The answer comes late.
    Slow {
        /// How late.
        milliseconds: u64,
    },
    /// The connection is reset (RST), by default before the effect.
    Reset {
        /// Whether the request takes effect first.
        #[serde(default)]
        after_effect: bool,
    },
}

fn one_second() -> u64 {
    1
}

fn half_a_minute() -> u64 {
    30_000
}

/// A rule as `GET /faults` lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedFault {
    /// The id, as the journal's requests name it.
    pub id: u64,
    /// How often it was played.
    pub played: u64,
    /// The rule.
    pub rule: FaultRule,
}
