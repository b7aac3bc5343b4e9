//! Seeds side by side: each worker has a thread, a runtime and a database of its own.

use super::Ground;
use anyhow::Result;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Does each piece of work on one of so many grounds, in order as far as there are hands, and tells of each as
/// it ends; whoever is told says whether to go on.
///
/// # Errors
/// The first error of a piece of work or of a ground; what was begun is ended before.
pub fn each<W, R>(
    workers: usize,
    pieces: &[W],
    work: impl AsyncFn(&mut Ground, &W) -> Result<R> + Sync,
    told: impl FnMut(&W, R) -> bool + Send,
) -> Result<()>
where
    W: Sync,
    R: Send,
{
    let (next, is_over, told) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(told));
    let one = |number: usize| -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut ground = Ground::new(number).await?;
            let mut result = Ok(());
            while result.is_ok() && !is_over.load(Ordering::SeqCst) {
                let Some(piece) = pieces.get(next.fetch_add(1, Ordering::SeqCst)) else { break };
                result = work(&mut ground, piece).await.map(|done| {
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    if !told(piece, done) {
                        is_over.store(true, Ordering::SeqCst);
                    }
                });
            }
            if result.is_err() {
                is_over.store(true, Ordering::SeqCst);
            }
            ground.remove().await?;
            result
        })
    };
    let workers = workers.clamp(1, pieces.len().max(1));
    std::thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = (0..workers).map(|number| scope.spawn(move || one(number))).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        let ended: Vec<Result<()>> = ended.collect();
        ended.into_iter().collect()
    })
}
