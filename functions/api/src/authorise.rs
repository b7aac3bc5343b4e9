//! A person's consent (OAuth 2.0 authorisation code): its address, and the code that comes of it.
//!
//! Who asks makes state and verifier, as native applications do (RFC 8252), and keeps the verifier until it
//! brings the code: nothing has to be remembered here in between. The client's secret and the refresh token
//! never leave this side.

use crate::request::{actor, connection, fields, invalid, only, tenant, text};
use crate::{Api, unavailable};
use fluxnex_connect::engine::{Code, Consent, ConsentError};
use fluxnex_lambda::problem::{self, Problem};
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use serde_json::json;
use std::time::Duration;

/// The largest body, in bytes.
const LARGEST_BODY_BYTES: usize = 16 * 1024;
/// The longest address, in bytes.
const LONGEST_ADDRESS_BYTES: usize = 2_000;
/// The longest code, in bytes: vendors make them of up to some thousand characters.
const LONGEST_CODE_BYTES: usize = 8 * 1024;
/// How long the exchange may take; below the API's own time limit.
const EXCHANGE: Duration = Duration::from_secs(20);

impl Api {
    /// The address at which a person consents.
    pub(crate) async fn consent(
        &self,
        mut request: ApiGatewayV2httpRequest,
    ) -> Result<ApiGatewayV2httpResponse, Problem> {
        let (tenant, id) = (tenant(&request)?, connection(&request)?);
        let body = fields(&mut request, LARGEST_BODY_BYTES)?;
        only(&body, &["redirect_uri", "state", "code_challenge"])?;
        let redirect_uri = redirect_uri(&body)?;
        let state = text(&body, "state", 200)?;
        let code_challenge = text(&body, "code_challenge", 128)?;
        // RFC 7636, section 4.2: base64url of a SHA-256.
        if code_challenge.len() != 43 || !code_challenge.bytes().all(is_base64url) {
            return Err(invalid(vec!["code_challenge: 43 characters of base64url are needed (S256)".to_owned()]));
        }
        let (connection, _) = self.configured(&tenant, &id).await?;
        let consent = Consent { redirect_uri: &redirect_uri, state: &state, code_challenge: &code_challenge };
        let url = self.engine().consent_url(&connection, &consent).await.map_err(refused)?;
        Ok(problem::json(200, &json!({ "url": url.as_str() })))
    }

    /// Exchanges the code, and stores the refresh token in the connection's secret.
    pub(crate) async fn redeem(
        &self,
        mut request: ApiGatewayV2httpRequest,
    ) -> Result<ApiGatewayV2httpResponse, Problem> {
        let (tenant, id) = (tenant(&request)?, connection(&request)?);
        let body = fields(&mut request, LARGEST_BODY_BYTES)?;
        only(&body, &["redirect_uri", "code", "code_verifier"])?;
        let redirect_uri = redirect_uri(&body)?;
        let code = text(&body, "code", LONGEST_CODE_BYTES)?;
        let code_verifier = text(&body, "code_verifier", 128)?;
        let (connection, _) = self.configured(&tenant, &id).await?;
        let code = Code { code: &code, code_verifier: &code_verifier, redirect_uri: &redirect_uri };
        self.engine().redeem(&connection, &code, EXCHANGE).await.map_err(refused)?;
        let detail = json!({ "connection": id, "secret": connection.secret_name });
        self.note(&tenant, &actor(&request), "connection.authorise", detail).await?;
        Ok(problem::json(200, &json!({ "authorised": true })))
    }
}

/// Where the application sends a person back to: this machine (RFC 8252, section 7.3), or an address over TLS.
fn redirect_uri(body: &serde_json::Map<String, serde_json::Value>) -> Result<String, Problem> {
    let uri = text(body, "redirect_uri", LONGEST_ADDRESS_BYTES)?;
    let local = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"].iter().any(|begin| uri.starts_with(begin));
    let printable = uri.bytes().all(|byte| byte.is_ascii_graphic()) && !uri.contains('#');
    if printable && (local || uri.starts_with("https://")) {
        return Ok(uri);
    }
    Err(invalid(vec!["redirect_uri: http://127.0.0.1:<port>/…, or an https address, is needed".to_owned()]))
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn refused(error: ConsentError) -> Problem {
    match error {
        ConsentError::OtherKind => Problem::new(409, "no-consent", "The connector needs no consent")
            .detail("it has credentials of its own: store them in its secret"),
        ConsentError::Connection { reason } => {
            Problem::new(409, "incomplete-connection", "The connection is not complete").detail(reason)
        }
        ConsentError::Refused { reason } => {
            Problem::new(502, "consent-refused", "The application refuses the code").detail(reason)
        }
        ConsentError::Unavailable { reason } => unavailable(&reason),
    }
}
