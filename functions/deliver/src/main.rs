//! Wires the `deliver` function.

fn main() {}
