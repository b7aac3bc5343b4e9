//! The adapter to Step Functions passes its suite against the AWS emulator.

use super::emulator::{clients, endpoint, fresh};
use async_trait::async_trait;
use aws_sdk_sfn::types::HistoryEvent;
use fluxnex_cloud::aws::Clients;
use fluxnex_cloud::conformance;
use fluxnex_cloud::conformance::workflow::WorkflowWorld;
use fluxnex_cloud::twin::TaskAnswer;
use fluxnex_cloud::workflow::Workflows;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long something is waited for that the emulator does in the background.
const PATIENCE: Duration = Duration::from_secs(20);

struct EmulatedWorkflows {
    sfn: aws_sdk_sfn::Client,
    clients: Clients,
    port: Arc<dyn Workflows>,
    /// Ends at once.
    machine: String,
    /// Sends its token to the queue, and waits.
    waiting_machine: String,
    queue: String,
    /// The execution of each token.
    executions: Mutex<BTreeMap<String, String>>,
}

impl EmulatedWorkflows {
    async fn new() -> Self {
        let clients = clients().await;
        let sfn = aws_sdk_sfn::Client::new(clients.config());
        let role = super::role::create(&endpoint(), &fresh("role")).await;
        let queue = clients.sqs().create_queue().queue_name(fresh("tokens")).send().await.unwrap().queue_url.unwrap();
        let pass = json!({"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": true}}});
        let wait = json!({"StartAt": "Wait", "States": {"Wait": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}},
            "End": true,
        }}});
        let mut machines = Vec::new();
        for definition in [pass, wait] {
            let request = sfn.create_state_machine().name(fresh("machine")).definition(definition.to_string());
            machines.push(request.role_arn(&role).send().await.unwrap().state_machine_arn);
        }
        let waiting_machine = machines.pop().unwrap();
        let machine = machines.pop().unwrap();
        let port = clients.workflows(&machine);
        Self { sfn, clients, port, machine, waiting_machine, queue, executions: Mutex::default() }
    }

    async fn next_token(&self) -> Option<String> {
        let sqs = self.clients.sqs();
        let request = sqs.receive_message().queue_url(&self.queue).wait_time_seconds(1);
        let message = request.send().await.unwrap().messages.unwrap_or_default().pop()?;
        let receipt = message.receipt_handle.unwrap();
        sqs.delete_message().queue_url(&self.queue).receipt_handle(receipt).send().await.unwrap();
        let body: Value = serde_json::from_str(&message.body.unwrap()).unwrap();
        Some(body.get("token").and_then(Value::as_str).unwrap().to_owned())
    }
}

#[async_trait]
impl WorkflowWorld for EmulatedWorkflows {
    fn workflows(&self) -> &dyn Workflows {
        self.port.as_ref()
    }

    async fn input(&self, name: &str) -> Option<Value> {
        let execution = format!("{}:{name}", self.machine.replacen(":stateMachine:", ":execution:", 1));
        let found = self.sfn.describe_execution().execution_arn(execution).send().await;
        match found {
            Ok(found) => Some(serde_json::from_str(&found.input.unwrap()).unwrap()),
            Err(error) if error.as_service_error().unwrap().is_execution_does_not_exist() => None,
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn wait(&self) -> String {
        let execution = self.sfn.start_execution().state_machine_arn(&self.waiting_machine).send().await.unwrap();
        let started = Instant::now();
        loop {
            if let Some(token) = self.next_token().await {
                self.executions.lock().unwrap().insert(token.clone(), execution.execution_arn);
                return token;
            }
            assert!(started.elapsed() < PATIENCE, "no token came");
        }
    }

    async fn outcome(&self, token: &str) -> TaskAnswer {
        let execution = self.executions.lock().unwrap()[token].clone();
        let started = Instant::now();
        loop {
            let history = self.sfn.get_execution_history().execution_arn(&execution).send().await.unwrap();
            if let Some(answer) = history.events.iter().find_map(answer) {
                return answer;
            }
            assert!(started.elapsed() < PATIENCE, "the execution does not end: {:?}", history.events);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// How the execution ended, if the event says so.
fn answer(event: &HistoryEvent) -> Option<TaskAnswer> {
    if let Some(details) = event.execution_succeeded_event_details() {
        return Some(TaskAnswer::Succeeded(serde_json::from_str(details.output()?).unwrap()));
    }
    let details = event.execution_failed_event_details()?;
    Some(TaskAnswer::Failed { error: details.error()?.to_owned(), cause: details.cause()?.to_owned() })
}

#[tokio::test]
async fn workflows() {
    conformance::workflow::suite(&EmulatedWorkflows::new().await).await;
}

#[tokio::test]
async fn a_workflow_that_is_not_there_refuses() {
    let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:absent";
    let error = clients().await.workflows(arn).start("name", &json!({})).await.unwrap_err();
    assert!(matches!(error, fluxnex_cloud::workflow::WorkflowError::Refused { .. }), "{error:?}");
}
