//! What the pure rules make of real files.

mod example_flows;
