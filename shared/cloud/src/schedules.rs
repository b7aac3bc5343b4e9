//! The port to schedules: each puts one message into one queue, again and again.
//!
//! Where the messages go is given when the adapter is made; a schedule says when, and what.

use crate::{BoxError, Disposition};
use async_trait::async_trait;
use serde_json::value::RawValue;

/// The longest name (EventBridge Scheduler).
pub const MAX_NAME_CHARACTERS: usize = 64;
/// The longest description (EventBridge Scheduler).
const MAX_DESCRIPTION_CHARACTERS: usize = 512;
/// The longest name of a time zone (EventBridge Scheduler).
const MAX_TIMEZONE_CHARACTERS: usize = 50;
/// The largest input, in bytes (EventBridge Scheduler).
const MAX_INPUT_BYTES: usize = 262_144;

/// When a message is sent, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// 1 to [`MAX_NAME_CHARACTERS`] letters, digits, `-`, `_` and `.` of ASCII.
    pub name: String,
    /// For people; at most 512 characters.
    pub description: String,
    /// `rate(5 minutes)`, `cron(0/15 6-20 ? * MON-FRI *)` or `at(2026-11-20T13:00:00)`, as EventBridge Scheduler
    /// documents them.
    pub expression: fluxnex_core::bundle::Schedule,
    /// The time zone that `cron` and `at` mean, by its name in the IANA database; UTC if there is none.
    pub timezone: Option<String>,
    /// The body of the message: JSON.
    pub input: String,
}

/// Why schedules could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The schedule itself is wrong: its name, time zone or input; or the service refuses its expression.
    #[error("not a valid schedule: {reason}")]
    Invalid {
        /// What is wrong with it, for whoever wrote it.
        reason: String,
    },
    /// The group is not there, or refuses us.
    #[error("the schedules are not there or refuse us ({code})")]
    Refused {
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
    /// The service did not answer, in spite of repeated attempts.
    #[error("the schedules did not answer ({code})")]
    Unavailable {
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
}

impl ScheduleError {
    /// What the caller does about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Invalid { .. } => Disposition::Drop,
            Self::Refused { .. } | Self::Unavailable { .. } => Disposition::Retry,
        }
    }
}

/// The schedules of one group.
#[async_trait]
pub trait Schedules: Send + Sync {
    /// Makes the schedule, or replaces the one of its name. It may be repeated.
    ///
    /// # Errors
    /// [`ScheduleError`].
    async fn put(&self, schedule: &Schedule) -> Result<(), ScheduleError>;

    /// Removes the schedule; one that is not there is fine.
    ///
    /// # Errors
    /// [`ScheduleError`].
    async fn remove(&self, name: &str) -> Result<(), ScheduleError>;

    /// The names that begin with `prefix`, all of them, in order.
    ///
    /// # Errors
    /// [`ScheduleError`].
    async fn list(&self, prefix: &str) -> Result<Vec<String>, ScheduleError>;
}

/// Checks what the service would refuse, or, as the emulator does, take and never fire.
///
/// # Errors
/// [`ScheduleError::Invalid`].
pub fn check(schedule: &Schedule) -> Result<(), ScheduleError> {
    let invalid = |reason: &str| Err(ScheduleError::Invalid { reason: reason.to_owned() });
    check_name(&schedule.name)?;
    if schedule.description.chars().count() > MAX_DESCRIPTION_CHARACTERS {
        return invalid("a description has at most 512 characters");
    }
    if !schedule.timezone.as_deref().is_none_or(is_timezone) {
        return invalid("a time zone is a name like Europe/Berlin");
    }
    if schedule.input.len() > MAX_INPUT_BYTES || serde_json::from_str::<&RawValue>(&schedule.input).is_err() {
        return invalid("an input is JSON of at most 262,144 bytes");
    }
    Ok(())
}

pub(crate) fn check_name(name: &str) -> Result<(), ScheduleError> {
    if (1..=MAX_NAME_CHARACTERS).contains(&name.len()) && is_of_name(name) {
        return Ok(());
    }
    let reason = "a name is 1 to 64 letters, digits, hyphens, underscores and dots".to_owned();
    Err(ScheduleError::Invalid { reason })
}

/// A prefix that no name begins with is a mistake, too.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), ScheduleError> {
    if prefix.is_empty() { Ok(()) } else { check_name(prefix) }
}

fn is_of_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Whether it has the form of a name in the IANA database; whether there is one is for the service to say.
fn is_timezone(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/');
    (1..=MAX_TIMEZONE_CHARACTERS).contains(&name.len()) && name.bytes().all(is_allowed)
}
