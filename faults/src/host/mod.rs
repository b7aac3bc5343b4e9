//! The Lambda host: the real function programs, in surroundings that behave as AWS documents.
//!
//! Each function runs in as many execution environments as it may have, over the real Runtime API. The
//! event sources are played from the queue model ([`crate::queues`]) against real time; the AWS calls
//! that functions make are answered from memory; what each function uses is counted as AWS bills it.
//!
//! | part | is |
//! | --- | --- |
//! | `environment.rs`, `function.rs` | the processes, the Runtime API, timeouts, concurrency |
//! | `sources.rs` | event source mappings |
//! | `aws/` | SQS, DynamoDB, Secrets Manager, S3, Step Functions, Lambda, EventBridge Scheduler |
//! | `workflow/` | Step Functions: runs the infrastructure's own definition |
//! | `front_door.rs` | API Gateway |
//! | `clock.rs` | EventBridge: `sweep` each minute, schedules at their rate |
//! | `account.rs`, `usage.rs` | what is billed and used |
//! | `platform.rs` | the names, queues and variables of the infrastructure |
//!
//! Unlike AWS: an invocation that finds all environments busy waits for one and is not throttled, calls
//! are not authorised, and a function has all of a processor whatever its memory is.

mod account;
mod aws;
mod clock;
mod environment;
mod front_door;
mod function;
mod histogram;
mod http;
mod migration;
pub mod platform;
mod sources;
#[cfg(test)]
mod tests;
mod usage;
pub mod workflow;

pub use account::Figures;
pub use aws::control_table::ControlTable;
pub use aws::{Objects, Schedule, Schedules, Secrets};
pub use function::{Function, FunctionError, FunctionSettings};
pub use histogram::Histogram;
pub use platform::Sizes;
pub use sources::SharedQueues;
pub use workflow::Workflows;

use crate::queues::{Choices, Quirks};
use anyhow::{Context, Result, anyhow};
use axum::body::Bytes;
use futures::FutureExt;
use http::Server;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How a host is set up.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// The root of the repository: settings, connectors and the workflow's definition are read from there.
    pub repository: PathBuf,
    /// The folder with the programs of the functions.
    pub programs: PathBuf,
    /// An existing folder; each function's output goes to a file there.
    pub logs: PathBuf,
    /// The login of the database, of the shape that RDS makes.
    pub database: Value,
    /// An authority that the functions trust besides the public ones, a PEM file.
    pub extra_ca_file: Option<PathBuf>,
    /// Shortens waits and deadlines.
    pub time_scale: f64,
    /// Timeouts, batches, concurrency.
    pub sizes: Sizes,
    /// How often queues do what they seldom do.
    pub quirks: Quirks,
    /// Decides what the quirks leave open.
    pub seed: u64,
    /// How long each AWS call takes at least.
    pub latency: Duration,
}

/// What all parts of the host share.
struct Inner {
    functions: BTreeMap<String, Arc<Function>>,
    queues: Arc<SharedQueues>,
    control: ControlTable,
    secrets: Secrets,
    objects: Objects,
    schedules: Schedules,
    workflows: Workflows,
    latency: Duration,
    time_scale: f64,
}

impl Inner {
    /// The function of this name, physical name or ARN.
    fn function_called(&self, name: &str) -> Option<&Arc<Function>> {
        let (_, last) = name.rsplit_once(':').unwrap_or(("", name));
        self.functions.get(last.strip_prefix(&platform::physical_name("")).unwrap_or(last))
    }
}

/// A running host. Its processes end when it is dropped.
pub struct Host {
    inner: Arc<Inner>,
    front_door: Server,
    _aws: Server,
    sources: Vec<sources::Running>,
    clock: Option<clock::Clock>,
}

impl Host {
    /// Starts the host. No function runs yet, no queue is read: [`Self::run`] begins with that.
    ///
    /// # Errors
    /// A file of the repository cannot be read, or no port is free.
    pub async fn start(options: &HostOptions) -> Result<Self> {
        let targets = target_connectors(options)?;
        let cell: Arc<OnceLock<Arc<Inner>>> = Arc::default();
        let of_cell = Arc::clone(&cell);
        let aws = http::serve(move |call| {
            let inner = of_cell.get().cloned();
            async move {
                match inner {
                    Some(inner) => aws::answer(inner, call).await,
                    None => http::answer(503, "text/plain", "starting"),
                }
            }
        })
        .await?;
        let plumbing = platform::plumbing(&options.sizes, &targets, options.quirks)?;
        let endpoint = format!("http://{}", aws.address);
        let functions = functions(options, &endpoint, &targets)?;
        let inner = Arc::new(Inner {
            workflows: workflows(options, &functions)?,
            functions,
            queues: Arc::new(SharedQueues::new(plumbing.queues)),
            control: ControlTable::default(),
            secrets: Secrets::default(),
            objects: Objects::default(),
            schedules: Schedules::default(),
            latency: options.latency,
            time_scale: options.time_scale,
        });
        inner.secrets.set(platform::database_secret(), &options.database);
        // Nobody else has the cell.
        drop(cell.set(Arc::clone(&inner)));
        let behind = Arc::clone(&inner);
        let front_door = http::serve(move |call| front_door::answer(Arc::clone(&behind), call)).await?;
        let mut host = Self { inner, front_door, _aws: aws, sources: Vec::new(), clock: None };
        for (number, (settings, function)) in (0..).zip(plumbing.sources) {
            let function = Arc::clone(host.function(function)?);
            let queues = Arc::clone(&host.inner.queues);
            host.sources.push(sources::start(settings, queues, function, options.seed.wrapping_add(number)));
        }
        Ok(host)
    }

    /// Migrates the database, as a deployment does.
    ///
    /// # Errors
    /// `migrate` says why it could not.
    pub async fn migrate(&self) -> Result<()> {
        migration::migrate(self.function("migrate")?).await
    }

    /// Lets time pass: `sweep` each minute, and schedules at their rate; shortened by the time scale.
    pub fn start_clock(&mut self) {
        self.clock = Some(clock::Clock::start(Arc::clone(&self.inner)));
    }

    /// Invokes `sweep` once, as the clock would.
    ///
    /// # Errors
    /// What `sweep` reports.
    pub async fn sweep(&self) -> Result<Value> {
        let answer = self.function("sweep")?.invoke(clock::minute()).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Fires every schedule whose name begins so, once. Answers how many there were.
    pub fn fire_schedules(&self, prefix: &str) -> usize {
        let all = self.inner.schedules.all();
        let meant = all.iter().filter(|(name, _)| name.starts_with(prefix));
        meant.map(|(_, schedule)| clock::fire(&self.inner, schedule)).count()
    }

    /// Where webhooks and API calls go, such as `http://127.0.0.1:4000`.
    #[must_use]
    pub fn front_door(&self) -> String {
        format!("http://{}", self.front_door.address)
    }

    /// The function of this name, such as `ingest`.
    ///
    /// # Errors
    /// There is none.
    pub fn function(&self, name: &str) -> Result<&Arc<Function>> {
        self.inner.functions.get(name).ok_or_else(|| anyhow!("there is no function {name}"))
    }

    /// All functions, by name.
    pub fn functions(&self) -> impl Iterator<Item = (&str, &Arc<Function>)> {
        self.inner.functions.iter().map(|(name, function)| (name.as_str(), function))
    }

    /// What each function has used.
    #[must_use]
    pub fn figures(&self) -> BTreeMap<String, Figures> {
        self.functions().map(|(name, function)| (name.to_owned(), function.figures())).collect()
    }

    /// The queues.
    #[must_use]
    pub fn queues(&self) -> &SharedQueues {
        &self.inner.queues
    }

    /// How many messages wait or are under way, in all queues.
    #[must_use]
    pub fn messages(&self) -> u64 {
        let queues = self.inner.queues.lock();
        queues.names().map(|name| queues.undeleted(name) as u64).sum()
    }

    /// The secrets.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    /// The objects.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.inner.objects
    }

    /// The control table.
    #[must_use]
    pub fn control(&self) -> &ControlTable {
        &self.inner.control
    }

    /// The schedules.
    #[must_use]
    pub fn schedules(&self) -> &Schedules {
        &self.inner.schedules
    }

    /// The executions of the state machine.
    #[must_use]
    pub fn workflows(&self) -> &Workflows {
        &self.inner.workflows
    }

    /// Where AWS is answered (`AWS_ENDPOINT_URL`).
    #[must_use]
    pub fn aws_endpoint(&self) -> String {
        format!("http://{}", self._aws.address)
    }

    /// Kills one process of any function (SIGKILL): every second time one at work, if there is one, otherwise
    /// any. False if none was hit.
    pub async fn kill_any(&self, choices: &mut dyn Choices) -> bool {
        let all = |of: fn(&Function) -> Vec<u32>| -> Vec<(&Arc<Function>, u32)> {
            let functions = self.functions();
            functions
                .flat_map(|(_, function)| of(function).into_iter().map(move |process| (function, process)))
                .collect()
        };
        let mut candidates = all(Function::at_work);
        if candidates.is_empty() || choices.below(2) == 1 {
            candidates = all(Function::processes);
        }
        match candidates.get(choices.below(candidates.len())) {
            Some((function, process)) => function.kill(*process).await,
            None => false,
        }
    }

    /// Stops reading queues and ends the environments that wait. Invocations under way end with the host.
    pub async fn stop(mut self) {
        self.sources.clear();
        self.clock = None;
        for function in self.inner.functions.values() {
            function.stop().await;
        }
    }
}

/// The folders of `connectors/` whose manifest has a `target:` key.
fn target_connectors(options: &HostOptions) -> Result<Vec<String>> {
    let folder = options.repository.join("connectors");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let manifest = fs::read_to_string(entry.path().join("connector.yaml")).unwrap_or_default();
        if manifest.lines().any(|line| line.starts_with("target:")) {
            targets.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

fn functions(options: &HostOptions, endpoint: &str, targets: &[String]) -> Result<BTreeMap<String, Arc<Function>>> {
    let settings = fs::read(options.repository.join("functions/settings.json")).context("cannot read the settings")?;
    let settings: Value = serde_json::from_slice(&settings).context("functions/settings.json is not understood")?;
    let mut values = platform::variables(endpoint, targets, options.time_scale);
    if let Some(file) = &options.extra_ca_file {
        values.insert("EXTRA_CA_FILE".to_owned(), file.display().to_string());
    }
    let mut functions = BTreeMap::new();
    for (name, _) in platform::FUNCTIONS {
        let (required, optional) = platform::settings_of(&settings, name).map_err(|error| anyhow!(error))?;
        let mut variables = runtime_variables(name, endpoint);
        for variable in required {
            let value = values.get(&variable).ok_or_else(|| anyhow!("the host does not know {variable} of {name}"))?;
            variables.push((variable, value.clone()));
        }
        variables.extend(optional.into_iter().filter_map(|name| Some((name.clone(), values.get(&name)?.clone()))));
        let function = Function::new(FunctionSettings {
            name: name.to_owned(),
            arn: platform::function_arn(name),
            program: options.programs.join(name),
            variables,
            timeout: options.sizes.timeout(name),
            maximum_environments: options.sizes.maximum_environments,
            log: options.logs.join(format!("{name}.log")),
        });
        functions.insert(name.to_owned(), Arc::new(function));
    }
    Ok(functions)
}

/// What Lambda sets itself ("Defined runtime environment variables"). The access key names the function.
fn runtime_variables(function: &str, endpoint: &str) -> Vec<(String, String)> {
    let name = platform::physical_name(function);
    [
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", function),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
        ("AWS_LAMBDA_FUNCTION_NAME", &name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "local"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("TZ", ":UTC"),
        ("_HANDLER", "bootstrap"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn workflows(options: &HostOptions, functions: &BTreeMap<String, Arc<Function>>) -> Result<Workflows> {
    let file = options.repository.join("infra-cdk/lib/pipeline/blocking-fetch.asl.json");
    let definition = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let definition = definition.replace("${FetchFunction}", "fetch").replace("${Partition}", "aws");
    let fetch = functions.get("fetch").cloned().ok_or_else(|| anyhow!("there is no function fetch"))?;
    let invoke: workflow::Invoke = Arc::new(move |_, payload| {
        let fetch = Arc::clone(&fetch);
        async move {
            let answer = fetch.invoke(Bytes::from(payload.to_string())).await?;
            Ok(serde_json::from_slice(&answer).unwrap_or_default())
        }
        .boxed()
    });
    Ok(Workflows::new(serde_json::from_str(&definition)?, invoke, options.time_scale, options.seed))
}
