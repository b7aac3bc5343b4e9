//! What the infrastructure makes, as the host needs it: names, queues, event sources, variables.
//!
//! The sources are `infra-cdk/lib/profiles.ts`, `queues/queues.ts`, `queues/stage-queue.ts` and
//! `stacks/pipeline-stack.ts`; which variables a function gets is read from `functions/settings.json`.

use crate::queues::{self, CreateError, EventSourceSettings, QueueSettings, Queues, Quirks};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The profile that the names are of.
pub const PROFILE: &str = "local";
const ACCOUNT: &str = "000000000000";

/// Functions and their timeouts, in seconds (`AWS_TIMEOUTS` of `profiles.ts`).
pub const FUNCTIONS: [(&str, u64); 11] = [
    ("ingest", 10),
    ("poll", 60),
    ("replicate", 30),
    ("normalise", 30),
    ("fetch", 60),
    ("route", 30),
    ("deliver", 60),
    ("sweep", 60),
    ("notify", 30),
    ("migrate", 300),
    ("api", 29),
];

/// A queue between two stages.
struct Stage {
    name: &'static str,
    consumer: &'static str,
    /// Gathered in large batches.
    is_bulk: bool,
    max_receive_count: u32,
}

const fn stage(name: &'static str, consumer: &'static str, is_bulk: bool, max_receive_count: u32) -> Stage {
    Stage { name, consumer, is_bulk, max_receive_count }
}

const STAGES: [Stage; 7] = [
    stage("fetch-request", "poll", false, 5),
    stage("inbound-gateway", "replicate", true, 10),
    stage("source-replica", "normalise", true, 5),
    stage("normalised", "route", true, 5),
    stage("delayed-wakes", "deliver", false, 5),
    stage("sweep-tenant", "sweep", false, 5),
    stage("notification-delivery", "notify", false, 5),
];

/// What of it may differ from run to run.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Timeouts that are not those of AWS, by function: short ones for those who kill processes.
    pub timeouts: BTreeMap<String, Duration>,
    /// Batch size of the layers L2 to L4 (100 on AWS).
    pub bulk_batch_size: usize,
    /// Their window (1 s on AWS; needed above 10 messages there).
    pub bulk_window: Duration,
    /// A message is visible again after so many timeouts of its function (6 on AWS), and the window.
    pub visibility_timeouts: u32,
    /// The most environments of each function (`maximumConcurrency` per queue on AWS).
    pub maximum_environments: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            timeouts: BTreeMap::new(),
            bulk_batch_size: 100,
            bulk_window: Duration::from_secs(1),
            visibility_timeouts: 6,
            maximum_environments: 5,
        }
    }
}

impl Sizes {
    /// After which an invocation of the function is killed.
    #[must_use]
    pub fn timeout(&self, function: &str) -> Duration {
        let usual = FUNCTIONS.iter().find(|(name, _)| *name == function).map_or(30, |(_, seconds)| *seconds);
        self.timeouts.get(function).copied().unwrap_or(Duration::from_secs(usual))
    }
}

/// `fluxnex-local-<name>`: functions and queues.
#[must_use]
pub fn physical_name(name: &str) -> String {
    format!("fluxnex-{PROFILE}-{name}")
}

/// The ARN of a function.
#[must_use]
pub fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{}", physical_name(name))
}

/// The queues, and which function each of them invokes.
pub struct Plumbing {
    /// All queues, empty.
    pub queues: Queues,
    /// Event sources and the functions that they invoke.
    pub sources: Vec<(EventSourceSettings, &'static str)>,
}

/// Makes the queues, one outbound queue for each target connector among them.
///
/// # Errors
/// Two target connectors have the same name.
pub fn plumbing(sizes: &Sizes, targets: &[String], quirks: Quirks) -> Result<Plumbing, CreateError> {
    let mut made = Plumbing { queues: Queues::new(quirks), sources: Vec::new() };
    for stage in &STAGES {
        made.add(sizes, stage.name, stage)?;
    }
    for target in targets {
        let stage = stage("outbound", "deliver", false, 5);
        made.add(sizes, &format!("outbound-{target}"), &stage)?;
    }
    Ok(made)
}

impl Plumbing {
    fn add(&mut self, sizes: &Sizes, name: &str, stage: &Stage) -> Result<(), CreateError> {
        let suffix = if stage.name == "outbound" { ".fifo" } else { "" };
        let queue = physical_name(&format!("{name}{suffix}"));
        let dead = physical_name(&format!("{name}-dlq{suffix}"));
        let window = if stage.is_bulk { sizes.bulk_window } else { Duration::ZERO };
        let batch_size = if stage.is_bulk { sizes.bulk_batch_size } else { 10 };
        self.queues.create(QueueSettings::for_function(&dead, sizes.timeout("sweep"), Duration::ZERO))?;
        let timeout = sizes.timeout(stage.consumer);
        let mut settings = QueueSettings::for_function(&queue, timeout, window);
        settings.visibility = timeout.saturating_mul(sizes.visibility_timeouts).saturating_add(window);
        self.queues.create(settings.dead_letters(&dead, stage.max_receive_count))?;
        let source = |queue, batch_size, window, concurrency| EventSourceSettings {
            queue,
            batch_size,
            window,
            maximum_concurrency: Some(concurrency),
        };
        let most = sizes.maximum_environments;
        self.sources.push((source(queue, batch_size, window, most), stage.consumer));
        self.sources.push((source(dead, 10, Duration::ZERO, most.min(2)), "sweep"));
        Ok(())
    }
}

/// The variables that the infrastructure gives, by name.
#[must_use]
pub fn variables(endpoint: &str, targets: &[String], time_scale: f64) -> BTreeMap<String, String> {
    let url = |name: &str| format!("{endpoint}/{ACCOUNT}/{}", physical_name(name));
    let mut variables: BTreeMap<String, String> = [
        ("PROFILE", PROFILE.to_owned()),
        ("TIME_SCALE", time_scale.to_string()),
        ("PAYLOAD_BUCKET", physical_name("payloads")),
        ("CONTROL_TABLE", physical_name("control")),
        ("DATABASE_SECRET_ARN", database_secret()),
        ("DATABASE_AUTH", "password".to_owned()),
        (
            "BLOCKING_FETCH_ARN",
            format!("arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:{}", physical_name("blocking-fetch")),
        ),
        ("MIGRATE_FUNCTION", physical_name("migrate")),
        ("SCHEDULE_GROUP", format!("fluxnex-{PROFILE}")),
        ("SCHEDULE_ROLE_ARN", format!("arn:aws:iam::{ACCOUNT}:role/schedules")),
        ("FETCH_REQUEST_ARN", queues::arn(&physical_name("fetch-request"))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for stage in &STAGES {
        variables.insert(format!("{}_URL", stage.name.to_uppercase().replace('-', "_")), url(stage.name));
    }
    let outbound: BTreeMap<&str, String> =
        targets.iter().map(|target| (target.as_str(), url(&format!("outbound-{target}.fifo")))).collect();
    variables.insert("OUTBOUND_QUEUES".to_owned(), serde_json::json!(outbound).to_string());
    variables
}

/// The name of the secret with the login of the database.
#[must_use]
pub fn database_secret() -> String {
    format!("fluxnex/{PROFILE}/database")
}

/// The names of the variables that the function must have, then of those that it may have.
///
/// # Errors
/// The name of a function that `settings` does not know.
pub fn settings_of(settings: &Value, function: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let own = settings.get(function).ok_or_else(|| format!("functions/settings.json does not know {function}"))?;
    let names = |kind: &str| -> Vec<String> {
        let of = |part: Option<&Value>| part?.get(kind)?.as_object().map(|names| names.keys().cloned().collect());
        let both: [Vec<String>; 2] = [of(settings.get("all")).unwrap_or_default(), of(Some(own)).unwrap_or_default()];
        both.concat()
    };
    Ok((names("required"), names("optional")))
}
