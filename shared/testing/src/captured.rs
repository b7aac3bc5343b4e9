//! What is logged while a test runs, on its own thread, which is the test's only one.
//!
//! There is one subscriber for the whole process, installed before anything is logged: `tracing`
//! decides once for each place in the code whether anybody listens there.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const FUNCTIONS: [&str; 11] =
    ["ingest", "poll", "replicate", "normalise", "fetch", "route", "deliver", "sweep", "notify", "migrate", "api"];

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Begins to listen: to our own crates at every level, to libraries from warnings on, as functions
/// do at their most talkative.
pub fn start() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let ours = FUNCTIONS.iter().map(|function| (*function, LevelFilter::TRACE));
        let targets = Targets::new()
            .with_default(LevelFilter::WARN)
            .with_target("fluxnex", LevelFilter::TRACE)
            .with_targets(ours);
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(|| ToThisThread);
        tracing_subscriber::registry().with(targets).with(layer).init();
    });
    LINES.take();
}

/// Everything that was logged since the start.
#[must_use]
pub fn text() -> String {
    LINES.with_borrow(|lines| String::from_utf8(lines.clone()).unwrap())
}

struct ToThisThread;

impl Write for ToThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
