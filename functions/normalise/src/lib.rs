//! The normalise function.
