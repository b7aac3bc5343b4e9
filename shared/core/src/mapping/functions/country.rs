//! Countries by ISO 3166-1: two letters, three letters, or a name.

use super::{input, null, refuse};
use crate::mapping::budget;
use crate::mapping::value::Value;
use jaq_core::ValR;
use rust_iso3166::CountryCode;

/// Names in use that the standard does not have.
const ALIASES: &[(&str, &str)] = &[
    ("united states", "US"),
    ("u.s.", "US"),
    ("u.s.a.", "US"),
    ("great britain", "GB"),
    ("united kingdom", "GB"),
    ("uk", "GB"),
    ("england", "GB"),
    ("scotland", "GB"),
    ("wales", "GB"),
    ("northern ireland", "GB"),
    ("russia", "RU"),
    ("south korea", "KR"),
    ("north korea", "KP"),
    ("vietnam", "VN"),
    ("iran", "IR"),
    ("syria", "SY"),
    ("bolivia", "BO"),
    ("venezuela", "VE"),
    ("tanzania", "TZ"),
    ("moldova", "MD"),
    ("laos", "LA"),
    ("brunei", "BN"),
    ("taiwan", "TW"),
    ("czech republic", "CZ"),
    ("turkey", "TR"),
    ("ivory coast", "CI"),
    ("cape verde", "CV"),
    ("swaziland", "SZ"),
    ("macedonia", "MK"),
    ("netherlands", "NL"),
    ("holland", "NL"),
];

fn find(function: &'static str, value: &Value) -> Result<Option<CountryCode>, jaq_core::Error<Value>> {
    let Some(text) = input(function, value)? else { return Ok(None) };
    budget::steps(20);
    let upper = text.to_uppercase();
    let by_code = match upper.len() {
        2 => rust_iso3166::from_alpha2(&upper),
        3 => rust_iso3166::from_alpha3(&upper),
        _ => None,
    };
    let by_alias = || {
        let lower = text.to_lowercase();
        let (_, code) = ALIASES.iter().find(|(name, _)| *name == lower)?;
        rust_iso3166::from_alpha2(code)
    };
    let by_name = || {
        budget::steps(250);
        rust_iso3166::ALL.iter().find(|country| country.name.to_uppercase() == upper).copied()
    };
    match by_code.or_else(by_alias).or_else(by_name) {
        Some(country) => Ok(Some(country)),
        None => refuse(function, "its input is no country of ISO 3166-1"),
    }
}

/// `country`: two letters.
pub(super) fn alpha2(value: Value, _: Vec<Value>) -> ValR<Value> {
    find("country", &value)?.map_or_else(null, |country| Ok(Value::text(country.alpha2.to_owned())))
}

/// `country_alpha3`: three letters.
pub(super) fn alpha3(value: Value, _: Vec<Value>) -> ValR<Value> {
    find("country_alpha3", &value)?.map_or_else(null, |country| Ok(Value::text(country.alpha3.to_owned())))
}

/// `country_name`: the standard's English short name.
pub(super) fn name(value: Value, _: Vec<Value>) -> ValR<Value> {
    find("country_name", &value)?.map_or_else(null, |country| Ok(Value::text(country.name.to_owned())))
}
