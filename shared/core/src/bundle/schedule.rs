//! Schedules as EventBridge Scheduler writes them.
//!
//! Source of the rules: the documentation of EventBridge Scheduler, "Schedule types". The service
//! has the last word when a bundle is applied; what is checked here is what people get wrong.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A schedule: `rate(5 minutes)` or `cron(0/15 6-20 ? * MON-FRI *)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule(String);

/// Why a text is no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It is neither of the two forms.
    #[error("a schedule is rate(<number> minutes|hours|days) or cron(<six fields>)")]
    Form,
    /// The number or the unit of a rate.
    #[error("a rate is a whole number above 0 and minute(s), hour(s) or day(s): rate(5 minutes)")]
    Rate,
    /// The fields of a cron expression.
    #[error("cron has six fields (minutes hours day-of-month month day-of-week year), and a `?` in one of the two days")]
    Cron,
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn parse(text: impl Into<String>) -> Result<Self, ScheduleError> {
        let text = text.into();
        let inside = |kind: &str| text.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')').map(str::to_owned);
        match (inside("rate"), inside("cron")) {
            (Some(rate), _) => check_rate(&rate)?,
            (_, Some(cron)) => check_cron(&cron)?,
            _ => return Err(ScheduleError::Form),
        }
        Ok(Self(text))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a cron expression.
    #[must_use]
    pub fn is_cron(&self) -> bool {
        self.0.starts_with("cron")
    }
}

fn check_rate(rate: &str) -> Result<(), ScheduleError> {
    let (number, unit) = rate.split_once(' ').ok_or(ScheduleError::Rate)?;
    let is_number = number.len() <= 5 && number.parse::<u32>().is_ok_and(|number| number > 0);
    let is_unit = matches!(unit, "minute" | "minutes" | "hour" | "hours" | "day" | "days");
    if is_number && is_unit { Ok(()) } else { Err(ScheduleError::Rate) }
}

fn check_cron(cron: &str) -> Result<(), ScheduleError> {
    let fields: Vec<&str> = cron.split(' ').collect();
    let [_, _, day, _, weekday, _] = fields.as_slice() else { return Err(ScheduleError::Cron) };
    let known = |field: &&str| {
        !field.is_empty()
            && field.len() <= 60
            && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b",-*?/LW#".contains(&byte))
    };
    let one_day = (*day == "?") != (*weekday == "?");
    if fields.iter().all(known) && one_day { Ok(()) } else { Err(ScheduleError::Cron) }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for Schedule {
    type Error = ScheduleError;
    fn try_from(text: String) -> Result<Self, ScheduleError> {
        Self::parse(text)
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_takes_is_taken() {
        for text in ["rate(1 minute)", "rate(5 minutes)", "rate(12 hours)", "rate(7 days)"] {
            assert!(Schedule::parse(text).is_ok_and(|schedule| !schedule.is_cron()), "{text}");
        }
        for text in ["cron(0/15 6-20 ? * MON-FRI *)", "cron(0 2 * * ? *)", "cron(30 8 L * ? 2026-2030)"] {
            assert!(Schedule::parse(text).is_ok_and(|schedule| schedule.is_cron()), "{text}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        for text in ["", "every minute", "* * * * *", "at(2026-11-21T10:00:00)", "rate(5 minutes", "Rate(5 minutes)"] {
            assert_eq!(Schedule::parse(text), Err(ScheduleError::Form), "{text}");
        }
        for text in ["rate(0 minutes)", "rate(-1 minutes)", "rate(5)", "rate(5 seconds)", "rate(1.5 hours)"] {
            assert_eq!(Schedule::parse(text), Err(ScheduleError::Rate), "{text}");
        }
        for text in ["cron(* * * * *)", "cron(0 2 * * * *)", "cron(0 2 ? * ? *)", "cron(0  2 * * ? *)", "cron(0 2 * * ? \n)"] {
            assert_eq!(Schedule::parse(text), Err(ScheduleError::Cron), "{text}");
        }
    }
}
