//! The protocol of CloudFormation's custom resources (AWS CloudFormation User Guide, "Custom
//! resource request and response reference").

use fluxnex_store::MigrationReport;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest reason that CloudFormation shows.
const LONGEST_REASON: usize = 1_000;

/// What CloudFormation asks for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Request {
    request_type: String,
    #[serde(rename = "ResponseURL")]
    pub(crate) response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    #[serde(default)]
    physical_resource_id: Option<String>,
}

/// Puts an answer at CloudFormation's URL.
pub trait Responder: Send + Sync {
    /// Puts the body there, without a content type, as the signed URL asks.
    fn put<'a>(
        &'a self,
        url: &'a str,
        body: String,
    ) -> BoxFuture<'a, Result<(), Box<dyn std::error::Error + Send + Sync>>>;
}

impl Request {
    pub(crate) fn is_delete(&self) -> bool {
        self.request_type == "Delete"
    }

    pub(crate) fn success(&self, report: &MigrationReport) -> Value {
        self.answer("SUCCESS", "Data", json!({ "Applied": report.applied.len(), "Schemas": report.schemas }))
    }

    pub(crate) fn failure(&self, reason: &str) -> Value {
        let reason: String = reason.chars().take(LONGEST_REASON).collect();
        self.answer("FAILED", "Reason", reason.into())
    }

    fn answer(&self, status: &str, name: &str, value: Value) -> Value {
        json!({
            name: value,
            "Status": status,
            // The same for ever, so that an update never looks like a replacement.
            "PhysicalResourceId": self.physical_resource_id.as_deref().unwrap_or("fluxnex-migrations"),
            "StackId": self.stack_id,
            "RequestId": self.request_id,
            "LogicalResourceId": self.logical_resource_id,
        })
    }
}
