//! States of the USA and provinces of Canada.

use super::{argument, input, null, refuse};
use crate::mapping::budget;
use crate::mapping::value::Value;
use jaq_core::{Error, ValR};

/// USPS Publication 28, appendix B: states, the federal district, territories and military addresses.
const UNITED_STATES: &[(&str, &str)] = &[
    ("AL", "Alabama"),
    ("AK", "Alaska"),
    ("AZ", "Arizona"),
    ("AR", "Arkansas"),
    ("CA", "California"),
    ("CO", "Colorado"),
    ("CT", "Connecticut"),
    ("DE", "Delaware"),
    ("DC", "District of Columbia"),
    ("FL", "Florida"),
    ("GA", "Georgia"),
    ("HI", "Hawaii"),
    ("ID", "Idaho"),
    ("IL", "Illinois"),
    ("IN", "Indiana"),
    ("IA", "Iowa"),
    ("KS", "Kansas"),
    ("KY", "Kentucky"),
    ("LA", "Louisiana"),
    ("ME", "Maine"),
    ("MD", "Maryland"),
    ("MA", "Massachusetts"),
    ("MI", "Michigan"),
    ("MN", "Minnesota"),
    ("MS", "Mississippi"),
    ("MO", "Missouri"),
    ("MT", "Montana"),
    ("NE", "Nebraska"),
    ("NV", "Nevada"),
    ("NH", "New Hampshire"),
    ("NJ", "New Jersey"),
    ("NM", "New Mexico"),
    ("NY", "New York"),
    ("NC", "North Carolina"),
    ("ND", "North Dakota"),
    ("OH", "Ohio"),
    ("OK", "Oklahoma"),
    ("OR", "Oregon"),
    ("PA", "Pennsylvania"),
    ("RI", "Rhode Island"),
    ("SC", "South Carolina"),
    ("SD", "South Dakota"),
    ("TN", "Tennessee"),
    ("TX", "Texas"),
    ("UT", "Utah"),
    ("VT", "Vermont"),
    ("VA", "Virginia"),
    ("WA", "Washington"),
    ("WV", "West Virginia"),
    ("WI", "Wisconsin"),
    ("WY", "Wyoming"),
    ("AS", "American Samoa"),
    ("GU", "Guam"),
    ("MP", "Northern Mariana Islands"),
    ("PR", "Puerto Rico"),
    ("VI", "U.S. Virgin Islands"),
    ("AA", "Armed Forces Americas"),
    ("AE", "Armed Forces Europe"),
    ("AP", "Armed Forces Pacific"),
];

/// Canada Post, Addressing Guidelines: provinces and territories.
const CANADA: &[(&str, &str)] = &[
    ("AB", "Alberta"),
    ("BC", "British Columbia"),
    ("MB", "Manitoba"),
    ("NB", "New Brunswick"),
    ("NL", "Newfoundland and Labrador"),
    ("NS", "Nova Scotia"),
    ("NT", "Northwest Territories"),
    ("NU", "Nunavut"),
    ("ON", "Ontario"),
    ("PE", "Prince Edward Island"),
    ("QC", "Quebec"),
    ("SK", "Saskatchewan"),
    ("YT", "Yukon"),
];

type State = (&'static str, &'static str);

fn find(function: &'static str, value: &Value, arguments: &[Value]) -> Result<Option<State>, Error<Value>> {
    let states = match argument(function, arguments, 0)?.to_ascii_uppercase().as_str() {
        "US" => UNITED_STATES,
        "CA" => CANADA,
        _ => return refuse(function, "the country must be US or CA"),
    };
    let Some(text) = input(function, value)? else { return Ok(None) };
    budget::steps(60);
    // Quebec is written with an accent, too.
    let plain = text.replace(['é', 'É'], "e");
    let found =
        states.iter().find(|(code, name)| code.eq_ignore_ascii_case(&plain) || name.eq_ignore_ascii_case(&plain));
    match found {
        Some(state) => Ok(Some(*state)),
        None => refuse(function, "its input is no state or province of that country"),
    }
}

/// `state($country)`: the code of two letters.
pub(super) fn code(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    find("state", &value, &arguments)?.map_or_else(null, |(code, _)| Ok(Value::text(code.to_owned())))
}

/// `state_name($country)`
pub(super) fn name(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    find("state_name", &value, &arguments)?.map_or_else(null, |(_, name)| Ok(Value::text(name.to_owned())))
}
