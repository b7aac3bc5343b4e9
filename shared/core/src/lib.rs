//! The vocabulary of FluxNex and its decisions: pure, without IO, clock or randomness.
