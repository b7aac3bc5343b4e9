//! Exact decimals: from texts and from the digits of numbers, never through floats.

use super::{argument, null, refuse};
use crate::mapping::budget;
use crate::mapping::value::Value;
use bigdecimal::{BigDecimal, RoundingMode, Zero};
use jaq_core::{Error, ValR};
use jaq_json::Val;
use std::cmp::Ordering;
use std::str::FromStr;

/// Most characters that a decimal is written with, and most digits that a result may have.
const LONGEST: usize = 64;
const MOST_DIGITS: u64 = 128;
const LARGEST_EXPONENT: i64 = 40;
/// Most places behind the point that may be asked for.
const MOST_PLACES: i64 = 20;

/// Reads a decimal from a number's digits or a text; null and blank text are nothing.
pub(super) fn read(function: &'static str, value: &Value) -> Result<Option<BigDecimal>, Error<Value>> {
    let text = match value.val() {
        Val::Null => return Ok(None),
        Val::Num(_) => value.json(),
        Val::TStr(_) => match value.as_text().map(str::trim) {
            Some("") => return Ok(None),
            Some(text) if text.len() <= LONGEST => text.to_owned(),
            _ => return refuse(function, "a text is not a decimal number"),
        },
        _ => return refuse(function, "a decimal must be a number, a string or null"),
    };
    let plain = text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let exponent = text.split(['e', 'E']).nth(1).map_or(Some(0), |exponent| exponent.parse::<i64>().ok());
    let exponent_is_small = exponent.is_some_and(|exponent| exponent.abs() <= LARGEST_EXPONENT);
    match BigDecimal::from_str(&text) {
        Ok(number) if plain && exponent_is_small => Ok(Some(number)),
        _ => refuse(function, "a text is not a decimal number"),
    }
}

pub(super) fn write(function: &'static str, number: &BigDecimal) -> ValR<Value> {
    if number.digits() > MOST_DIGITS {
        return refuse(function, "the result has too many digits");
    }
    // The scale of an exact result may be negative: 1e3 is 1000.
    Ok(Value::text(number.to_plain_string()))
}

fn both(
    function: &'static str,
    value: &Value,
    arguments: &[Value],
) -> Result<Option<(BigDecimal, BigDecimal)>, Error<Value>> {
    budget::steps(10);
    let Some(other) = arguments.first() else { return refuse(function, "an argument is missing") };
    let (left, right) = (read(function, value)?, read(function, other)?);
    Ok(left.zip(right))
}

/// `decimal`
pub(super) fn decimal(value: Value, _: Vec<Value>) -> ValR<Value> {
    match read("decimal", &value)? {
        Some(number) => write("decimal", &number),
        None => null(),
    }
}

/// `decimal_add($other)`
pub(super) fn add(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    match both("decimal_add", &value, &arguments)? {
        Some((left, right)) => write("decimal_add", &(left + right)),
        None => null(),
    }
}

/// `decimal_subtract($other)`
pub(super) fn subtract(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    match both("decimal_subtract", &value, &arguments)? {
        Some((left, right)) => write("decimal_subtract", &(left - right)),
        None => null(),
    }
}

/// `decimal_multiply($other)`
pub(super) fn multiply(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    match both("decimal_multiply", &value, &arguments)? {
        Some((left, right)) => write("decimal_multiply", &(left * right)),
        None => null(),
    }
}

/// `decimal_divide($other; $places; $mode)`
pub(super) fn divide(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    const NAME: &str = "decimal_divide";
    let (places, mode) = (places(NAME, &arguments, 1)?, mode(NAME, &arguments, 2)?);
    match both(NAME, &value, &arguments)? {
        Some((_, right)) if right.is_zero() => refuse(NAME, "cannot divide by zero"),
        Some((left, right)) => write(NAME, &(left / right).with_scale_round(places, mode)),
        None => null(),
    }
}

/// `decimal_round($places; $mode)`
pub(super) fn round(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    const NAME: &str = "decimal_round";
    let (places, mode) = (places(NAME, &arguments, 0)?, mode(NAME, &arguments, 1)?);
    match read(NAME, &value)? {
        Some(number) => write(NAME, &number.with_scale_round(places, mode)),
        None => null(),
    }
}

/// `decimal_compare($other)`
pub(super) fn compare(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    match both("decimal_compare", &value, &arguments)? {
        Some((left, right)) => Ok(Value::from(match left.cmp(&right) {
            Ordering::Less => -1_isize,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        })),
        None => null(),
    }
}

/// `decimal_sum`: of a list; null in it counts nothing.
pub(super) fn sum(value: Value, _: Vec<Value>) -> ValR<Value> {
    const NAME: &str = "decimal_sum";
    let Val::Arr(items) = value.val() else { return refuse(NAME, "its input must be an array") };
    let mut total = BigDecimal::zero();
    for item in items.iter() {
        budget::steps(10);
        if let Some(number) = read(NAME, &Value::part(item.clone(), value.depth()))? {
            total += number;
        }
    }
    write(NAME, &total)
}

fn places(function: &'static str, arguments: &[Value], index: usize) -> Result<i64, Error<Value>> {
    let places = arguments.get(index).and_then(jaq_std::ValT::as_isize).and_then(|places| i64::try_from(places).ok());
    match places {
        Some(places) if (0..=MOST_PLACES).contains(&places) => Ok(places),
        _ => refuse(function, "the places must be a whole number from 0 to 20"),
    }
}

fn mode(function: &'static str, arguments: &[Value], index: usize) -> Result<RoundingMode, Error<Value>> {
    match argument(function, arguments, index)? {
        "half_up" => Ok(RoundingMode::HalfUp),
        "half_even" => Ok(RoundingMode::HalfEven),
        "half_down" => Ok(RoundingMode::HalfDown),
        "up" => Ok(RoundingMode::Up),
        "down" => Ok(RoundingMode::Down),
        "floor" => Ok(RoundingMode::Floor),
        "ceiling" => Ok(RoundingMode::Ceiling),
        _ => refuse(function, "the mode must be half_up, half_even, half_down, up, down, floor or ceiling"),
    }
}
