//! A whole function as its own process, against a stand-in for Lambda's Runtime API.

use fluxnex_lambda::Invocation;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Set in the process that is the function.
const ROLE: &str = "FLUXNEX_TEST_AS_FUNCTION";

/// The function itself: not a test, unless its environment says so.
#[test]
fn as_function() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let code = fluxnex_lambda::run("ingest", async |settings| {
        let profile = settings.text("PROFILE")?.to_owned();
        Ok(async move |event: Event, invocation: Invocation| {
            assert!(event.what != "panic", "{}", event.text);
            if event.what == "fail" {
                return Err("it does not work");
            }
            tracing::info!(target: "ingest", "a line of the stage");
            let has_time = invocation.deadline().remaining() < Duration::from_secs(61);
            Ok(json!({"profile": profile, "request": invocation.request_id(), "has_time": has_time}))
        })
    });
    std::process::exit(if code == ExitCode::SUCCESS { 0 } else { 1 });
}

#[derive(serde::Deserialize)]
struct Event {
    what: String,
    text: String,
}

fn function(environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "function::as_function", "--nocapture"]).env_clear().env(ROLE, "1");
    command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

const SETTINGS: [(&str, &str); 5] = [
    ("PROFILE", "local"),
    ("TIME_SCALE", "1"),
    ("INBOUND_GATEWAY_URL", "http://host/0/inbound-gateway"),
    ("PAYLOAD_BUCKET", "bucket"),
    ("CONTROL_TABLE", "table"),
];

/// Serves the events, one after the other, and sends on what is answered: path and body.
fn runtime_api(events: Vec<String>) -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (answers, received) = channel();
    let events = Arc::new(Mutex::new(events.into_iter().enumerate()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (events, answers) = (Arc::clone(&events), answers.clone());
            std::thread::spawn(move || serve(&stream.unwrap(), &events, &answers));
        }
    });
    (address, received)
}

type Events = Mutex<std::iter::Enumerate<std::vec::IntoIter<String>>>;

fn serve(stream: &TcpStream, events: &Events, answers: &Sender<(String, Value)>) {
    let mut reader = BufReader::new(stream);
    while let Some((path, body)) = request(&mut reader) {
        let mut writer = stream;
        if path.ends_with("/next") {
            let Some((number, event)) = events.lock().unwrap().next() else {
                // As Lambda does: the answer waits for the next event.
                std::thread::park();
                return;
            };
            let deadline =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() + 60_000;
            write!(
                writer,
                "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: request-{number}\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn\r\ncontent-length: {}\r\n\r\n{event}",
                event.len()
            )
            .unwrap();
        } else {
            writer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
            let _ = answers.send((path, serde_json::from_slice(&body).unwrap()));
        }
    }
}

fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}

/// Runs the function on the events; answers what it answered, and what it printed.
fn invoke(events: &[Value]) -> (Vec<(String, Value)>, String) {
    let (address, received) = runtime_api(events.iter().map(Value::to_string).collect());
    let mut environment = vec![
        ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", "fluxnex-local-ingest"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
    ];
    environment.extend(SETTINGS);
    let mut child = function(&environment).spawn().unwrap();
    let answers: Vec<_> = events.iter().map_while(|_| received.recv_timeout(Duration::from_secs(20)).ok()).collect();
    child.kill().unwrap();
    (answers, printed(&child.wait_with_output().unwrap()))
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn it_serves_fails_and_panics_without_showing_data() {
    let events = [
        json!({"what": "serve", "text": "marked-secret"}),
        json!({"what": "panic", "text": "marked-secret"}),
        json!({"what": ["marked-secret"]}),
        json!({"what": "fail", "text": "marked-secret"}),
        json!({"what": "serve", "text": "marked-secret"}),
    ];
    let (answers, printed) = invoke(&events);
    let expected = [
        ("response", json!({"profile": "local", "request": "request-0", "has_time": true})),
        ("error", json!({"errorType": "Panic", "errorMessage": "the function panicked"})),
        (
            "error",
            json!({"errorType": "InvalidEvent", "errorMessage": "the event is not of the expected shape at line 1 column 8"}),
        ),
        ("error", json!({"errorType": "Failed", "errorMessage": "it does not work"})),
        ("response", json!({"profile": "local", "request": "request-4", "has_time": true})),
    ];
    assert_eq!(answers.len(), expected.len(), "{printed}");
    for (number, ((path, body), (kind, content))) in answers.iter().zip(&expected).enumerate() {
        assert_eq!(path, &format!("/2018-06-01/runtime/invocation/request-{number}/{kind}"));
        assert_eq!(body, content);
    }
    assert!(!printed.contains("marked-secret"), "{printed}");
    let lines: Vec<Value> = printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of = |target: &str| lines.iter().filter(|line| line["target"] == target).collect::<Vec<_>>();
    assert_eq!(of("fluxnex::panic").len(), 1, "{printed}");
    assert!(of("fluxnex::panic")[0]["file"].as_str().unwrap().ends_with("function.rs"));
    assert_eq!(of("fluxnex::invocation").len(), 3, "each failure is logged once: {printed}");
    let line = of("ingest")[0];
    assert_eq!(line["span"]["requestId"], "request-0", "{printed}");
    assert!(line["timestamp"].is_string() && line["level"] == "INFO");
}

#[test]
fn it_names_everything_that_is_missing_and_ends() {
    let output = function(&[("PROFILE", "local")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = printed(&output);
    for name in ["TIME_SCALE", "INBOUND_GATEWAY_URL", "PAYLOAD_BUCKET", "CONTROL_TABLE"] {
        assert!(printed.contains(name), "{printed}");
    }
    assert!(!printed.contains("PROFILE ("), "{printed}");
}
