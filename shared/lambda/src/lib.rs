//! Lambda glue: batches, isolation of each record, logging and settings.
