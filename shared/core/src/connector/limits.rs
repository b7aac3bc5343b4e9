//! What an application bears, and where its answers tell of it.

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the application bears, and what is borne from it. A connection may lower the rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests per second and connection; absent if the vendor names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
    /// Requests that may be under way at once per connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_requests: Option<u32>,
    /// How long one request may take, in seconds, with its answer.
    pub request_timeout_seconds: u16,
    /// The largest answer that is read, in bytes.
    pub response_max_bytes: u32,
    /// How many redirects are followed: by operations that only read, and to the same origin only.
    #[serde(skip_serializing_if = "is_zero")]
    pub redirects: u8,
    /// The headers that tell of limits.
    #[serde(skip_serializing_if = "LimitHeaders::is_nothing")]
    pub headers: LimitHeaders,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rate_per_second: None,
            concurrent_requests: None,
            request_timeout_seconds: 20,
            response_max_bytes: 4 * 1024 * 1024,
            redirects: 0,
            headers: LimitHeaders::default(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

impl Limits {
    /// How long one request may take, with its answer.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.request_timeout_seconds))
    }
}

/// The headers of answers that tell of limits, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LimitHeaders {
    /// How many requests a period allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// How many of them are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<String>,
    /// When the period ends: seconds from now, seconds or milliseconds since 1970, or a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<String>,
    /// How long to wait, in seconds or as a date; `Retry-After` is read before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// How much of a limit is used, in one header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageHeader>,
}

impl LimitHeaders {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A header that tells how much of a limit is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UsageHeader {
    /// Its name.
    pub header: String,
    /// A regular expression (the crate `regex-lite`) with two groups: what is used, and of how much.
    pub matches: String,
}

/// Where answers tell of limits, compiled.
#[derive(Debug, Default)]
pub struct CompiledLimitHeaders {
    pub(super) headers: LimitHeaders,
    pub(super) usage: Option<Regex>,
}

/// What an answer told of the application's limits. Nothing acts on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitsTold {
    /// How many requests a period allows.
    pub limit: Option<u64>,
    /// How many of them are left.
    pub remaining: Option<u64>,
    /// When the period ends.
    pub reset_at: Option<Timestamp>,
    /// How much of another limit is used.
    pub usage: Option<Usage>,
}

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// So much.
    pub used: u64,
    /// Of so much.
    pub of: u64,
}

/// The furthest end of a period that is believed.
const FURTHEST_RESET: SignedDuration = SignedDuration::from_hours(31 * 24);
/// Larger numbers are moments, smaller ones seconds from now: 2001-09-09.
const FIRST_MOMENT_SECONDS: i64 = 1_000_000_000;
/// The same in milliseconds.
const FIRST_MOMENT_MILLISECONDS: i64 = FIRST_MOMENT_SECONDS * 1_000;

impl CompiledLimitHeaders {
    /// What an answer tells; nothing if it tells nothing. `header` gives its headers by name. What cannot
    /// be read was not told.
    pub fn told<'h>(&self, header: impl Fn(&str) -> Option<&'h str>, now: Timestamp) -> Option<LimitsTold> {
        let value = |name: &Option<String>| header(name.as_deref()?);
        let number = |name: &Option<String>| value(name)?.trim().parse().ok();
        let usage = || {
            let captures = self.usage.as_ref()?.captures(header(&self.headers.usage.as_ref()?.header)?)?;
            let group = |number| captures.get(number)?.as_str().parse().ok();
            Some(Usage { used: group(1)?, of: group(2)? })
        };
        let told = LimitsTold {
            limit: number(&self.headers.limit),
            remaining: number(&self.headers.remaining),
            reset_at: value(&self.headers.reset).and_then(|text| moment(text.trim(), now)),
            usage: usage(),
        };
        (told != LimitsTold::default()).then_some(told)
    }

    /// How long the answer asks to wait, in its own words: `Retry-After`, or what the manifest names.
    pub fn retry_after<'h>(&self, header: impl Fn(&str) -> Option<&'h str>) -> Option<&'h str> {
        header("retry-after").or_else(|| header(self.headers.retry_after.as_deref()?))
    }
}

fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let moment = match text.parse::<i64>() {
        Ok(number) if number >= FIRST_MOMENT_MILLISECONDS => Timestamp::from_millisecond(number).ok()?,
        Ok(number) if number >= FIRST_MOMENT_SECONDS => Timestamp::from_second(number).ok()?,
        Ok(number) if number >= 0 => now.checked_add(SignedDuration::from_secs(number)).ok()?,
        Ok(_) => return None,
        Err(_) => text.parse().ok().or_else(|| rfc2822::parse(text).ok().map(|date| date.timestamp()))?,
    };
    (moment.duration_since(now).abs() <= FURTHEST_RESET).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn compiled() -> CompiledLimitHeaders {
        let name = |name: &str| Some(name.to_owned());
        let matches = r"api-usage=(\d+)/(\d+)".to_owned();
        let usage = Some(Regex::new(&matches).unwrap());
        let headers = LimitHeaders {
            limit: name("x-max"),
            remaining: name("x-left"),
            reset: name("x-reset"),
            retry_after: name("x-wait"),
            usage: Some(UsageHeader { header: "limit-info".to_owned(), matches }),
        };
        CompiledLimitHeaders { headers, usage }
    }

    fn told(headers: &[(&'static str, &'static str)]) -> Option<LimitsTold> {
        let headers: BTreeMap<_, _> = headers.iter().copied().collect();
        compiled().told(|name| headers.get(name).copied(), "2026-11-20T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn limits_are_told() {
        let all = told(&[
            ("x-max", "100"),
            ("x-left", " 99 "),
            ("x-reset", "30"),
            ("limit-info", "api-usage=18/5000; per-app-api-usage=17/250(appName=sample)"),
        ])
        .unwrap();
        let reset_at = Some("2026-11-20T12:00:30Z".parse().unwrap());
        let usage = Some(Usage { used: 18, of: 5000 });
        assert_eq!(all, LimitsTold { limit: Some(100), remaining: Some(99), reset_at, usage });
        for reset in ["1795176030", "1795176030000", "2026-11-20T12:00:30Z", "Fri, 20 Nov 2026 12:00:30 GMT"] {
            assert_eq!(told(&[("x-reset", reset)]).unwrap().reset_at, reset_at, "{reset}");
        }
        assert_eq!(compiled().retry_after(|name| (name == "x-wait").then_some("7")), Some("7"));
        assert_eq!(compiled().retry_after(|name| Some(if name == "x-wait" { "7" } else { "8" })), Some("8"));
    }

    #[test]
    fn garbage_is_not_told() {
        for garbage in ["", "-1", "many", "1.5", "99999999999999999999999", "\u{e9}", "-9223372036854775808"] {
            for header in ["x-max", "x-left", "x-reset", "limit-info"] {
                assert_eq!(told(&[(header, garbage)]), None, "{header}: {garbage}");
            }
        }
        assert_eq!(told(&[("x-reset", "9223372036854775807")]), None);
        assert_eq!(told(&[("limit-info", "api-usage=99999999999999999999999/1")]), None);
        assert_eq!(told(&[]), None);
    }
}
