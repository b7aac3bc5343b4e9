//! Deploy and tenant creation: brings schemas to the newest migration.
//!
//! It is invoked in two ways: by CloudFormation, as a custom resource of each deploy, which wants
//! its answer at a URL; and by `api`, with the name of one tenant.

mod cloudformation;

pub use cloudformation::Responder;

use fluxnex_core::ids::TenantId;
use fluxnex_lambda::BoxError;
use fluxnex_store::{Database, MigrationReport};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// What the stage needs.
pub struct Migrate {
    /// The database.
    pub database: Arc<Database>,
    /// Answers CloudFormation.
    pub responder: Arc<dyn Responder>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneTenant {
    tenant: TenantId,
}

impl Migrate {
    /// Handles one invocation; answers the report of what was applied.
    ///
    /// # Errors
    /// What the database could not do, and events of neither shape.
    pub async fn handle(&self, event: Box<RawValue>) -> Result<Value, BoxError> {
        if let Ok(request) = serde_json::from_str::<cloudformation::Request>(event.get()) {
            return self.serve(&request).await;
        }
        let OneTenant { tenant } = serde_json::from_str(event.get())
            .map_err(|_| "the event is neither a custom resource's request nor {\"tenant\": …}")?;
        let report = self.database.migrate_tenant(&tenant).await?;
        log(&report);
        Ok(serde_json::to_value(report)?)
    }

    /// Serves CloudFormation, which is always answered: a deploy that hears nothing hangs for an hour.
    async fn serve(&self, request: &cloudformation::Request) -> Result<Value, BoxError> {
        // Deleting the stack deletes no data.
        let result = if request.is_delete() { Ok(MigrationReport::default()) } else { self.database.migrate().await };
        let answer = match &result {
            Ok(report) => request.success(report),
            Err(error) => request.failure(&error.to_string()),
        };
        self.responder.put(&request.response_url, answer.to_string()).await?;
        let report = result?;
        log(&report);
        Ok(serde_json::to_value(report)?)
    }
}

fn log(report: &MigrationReport) {
    tracing::info!(schemas = report.schemas, applied = report.applied.len(), outcome = "migrated", "migrations");
}
