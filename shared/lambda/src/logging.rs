//! JSON lines on standard output, and panics that say where and not what.

use std::panic::PanicHookInfo;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging and sets the panic hook; a second call changes nothing.
///
/// `AWS_LAMBDA_LOG_LEVEL` is the level of our own crates, `INFO` if absent. Libraries are heard from
/// `WARN` on only: at finer levels the AWS SDK and the runtime write bodies. `AWS_LAMBDA_LOG_FORMAT`
/// may be `Text`; anything else is JSON. The JSON has one timestamp and the level at its top, which is
/// where Lambda's own log filter looks for them; text has none, as CloudWatch adds one.
pub fn init(function: &str) {
    let level = level(std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().as_deref());
    let is_text = std::env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|format| format.eq_ignore_ascii_case("text"));
    let registry = tracing_subscriber::registry().with(targets(function, level));
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stdout);
    let installed = if is_text {
        registry.with(layer.without_time()).try_init()
    } else {
        registry.with(layer.json().flatten_event(true).with_span_list(false)).try_init()
    };
    if installed.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

fn level(text: Option<&str>) -> LevelFilter {
    match text.map(str::to_ascii_uppercase).as_deref() {
        Some("TRACE") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR" | "FATAL") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

fn targets(function: &str, level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("fluxnex", level)
        .with_target(function, level)
        // The span that carries the request id.
        .with_target("lambda_runtime::layers::trace", level.min(LevelFilter::INFO))
        // They print errors and events that the main loop reports, without quoting them.
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF)
        .with_target("lambda_runtime::layers::api_response", LevelFilter::OFF)
}

/// A panic's message may quote data: the line says where it happened, no more.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let (file, line) = panic.location().map_or(("unknown", 0), |location| (location.file(), location.line()));
    tracing::error!(target: "fluxnex::panic", file, line, "the program panicked");
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_are_heard_from_warnings_on() {
        let targets = targets("replicate", LevelFilter::TRACE);
        assert!(targets.would_enable("fluxnex_store::events", &Level::TRACE));
        assert!(targets.would_enable("fluxnex::record", &Level::INFO));
        assert!(targets.would_enable("replicate", &Level::DEBUG));
        assert!(!targets.would_enable("aws_smithy_runtime::client", &Level::INFO));
        assert!(targets.would_enable("aws_smithy_runtime::client", &Level::WARN));
        assert!(!targets.would_enable("lambda_runtime::layers::api_response", &Level::ERROR));
    }

    #[test]
    fn a_quiet_level_quiets_libraries_too() {
        let targets = targets("replicate", level(Some("error")));
        assert!(!targets.would_enable("hyper", &Level::WARN));
        assert!(!targets.would_enable("replicate", &Level::WARN));
        assert_eq!(level(None), LevelFilter::INFO);
        assert_eq!(level(Some("FATAL")), LevelFilter::ERROR);
    }
}
