//! The main job on the Lambda host: webhooks and polls of Revenova's invoices and customers, which take
//! effect at QuickBooks Online.

use super::applications::{Applications, TENANT, secrets};
use super::database::Database;
use crate::host::platform::FUNCTIONS;
use crate::host::{Host, HostOptions, Sizes};
use crate::queues::Quirks;
use anyhow::{Context, Result};
use fluxnex_core::poll::Progress;
use fluxnex_simulators::commands::{Counts, ScenarioState};
use fluxnex_simulators::reconcile::{Report, reconcile};
use fluxnex_simulators::tls::LocalAuthority;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often one looks whether it is done.
const LOOK: Duration = Duration::from_millis(200);
/// All must be done this often in a row: between two looks something may be in nobody's hands.
const QUIET_LOOKS: u32 = 3;
/// After so long the polls are fired again that are not complete.
const FIRE_AGAIN: Duration = Duration::from_secs(10);

/// How the job is set up.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// The root of the repository.
    pub repository: PathBuf,
    /// The folder with the programs of the functions.
    pub programs: PathBuf,
    /// A folder for logs and certificates; made if it is not there.
    pub folder: PathBuf,
    /// How often queues do what they seldom do.
    pub quirks: Quirks,
    /// Timeouts that are not those of AWS, by function.
    pub timeouts: BTreeMap<String, Duration>,
    /// Decides what the quirks leave open.
    pub seed: u64,
    /// Whether standard error is told how it goes.
    pub is_told: bool,
}

/// How often one is told how it goes.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(5);

/// So many timeouts after it was delivered a message comes back: not as late as on AWS, so that more happens.
const VISIBILITY_TIMEOUTS: u32 = 3;

/// A short timeout for each function: it decides how soon the messages of a killed one come back.
/// What calls applications keeps seconds in reserve, and would never begin with less.
#[must_use]
pub fn short_timeouts() -> BTreeMap<String, Duration> {
    let seconds = |function: &str| if matches!(function, "deliver" | "fetch" | "poll") { 6 } else { 2 };
    let short = FUNCTIONS.iter().filter(|(function, _)| *function != "migrate");
    short.map(|(function, _)| ((*function).to_owned(), Duration::from_secs(seconds(function)))).collect()
}

/// Whether all came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Nothing is left to do.
    Quiet,
    /// Patience ended, and this is left, with its number.
    Stuck(BTreeMap<String, u64>),
}

/// The main job: everything around it is set up, the bundle is applied, and time passes.
pub struct Job {
    /// Where the functions run.
    pub host: Host,
    /// The applications on both sides.
    pub applications: Applications,
    /// FluxNex's database.
    pub database: Database,
    pub(super) is_told: bool,
}

impl Job {
    /// Sets everything up.
    ///
    /// # Errors
    /// Something of it is not there, or refuses.
    pub async fn start(options: &JobOptions) -> Result<Self> {
        let folder = &options.folder;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let authority = LocalAuthority::ensure(&folder.join("authority"), Timestamp::now())?;
        let database = Database::create().await?;
        let applications = Applications::start(&authority).await?;
        let sizes = Sizes {
            timeouts: options.timeouts.clone(),
            // A killed function keeps its whole batch away for a while.
            bulk_batch_size: 10,
            bulk_window: Duration::from_millis(100),
            visibility_timeouts: VISIBILITY_TIMEOUTS,
            maximum_environments: 4,
        };
        let mut host = Host::start(&HostOptions {
            repository: options.repository.clone(),
            programs: options.programs.clone(),
            logs: folder.clone(),
            database: database.own.login()?,
            extra_ca_file: Some(both(database.own.authority(), &authority.ca(), folder)?),
            time_scale: 20.0,
            sizes,
            quirks: options.quirks,
            seed: options.seed,
            latency: Duration::ZERO,
        })
        .await?;
        for (name, secret) in secrets() {
            host.secrets().set(name, &secret);
        }
        applications.configure(&host.front_door()).await?;
        host.migrate().await?;
        applications.apply_bundle(&options.repository, &host.front_door()).await?;
        host.start_clock();
        Ok(Self { host, applications, database, is_told: options.is_told })
    }

    /// Waits until the polls have seen everything up to now, and nothing is left to do. From here on the
    /// queues do what they usually do: an acknowledgement that is lost over and over would delay the end.
    ///
    /// # Errors
    /// The applications or the database do not answer.
    pub async fn settle(&self, patience: Duration) -> Result<Settled> {
        let (since, began) = (Timestamp::now(), Instant::now());
        let (mut fired, mut told) = (None::<Instant>, began);
        let mut quiet = 0;
        self.host.queues().lock().set_quirks(Quirks::NONE);
        loop {
            if self.polls_to_complete(since) > 0 && fired.is_none_or(|fired| fired.elapsed() > FIRE_AGAIN) {
                self.host.fire_schedules(TENANT);
                fired = Some(Instant::now());
            }
            let open = self.open(since).await?;
            quiet = if open.is_empty() { quiet + 1 } else { 0 };
            if quiet >= QUIET_LOOKS {
                return Ok(Settled::Quiet);
            }
            if began.elapsed() > patience {
                return Ok(Settled::Stuck(open));
            }
            if self.is_told && told.elapsed() > TELL_EVERY {
                eprintln!("  … {} s: still to do: {open:?}", began.elapsed().as_secs());
                told = Instant::now();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What is not done, and how many of each.
    async fn open(&self, since: Timestamp) -> Result<BTreeMap<String, u64>> {
        let mut open = self.database.open().await?;
        let is_sending = self.counts().await?.scenario == ScenarioState::Running;
        open.extend([
            ("polls to complete".to_owned(), self.polls_to_complete(since)),
            ("scenarios".to_owned(), is_sending.into()),
        ]);
        let queues = self.host.queues().lock();
        open.extend(queues.names().map(|name| (name.to_owned(), queues.undeleted(name) as u64)));
        open.retain(|_, count| *count > 0);
        Ok(open)
    }

    /// What happened so far.
    ///
    /// # Errors
    /// The applications do not answer.
    pub async fn counts(&self) -> Result<Counts> {
        self.applications.counts().await
    }

    /// What the applications' records say.
    ///
    /// # Errors
    /// The applications or the database do not answer.
    pub async fn report(&self) -> Result<Report> {
        Ok(reconcile(&self.applications.journal().await?, &self.database.failed_events().await?))
    }

    /// Ends it, and removes its database.
    ///
    /// # Errors
    /// The database cannot be removed.
    pub async fn stop(self) -> Result<()> {
        self.host.stop().await;
        self.database.remove().await
    }

    /// How many polls have no complete run that began after that moment.
    fn polls_to_complete(&self, since: Timestamp) -> u64 {
        let prefix = format!("{TENANT}.");
        let wanted = self.host.schedules().all().iter().filter(|(name, _)| name.starts_with(&prefix)).count();
        let polls = self.host.control().partition(&format!("poll#{TENANT}#revenova"));
        let completed = polls.iter().filter_map(|item| {
            let progress = item.get("progress")?.get("S").and_then(Value::as_str)?;
            serde_json::from_str::<Progress>(progress).ok()?.completed
        });
        wanted.saturating_sub(completed.filter(|run| run.began_at > since).count()) as u64
    }
}

/// Two authorities in one file.
fn both(one: &Path, other: &Path, folder: &Path) -> Result<PathBuf> {
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let file = folder.join("authorities.pem");
    std::fs::write(&file, [read(one)?, read(other)?].join("\n"))?;
    Ok(file)
}
