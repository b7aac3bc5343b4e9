//! Wires the `notify` function.

fn main() {}
