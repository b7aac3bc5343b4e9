//! Schedules as EventBridge Scheduler writes them
//! (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>).
//!
//! The service has the last word when a bundle is applied. What is checked here is what people get
//! wrong, before anything is stored, and with words that say what would be right.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::RangeInclusive;

/// A schedule: `rate(5 minutes)`, `cron(0/15 6-20 ? * MON-FRI *)`, or once `at(2026-11-20T13:00:00)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Schedule(String);

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// [`ScheduleError`] says what is wrong.
    pub fn parse(text: impl Into<String>) -> Result<Self, ScheduleError> {
        let text = text.into();
        match check(&text) {
            Ok(()) => Ok(Self(text)),
            Err(reason) => Err(ScheduleError(reason)),
        }
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

    /// Whether it comes once and not again.
    #[must_use]
    pub fn is_once(&self) -> bool {
        self.0.starts_with("at")
    }
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

/// One of the six fields of a `cron` expression.
struct Field {
    name: &'static str,
    numbers: RangeInclusive<u32>,
    /// Words for the numbers, from the first on.
    words: &'static [&'static str],
    /// Marks that this field alone takes.
    marks: &'static str,
}

const FIELDS: [Field; 6] = [
    Field { name: "minutes", numbers: 0..=59, words: &[], marks: "" },
    Field { name: "hours", numbers: 0..=23, words: &[], marks: "" },
    Field { name: "day of the month", numbers: 1..=31, words: &[], marks: "?LW" },
    Field {
        name: "month",
        numbers: 1..=12,
        words: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
        marks: "",
    },
    Field {
        name: "day of the week",
        numbers: 1..=7,
        words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
        marks: "?L#",
    },
    Field { name: "year", numbers: 1970..=2199, words: &[], marks: "" },
];

/// Checks the form; the error says what is wrong.
fn check(expression: &str) -> Result<(), String> {
    let inner = |name: &str| expression.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(rate) = inner("rate") {
        return check_rate(rate);
    }
    if let Some(cron) = inner("cron") {
        return check_cron(cron);
    }
    if let Some(at) = inner("at") {
        let is_moment =
            at.parse::<DateTime>().is_ok_and(|moment| moment.strftime("%Y-%m-%dT%H:%M:%S").to_string() == at);
        return if is_moment { Ok(()) } else { Err("at(…) takes a moment like 2026-11-20T13:00:00".to_owned()) };
    }
    Err("a schedule is rate(…), cron(…) or at(…)".to_owned())
}

fn check_rate(rate: &str) -> Result<(), String> {
    let units = ["minute", "minutes", "hour", "hours", "day", "days"];
    let is_rate = rate.split_once(' ').is_some_and(|(number, unit)| {
        number.bytes().all(|byte| byte.is_ascii_digit())
            && number.parse::<u32>().is_ok_and(|number| number > 0)
            && units.contains(&unit)
    });
    if is_rate { Ok(()) } else { Err("rate(…) takes a number above 0 and minutes, hours or days".to_owned()) }
}

fn check_cron(cron: &str) -> Result<(), String> {
    let fields: Vec<&str> = cron.split_ascii_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("cron(…) takes six fields, here are {}", fields.len()));
    }
    for (field, text) in FIELDS.iter().zip(&fields) {
        if !text.split(',').all(|part| is_part(field, part)) {
            return Err(format!("the {} of cron(…) cannot be {text}", field.name));
        }
    }
    let open = |place: usize| fields.get(place) == Some(&"?");
    if open(2) == open(4) {
        return Err("cron(…) takes ? as either the day of the month or the day of the week".to_owned());
    }
    Ok(())
}

/// Whether it is a value, a range, or either of them with a step.
fn is_part(field: &Field, part: &str) -> bool {
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    let is_step = |step: &str| step.parse::<u32>().is_ok_and(|step| step > 0);
    if !step.is_none_or(is_step) {
        return false;
    }
    match range.split_once('-') {
        Some((first, last)) => is_value(field, first) && is_value(field, last),
        None => range == "*" || is_value(field, range) || (step.is_none() && is_marked(field, range)),
    }
}

fn is_value(field: &Field, text: &str) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u32>().is_ok_and(|number| field.numbers.contains(&number));
    is_number || field.words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Whether it is one of the forms with a mark: `?`, `L`, `LW`, `15W`, `6L`, `2#3`.
fn is_marked(field: &Field, text: &str) -> bool {
    let takes = |mark: char| field.marks.contains(mark);
    match text {
        "?" => takes('?'),
        "L" => takes('L'),
        "LW" => takes('W'),
        _ => {
            let before = |mark: char| text.strip_suffix(mark).is_some_and(|day| is_value(field, day));
            let nth = || {
                text.split_once('#')
                    .is_some_and(|(day, n)| is_value(field, day) && matches!(n, "1" | "2" | "3" | "4" | "5"))
            };
            (takes('W') && before('W')) || (takes('#') && (before('L') || nth()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_documents_is_taken() {
        for expression in [
            "rate(1 minute)",
            "rate(5 minutes)",
            "rate(24 hours)",
            "cron(0/15 6-20 ? * MON-FRI *)",
            "cron(15 10 ? * 6L 2022-2023)",
            "cron(0 8 1 * ? *)",
            "cron(0,30 0/2 LW JAN,jul ? 2026)",
            "cron(0 10 15W * ? *)",
            "cron(0 10 ? * 2#1 *)",
            "cron(*/5 * * * ? *)",
            "at(2026-11-20T13:00:00)",
        ] {
            assert_eq!(check(expression), Ok(()), "{expression}");
        }
    }

    #[test]
    fn what_would_never_fire_is_refused() {
        for expression in [
            "",
            "every 5 minutes",
            "rate(5)",
            "rate(0 minutes)",
            "rate(5 seconds)",
            "rate(+5 minutes)",
            "rate(5 minutes",
            "cron(* * * * *)",
            "cron(0 10 * * * *)",
            "cron(0 10 ? * ? *)",
            "cron(60 10 ? * MON *)",
            "cron(0 10 ? * FOO *)",
            "cron(0 10 ? 13 MON *)",
            "cron(0 10 ? * MON 1800)",
            "cron(0/0 10 ? * MON *)",
            "cron(0 10 ? * 2#6 *)",
            "cron(0 10 , * ? *)",
            "at(2026-11-20)",
            "at(2026-11-20T13:00:00Z)",
        ] {
            assert!(check(expression).is_err(), "{expression}");
        }
        assert_eq!(check("cron(61 * * * ? *)"), Err("the minutes of cron(…) cannot be 61".to_owned()));
    }
}
