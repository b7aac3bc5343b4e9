//! Wires the `api` function.

fn main() {}
