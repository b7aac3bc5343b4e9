//! Instants as the journals and the simulated applications write them.

use jiff::Timestamp;

/// Microseconds since the Unix epoch, by this machine's clock.
#[must_use]
pub fn now_microseconds() -> i64 {
    Timestamp::now().as_microsecond()
}

/// Reads an instant in RFC 3339 form or in Salesforce's (`2026-11-20T12:00:00.000+0000`,
/// an offset without a colon). Nothing else, and no instant without an offset.
#[must_use]
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().or_else(|_| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text)).ok()
}

/// Writes an instant as Salesforce's REST API does: UTC, milliseconds, `+0000`.
#[must_use]
pub fn salesforce_instant(instant: Timestamp) -> String {
    let milliseconds = instant.as_millisecond().rem_euclid(1000);
    format!("{}.{milliseconds:03}+0000", instant.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// Writes an instant as the ERP does, an `Edm.DateTimeOffset` of three digits: UTC, `Z`.
#[must_use]
pub fn odata_instant(instant: Timestamp) -> String {
    let milliseconds = instant.as_millisecond().rem_euclid(1000);
    format!("{}.{milliseconds:03}Z", instant.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// The position of a source version among the versions of its record. A text that is no
/// instant sorts before every instant, and among its like by its characters, so that a
/// damaged version still has one place.
#[must_use]
pub fn version_order(version: &str) -> (i64, String) {
    match parse_instant(version) {
        Some(instant) => (instant.as_microsecond(), String::new()),
        None => (i64::MIN, version.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salesforce_instants_survive_a_round_trip() {
        let text = "2026-11-20T12:00:00.007+0000";
        let instant = parse_instant(text).unwrap();
        assert_eq!(instant.to_string(), "2026-11-20T12:00:00.007Z");
        assert_eq!(salesforce_instant(instant), text);
        assert_eq!(odata_instant(instant), "2026-11-20T12:00:00.007Z");
        assert_eq!(parse_instant(&odata_instant(instant)), Some(instant));
    }

    #[test]
    fn the_same_instant_has_the_same_order_in_either_form() {
        let forms = ["2026-11-20T12:00:00.000+0000", "2026-11-20T12:00:00Z", "2026-11-20T13:00:00+01:00"];
        for form in forms {
            assert_eq!(version_order(form), version_order(forms[0]), "{form}");
        }
    }

    #[test]
    fn garbage_is_no_instant_and_sorts_first() {
        for garbage in ["", "not-a-date", "2026-11-20", "2026-11-20T12:00:00", "\u{0}"] {
            assert_eq!(parse_instant(garbage), None, "{garbage:?}");
            assert!(version_order(garbage) < version_order("1970-01-01T00:00:00Z"));
        }
    }
}
