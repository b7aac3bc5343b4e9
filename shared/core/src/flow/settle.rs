//! How long a delivery waits for what arrived before it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The longest wait: as long as a wake may stay in the delay queue (Amazon SQS: 15 minutes,
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html>).
pub const LONGEST_SETTLE: Duration = Duration::from_secs(15 * 60);

/// A wait of whole seconds or minutes, from `1s` to `15m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
pub struct Settle(Duration);

/// Why a text is no such wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no wait; write seconds or minutes from 1s to 15m, such as 30s or 2m")]
pub struct SettleError;

impl Settle {
    /// Reads a wait.
    ///
    /// # Errors
    /// [`SettleError`] if it is none, or too long.
    pub fn parse(text: &str) -> Result<Self, SettleError> {
        let (number, unit) = match text.strip_suffix('s') {
            Some(number) => (number, 1),
            None => (text.strip_suffix('m').ok_or(SettleError)?, 60),
        };
        let digits = (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = number.parse().ok().filter(|_| digits).ok_or(SettleError)?;
        let wait = Duration::from_secs(number.saturating_mul(unit));
        if wait.is_zero() || wait > LONGEST_SETTLE { Err(SettleError) } else { Ok(Self(wait)) }
    }

    /// How long it is, in real time.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Settle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds if seconds % 60 == 0 => write!(formatter, "{}m", seconds / 60),
            seconds => write!(formatter, "{seconds}s"),
        }
    }
}

impl TryFrom<String> for Settle {
    type Error = SettleError;

    fn try_from(text: String) -> Result<Self, SettleError> {
        Self::parse(&text)
    }
}

impl From<Settle> for String {
    fn from(settle: Settle) -> Self {
        settle.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_and_written_back() {
        for (text, seconds, written) in
            [("1s", 1, "1s"), ("30s", 30, "30s"), ("90s", 90, "90s"), ("120s", 120, "2m"), ("15m", 900, "15m")]
        {
            let settle = Settle::parse(text).unwrap();
            assert_eq!((settle.duration(), settle.to_string().as_str()), (Duration::from_secs(seconds), written));
        }
    }

    #[test]
    fn what_is_no_wait_is_refused() {
        for text in ["", "s", "0s", "0m", "16m", "901s", "30", "1h", "-1s", "+1s", "1.5m", " 1s", "99999s", "١s", "1ms"]
        {
            assert_eq!(Settle::parse(text), Err(SettleError), "{text:?}");
        }
    }
}
