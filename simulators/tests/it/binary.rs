//! The program: one line of ports, and an end on a signal.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use fluxnex_simulators::commands::Ports;

use crate::harness::authority;

#[tokio::test]
async fn the_program_prints_its_ports_and_ends_on_a_signal() {
    for signal in ["-TERM", "-INT"] {
        let server = authority().server();
        let mut child = Command::new(env!("CARGO_BIN_EXE_simulators"))
            .arg("--tls-cert")
            .arg(&server.certificate)
            .arg("--tls-key")
            .arg(&server.key)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ports: Ports = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let health = format!("http://127.0.0.1:{}/health", ports.control);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        assert_eq!(client.get(health).send().await.unwrap().status(), 200);

        // The shell's own `kill`: not every machine has the program.
        let killed = Command::new("sh").args(["-c", &format!("kill {signal} {}", child.id())]).status().unwrap();
        assert!(killed.success());
        assert!(child.wait().unwrap().success(), "{signal}");
        assert!(lines.next().is_none(), "it prints one line only");
    }
}

#[test]
fn bad_arguments_end_the_program_with_a_reason() {
    let server = authority().server();
    let run = |certificate: &std::path::Path, port: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_simulators"))
            .arg("--tls-cert")
            .arg(certificate)
            .arg("--tls-key")
            .arg(&server.key)
            .args(["--control-port", port])
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run(&server.key, "0").contains("the certificate"));
    assert!(run("missing.pem".as_ref(), "0").contains("missing.pem"));
    assert!(run(&server.certificate, "no-port").contains("no-port"));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert!(run(&server.certificate, &port).contains(&port));
}
