//! Phone numbers as E.164, where that is certain.
//!
//! Only the rules of E.164 and of the North American Numbering Plan are built in; national numbers of other countries
//! are refused, since each has rules of its own (a database of them takes three megabytes in each function).

use super::{argument, input, null, refuse};
use crate::mapping::value::Value;
use jaq_core::ValR;

/// Countries of the North American Numbering Plan, by ISO 3166-1 (nanpa.com, "NANP countries").
const NORTH_AMERICA: &[&str] = &[
    "US", "CA", "AG", "AI", "AS", "BB", "BM", "BS", "DM", "DO", "GD", "GU", "JM", "KN", "KY", "LC", "MP", "MS", "PR",
    "SX", "TC", "TT", "VC", "VG", "VI",
];

/// `phone($country)`: the number as it is dialled in that country, or with its country code.
pub(super) fn e164(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    const NAME: &str = "phone";
    let country = argument(NAME, &arguments, 0)?.to_ascii_uppercase();
    let Some(text) = input(NAME, &value)? else { return null() };
    match number(text, NORTH_AMERICA.contains(&country.as_str())) {
        Some(number) => Ok(Value::text(number)),
        None => refuse(NAME, "its input is not certainly a phone number; write it with + and its country code"),
    }
}

fn number(text: &str, is_north_american: bool) -> Option<String> {
    let usual = |character: char| character.is_ascii_digit() || " +-().\u{a0}/".contains(character);
    // Letters stand for extensions, which E.164 does not have.
    if text.len() > 40 || !text.chars().all(usual) {
        return None;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let has_plus = text.trim_start_matches([' ', '(']).starts_with('+');
    if text.chars().filter(|character| *character == '+').count() > usize::from(has_plus) {
        return None;
    }
    let international = if has_plus {
        digits
    } else if is_north_american {
        match digits.len() {
            10 => format!("1{digits}"),
            11 if digits.starts_with('1') => digits,
            _ => digits.strip_prefix("011")?.to_owned(),
        }
    } else {
        digits.strip_prefix("00")?.to_owned()
    };
    is_possible(&international).then(|| format!("+{international}"))
}

/// E.164 (ITU-T, 11/2010): at most 15 digits, and no country code begins with 0. Shorter than 8 there are none abroad.
fn is_possible(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    let from_two = |index: usize| bytes.get(index).is_some_and(|digit| (b'2'..=b'9').contains(digit));
    match bytes.first() {
        // NANP: area code and exchange begin with 2 to 9.
        Some(b'1') => bytes.len() == 11 && from_two(1) && from_two(4),
        Some(b'0') | None => false,
        Some(_) => (8..=15).contains(&bytes.len()),
    }
}
