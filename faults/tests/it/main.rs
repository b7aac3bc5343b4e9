//! The Lambda host: AWS as the functions see it, and the main job on the real programs.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first difference")]

mod job;
mod programs;
mod services;
