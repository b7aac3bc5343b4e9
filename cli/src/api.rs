//! The management API as it is called: signed as API Gateway wants it, and its problems in words.

mod place;
mod problem;

pub use problem::Refused;

use anyhow::{Context, Result, anyhow, bail};
use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use place::Place;
use reqwest::{Client, Method};
use serde_json::Value;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// The service that requests are signed for.
const SERVICE: &str = "execute-api";
/// Above the API's own time limit.
const TIMEOUT: Duration = Duration::from_secs(35);
/// How often a changing call is made at most whose answer got lost; with one key, so it is done once.
const MOST_ATTEMPTS: usize = 5;
/// How long after one attempt the next one is made.
const PAUSE: Duration = Duration::from_millis(500);
/// What the API says of a call that it is still doing.
const UNDER_WAY: &str = "/problems/request-under-way";
/// The largest answer that is read, in bytes.
const LARGEST_ANSWER_BYTES: u64 = 8 * 1024 * 1024;

/// Where the API is, and who calls.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The address of the API; otherwise $FLUXNEX_API, or the local platform of this clone
    #[arg(long, env = "FLUXNEX_API", value_name = "URL", global = true)]
    api: Option<String>,
    /// The AWS region of the API, where its address does not say
    #[arg(long, value_name = "REGION", global = true)]
    region: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its JSON.
    pub body: Value,
    /// The same as it came: numbers have their digits.
    pub text: String,
    /// Its `ETag`.
    pub etag: Option<String>,
}

/// A client of one API.
pub struct Api {
    place: Place,
    credentials: Credentials,
    region: String,
    http: Client,
}

impl Api {
    /// Finds the API and the credentials.
    pub async fn find(arguments: &Arguments) -> Result<Self> {
        let place = Place::find(arguments.api.as_deref())?;
        let mut client = Client::builder().timeout(TIMEOUT).user_agent(concat!("fluxnex/", env!("CARGO_PKG_VERSION")));
        if place.is_local() {
            // No proxy of the user's stands between this machine and itself.
            client = client.no_proxy();
        }
        let http = client.build().context("cannot make an HTTP client")?;
        let (credentials, region) = if place.is_local() {
            // The emulator's own account: a person's real credentials have no business there.
            (Credentials::new("test", "test", None, None, "the local platform"), "us-east-1".to_owned())
        } else {
            identity(arguments.region.as_deref().or(place.region()), &place).await?
        };
        Ok(Self { place, credentials, region, http })
    }

    /// The address below which the API's paths are.
    pub fn url(&self) -> &str {
        self.place.url()
    }

    /// Calls the API. A refusal is an error of type [`Refused`].
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.call_if(method, path, body, None).await
    }

    /// The same, on a condition: the header's name and value.
    pub async fn call_if(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        condition: Option<(&str, &str)>,
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.place.url());
        let body = body.map(ToString::to_string).unwrap_or_default();
        let mut headers: Vec<(&str, &str)> = condition.into_iter().collect();
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        let key = format!("\"{}\"", Uuid::new_v4());
        let changes = method != Method::GET;
        if changes {
            headers.push(("idempotency-key", &key));
        }
        let mut attempts = 1;
        loop {
            match self.attempt(&method, &url, &headers, &body).await {
                Err(error) if changes && attempts < MOST_ATTEMPTS && may_be_done(&error) => {
                    attempts += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                ended => return ended,
            }
        }
    }

    async fn attempt(&self, method: &Method, url: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
        let mut request = self.http.request(method.clone(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in self.signature(method.as_str(), url, headers, body.as_bytes())? {
            request = request.header(name, value);
        }
        let sent = request.body(body.to_owned()).send().await;
        let answer = sent.map_err(|error| {
            let advice = if self.place.is_local() {
                "is the local platform up (cargo xtask up)?"
            } else {
                "is the address right (--api)?"
            };
            anyhow!(error.without_url()).context(format!("{} does not answer: {advice}", self.place.url()))
        })?;
        let (status, tag) = (answer.status(), answer.headers().get("etag").cloned());
        if answer.content_length().is_some_and(|length| length > LARGEST_ANSWER_BYTES) {
            bail!("the answer is larger than {LARGEST_ANSWER_BYTES} bytes");
        }
        let text = answer.text().await.context("the answer broke off")?;
        if !status.is_success() {
            return Err(Refused::of(status.as_u16(), &text).into());
        }
        let body =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).context("the answer is no JSON")? };
        Ok(Answer { body, text, etag: tag.and_then(|tag| tag.to_str().ok().map(str::to_owned)) })
    }

    fn signature(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>> {
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .context("cannot sign a request")?;
        let request = SignableRequest::new(method, url, headers.iter().copied(), SignableBody::Bytes(body))?;
        let signed = sign(request, &parameters.into()).map_err(|error| anyhow!("cannot sign a request: {error}"))?;
        let (headers, _) = signed.into_parts().0.into_parts();
        Ok(headers.into_iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect())
    }
}

/// Whether a call may have been done although it failed: its answer got lost, or its first attempt is under way.
fn may_be_done(error: &anyhow::Error) -> bool {
    let lost = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<reqwest::Error>().is_some_and(|error| !error.is_connect() && !error.is_builder())
    };
    error.chain().any(lost) || error.downcast_ref::<Refused>().is_some_and(|refused| refused.kind == UNDER_WAY)
}

/// The person's AWS identity, as every AWS tool finds it.
async fn identity(region: Option<&str>, place: &Place) -> Result<(Credentials, String)> {
    let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
    let region = region.map(str::to_owned).or_else(|| config.region().map(ToString::to_string));
    let region = region.with_context(|| format!("the region of {} is not known: give --region", place.url()))?;
    let provider = config.credentials_provider().context("no AWS credentials are set up")?;
    let credentials = provider.provide_credentials().await.context(
        "no AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID (with IAM Identity Center first \
         `eval \"$(aws configure export-credentials --format env)\"`)",
    )?;
    Ok((credentials, region))
}
