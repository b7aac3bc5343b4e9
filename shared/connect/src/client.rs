//! The only way out: one HTTP client that goes where a connection may go, and nowhere else.
//!
//! Each request's URL is checked, and names are resolved by a resolver that drops every address
//! that is not allowed, so that what was checked is what is connected to. Redirects are not
//! followed, no proxy is used, TLS is always verified, and time and size are bounded.

mod address;
mod request;
mod resolver;

pub use address::{AddressClass, classify};
pub use request::{Body, BodyFault, HttpAnswer, HttpRequest, RefusedUrl, RequestError, check_url};

use crate::connection::Reach;
use resolver::{AddressRefused, GuardedResolver};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How long an idle connection is kept. Short, because a function may sleep between two requests,
/// and a connection that died meanwhile would leave a sent request in doubt.
const IDLE: Duration = Duration::from_secs(10);

/// What the client is made of.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// How long resolving, connecting and the TLS handshake may take together.
    pub connect_timeout: Duration,
    /// PEM certificates that are trusted besides the public roots.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// What the client calls itself.
    pub user_agent: String,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            extra_ca_pem: None,
            user_agent: concat!("FluxNex/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Why the client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The further certificates cannot be read, or there are none.
    #[error("the extra certificates are not PEM certificates")]
    Certificates,
    /// The TLS library refuses its own configuration.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP library refuses its configuration.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

/// Carries requests where there is no network: in simulations.
pub trait Transport: Send + Sync {
    /// Carries one request whose URL was checked, and gives its answer.
    fn carry<'a>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpAnswer, RequestError>> + Send + 'a>>;
}

/// One HTTP client for all connections. Cheap to clone; keeps one pool for each kind of reach, so
/// that no connection uses one that was opened for another kind.
#[derive(Clone)]
pub struct GuardedClient(Way);

#[derive(Clone)]
enum Way {
    Network { public: reqwest::Client, private: reqwest::Client },
    Carried(Arc<dyn Transport>),
}

impl std::fmt::Debug for GuardedClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("GuardedClient").finish()
    }
}

impl GuardedClient {
    /// Makes the client.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(options: &ClientOptions) -> Result<Self, ClientError> {
        let tls = tls(options.extra_ca_pem.as_deref())?;
        let build = |private_addresses| {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(Arc::new(GuardedResolver::new(private_addresses)))
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .connect_timeout(options.connect_timeout)
                .pool_idle_timeout(IDLE)
                .user_agent(&options.user_agent)
                .build()
                .map_err(ClientError::Http)
        };
        Ok(Self(Way::Network { public: build(false)?, private: build(true)? }))
    }

    /// A client whose requests never reach a network.
    #[must_use]
    pub fn carried_by(transport: Arc<dyn Transport>) -> Self {
        Self(Way::Carried(transport))
    }

    /// Makes one request and reads its answer.
    ///
    /// # Errors
    /// [`RequestError`]; [`was_sent`](RequestError::was_sent) tells whether it may have had an effect.
    pub async fn execute(&self, reach: Reach, request: HttpRequest) -> Result<HttpAnswer, RequestError> {
        check_url(&request.url, reach)?;
        let client = match &self.0 {
            Way::Network { private, .. } if reach.private_addresses => private,
            Way::Network { public, .. } => public,
            Way::Carried(transport) => return transport.carry(request).await,
        };
        let mut builder = client.request(request.method, request.url).headers(request.headers).timeout(request.timeout);
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let answer = builder.send().await.map_err(|error| failure(&error))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = read(answer, request.response_max_bytes).await;
        Ok(HttpAnswer { status, headers, body })
    }
}

// Bounded while it arrives: a length that the other side declares proves nothing.
async fn read(mut answer: reqwest::Response, max_bytes: usize) -> Body {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len().saturating_add(chunk.len()) <= max_bytes => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(BodyFault::TooLarge),
            Ok(None) => return Ok(body),
            Err(_) => return Err(BodyFault::CutOff),
        }
    }
}

// The library's words may quote the URL, and so a token in it: only the kind of failure is kept.
fn failure(error: &reqwest::Error) -> RequestError {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<AddressRefused>() {
            return RequestError::Refused(RefusedUrl::Address);
        }
        source = cause.source();
    }
    if error.is_builder() {
        return RequestError::Malformed;
    }
    if error.is_dns() {
        return RequestError::NotSent { reason: "its host name cannot be resolved" };
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => RequestError::NotSent { reason: "connecting took too long" },
        (true, false) => RequestError::NotSent { reason: "the connection was refused, or TLS failed" },
        (false, true) => RequestError::Lost { reason: "no answer came in time" },
        (false, false) => RequestError::Lost { reason: "the connection broke before the answer" },
    }
}

fn tls(extra_ca_pem: Option<&[u8]>) -> Result<rustls::ClientConfig, ClientError> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_ca_pem {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| ClientError::Certificates)?;
            roots.add(certificate).map_err(|_| ClientError::Certificates)?;
        }
        if roots.len() == before {
            return Err(ClientError::Certificates);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let configuration = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(configuration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_must_be_some() {
        let make = |pem: &[u8]| {
            GuardedClient::new(&ClientOptions { extra_ca_pem: Some(pem.to_vec()), ..ClientOptions::default() })
        };
        for garbage in [&b""[..], b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(make(garbage), Err(ClientError::Certificates)));
        }
        assert!(GuardedClient::new(&ClientOptions::default()).is_ok());
    }
}
