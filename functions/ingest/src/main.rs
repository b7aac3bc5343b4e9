//! Wires the `ingest` function.

fn main() {}
