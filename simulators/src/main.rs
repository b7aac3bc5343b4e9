//! Runs the simulated applications.

fn main() {}
