//! What is logged while a test runs, on its own thread.
//!
//! There is one subscriber for the whole process, installed before anything is logged: `tracing`
//! decides once for each place in the code whether anybody listens there.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Begins to listen; every test that logs calls it first.
pub fn start() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| tracing_subscriber::fmt().json().flatten_event(true).with_writer(|| ToThisThread).init());
    LINES.take();
}

/// Everything since the start.
pub fn text() -> String {
    LINES.with_borrow(|lines| String::from_utf8(lines.clone()).unwrap())
}

/// The canonical lines since the start.
pub fn records() -> Vec<serde_json::Value> {
    let lines = text();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.filter(|line: &serde_json::Value| line["target"] == "fluxnex::record").collect()
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
