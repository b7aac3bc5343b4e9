//! A small client of the emulated AWS APIs: signs requests as AWS demands and speaks their JSON protocol.

mod calls;
mod lambda;

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow, bail};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

pub use calls::{LogEvent, NAME_PREFIX, QueueDepth};
pub use lambda::{Deployed, RoleCredentials};

/// The emulator's own account: whoever has these is its administrator.
pub const ACCESS_KEY: &str = "test";
/// See [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "test";
/// The region of everything local.
pub const REGION: &str = "us-east-1";
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one emulator.
#[derive(Clone)]
pub struct Aws {
    endpoint: String,
    http: Client,
}

/// An answer other than success.
#[derive(Debug)]
pub struct Refused {
    /// The HTTP status.
    pub status: StatusCode,
    /// The error's name, such as `ResourceNotFoundException`; empty if the answer named none.
    pub code: String,
    message: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {} {}", self.status.as_u16(), self.code, self.message)
    }
}

impl std::error::Error for Refused {}

/// An HTTP client for this machine's own servers: no proxy of the user's stands between.
pub fn http_client(timeout: Duration) -> Result<Client> {
    Client::builder().no_proxy().timeout(timeout).build().context("cannot make an HTTP client")
}

impl Aws {
    /// A client of the emulator at this address.
    pub fn new(endpoint: String) -> Result<Self> {
        Ok(Self { endpoint, http: http_client(TIMEOUT)? })
    }

    /// The emulator's address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Calls an operation of an API with the JSON protocol: `target` is such as `AmazonSQS.SendMessage`.
    pub async fn call(&self, service: &str, target: &str, input: &Value) -> Result<Value> {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let answer = self.signed(Method::POST, &self.endpoint, service, &headers, serde_json::to_vec(input)?).await;
        answer.with_context(|| format!("{target} failed"))
    }

    /// Sends a signed request and reads the JSON answer; any other status than 2xx is [`Refused`].
    pub async fn signed(
        &self,
        method: Method,
        url: &str,
        service: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Value> {
        let text = self.signed_text(method, url, service, headers, body).await?;
        if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).context("the answer is not JSON") }
    }

    /// Like [`Aws::signed`], for answers that are not JSON.
    pub async fn signed_text(
        &self,
        method: Method,
        url: &str,
        service: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<String> {
        let mut request = self.http.request(method.clone(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in signature(method.as_str(), url, service, headers, &body)? {
            request = request.header(name, value);
        }
        let answer = request.body(body).send().await.context("the AWS emulator does not answer")?;
        let status = answer.status();
        let text = answer.text().await.context("the answer broke off")?;
        if status.is_success() { Ok(text) } else { Err(refused(status, &text).into()) }
    }
}

fn refused(status: StatusCode, text: &str) -> Refused {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let field = |names: [&str; 3]| names.iter().find_map(|name| body.get(name)?.as_str()).map(str::to_owned);
    let code = field(["__type", "code", "type"]).unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    let message = field(["message", "Message", "detail"]).unwrap_or_else(|| text.chars().take(500).collect());
    Refused { status, code, message }
}

/// The headers of AWS's Signature Version 4.
fn signature(
    method: &str,
    url: &str,
    service: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Vec<(String, String)>> {
    let identity = Credentials::from_keys(ACCESS_KEY, SECRET_KEY, None).into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .context("cannot sign a request")?;
    let request = SignableRequest::new(method, url, headers.iter().copied(), SignableBody::Bytes(body))?;
    let (instructions, _) =
        sign(request, &parameters.into()).map_err(|error| anyhow!("cannot sign a request: {error}"))?.into_parts();
    let (headers, query) = instructions.into_parts();
    if !query.is_empty() {
        bail!("the signature is in the query, not in headers");
    }
    Ok(headers.into_iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_signed_for_its_service() {
        let headers =
            signature("POST", "http://127.0.0.1:4566/", "sqs", &[("x-amz-target", "AmazonSQS.ListQueues")], b"{}")
                .unwrap();
        let authorization = &headers.iter().find(|(name, _)| name == "authorization").unwrap().1;
        assert!(authorization.contains("/us-east-1/sqs/aws4_request"), "{authorization}");
        assert!(authorization.contains("x-amz-target"), "{authorization}");
    }

    #[test]
    fn an_error_is_known_by_its_name() {
        let found =
            refused(StatusCode::BAD_REQUEST, r#"{"__type":"com.amazonaws#ResourceExistsException","message":"there"}"#);
        assert_eq!((found.code.as_str(), found.message.as_str()), ("ResourceExistsException", "there"));
        assert_eq!(refused(StatusCode::BAD_GATEWAY, "<html>").code, "");
    }
}
