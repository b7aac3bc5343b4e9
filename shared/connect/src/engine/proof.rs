//! The headers that prove who sends a request.

use super::call::Trouble;
use super::prepare::PrepareError;
use super::token_request::TokenProblem;
use fluxnex_core::signature::{ActiveSecrets, SignatureError, sign_standard_webhook};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

/// What proves who sends a request. It has no Debug.
pub(super) enum Proof {
    /// Nothing.
    None,
    /// A token.
    Bearer(String),
    /// A signature over each request.
    Signature(ActiveSecrets),
}

impl Proof {
    /// The token, if it is one: what a 401 is about.
    pub(super) fn token(&self) -> Option<&str> {
        match self {
            Self::Bearer(token) => Some(token),
            Self::None | Self::Signature(_) => None,
        }
    }

    /// Adds the proof to a request.
    pub(super) fn add(
        &self,
        headers: &mut HeaderMap,
        key: Option<&str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Trouble> {
        match self {
            Self::None => {}
            Self::Bearer(token) => {
                headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {token}"))?);
            }
            Self::Signature(secrets) => {
                let signed = sign_standard_webhook(secrets, key.unwrap_or_default(), now, body).map_err(trouble)?;
                headers.insert("webhook-id", sensitive(&signed.id)?);
                headers.insert("webhook-timestamp", sensitive(&signed.timestamp)?);
                headers.insert("webhook-signature", sensitive(&signed.signature)?);
            }
        }
        Ok(())
    }
}

fn trouble(error: SignatureError) -> Trouble {
    match error {
        SignatureError::MessageId => PrepareError::Value { part: "idempotency key" }.into(),
        error => TokenProblem::Credentials { reason: error.to_string() }.into(),
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, TokenProblem> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| TokenProblem::Credentials { reason: "a credential cannot stand in a header".to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}
