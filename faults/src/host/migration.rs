//! The custom resource that migrates the database at a deployment (`infra-cdk/lib/pipeline/migrations.ts`).

use super::function::Function;
use super::http;
use anyhow::Result;
use axum::body::Bytes;
use serde_json::json;
use std::sync::Arc;

/// Invokes `migrate` as CloudFormation does, and takes its answer.
pub(super) async fn migrate(function: &Arc<Function>) -> Result<()> {
    let answers = http::serve(async |_| http::answer(200, "text/plain", "")).await?;
    let request = json!({
        "RequestType": "Create",
        "ResponseURL": format!("http://{}/", answers.address),
        "StackId": "local",
        "RequestId": "local",
        "LogicalResourceId": "Migrations",
        "ResourceType": "Custom::Migrations",
        "ResourceProperties": {},
    });
    function.invoke(Bytes::from(request.to_string())).await?;
    Ok(())
}
