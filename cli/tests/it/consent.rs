//! A person consents: the address that is printed, the answer at this machine's address, the code at the application.

use crate::gateway::Gateway;
use fluxnex_cloud::secrets::Secrets;
use fluxnex_testing::Reply;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// What the browser is sent back with, made of the state that the address has.
type Answer = fn(&str) -> String;

/// Runs the command, reads the address off it, and comes back as a browser would. Gives the exit code and all it said.
fn authorise(url: String, tenant: String, answer: Answer) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fluxnex"));
    command.args(["connection", "authorise", "quickbooks", "--api", &url, "--tenant", &tenant]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if let Some((_, query)) = line.trim().strip_prefix("https://").and_then(|address| address.split_once('?')) {
            let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
            let redirect = query["redirect_uri"].replace("%3A", ":").replace("%2F", "/");
            let (host, path) = redirect.strip_prefix("http://").unwrap().split_once('/').unwrap();
            let mut stream = TcpStream::connect(host).unwrap();
            // In one piece: the program may answer and hang up as soon as it has the first line.
            let request = format!("GET /{path}?{} HTTP/1.1\r\nhost: {host}\r\n\r\n", answer(query["state"]));
            stream.write_all(request.as_bytes()).unwrap();
            let _ = stream.read_to_string(&mut said);
        }
        said.push_str(&line);
        line.clear();
    }
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code().unwrap(), said)
}

async fn gateway() -> Gateway {
    let gateway = Gateway::start().await;
    let secret = json!({"client_id": "client", "client_secret": "marked-secret"});
    gateway.setting.secrets.create(&gateway.secret("quickbooks"), secret);
    gateway
}

async fn run(gateway: &mut Gateway, answer: Answer) -> (i32, String) {
    let (url, tenant) = (gateway.url.clone(), gateway.setting.tenant.to_string());
    gateway.serve_while(move || authorise(url, tenant, answer)).await
}

#[tokio::test]
async fn the_code_becomes_a_refresh_token_that_nobody_sees() {
    let mut gateway = gateway().await;
    let granted = json!({"access_token": "marked-access", "refresh_token": "marked-refresh", "expires_in": 3600});
    gateway.setting.target.grant(granted);
    let page = json!({"QueryResponse": {"Customer": []}, "time": "2026-11-20T12:00:00Z"});
    gateway.setting.target.reply_below("/v3/company", Reply::json(200, &page));
    let (code, said) = run(&mut gateway, |state| format!("code=the-code&state={state}&realmId=42")).await;
    assert_eq!(code, 0, "{said}");
    for expected in ["quickbooks is authorised", "realmId=42", "You can close this window"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("marked"), "{said}");
    let secret = gateway.setting.secrets.get(&gateway.secret("quickbooks")).await.unwrap();
    assert_eq!(secret.field("refresh_token"), Some("marked-refresh"));
    let exchange = gateway.setting.target.all_requests().remove(0).body;
    assert!(exchange.contains("code=the-code") && exchange.contains("code_verifier="), "{exchange}");
}

#[tokio::test]
async fn a_strangers_answer_and_a_refusal_exchange_nothing() {
    for (answer, expected) in [
        ((|_| "code=theirs&state=other".to_owned()) as Answer, "its state differs"),
        (
            |state| format!("error=access_denied&error_description=No%20thanks&state={state}"),
            "access_denied: No thanks",
        ),
    ] {
        let mut gateway = gateway().await;
        let (code, said) = run(&mut gateway, answer).await;
        assert!(code == 2 && said.contains(expected), "{said}");
        assert!(gateway.setting.target.all_requests().is_empty());
    }
}
