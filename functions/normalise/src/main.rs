//! Wires the `normalise` function.

fn main() {}
