//! The adapters pass the suites, against the AWS emulator that the environment names.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use fluxnex_cloud::Disposition;
use fluxnex_cloud::aws::Clients;
use fluxnex_cloud::conformance;
use fluxnex_cloud::conformance::queues::{QueueWorld, Seen};
use fluxnex_cloud::conformance::secrets::SecretWorld;
use fluxnex_cloud::queue::{OutgoingMessage, QueueError, QueueUrl, Queues};
use fluxnex_cloud::secrets::Secrets;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const ENDPOINT: &str = "FLUXNEX_TEST_AWS_ENDPOINT";

pub fn endpoint() -> String {
    std::env::var(ENDPOINT)
        .unwrap_or_else(|_| panic!("{ENDPOINT} names no AWS emulator: `cargo xtask test` starts one and sets it"))
}

pub async fn clients() -> Clients {
    Clients::emulator(&endpoint()).await
}

/// A name that no other test and no earlier run has used.
pub fn fresh(name: &str) -> String {
    format!("conformance-{}-{name}", Uuid::new_v4().simple())
}

#[tokio::test]
async fn objects() {
    let clients = clients().await;
    let bucket = fresh("bucket");
    clients.s3().create_bucket().bucket(&bucket).send().await.unwrap();
    conformance::objects::suite(clients.objects(&bucket).as_ref()).await;
}

#[tokio::test]
async fn control() {
    let clients = clients().await;
    let table = fresh("control");
    let mut request = clients.dynamo().create_table().table_name(&table).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        request = request.attribute_definitions(attribute.build().unwrap()).key_schema(key.build().unwrap());
    }
    request.send().await.unwrap();
    conformance::control::suite(clients.control(&table).as_ref()).await;
}

const FUNCTION: &str = "
class Error(Exception):
    pass

def echo(event, context):
    return event

def broken(event, context):
    raise Error('marked-secret')
";

#[tokio::test]
async fn functions() {
    let clients = clients().await;
    let lambda = aws_sdk_lambda::Client::new(clients.config());
    let code = super::zip::archive("index.py", FUNCTION.as_bytes());
    let role = super::role::create(&endpoint(), &fresh("role")).await;
    let mut names = Vec::new();
    for handler in ["echo", "broken"] {
        let name = fresh(handler);
        let code = aws_sdk_lambda::types::FunctionCode::builder()
            .zip_file(aws_sdk_lambda::primitives::Blob::new(code.clone()))
            .build();
        let request = lambda.create_function().function_name(&name).code(code);
        let request = request.runtime(aws_sdk_lambda::types::Runtime::Python312).timeout(10);
        request.role(&role).handler(format!("index.{handler}")).send().await.unwrap();
        names.push(name);
    }
    let functions = clients.functions(Duration::from_secs(20));
    conformance::functions::suite(functions.as_ref(), &names[0], &names[1]).await;
    for name in names {
        lambda.delete_function().function_name(name).send().await.unwrap();
    }
}

struct EmulatedSecrets {
    clients: Clients,
    port: Arc<dyn Secrets>,
}

#[async_trait]
impl SecretWorld for EmulatedSecrets {
    fn secrets(&self) -> &dyn Secrets {
        self.port.as_ref()
    }

    async fn create(&self, name: &str, json: Value) {
        let manager = self.clients.secrets_manager();
        // The suite names its secrets itself, so an earlier run may have left this one.
        let _ = manager.delete_secret().secret_id(name).force_delete_without_recovery(true).send().await;
        manager.create_secret().name(name).secret_string(json.to_string()).send().await.unwrap();
    }
}

#[tokio::test]
async fn secrets() {
    let clients = clients().await;
    let (port, store) = (clients.secrets(), clients.secret_store());
    conformance::secrets::suite(&EmulatedSecrets { clients, port }).await;
    let name = format!("fluxnex/local/connections/acme/added-{}", Uuid::new_v4().simple());
    conformance::secrets::store_suite(store.as_ref(), &name).await;
}

struct EmulatedQueues {
    clients: Clients,
    port: Arc<dyn Queues>,
    prefix: String,
}

impl EmulatedQueues {
    async fn new() -> Self {
        let clients = clients().await;
        let port = clients.queues();
        Self { clients, port, prefix: fresh("") }
    }
}

#[async_trait]
impl QueueWorld for EmulatedQueues {
    fn queues(&self) -> &dyn Queues {
        self.port.as_ref()
    }

    async fn create(&self, name: &str) -> QueueUrl {
        let mut request = self.clients.sqs().create_queue().queue_name(format!("{}{name}", self.prefix));
        // Without it the emulator keeps to the limit of former years.
        request = request.attributes(QueueAttributeName::MaximumMessageSize, "1048576");
        if name.ends_with(".fifo") {
            request = request.attributes(QueueAttributeName::FifoQueue, "true");
        }
        QueueUrl::new(request.send().await.unwrap().queue_url.unwrap())
    }

    async fn take(&self, queue: &QueueUrl) -> Vec<Seen> {
        let sqs = self.clients.sqs();
        let request = sqs.receive_message().queue_url(queue.as_str()).max_number_of_messages(10);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        let mut seen = Vec::new();
        for message in request.send().await.unwrap().messages.unwrap_or_default() {
            let receipt = message.receipt_handle.unwrap();
            sqs.delete_message().queue_url(queue.as_str()).receipt_handle(receipt).send().await.unwrap();
            let mut attributes = message.attributes.unwrap_or_default();
            let group = attributes.remove(&MessageSystemAttributeName::MessageGroupId);
            seen.push(Seen { body: message.body.unwrap_or_default(), group });
        }
        seen
    }

    async fn pass(&self) -> Duration {
        let step = Duration::from_millis(100);
        tokio::time::sleep(step).await;
        step
    }
}

#[tokio::test]
async fn queues() {
    conformance::queues::suite(&EmulatedQueues::new().await).await;
}

#[tokio::test]
async fn a_queue_that_is_not_there_refuses() {
    let world = EmulatedQueues::new().await;
    let queue = world.create("gone").await;
    world.clients.sqs().delete_queue().queue_url(queue.as_str()).send().await.unwrap();
    let error = world.port.send(&queue, vec![OutgoingMessage::new("{}")]).await.unwrap_err();
    assert!(matches!(error, QueueError::Refused { .. }), "{error:?}");
    assert_eq!(error.disposition(), Disposition::Retry);
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_unavailable() {
    let clients = Clients::emulator("http://127.0.0.1:1").await;
    let queue = QueueUrl::new("http://127.0.0.1:1/000000000000/q");
    let error = clients.queues().send(&queue, vec![OutgoingMessage::new("{}")]).await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable { unsent: 1, .. }), "{error:?}");
}
