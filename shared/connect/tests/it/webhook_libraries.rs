//! What the webhook connector sends is verified by the published libraries, through a rotation of the secret; and
//! what they sign is let in.

use crate::published::{node, python, run};
use crate::server::{Received, Reply, Server, TestSecrets, client, connection};
use fluxnex_connect::{DeliveryRequest, Engine, catalog};
use fluxnex_core::ids::ObjectName;
use fluxnex_core::signature::{ActiveSecrets, SignatureScheme, SignedRequest, verify};
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

/// The secret before the rotation, the one after it, and one that nobody uses.
const BEFORE: &str = "whsec_ZXhhbXBsZS1zaWduaW5nLWtleS0wMDAwMDAwMDAwMDA=";
const AFTER: &str = "whsec_ZXhhbXBsZS1zaWduaW5nLWtleS0xMTExMTExMTExMTE=";
const OTHER: &str = "whsec_ZXhhbXBsZS1zaWduaW5nLWtleS05OTk5OTk5OTk5OTk=";
/// Text beyond ASCII and a number that a reader of floats would change: both sides must sign the same bytes.
const PAYLOAD: &str = r#"{"name":"Müller & Söhne ✓","amount":1000.10}"#;

/// What a connection with this secret sends, by the engine.
async fn sent(secret: Value) -> Received {
    let server = Server::start().await;
    server.reply(Reply::json(204, ""));
    let engine = Engine::new(client(), TestSecrets::with(secret));
    let connection = connection(catalog::compiled("webhook").unwrap(), None, &[("url", &server.url)]);
    let (object, payload) =
        (ObjectName::parse("customer.updated").unwrap(), RawValue::from_string(PAYLOAD.to_owned()).unwrap());
    let request = DeliveryRequest {
        object: &object,
        payload: &payload,
        idempotency_key: "0193-customer-r1",
        external_id: None,
        target: None,
        timeout: Duration::from_secs(10),
    };
    let report = engine.send(&connection, &request).await;
    let mut requests = server.requests();
    assert_eq!(requests.len(), 1, "{report:?}");
    requests.remove(0)
}

/// The headers of Standard Webhooks, and the body.
fn task(request: &Received, library: &str, secret: &str) -> Value {
    let header = |name: &str| request.headers[name].clone();
    json!({
        "library": library, "secret": secret, "body": request.body,
        "headers": {
            "webhook-id": header("webhook-id"), "webhook-timestamp": header("webhook-timestamp"),
            "webhook-signature": header("webhook-signature"),
        },
    })
}

/// What each library says to each task.
async fn answers(command: fn() -> Command, tasks: Vec<Value>) -> Vec<Value> {
    let tasks = Value::from(tasks).to_string();
    let printed = tokio::task::spawn_blocking(move || run(command().arg(tasks))).await.unwrap();
    serde_json::from_str(printed.trim()).unwrap()
}

fn with_node() -> Command {
    node("webhooks.cjs")
}

fn with_python() -> Command {
    let mut command = Command::new(python());
    command.arg(crate::published::folder().join("webhooks.py"));
    command
}

fn refused(answer: &Value) -> bool {
    answer.as_str().is_some_and(|text| text.contains("No matching signature"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_use_the_libraries_verify_what_is_sent_through_a_rotation() {
    // The phases of a rotation: what the connection signs with, and which receivers shall still verify it.
    let phases = [
        (json!({"signing_secret": BEFORE}), [(BEFORE, true), (AFTER, false), (OTHER, false)]),
        (json!({"signing_secret": [AFTER, BEFORE]}), [(BEFORE, true), (AFTER, true), (OTHER, false)]),
        (json!({"signing_secret": AFTER}), [(BEFORE, false), (AFTER, true), (OTHER, false)]),
    ];
    let (mut tasks, mut expected) = (Vec::new(), Vec::new());
    for (secret, receivers) in phases {
        let request = sent(secret).await;
        for (receiver, verifies) in receivers {
            for library in ["standardwebhooks", "svix"] {
                tasks.push(task(&request, library, receiver));
                expected.push(verifies);
            }
        }
        // One byte more in the body.
        let mut changed = task(&request, "standardwebhooks", AFTER);
        changed["body"] = format!("{} ", request.body).into();
        tasks.push(changed);
        expected.push(false);
    }
    for (language, command) in [("Node", with_node as fn() -> Command), ("Python", with_python)] {
        let answers = answers(command, tasks.clone()).await;
        assert_eq!(answers.len(), expected.len());
        for ((answer, verifies), task) in answers.iter().zip(&expected).zip(&tasks) {
            let right = if *verifies { *answer == json!(true) } else { refused(answer) };
            assert!(right, "{language}: {answer}: {task}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rust_library_verifies_what_is_sent_through_a_rotation() {
    let request = sent(json!({"signing_secret": [AFTER, BEFORE]})).await;
    let mut headers = reqwest::header::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, request.headers[name].parse().unwrap());
    }
    for (secret, verifies) in [(BEFORE, true), (AFTER, true), (OTHER, false)] {
        let library = standardwebhooks::Webhook::new(secret).unwrap();
        assert_eq!(library.verify(request.body.as_bytes(), &headers).is_ok(), verifies, "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asymmetric_signatures_are_verified_by_ed25519_of_others_and_disturb_nobody_who_reads_the_symmetric_ones() {
    // The first pair of RFC 8032, section 7.1: a seed and its public key.
    const SEED: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    const PUBLIC: &str = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    // The second one: nobody's here.
    const OTHER_PUBLIC: &str = "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=";
    let request = sent(json!({"signing_secret": [BEFORE, SEED]})).await;
    let versions: Vec<&str> =
        request.headers["webhook-signature"].split(' ').filter_map(|one| Some(one.split_once(',')?.0)).collect();
    assert_eq!(versions, ["v1", "v1a"]);
    let asymmetric = |key: &str| {
        let mut task = task(&request, "crypto", "");
        task["key"] = key.into();
        task
    };
    let mut changed = asymmetric(PUBLIC);
    changed["body"] = format!("{} ", request.body).into();
    let tasks = vec![asymmetric(PUBLIC), asymmetric(OTHER_PUBLIC), changed, task(&request, "svix", BEFORE)];
    assert_eq!(answers(with_node, tasks).await, [json!(true), json!(false), json!(false), json!(true)]);
    assert_eq!(answers(with_python, vec![task(&request, "", BEFORE)]).await, [json!(true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_libraries_sign_is_let_in_while_their_secret_is_one_of_ours() {
    let now = Timestamp::now();
    let headers =
        json!({"webhook-id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", "webhook-timestamp": now.as_second().to_string()});
    let sign = |library: &str, secret: &str| json!({"library": library, "sign": true, "secret": secret, "headers": headers, "body": PAYLOAD});
    let tasks = vec![sign("standardwebhooks", BEFORE), sign("svix", AFTER), sign("svix", OTHER)];
    let secret = json!({"webhook_secret": [AFTER, BEFORE]});
    let secrets = ActiveSecrets::of(secret.as_object().unwrap(), "webhook_secret").unwrap();
    let scheme: SignatureScheme =
        serde_json::from_value(json!({"scheme": "standard_webhooks", "secret": "webhook_secret"})).unwrap();
    for command in [with_node as fn() -> Command, with_python] {
        let signatures = answers(command, tasks.clone()).await;
        for (signature, ours) in signatures.iter().zip([true, true, false]) {
            let header = |name: &str| match name {
                "webhook-signature" => signature.as_str(),
                name => headers[name].as_str(),
            };
            let lets_in = |body: &[u8]| {
                let request = SignedRequest { method: "POST", url: "https://example.com/hook", body };
                verify(&scheme, &secrets, header, &request, now).is_ok()
            };
            assert_eq!(lets_in(PAYLOAD.as_bytes()), ours, "{signature}");
            assert!(!lets_in(b"{}"), "another body");
        }
    }
}
