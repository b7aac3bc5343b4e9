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
use tokio_postgres::{Client, Error, GenericClient, Row, Statement};

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

    /// A statement that this connection knows already ([`Self::keep`]).
    fn known(&self, sql: &str) -> Option<Statement> {
        let _ = sql;
        None
    }

    /// Whether statements are planned once for each connection and kept, instead of each time: spares a
    /// simulation half of the server's work. A function must not: statements that last pin a session of RDS Proxy.
    fn keeps(&self) -> bool {
        false
    }

    /// Keeps a statement that was planned on this connection.
    fn keep(&self, sql: &str, statement: Statement) {
        let _ = (sql, statement);
    }

    /// Whether a transaction is left open where it is to be committed: a deliberate bug, too. Who planted it
    /// commits later.
    fn withholds_commit(&self) -> bool {
        false
    }
}

/// The gate of a database, if it has one.
pub(crate) type Gate = Option<Arc<dyn StatementGate>>;

/// A statement's parameters and their types.
pub(crate) type Parameters<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// How a statement is run.
enum Run<'s> {
    /// Planned now.
    Once(Cow<'s, str>),
    /// Planned before, by a gate's wish.
    Known(Statement),
}

async fn run<'s>(
    gate: &Gate,
    client: &impl GenericClient,
    sql: &'s str,
    parameters: Parameters<'_>,
) -> Result<Run<'s>, Error> {
    let Some(gate) = gate else { return Ok(Run::Once(Cow::Borrowed(sql))) };
    let sql = gate.statement(sql);
    if !gate.keeps() {
        return Ok(Run::Once(sql));
    }
    if let Some(known) = gate.known(&sql) {
        return Ok(Run::Known(known));
    }
    let types: Vec<Type> = parameters.iter().map(|(_, kind)| kind.clone()).collect();
    let statement = client.prepare_typed(&sql, &types).await?;
    gate.keep(&sql, statement.clone());
    Ok(Run::Known(statement))
}

fn values<'a>(parameters: Parameters<'a>) -> Vec<&'a (dyn ToSql + Sync)> {
    parameters.iter().map(|(value, _)| *value).collect()
}

/// Runs one statement on a connection, through the gate.
pub(crate) async fn query(
    gate: &Gate,
    client: &Client,
    sql: &str,
    parameters: Parameters<'_>,
) -> Result<Vec<Row>, Error> {
    let made = async {
        match run(gate, client, sql, parameters).await? {
            Run::Once(sql) => client.query_typed(&sql, parameters).await,
            Run::Known(known) => client.query(&known, &values(parameters)).await,
        }
    };
    through(gate, Step::Statement(sql), made).await
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
    pub(crate) async fn query_typed(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Error> {
        let made = async {
            match run(self.gate, &self.inner, sql, parameters).await? {
                Run::Once(sql) => self.inner.query_typed(&sql, parameters).await,
                Run::Known(known) => self.inner.query(&known, &values(parameters)).await,
            }
        };
        through(self.gate, Step::Statement(sql), made).await
    }

    pub(crate) async fn query_typed_opt(&self, sql: &str, parameters: Parameters<'_>) -> Result<Option<Row>, Error> {
        let made = async {
            match run(self.gate, &self.inner, sql, parameters).await? {
                Run::Once(sql) => self.inner.query_typed_opt(&sql, parameters).await,
                Run::Known(known) => self.inner.query_opt(&known, &values(parameters)).await,
            }
        };
        through(self.gate, Step::Statement(sql), made).await
    }

    pub(crate) async fn execute_typed(&self, sql: &str, parameters: Parameters<'_>) -> Result<u64, Error> {
        let made = async {
            match run(self.gate, &self.inner, sql, parameters).await? {
                Run::Once(sql) => self.inner.execute_typed(&sql, parameters).await,
                Run::Known(known) => self.inner.execute(&known, &values(parameters)).await,
            }
        };
        through(self.gate, Step::Statement(sql), made).await
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
