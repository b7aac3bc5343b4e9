//! The AWS services that the functions call, answered from memory.
//!
//! One endpoint for all of them (`AWS_ENDPOINT_URL`). Who calls is in the access key of the signature:
//! each function has its own name there. Signatures are not verified, and every caller may do everything:
//! permissions are tested on the emulator.

pub mod control_table;
mod dynamo;
mod expression;
mod lambda;
mod objects;
mod queues;
mod schedules;
mod secrets;
mod workflows;

pub use objects::Objects;
pub use schedules::{Schedule, Schedules};
pub use secrets::Secrets;

use super::Inner;
use super::http::{self, Answer, Call};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a service refuses, in the words of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// 4xx: the caller's fault; 5xx: the service's.
    pub status: u16,
    /// The code that the SDK reads.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into() }
    }

    fn of_status(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

/// A service and one of its operations.
struct Operation {
    service: &'static str,
    name: String,
}

/// Answers one request.
pub(super) async fn answer(host: Arc<Inner>, call: Call) -> Answer {
    let Some(operation) = operation(&call) else {
        return refused(&Refusal::of_status(
            404,
            "UnknownOperationException",
            format!("{} {}", call.method, call.path),
        ));
    };
    if let Some(function) = host.functions.get(caller(&call)) {
        function.account().called(operation.service, &operation.name);
    }
    if !host.latency.is_zero() {
        tokio::time::sleep(host.latency).await;
    }
    let name = operation.name.as_str();
    match operation.service {
        "s3" => return objects::answer(&host.objects, name, &call),
        "lambda" => return lambda::answer(&host, &call).await,
        _ => {}
    }
    let input = match call.body.is_empty() {
        true => Ok(Value::Null),
        false => serde_json::from_slice(&call.body),
    };
    let Ok(input) = input else { return refused(&Refusal::new("SerializationException", "not JSON")) };
    let result = match operation.service {
        "sqs" => queues::answer(&host, name, &input),
        "dynamodb" => dynamo::answer(&host.control, name, &input),
        "secretsmanager" => secrets::answer(&host.secrets, name, &input),
        "states" => workflows::answer(&host, name, &input),
        _ => schedules::answer(&host, name, &call, &input),
    };
    match result {
        Ok(output) => http::json(200, &output),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Answer {
    let body = json!({"__type": refusal.code, "message": refusal.message, "Message": refusal.message});
    http::with_header(http::json(refusal.status, &body), "x-amzn-errortype", refusal.code)
}

/// The access key of the signature.
fn caller(call: &Call) -> &str {
    let (_, credential) = call.header("authorization").split_once("Credential=").unwrap_or_default();
    credential.split('/').next().unwrap_or_default()
}

fn operation(call: &Call) -> Option<Operation> {
    let of = |service, name: &str| Some(Operation { service, name: name.to_owned() });
    if let Some((service, name)) = call.header("x-amz-target").split_once('.') {
        return match service {
            "AmazonSQS" => of("sqs", name),
            "DynamoDB_20120810" => of("dynamodb", name),
            "secretsmanager" => of("secretsmanager", name),
            "AWSStepFunctions" => of("states", name),
            _ => None,
        };
    }
    let method = call.method.as_str();
    if call.path.starts_with("/2015-03-31/functions/") {
        return of("lambda", "Invoke");
    }
    if call.path == "/schedules" {
        return of("scheduler", "ListSchedules");
    }
    if call.path.starts_with("/schedules/") {
        let name = match method {
            "POST" => "CreateSchedule",
            "PUT" => "UpdateSchedule",
            "GET" => "GetSchedule",
            "DELETE" => "DeleteSchedule",
            _ => return None,
        };
        return of("scheduler", name);
    }
    match method {
        "PUT" => of("s3", "PutObject"),
        "GET" => of("s3", "GetObject"),
        _ => None,
    }
}

/// A text of the input.
fn text<'a>(input: &'a Value, name: &str) -> &'a str {
    input.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn required<'a>(input: &'a Value, name: &'static str) -> Result<&'a str, Refusal> {
    let missing = || Refusal::new("ValidationException", format!("{name} is missing"));
    input.get(name).and_then(Value::as_str).ok_or_else(missing)
}
