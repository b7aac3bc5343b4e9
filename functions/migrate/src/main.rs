//! Wires the `migrate` function.

fn main() {}
