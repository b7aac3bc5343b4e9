//! Wires the `replicate` function.

fn main() {}
