//! `fluxnex connection authorise`: a person consents at the application (RFC 6749, section 4.1).
//!
//! As a native application does it (RFC 8252): a loopback address of this machine takes the answer, PKCE
//! (RFC 7636) and `state` protect it. The code goes to the API, which alone has the client's secret, and which
//! stores the refresh token; neither ever comes here.

use super::{Tenant, loopback, name, test};
use crate::Ended;
use crate::terminal::Terminal;
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fluxnex_core::ids::ConnectionId;
use loopback::{Callback, Loopback};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

pub const EXAMPLES: &str = "\
Prints an address; open it in a browser, on this machine or another one, and consent. On this machine the answer comes
by itself. From another one paste the address that the browser ends at (it cannot show the page; that does not matter).

Examples:
  fluxnex connection authorise quickbooks --tenant acme
  fluxnex connection authorise quickbooks --tenant acme --port 8976      # where the application knows one address only
  fluxnex connection authorise quickbooks --tenant acme --redirect-uri https://example.com/callback   # and paste";

/// Which connection, and how.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The connection
    name: String,
    #[command(flatten)]
    way: Way,
}

/// How the answer comes back.
#[derive(Debug, clap::Args)]
pub struct Way {
    /// The port of this machine that the application sends the person back to; otherwise any
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// An address that the application knows, in place of this machine's; the answer is pasted
    #[arg(long, value_name = "URL", conflicts_with = "port")]
    redirect_uri: Option<String>,
    /// Open the address in a browser
    #[arg(long)]
    open: bool,
    /// How long the answer is waited for, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    minutes: u64,
}

impl Default for Way {
    fn default() -> Self {
        Self { port: 0, redirect_uri: None, open: false, minutes: 10 }
    }
}

pub async fn run(tenant: &Tenant, arguments: &Arguments, terminal: &Terminal) -> Result<Ended> {
    let id = name(&arguments.name)?;
    consent(tenant, &id, &arguments.way, terminal).await?;
    let tested = test::try_once(tenant, &id, terminal).await?;
    terminal.answer(&json!({ "connection": id, "authorised": true, "test": tested }))?;
    let failed = tested.is_some_and(|tested| tested.get("ok") == Some(&Value::Bool(false)));
    Ok(if failed { Ended::Negative } else { Ended::Done })
}

/// Lets a person consent, and hands the code to the API.
pub async fn consent(tenant: &Tenant, id: &ConnectionId, way: &Way, terminal: &Terminal) -> Result<()> {
    let (state, verifier) = (random(), random());
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
    let loopback = match &way.redirect_uri {
        None => Some(Loopback::listen(way.port).await?),
        Some(_) => None,
    };
    let redirect_uri = match (&loopback, &way.redirect_uri) {
        (Some(loopback), _) => loopback.uri(),
        (None, Some(given)) => given.clone(),
        (None, None) => String::new(),
    };
    let body = json!({ "redirect_uri": redirect_uri, "state": state, "code_challenge": challenge });
    let path = tenant.path(id, "consent");
    let asked = tenant.api.call(Method::POST, &path, Some(&body));
    let answer = terminal.wait("asking where to consent", asked).await?.body;
    let url = answer.get("url").and_then(Value::as_str).context("the API does not say where to consent")?;
    terminal.note(format!("Open this address and consent:\n\n{url}\n"));
    if way.open {
        open(url, terminal);
    }
    let patience = Duration::from_secs(way.minutes * 60);
    let callback = tokio::time::timeout(patience, answered(loopback.as_ref(), terminal)).await;
    let callback = callback.with_context(|| format!("nobody consented within {} minutes", way.minutes))??;
    let code = code(&callback, &state)?;
    for (name, value) in callback.others() {
        // Intuit's `realmId` is the company, which is a setting of the connection.
        terminal.note(format!("The application also says {name}={value}."));
    }
    let body = json!({ "redirect_uri": redirect_uri, "code": code, "code_verifier": verifier });
    let path = tenant.path(id, "consent/code");
    terminal.wait("exchanging the code", tenant.api.call(Method::POST, &path, Some(&body))).await?;
    terminal.say(format!("{id} is authorised. Its refresh token is in Secrets Manager."));
    Ok(())
}

/// Whichever comes first: the browser at this machine's address, or a pasted line.
async fn answered(loopback: Option<&Loopback>, terminal: &Terminal) -> Result<Callback> {
    match loopback {
        Some(loopback) if terminal.can_ask() => {
            terminal.note("Waiting for the browser. If it runs elsewhere, paste the address that it ends at:");
            tokio::select! {
                callback = loopback.answer() => callback,
                callback = loopback::pasted() => callback,
            }
        }
        Some(loopback) => loopback.answer().await,
        None => {
            terminal.note("Paste the address that the browser ends at:");
            loopback::pasted().await
        }
    }
}

fn code(callback: &Callback, state: &str) -> Result<String> {
    // Before anything else is believed: it may be a stranger's.
    if callback.get("state") != Some(state) {
        bail!("the answer is not to this request (its state differs): start again");
    }
    if let Some(error) = callback.get("error") {
        let words: String = callback.get("error_description").unwrap_or_default().chars().take(300).collect();
        bail!("the application says {error}: {words}");
    }
    let code = callback.get("code").filter(|code| !code.is_empty());
    Ok(code.context("the address has no code in it")?.to_owned())
}

/// 43 characters of base64url: 256 bits (RFC 7636, section 4.1).
fn random() -> String {
    let mut hash = Sha256::new();
    for _ in 0..4 {
        hash.update(uuid::Uuid::new_v4().as_bytes());
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

fn open(url: &str, terminal: &Terminal) {
    // Only what a browser opens, whatever the API answered.
    let web = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = std::process::Stdio::null;
    let opened = web
        && std::process::Command::new(program).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().is_ok();
    if !opened {
        terminal.note("No browser can be opened here.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_this_request_is_believed() {
        let callback = |query: &str| Callback::of(&format!("http://127.0.0.1:1/callback?{query}")).unwrap();
        assert_eq!(code(&callback("code=c%2F1&state=s"), "s").unwrap(), "c/1");
        for (query, says) in [
            ("code=c", "state differs"),
            ("code=c&state=other", "state differs"),
            ("error=access_denied&error_description=No&state=s", "access_denied: No"),
            ("state=s", "no code"),
            ("code=&state=s", "no code"),
            ("code=c&state=s&state=t", "state differs"),
        ] {
            let error = code(&callback(query), "s").unwrap_err().to_string();
            assert!(error.contains(says), "{query}: {error}");
        }
    }

    #[test]
    fn a_verifier_is_as_the_rfc_wants_it_and_never_twice_the_same() {
        let (one, two) = (random(), random());
        assert!(one != two && one.len() == 43);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    }
}
