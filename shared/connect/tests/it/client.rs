//! The guarded client against real sockets.

use crate::server::{Reply, Server, client};
use fluxnex_connect::client::{
    BodyFault, ClientOptions, GuardedClient, HttpAnswer, HttpRequest, RefusedUrl, RequestError,
};
use fluxnex_connect::connection::Reach;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::TlsAcceptor;

const LOCAL: Reach = Reach { private_addresses: true, plain_http: true };
const PUBLIC: Reach = Reach { private_addresses: false, plain_http: true };

fn get(url: &str) -> HttpRequest {
    HttpRequest {
        method: Method::GET,
        url: Url::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: None,
        timeout: Duration::from_secs(5),
        response_max_bytes: 1000,
    }
}

async fn execute(url: &str, reach: Reach) -> Result<HttpAnswer, RequestError> {
    client().execute(reach, get(url)).await
}

#[tokio::test]
async fn an_answer_of_any_status_is_an_answer() {
    let server = Server::start().await;
    for status in [200, 204, 301, 404, 500] {
        server.reply(Reply::with_header(status, "x-mark", "1"));
        let answer = execute(&server.url, LOCAL).await.unwrap();
        assert_eq!((answer.status, answer.headers["x-mark"].to_str().unwrap()), (status, "1"));
    }
    let request = &server.requests()[0];
    assert!(request.headers["user-agent"].starts_with("FluxNex/") && !request.headers.contains_key("referer"));
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_refused_before_it_is_connected_to() {
    let server = Server::start().await;
    let error = execute(&server.url, PUBLIC).await.err();
    assert_eq!(error, Some(RequestError::Refused(RefusedUrl::Address)));
    let error = execute(&server.url.replace("localhost", "127.0.0.1"), PUBLIC).await.err();
    assert_eq!(error, Some(RequestError::Refused(RefusedUrl::Address)));
    let https_only = Reach { private_addresses: true, plain_http: false };
    assert_eq!(execute(&server.url, https_only).await.err(), Some(RequestError::Refused(RefusedUrl::Scheme)));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start().await;
    for location in ["http://169.254.169.254/latest/meta-data/", "/elsewhere", "file:///etc/passwd"] {
        server.reply(Reply::with_header(302, "location", location));
        assert_eq!(execute(&server.url, LOCAL).await.unwrap().status, 302);
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn what_was_never_sent_is_told_from_what_is_in_doubt() {
    let server = Server::start().await;
    server.reply(Reply::Reset);
    let error = execute(&server.url, LOCAL).await.err().unwrap();
    assert!(matches!(error, RequestError::Lost { .. }) && error.was_sent(), "{error}");

    server.reply(Reply::Silence);
    let request = HttpRequest { timeout: Duration::from_millis(200), ..get(&server.url) };
    let error = client().execute(LOCAL, request).await.err().unwrap();
    assert_eq!(error, RequestError::Lost { reason: "no answer came in time" });

    let error = execute("http://127.0.0.1:1/", LOCAL).await.err().unwrap();
    assert!(matches!(error, RequestError::NotSent { .. }) && !error.was_sent(), "{error}");
    let error = execute("http://nosuch.invalid/", LOCAL).await.err().unwrap();
    assert_eq!(error, RequestError::NotSent { reason: "its host name cannot be resolved" });
}

#[tokio::test]
async fn a_connection_that_takes_too_long_was_never_sent() {
    // A listener whose backlog is full does not answer; an address that nobody has would do, too,
    // but depends on the network.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        held.push(stream);
        assert!(held.len() < 10_000, "the backlog has no end");
    }
    let options = ClientOptions { connect_timeout: Duration::from_millis(200), ..ClientOptions::default() };
    let client = GuardedClient::new(&options).unwrap();
    let error = client.execute(LOCAL, get(&format!("http://{address}/"))).await.err().unwrap();
    assert_eq!(error, RequestError::NotSent { reason: "connecting took too long" });
}

#[tokio::test]
async fn bodies_are_bounded_and_their_status_is_kept() {
    let server = Server::start().await;
    server.reply(Reply::Endless);
    let started = Instant::now();
    let answer = execute(&server.url, LOCAL).await.unwrap();
    assert_eq!((answer.status, answer.body), (200, Err(BodyFault::TooLarge)));
    assert!(started.elapsed() < Duration::from_secs(4));

    server.reply(Reply::Partial { status: 201 });
    let answer = execute(&server.url, LOCAL).await.unwrap();
    assert_eq!((answer.status, answer.body), (201, Err(BodyFault::CutOff)));

    for (bytes, expected) in [(1000, Ok(vec![b'x'; 1000])), (1001, Err(BodyFault::TooLarge))] {
        server.reply(Reply::Answer { status: 200, headers: vec![], body: "x".repeat(bytes) });
        assert_eq!(execute(&server.url, LOCAL).await.unwrap().body, expected);
    }
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_not_used() {
    // The environment of a running process is not to be changed, so a process of its own runs a test
    // that a proxy would break.
    let nobody = "http://127.0.0.1:1";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "client::an_answer_of_any_status_is_an_answer"])
        .envs([("HTTP_PROXY", nobody), ("http_proxy", nobody), ("ALL_PROXY", nobody), ("all_proxy", nobody)])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_unless_it_is_given() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let server = Server::start_with(
        move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        },
        "https",
    )
    .await;
    server.reply(Reply::json(200, 1));
    let error = execute(&server.url, LOCAL).await.err().unwrap();
    assert_eq!(error, RequestError::NotSent { reason: "the connection was refused, or TLS failed" });

    let trusting = |reach, url: String| {
        let pem = authority.pem().into_bytes();
        let client =
            GuardedClient::new(&ClientOptions { extra_ca_pem: Some(pem), ..ClientOptions::default() }).unwrap();
        async move { client.execute(reach, get(&url)).await }
    };
    let https_only = Reach { private_addresses: true, plain_http: false };
    assert_eq!(trusting(https_only, server.url.clone()).await.unwrap().status, 200);
    // The certificate is for the name, not for the address.
    let error = trusting(https_only, server.url.replace("localhost", "127.0.0.1")).await.err().unwrap();
    assert!(!error.was_sent(), "{error}");
}
