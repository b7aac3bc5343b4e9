//! Simulated applications, and the checker that reconciles what they saw. Development only.
