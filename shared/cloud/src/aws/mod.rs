//! The adapters to AWS, and the configuration that they share.

mod clients;
mod control;
mod database;
mod error;
mod functions;
mod objects;
mod queues;
mod schedules;
mod secrets;
mod workflow;

pub use clients::Clients;
pub use control::DynamoControl;
pub use database::{DatabaseAuth, DatabaseLogin, DatabaseSecret};
pub use functions::LambdaFunctions;
pub use objects::S3Objects;
pub use queues::SqsQueues;
pub use schedules::{EventBridgeSchedules, ScheduleTarget};
pub use secrets::SecretsManager;
pub use workflow::StepFunctionsWorkflows;
