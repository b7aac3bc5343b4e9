//! Wires the `sweep` function.

fn main() {}
