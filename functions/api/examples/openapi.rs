//! Writes docs/openapi.json: `cargo run -p api --example openapi`.

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    std::fs::write(file, api::openapi::text())
}
