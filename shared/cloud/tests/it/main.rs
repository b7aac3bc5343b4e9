//! Each port's conformance suite, against its twin and against the AWS emulator.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first difference")]

mod emulator;
mod role;
mod schedules;
mod twins;
mod workflows;
mod zip;
