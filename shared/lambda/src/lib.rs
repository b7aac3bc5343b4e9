//! Lambda glue: batches, isolation of each record, logging and settings.
//!
//! A function's `main.rs` only wires:
//!
//! ```no_run
//! //! Wires the `replicate` function.
//! use fluxnex_cloud::aws::Clients;
//! use fluxnex_lambda::batch::{self, Outcome};
//! use fluxnex_lambda::{Invocation, SqsEvent};
//! use std::process::ExitCode;
//! # #[derive(serde::Deserialize)] struct InboundEvent {}
//! # struct Stage;
//! # impl Stage {
//! #     fn new(_: std::sync::Arc<dyn fluxnex_cloud::queue::Queues>, _: fluxnex_cloud::queue::QueueUrl) -> Self { Self }
//! #     async fn handle(&self, works: &[batch::Work<InboundEvent>]) -> Result<Vec<Outcome>, batch::BatchError> {
//! #         Ok(works.iter().map(|_| Outcome::done("stored")).collect())
//! #     }
//! # }
//!
//! fn main() -> ExitCode {
//!     fluxnex_lambda::run("replicate", async |settings| {
//!         let clients = Clients::load().await;
//!         let stage = Stage::new(clients.queues(), settings.url("SOURCE_REPLICA_URL")?);
//!         Ok(async move |event: SqsEvent, invocation: Invocation| {
//!             batch::run_batch(event, &invocation, batch::json::<InboundEvent>, async |works| stage.handle(works).await).await
//!         })
//!     })
//! }
//! ```

pub mod batch;
pub mod deadline;
pub mod inbound;
pub mod logging;
pub mod main_loop;
pub mod problem;
pub mod settings;
pub mod wiring;

pub use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
pub use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
pub use aws_lambda_events::http::HeaderValue;
pub use aws_lambda_events::http::header::ETAG;
pub use deadline::Deadline;
pub use main_loop::{Failure, Invocation, run};
pub use settings::{Settings, SettingsError, TimeScale};

/// An error of any type, for wiring code.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
