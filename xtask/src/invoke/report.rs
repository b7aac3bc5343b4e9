//! Reads what AWS's runtime emulator writes: the function's own lines, the figures, and what the answer is.

use std::fmt;

use serde_json::{Value, json};

/// What an invocation took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// From the start of the process until it asked for its first event, in milliseconds.
    pub init_ms: Option<f64>,
    /// From the event until the answer, in milliseconds.
    pub duration_ms: Option<f64>,
    /// What AWS bills, in milliseconds: init and duration, rounded up (custom runtimes pay for their init).
    pub billed_ms: Option<u64>,
    /// The most memory that the process had, in MiB.
    pub max_memory_mb: Option<u64>,
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.init_ms.map(|value| format!("init {value:.1} ms")),
            self.duration_ms.map(|value| format!("duration {value:.1} ms")),
            self.billed_ms.map(|value| format!("billed {value} ms")),
            self.max_memory_mb.map(|value| format!("memory {value} MB")),
        ];
        let known: Vec<String> = parts.into_iter().flatten().collect();
        formatter.write_str(&known.join(", "))
    }
}

/// What the function answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The response; of a function error, its type and message.
    pub response: Value,
    /// Whether it is a function error.
    pub failed: bool,
}

/// The figures, out of the emulator's output and its own log.
///
/// The output's `REPORT` line says what is billed. Its `Init Duration` is none: it measures how long the
/// emulator took to order the start. What the start took, and the invocation without it, is in the log.
pub fn figures(output: &str, log: &str) -> Figures {
    let report = output.lines().find(|line| line.starts_with("REPORT RequestId:")).unwrap_or_default();
    Figures {
        init_ms: number_behind(log, "INIT REPORT(durationMs: "),
        duration_ms: log
            .lines()
            .find(|line| line.contains("INVOKE RTDONE("))
            .and_then(|line| milliseconds(line.split("duration: ").nth(1)?)),
        billed_ms: report
            .split('\t')
            .find_map(|part| part.strip_prefix("Billed Duration: ")?.strip_suffix(" ms")?.parse().ok()),
        max_memory_mb: None,
    }
}

/// What the function itself wrote.
pub fn log_lines(output: &str) -> Vec<String> {
    let of_lambda = |line: &&str| {
        ["START RequestId: ", "END RequestId: ", "REPORT RequestId: "].iter().any(|own| line.starts_with(own))
    };
    output.lines().filter(|line| !of_lambda(line) && !line.trim().is_empty()).map(str::to_owned).collect()
}

/// What an answer of the emulator means. Unlike Lambda it marks a function error by nothing but its shape.
pub fn answer(status: u16, body: &str) -> Answer {
    if let Some(said) = body.strip_prefix("Task timed out") {
        return error("Sandbox.Timedout", &format!("Task timed out{said}"));
    }
    if status != 200 {
        return error("Runtime.ExitError", "the function ended before it answered");
    }
    // A function without a response answers null on Lambda.
    let response: Value = match body {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    };
    let failed = ["errorType", "errorMessage"].iter().all(|name| response.get(name).is_some_and(Value::is_string));
    Answer { response, failed }
}

fn error(kind: &str, message: &str) -> Answer {
    Answer { response: json!({ "errorType": kind, "errorMessage": message }), failed: true }
}

fn number_behind(text: &str, mark: &str) -> Option<f64> {
    let (_, rest) = text.split_once(mark)?;
    rest.split(')').next()?.parse().ok()
}

/// A duration as Go writes it: `1.5ms`, `12µs`, `2.5s`, `1m2.5s`.
fn milliseconds(text: &str) -> Option<f64> {
    let text = text.trim_end_matches(')');
    let (minutes, rest) = match text.split_once('m') {
        Some((minutes, rest)) if !rest.starts_with('s') => (minutes.parse::<f64>().ok()?, rest),
        _ => (0.0, text),
    };
    let units = [("ms", 1.0), ("µs", 0.001), ("ns", 0.000_001), ("s", 1000.0)];
    let (digits, factor) = units.iter().find_map(|(unit, factor)| Some((rest.strip_suffix(unit)?, factor)))?;
    Some(minutes * 60_000.0 + digits.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "START RequestId: 1 Version: $LATEST\n{\"level\":\"INFO\"}\n\nplain\nEND RequestId: 1\n\
        REPORT RequestId: 1\tInit Duration: 0.23 ms\tDuration: 118.25 ms\tBilled Duration: 119 ms\tMemory Size: 256 MB\tMax Memory Used: 256 MB\t\n";
    const LOG: &str = "21 Nov 2026 12:03:00,501 [INFO] (rapid) INIT RTDONE(status: success)\n\
        21 Nov 2026 12:03:00,501 [INFO] (rapid) INIT REPORT(durationMs: 116.378000)\n\
        21 Nov 2026 12:03:00,503 [INFO] (rapid) INVOKE RTDONE(status: success, produced bytes: 0, duration: 1.601000ms)\n";

    #[test]
    fn init_and_duration_come_from_the_log_and_the_bill_from_the_report() {
        let expected =
            Figures { init_ms: Some(116.378), duration_ms: Some(1.601), billed_ms: Some(119), max_memory_mb: None };
        assert_eq!(figures(OUTPUT, LOG), expected);
        assert_eq!(figures("", ""), Figures::default());
    }

    #[test]
    fn durations_are_read_in_all_their_forms() {
        for (text, expected) in
            [("1.601000ms)", 1.601), ("12µs)", 0.012), ("900ns)", 0.0009), ("2.5s)", 2500.0), ("1m2.5s)", 62_500.0)]
        {
            assert_eq!(milliseconds(text), Some(expected), "{text}");
        }
        assert_eq!(milliseconds("soon"), None);
    }

    #[test]
    fn only_the_functions_own_lines_are_its_log() {
        assert_eq!(log_lines(OUTPUT), ["{\"level\":\"INFO\"}", "plain"]);
    }

    #[test]
    fn an_error_is_told_from_an_answer() {
        let good = answer(200, r#"{"batchItemFailures":[]}"#);
        assert_eq!((good.failed, &good.response), (false, &json!({ "batchItemFailures": [] })));
        let failed = answer(200, r#"{"errorType":"Failed","errorMessage":"why"}"#);
        assert!(failed.failed && failed.response["errorMessage"] == "why");
        let late = answer(200, "Task timed out after 2.00 seconds");
        assert!(late.failed && late.response["errorType"] == "Sandbox.Timedout");
        assert!(answer(502, "").failed);
        assert_eq!(answer(200, "").response, Value::Null);
        assert_eq!(answer(200, "plain").response, json!("plain"));
    }
}
