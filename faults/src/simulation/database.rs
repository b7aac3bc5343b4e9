//! PostgreSQL under the simulation: a database of its own, connections with a gate, and an observer.

use super::functions::Function;
use super::gates::{EnvironmentId, Gates, Kind, Moment};
use super::mutants::Planted;
use crate::postgres::Server;
use anyhow::{Result, bail};
use fluxnex_store::{Database, DatabaseOptions, StatementGate, Step};
use futures::future::BoxFuture;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, Row, Statement};

/// After its end was asked for, a connection is gone within this time.
const LONGEST_END: Duration = Duration::from_secs(10);

/// A port that nobody listens on.
const NOBODY_LISTENS: u16 = 1;

/// The store on this database, as a function has it. While `is_away`, whoever connects is refused.
///
/// # Errors
/// If the address is none that a function could use.
pub fn store(server: &Server, application_name: &str, is_away: &Arc<AtomicBool>) -> Result<Database> {
    let secret = server.login()?;
    let is_away = Arc::clone(is_away);
    let options = DatabaseOptions {
        host: None,
        extra_roots_pem: Some(std::fs::read(server.authority())?),
        application_name: application_name.to_owned(),
    };
    let source = Arc::new(move || {
        let mut secret = secret.clone();
        if let Some(port) = secret.get_mut("port").filter(|_| is_away.load(Ordering::SeqCst)) {
            *port = NOBODY_LISTENS.into();
        }
        let answer: BoxFuture<'static, Result<String, fluxnex_lambda::BoxError>> =
            Box::pin(async move { Ok(secret.to_string()) });
        answer
    });
    Ok(Database::new(options, source)?)
}

/// A connection of one environment; kept for the next one if it was idle at the end.
pub struct Link {
    name: String,
    gate: Arc<LinkGate>,
    /// The database that goes through the gate.
    pub database: Arc<Database>,
}

impl Link {
    /// A connection that is not open yet. `name` is unique: the observer knows it by that.
    ///
    /// # Errors
    /// As [`store`].
    pub fn new(server: &Server, name: String, is_away: &Arc<AtomicBool>) -> Result<Self> {
        let gate = Arc::new(LinkGate::default());
        let database = Arc::new(store(server, &name, is_away)?.with_gate(gate.clone()));
        Ok(Self { name, gate, database })
    }

    /// What the server knows it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From here on it is of this environment.
    pub fn lend(&self, owner: Owner) {
        *self.gate.owner.lock().unwrap_or_else(PoisonError::into_inner) = Some(owner);
    }

    /// Commits what a planted bug has left open. If the server is gone, so is the transaction.
    pub async fn commit_withheld(&self) {
        if self.gate.withheld.swap(false, Ordering::SeqCst) {
            let owner = self.gate.owner.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(self.database.commit_withheld().await);
            *self.gate.owner.lock().unwrap_or_else(PoisonError::into_inner) = owner;
            self.gate.in_transaction.store(false, Ordering::SeqCst);
            self.gate.open.store(false, Ordering::SeqCst);
        }
    }

    /// Whether nothing is open on it, so that closing it would change nothing.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.gate.open.load(Ordering::SeqCst)
    }
}

/// Whose a connection is for the time being.
#[derive(Debug, Clone)]
pub struct Owner {
    /// Where it stops.
    pub gates: Arc<Gates>,
    /// The environment.
    pub environment: EnvironmentId,
    /// Its function.
    pub function: Function,
    /// The bug that is planted.
    pub planted: Planted,
}

#[derive(Default)]
struct LinkGate {
    owner: Mutex<Option<Owner>>,
    /// A transaction was left open where it was to be committed.
    withheld: AtomicBool,
    /// A transaction or a statement is open.
    open: AtomicBool,
    in_transaction: AtomicBool,
    /// What this connection has planned. The server plans most statements for longer than it runs them.
    statements: Mutex<HashMap<String, Statement>>,
}

impl LinkGate {
    fn owner(&self) -> Option<Owner> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The first words of a statement: enough to know it by.
fn words(sql: &str) -> String {
    sql.split_whitespace().take(6).collect::<Vec<_>>().join(" ")
}

impl StatementGate for LinkGate {
    fn before<'a>(&'a self, step: Step<'a>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if step == Step::Connect {
                self.statements.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
            let Some(Owner { gates, environment, .. }) = self.owner() else { return };
            let in_transaction = self.in_transaction.load(Ordering::SeqCst);
            let point = match step {
                Step::Statement(sql) if in_transaction => Some((Kind::Statement, words(sql))),
                // Outside a transaction a statement that writes is a commit of its own.
                Step::Statement(sql) if is_write(sql) => Some((Kind::Commit, words(sql))),
                Step::Statement(sql) => Some((Kind::Read, words(sql))),
                Step::Commit => Some((Kind::Commit, String::new())),
                Step::Connect | Step::Begin | Step::Rollback => None,
            };
            if let Some((kind, what)) = point {
                gates.pass(environment, kind, Moment::Before, what).await;
            }
            gates.begins(environment);
            self.open.store(true, Ordering::SeqCst);
        })
    }

    fn after<'a>(&'a self, step: Step<'a>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Some(Owner { gates, environment, .. }) = self.owner() else { return };
            gates.ends(environment);
            match step {
                Step::Begin => self.in_transaction.store(true, Ordering::SeqCst),
                Step::Commit | Step::Rollback => self.in_transaction.store(false, Ordering::SeqCst),
                Step::Connect | Step::Statement(_) => {}
            }
            let in_transaction = self.in_transaction.load(Ordering::SeqCst);
            self.open.store(in_transaction, Ordering::SeqCst);
            let committed = match step {
                Step::Commit => Some(String::new()),
                Step::Statement(sql) if !in_transaction && is_write(sql) => Some(words(sql)),
                _ => None,
            };
            if let Some(what) = committed {
                gates.pass(environment, Kind::Commit, Moment::After, what).await;
            }
        })
    }

    fn statement<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        match self.owner() {
            Some(owner) => owner.planted.statement(sql),
            None => Cow::Borrowed(sql),
        }
    }

    fn keeps(&self) -> bool {
        true
    }

    fn known(&self, sql: &str) -> Option<Statement> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned()
    }

    fn keep(&self, sql: &str, statement: Statement) {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned(), statement);
    }

    fn withholds_commit(&self) -> bool {
        let withholds = self.owner().is_some_and(|owner| owner.planted.withholds_commit(owner.function));
        self.withheld.fetch_or(withholds, Ordering::SeqCst);
        withholds
    }
}

fn is_write(sql: &str) -> bool {
    let begin = sql.trim_start();
    ["INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|word| begin.starts_with(word))
}

/// Looks at the server from outside: who waits for a lock; and ends connections as a kill does.
pub struct Observer {
    client: Client,
    waiting: Statement,
    kill: Statement,
    is_there: Statement,
    asked: Mutex<HashMap<String, Statement>>,
}

impl Observer {
    /// An observer on a connection of its own.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn new(server: &Server) -> Result<Self> {
        let client = server.connect().await?;
        // `pg_locks` and not only the wait event: a lock is granted there at once when it is released.
        let waiting = client
            .prepare(
                "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                 WHERE NOT l.granted AND a.application_name = $1",
            )
            .await?;
        let kill = client
            .prepare("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1")
            .await?;
        let is_there = client.prepare("SELECT 1 FROM pg_stat_activity WHERE application_name = $1").await?;
        Ok(Self { client, waiting, kill, is_there, asked: Mutex::default() })
    }

    /// Whether the connection of that name waits for a lock.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn waits_for_lock(&self, name: &str) -> Result<bool> {
        let row = self.client.query_one(&self.waiting, &[&name]).await?;
        Ok(row.get::<_, i64>(0) > 0)
    }

    /// Ends the connection of that name, and waits until the server has cleaned up after it.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn kill(&self, name: &str) -> Result<()> {
        self.client.query(&self.kill, &[&name]).await?;
        // `pg_terminate_backend` can wait itself, but looks only every 100 ms.
        let began = Instant::now();
        while self.client.query_opt(&self.is_there, &[&name]).await?.is_some() {
            if began.elapsed() > LONGEST_END {
                bail!("the connection {name} does not end");
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Ok(())
    }

    /// Asks a question of the checkers; it is planned once.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn ask(&self, sql: &str) -> Result<Vec<Row>> {
        let known = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        let statement = match known {
            Some(statement) => statement,
            None => {
                let statement = self.client.prepare(sql).await?;
                self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned(), statement.clone());
                statement
            }
        };
        Ok(self.client.query(&statement, &[]).await?)
    }

    /// Ends the connections of all environments in this database, as a restart of the server does.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn end_all(&self) -> Result<()> {
        let whose = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'simulated-%'";
        self.client.batch_execute(&format!("SELECT pg_terminate_backend(pid) {whose}")).await?;
        let began = Instant::now();
        while !self.client.query(&format!("SELECT 1 {whose}"), &[]).await?.is_empty() {
            if began.elapsed() > LONGEST_END {
                bail!("the connections do not end");
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Ok(())
    }

    /// The connection.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}
