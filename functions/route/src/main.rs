//! Wires the `route` function.

fn main() {}
