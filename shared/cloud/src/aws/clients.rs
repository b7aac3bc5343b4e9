//! One configuration for all services; each client is made when it is first asked for.

use super::database::{self, DatabaseLogin, DatabaseSecret};
use super::{
    DynamoControl, EventBridgeSchedules, LambdaFunctions, S3Objects, ScheduleTarget, SecretsManager, SqsQueues,
    StepFunctionsWorkflows,
};
use crate::control::Control;
use crate::functions::Functions;
use crate::objects::Objects;
use crate::queue::Queues;
use crate::schedules::Schedules;
use crate::secret_store::SecretStore;
use crate::secrets::Secrets;
use crate::workflow::Workflows;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A service in the same region answers in milliseconds: what takes longer is better tried again.
const CONNECT: Duration = Duration::from_secs(1);
const ATTEMPT: Duration = Duration::from_secs(4);
/// Below the shortest time limit of a function that calls one (`ingest`, 10 s), so that it can still answer.
const OPERATION: Duration = Duration::from_secs(8);
const MAX_ATTEMPTS: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// Every client that a function may need; cheap until one is used.
pub struct Clients {
    config: SdkConfig,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    secrets: OnceLock<aws_sdk_secretsmanager::Client>,
    dynamo: OnceLock<aws_sdk_dynamodb::Client>,
}

impl Clients {
    /// Reads region, credentials and `AWS_ENDPOINT_URL` from the environment. Opens no connection.
    pub async fn load() -> Self {
        Self::with(loader().load().await)
    }

    /// Clients of an AWS emulator at `endpoint`, with the credentials that it expects; for tests.
    pub async fn emulator(endpoint: &str) -> Self {
        let credentials = aws_sdk_sqs::config::Credentials::new("test", "test", None, None, "emulator");
        let region = aws_config::Region::from_static("us-east-1");
        Self::with(loader().endpoint_url(endpoint).region(region).credentials_provider(credentials).load().await)
    }

    fn with(config: SdkConfig) -> Self {
        Self { config, sqs: OnceLock::new(), s3: OnceLock::new(), secrets: OnceLock::new(), dynamo: OnceLock::new() }
    }

    /// What logs in to PostgreSQL, asked anew for each connection.
    #[must_use]
    pub fn database_secret(&self, login: DatabaseLogin) -> DatabaseSecret {
        database::source(self.config.clone(), self.secrets(), login)
    }

    /// The configuration itself.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// SQS.
    #[must_use]
    pub fn queues(&self) -> Arc<dyn Queues> {
        Arc::new(SqsQueues::new(self.sqs().clone()))
    }

    /// One bucket of S3.
    #[must_use]
    pub fn objects(&self, bucket: impl Into<String>) -> Arc<dyn Objects> {
        Arc::new(S3Objects::new(self.s3().clone(), bucket))
    }

    /// Secrets Manager, without memory: wrap it in [`crate::cached_secrets::CachedSecrets`].
    #[must_use]
    pub fn secrets(&self) -> Arc<dyn Secrets> {
        Arc::new(SecretsManager::new(self.secrets_manager().clone()))
    }

    /// Secrets Manager for whoever makes and ends secrets.
    #[must_use]
    pub fn secret_store(&self) -> Arc<dyn SecretStore> {
        Arc::new(SecretsManager::new(self.secrets_manager().clone()))
    }

    /// The control table.
    #[must_use]
    pub fn control(&self, table: impl Into<String>) -> Arc<dyn Control> {
        Arc::new(DynamoControl::new(self.dynamo().clone(), table))
    }

    /// Lambda; `patience` is how long an answer is waited for.
    #[must_use]
    pub fn functions(&self, patience: Duration) -> Arc<dyn Functions> {
        // Calls may not be repeatable, so a lost answer is the caller's to judge.
        let config = aws_sdk_lambda::config::Builder::from(&self.config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(patience).build())
            // The answer begins when the function is done: nothing flows until then.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Arc::new(LambdaFunctions::new(aws_sdk_lambda::Client::from_conf(config)))
    }

    /// One state machine of Step Functions.
    #[must_use]
    pub fn workflows(&self, state_machine_arn: impl Into<String>) -> Arc<dyn Workflows> {
        Arc::new(StepFunctionsWorkflows::new(aws_sdk_sfn::Client::new(&self.config), state_machine_arn))
    }

    /// One group of EventBridge Scheduler.
    #[must_use]
    pub fn schedules(&self, target: ScheduleTarget) -> Arc<dyn Schedules> {
        Arc::new(EventBridgeSchedules::new(aws_sdk_scheduler::Client::new(&self.config), target))
    }

    /// The client of SQS.
    pub fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.sqs.get_or_init(|| aws_sdk_sqs::Client::new(&self.config))
    }

    /// The client of S3.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3.get_or_init(|| {
            // An emulator has no host name for each bucket.
            let is_elsewhere =
                self.config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
            let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(is_elsewhere).build();
            aws_sdk_s3::Client::from_conf(config)
        })
    }

    /// The client of Secrets Manager.
    pub fn secrets_manager(&self) -> &aws_sdk_secretsmanager::Client {
        self.secrets.get_or_init(|| aws_sdk_secretsmanager::Client::new(&self.config))
    }

    /// The client of DynamoDB.
    pub fn dynamo(&self) -> &aws_sdk_dynamodb::Client {
        self.dynamo.get_or_init(|| aws_sdk_dynamodb::Client::new(&self.config))
    }
}

fn loader() -> aws_config::ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS).with_initial_backoff(FIRST_BACKOFF);
    // Bodies are small and whole: below a byte a second for two seconds a transfer is dead.
    let stalled = StalledStreamProtectionConfig::enabled().grace_period(Duration::from_secs(2)).build();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts)
        .retry_config(retries)
        .stalled_stream_protection(stalled)
}
