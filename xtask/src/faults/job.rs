//! The main job on the local platform, for as long as one likes: rounds of webhooks and of silent changes.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use fluxnex_simulators::{
    commands::{Counts, ErpScenario, Scenario, ScenarioState, SilentChanges},
    reconcile::{Report, reconcile},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::{
    aws::{Aws, NAME_PREFIX, QueueDepth},
    certificates::{self, Certificates},
    demo::{
        Credentials,
        control::Control,
        kills::{self, Place},
        outcome, polls,
        setup::{self, ACME, GLOBEX, Job},
        watch::{End, Polling, Watcher},
    },
    emulator,
    layout::Layout,
    platform::status,
    postgres::{self, Database},
    progress::Progress,
    state::StateFile,
};

/// Of the sources, so that a poll takes several pages.
const PAGE_SIZE: usize = 5;
/// No new round begins while more messages than this wait or are under way.
const MOST_MESSAGES: u64 = 150;
/// The webhooks of a round are tried for longer than any run takes.
const DEADLINE_SECONDS: u64 = 3_600;
/// How long everything may take to come to its end when the killing is over.
const PATIENCE: Duration = Duration::from_secs(240);
/// After so many timeouts of its function a message is visible again.
const VISIBILITY_TIMEOUTS: u64 = 3;
/// States of a delivery, and of an event before it has one, in which something is still to come.
const OPEN_STATES: [&str; 5] = ["pending", "sending", "waiting", "processing", "received"];

/// The main job, prepared.
pub struct MainJob {
    aws: Aws,
    control: Control,
    database: Database,
    certificates: Certificates,
    seed: u64,
}

impl MainJob {
    /// Applies the bundles of both tenants, and makes the ERP's records.
    pub async fn prepare(layout: &Layout, seed: u64) -> Result<Self> {
        let state = StateFile::open(layout);
        let (emulator, _) = emulator::require(layout, &state)?;
        let remembered = state.get().clone();
        let missing = || anyhow!("the platform is not complete");
        let ports = remembered.simulators.ok_or_else(missing)?;
        let job = Self {
            aws: Aws::new(emulator.endpoint())?,
            control: Control::new(&ports)?,
            database: remembered.database.ok_or_else(missing)?,
            certificates: certificates::ensure(layout)?,
            seed,
        };
        setup::prepare(&Job {
            layout,
            aws: &job.aws,
            control: &job.control,
            ports,
            api_url: &remembered.deployment.ok_or_else(missing)?.api_url(&emulator)?,
            credentials: Credentials::generate(),
            page_size: PAGE_SIZE,
        })
        .await?;
        let erp = ErpScenario { customers: 5, invoices: 20, poison: 0, seed };
        job.control.start_erp(&erp).await?;
        Ok(job)
    }

    /// Gives each function less time, and its queues show a message again sooner.
    pub async fn shorten(&self) -> Result<()> {
        let url = format!("{}/2015-03-31/event-source-mappings/?MaxItems=1000", self.aws.endpoint());
        let listed = self.aws.signed(reqwest::Method::GET, &url, "lambda", &[], Vec::new()).await?;
        for mapping in listed.get("EventSourceMappings").and_then(Value::as_array).into_iter().flatten() {
            let last = |field: &str| mapping.get(field).and_then(Value::as_str)?.rsplit(':').next();
            let (Some(queue), Some(function)) = (last("EventSourceArn"), last("FunctionArn")) else { continue };
            let seconds = short_timeout(function);
            let url = format!("{}/2015-03-31/functions/{function}/configuration", self.aws.endpoint());
            let body = serde_json::to_vec(&json!({ "Timeout": seconds }))?;
            let headers = [("content-type", "application/json")];
            let changed = self.aws.signed(reqwest::Method::PUT, &url, "lambda", &headers, body).await;
            changed.with_context(|| format!("cannot change the timeout of {function}"))?;
            let found = self.aws.call("sqs", "AmazonSQS.GetQueueUrl", &json!({ "QueueName": queue })).await?;
            let visibility = (seconds * VISIBILITY_TIMEOUTS).to_string();
            let input = json!({
                "QueueUrl": found.get("QueueUrl"), "Attributes": { "VisibilityTimeout": visibility },
            });
            self.aws.call("sqs", "AmazonSQS.SetQueueAttributes", &input).await?;
        }
        Ok(())
    }

    /// Where the emulator runs `fetch`. It is not to be killed at random there: unlike AWS, the emulator does not
    /// fail a step that waits for a token when the function ends before it has told anybody of the token.
    pub async fn spared(&self, layout: &Layout) -> Result<PathBuf> {
        let (emulator, _) = emulator::require(layout, &StateFile::open(layout))?;
        let place = Place { layout, emulator: &emulator, aws: &self.aws, control: &self.control };
        kills::code(&place, "fetch").await
    }

    /// Begins another round, unless enough is under way. Says whether it did.
    pub async fn round(&self, number: u64) -> Result<bool> {
        let waiting: u64 = self.aws.queue_depths().await?.iter().map(QueueDepth::total).sum();
        if self.counts().await?.scenario == ScenarioState::Running || waiting > MOST_MESSAGES {
            return Ok(false);
        }
        let seed = self.seed.wrapping_add(number);
        if number > 0 {
            // Of these, nobody but a poll hears.
            self.control.change_silently(&SilentChanges { count: 2, seed }).await?;
        }
        for poll in self.polls().await? {
            poll.fire(&self.aws).await?;
        }
        let start = Timestamp::now() - SignedDuration::from_hours(24);
        let scenario = Scenario {
            customers: 2,
            invoices: 8,
            silent_customers: 1,
            silent_share: 0.1,
            updates_share: 0.3,
            poison: 0,
            seed,
            start,
            deadline_seconds: DEADLINE_SECONDS,
            retry_max_ms: 1_000,
            ..Scenario::default()
        };
        self.control.start(&scenario).await?;
        Ok(true)
    }

    /// What happened so far.
    pub async fn counts(&self) -> Result<Counts> {
        self.control.counts().await
    }

    async fn polls(&self) -> Result<Vec<polls::Poll>> {
        let mut found = polls::of(&self.aws, GLOBEX, |_| true).await?;
        found.extend(polls::of(&self.aws, ACME, |_| true).await?);
        Ok(found)
    }

    /// Waits until all is done; gives how much is not, when patience ends.
    pub async fn settle(&self, progress: &Progress) -> Result<u64> {
        let began = Instant::now();
        let database = postgres::connect(&self.database, &self.certificates).await?;
        let polling = Polling::fire(&self.aws, self.polls().await?).await?;
        let watcher = Watcher { control: &self.control, aws: &self.aws, database: &database, progress };
        loop {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let end = tokio::time::timeout(left, watcher.watch(&polling)).await;
            let is_quiet = matches!(end, Ok(Ok(End::Quiet)));
            if let Ok(Err(error)) = end {
                return Err(error);
            }
            let open = self.open(&database).await?;
            // A dead letter that waits to go in again is in no queue.
            if open == 0 && is_quiet {
                return Ok(0);
            }
            if !is_quiet || began.elapsed() > PATIENCE {
                return Ok(open.max(1));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn open(&self, database: &Client) -> Result<u64> {
        let rows = status::counts(database).await?;
        let is_open =
            |count: &&status::Count| OPEN_STATES.contains(&count.state.as_str()) || count.table == "waiting_records";
        let open: i64 = rows.iter().filter(is_open).map(|count| count.rows).sum();
        let query = "SELECT count(*) FROM fluxnex_master.dead_letters WHERE state = 'waiting'";
        let letters: i64 = database.query_one(query, &[]).await?.get(0);
        Ok(open.saturating_add(letters).unsigned_abs())
    }

    /// What the applications' records say.
    pub async fn report(&self) -> Result<Report> {
        let database = postgres::connect(&self.database, &self.certificates).await?;
        Ok(reconcile(&self.control.journal().await?, &outcome::failed_events(&database).await?))
    }
}

/// In seconds. What calls applications keeps some in reserve, and would never begin with less.
fn short_timeout(function: &str) -> u64 {
    let name = function.strip_prefix(NAME_PREFIX).unwrap_or(function);
    if matches!(name, "deliver" | "fetch" | "poll") { 8 } else { 5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_calls_applications_has_more_time() {
        assert!(short_timeout("fluxnex-local-deliver") > short_timeout("fluxnex-local-route"));
    }
}
