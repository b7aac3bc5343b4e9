//! Makes an IAM role by hand, as the SDK's crate for IAM would serve nothing else.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use std::time::SystemTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A role that Lambda may assume and that may do nothing.
const TRUST: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";

/// Creates the role at the emulator; answers its ARN.
pub async fn create(endpoint: &str, name: &str) -> String {
    let body = format!("Action=CreateRole&Version=2010-05-08&RoleName={name}&AssumeRolePolicyDocument={TRUST}");
    let host = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let content = ("content-type", "application/x-www-form-urlencoded");
    let identity = Credentials::new("test", "test", None, None, "emulator").into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("iam")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let url = format!("http://{host}/");
    let signable = [content, ("host", host)].into_iter();
    let request = SignableRequest::new("POST", &url, signable, SignableBody::Bytes(body.as_bytes())).unwrap();
    let (instructions, _) = sign(request, &parameters.into()).unwrap().into_parts();
    let signed: String = instructions.headers().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (name_of_type, form) = content;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\n{name_of_type}: {form}\r\ncontent-length: {}\r\nconnection: close\r\n{signed}\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    format!("arn:aws:iam::000000000000:role/{name}")
}
