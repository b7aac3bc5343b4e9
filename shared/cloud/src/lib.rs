//! The ports to AWS (queues, objects, secrets, control table, functions) with their adapters and in-memory twins.
