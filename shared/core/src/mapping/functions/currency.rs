//! Currencies by ISO 4217: how many places their amounts have.

use super::decimal::{read, write};
use super::{argument, null, refuse};
use crate::mapping::value::Value;
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive};
use iso_currency::Currency;
use jaq_core::{Error, ValR};

fn places(function: &'static str, arguments: &[Value]) -> Result<i64, Error<Value>> {
    let Some(currency) = Currency::from_code(argument(function, arguments, 0)?) else {
        return refuse(function, "the currency is no ISO 4217 code");
    };
    match currency.exponent() {
        Some(places) => Ok(i64::from(places)),
        None => refuse(function, "the currency has no minor unit"),
    }
}

/// `is_currency`: whether a text is an ISO 4217 code.
pub(super) fn is_currency(value: Value, _: Vec<Value>) -> ValR<Value> {
    Ok(Value::from(value.as_text().and_then(Currency::from_code).is_some()))
}

/// `money_round($currency)`: to the places of the currency, half up.
pub(super) fn round(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    let places = places("money_round", &arguments)?;
    match read("money_round", &value)? {
        Some(amount) => write("money_round", &amount.with_scale_round(places, RoundingMode::HalfUp)),
        None => null(),
    }
}

/// `minor_units($currency)`: an amount as a whole number of cents, for one.
pub(super) fn minor_units(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    const NAME: &str = "minor_units";
    let places = places(NAME, &arguments)?;
    let Some(amount) = read(NAME, &value)? else { return null() };
    let units = amount * BigDecimal::new(1.into(), -places);
    if !units.is_integer() {
        return refuse(NAME, "the amount has more places than the currency; round it before");
    }
    match units.to_i64().and_then(|units| isize::try_from(units).ok()) {
        Some(units) => Ok(Value::from(units)),
        None => refuse(NAME, "the amount is too large"),
    }
}

/// `from_minor_units($currency)`
pub(super) fn from_minor_units(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    const NAME: &str = "from_minor_units";
    let places = places(NAME, &arguments)?;
    match read(NAME, &value)? {
        Some(units) if units.is_integer() => {
            let amount = units * BigDecimal::new(1.into(), places);
            write(NAME, &amount.with_scale(places))
        }
        Some(_) => refuse(NAME, "its input must be a whole number"),
        None => null(),
    }
}
