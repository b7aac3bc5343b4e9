//! The adapters to AWS.
