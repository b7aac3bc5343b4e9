//! SQS batches: each record by itself, whatever the others do.
//!
//! A batch is decoded record by record, and handed to the stage as a whole, so that the stage can
//! work with one statement per tenant. If the stage panics or says that something in the batch is
//! poisoned, the records are run again one by one, so that only the guilty one comes back.
//!
//! A FIFO batch is handed over in rounds: the first record of each message group, then the second of
//! each group whose first is done, and so on. So a group stops at its first failure, and what comes
//! after it in that group goes back with it.

mod outcome;
mod record;
mod rounds;

pub use outcome::{BatchError, Outcome, Undecodable};
pub use record::{Record, Work, json};

use crate::main_loop::Invocation;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use rounds::Batch;

/// The event is not a batch of SQS: a record has no id. Nothing was handled; everything comes back.
#[derive(Debug, thiserror::Error)]
#[error("record {index} of the batch has no message id")]
pub struct NotABatch {
    /// The place of the record.
    pub index: usize,
}

/// Runs one batch and answers which of its records come back.
///
/// `decode` sees one record, without IO; a panic in it is that record's failure. `handle` gets one or
/// more decoded records and answers one [`Outcome`] for each, in the same order. It may be called
/// several times, also again with a record that it has had: every stage is idempotent. On a FIFO
/// queue no two records of a call are of the same group. A handler that panicked is called again, so
/// what it left half done (a transaction) must undo itself when dropped.
///
/// Every record is logged in one line, which never holds its body.
///
/// # Errors
/// [`NotABatch`], before anything was handled.
pub async fn run_batch<M, D, H>(
    event: SqsEvent,
    invocation: &Invocation,
    decode: D,
    handle: H,
) -> Result<SqsBatchResponse, NotABatch>
where
    D: Fn(&Record) -> Result<M, Undecodable>,
    H: AsyncFn(&[Work<M>]) -> Result<Vec<Outcome>, BatchError>,
{
    let records = record::records(event)?;
    let mut batch = Batch::new(invocation.deadline());
    let pending = batch.decode(records, decode);
    batch.run(pending, handle).await;
    Ok(batch.into_response())
}
