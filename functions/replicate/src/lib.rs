//! The replicate function.
