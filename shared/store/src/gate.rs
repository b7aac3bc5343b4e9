//! A gate around every step of a connection, for simulations: they decide who goes on next, and who
//! dies here.
//!
//! Compiled in always, and absent in production: a feature would give tests and functions different
//! programs, and be on in each build of the whole workspace. Without a gate a step costs one branch,
//! next to a round trip to the server.

use futures::future::BoxFuture;
use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

/// What is done on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A connection is made.
    Connect,
    /// A transaction begins.
    Begin,
    /// A statement is run, in a transaction or in one of its own.
    Statement(&'a str),
    /// A transaction is committed.
    Commit,
    /// A transaction is rolled back.
    Rollback,
}

/// Is asked before each step and told after it, whatever came of it. A future that is dropped in
/// between is told of nothing more.
pub trait StatementGate: Send + Sync {
    /// The step is made when this is over.
    fn before<'a>(&'a self, step: Step<'a>) -> BoxFuture<'a, ()>;

    /// Whoever made the step goes on when this is over.
    fn after<'a>(&'a self, step: Step<'a>) -> BoxFuture<'a, ()>;

    /// The statement that is run in the place of this one: another one where a deliberate bug is planted, to
    /// show that it is found.
    fn statement<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        Cow::Borrowed(sql)
    }

    /// Whether a transaction is left open where it is to be committed: a deliberate bug, too. Who planted it
    /// commits later.
    fn withholds_commit(&self) -> bool {
        false
    }
}

/// The gate of a database, if it has one.
pub(crate) type Gate = Option<Arc<dyn StatementGate>>;

/// The statement that is run for this one.
pub(crate) fn statement<'s>(gate: &Gate, sql: &'s str) -> Cow<'s, str> {
    gate.as_ref().map_or(Cow::Borrowed(sql), |gate| gate.statement(sql))
}

/// Makes one step, between the two questions to the gate.
pub(crate) async fn through<T>(gate: &Gate, step: Step<'_>, made: impl Future<Output = T>) -> T {
    let Some(gate) = gate else { return made.await };
    gate.before(step).await;
    let result = made.await;
    gate.after(step).await;
    result
}

/// A transaction whose statements go through the gate.
pub(crate) struct Transaction<'a> {
    pub(crate) inner: tokio_postgres::Transaction<'a>,
    pub(crate) gate: &'a Gate,
}

impl Transaction<'_> {
    pub(crate) async fn query_typed(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        let run = statement(self.gate, sql);
        through(self.gate, Step::Statement(sql), self.inner.query_typed(&run, parameters)).await
    }

    pub(crate) async fn query_typed_opt(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Option<Row>, Error> {
        let run = statement(self.gate, sql);
        through(self.gate, Step::Statement(sql), self.inner.query_typed_opt(&run, parameters)).await
    }

    pub(crate) async fn execute_typed(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<u64, Error> {
        let run = statement(self.gate, sql);
        through(self.gate, Step::Statement(sql), self.inner.execute_typed(&run, parameters)).await
    }

    pub(crate) async fn batch_execute(&self, sql: &str) -> Result<(), Error> {
        through(self.gate, Step::Statement(sql), self.inner.batch_execute(sql)).await
    }

    pub(crate) async fn commit(self) -> Result<(), Error> {
        if self.gate.as_ref().is_some_and(|gate| gate.withholds_commit()) {
            // Dropping it would roll it back.
            std::mem::forget(self.inner);
            return Ok(());
        }
        through(self.gate, Step::Commit, self.inner.commit()).await
    }

    pub(crate) async fn rollback(self) -> Result<(), Error> {
        through(self.gate, Step::Rollback, self.inner.rollback()).await
    }
}
