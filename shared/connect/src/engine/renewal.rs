//! Renews a token once for all environments: under a lock on the connection's secret.
//!
//! Who gets the lock reads the secret anew (another may have renewed it a moment ago), asks the application, and puts
//! the token and a rotated refresh token into the secret before anybody uses them. Who does not get the lock waits until
//! the token is in the secret, for a while, and is told to come again then, which costs no attempt. A lock whose holder
//! died ends by itself.
//!
//! What a person put into the secret meanwhile is kept: just before it is written, the secret is read once more, and if
//! its credentials are not those that the token was had with, the token is thrown away and the new credentials are used.
//! Secrets Manager has no conditional write, so a secret that is replaced by hand between this last look and the write,
//! some milliseconds, is overwritten (its version is there still, as AWSPREVIOUS). Whoever takes the lock first, as
//! `api` does, cannot be.

use super::redact::Redactor;
use super::token::{Entry, Token, TokenCall};
use super::token_request::{Grant, Granted, TokenProblem, ask, digest};
use fluxnex_core::connector::Authentication;
use fluxnex_core::secret_source::{SecretLock, StoredToken, TOKEN_FIELD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use std::time::Duration;

/// Tokens that last less are not shared.
const SHARED_FROM: Duration = Duration::from_secs(20 * 60);
/// How long to wait before each next look whether somebody else's token is there.
const PAUSES_MILLISECONDS: [u64; 8] = [100, 200, 400, 800, 1_600, 1_600, 1_600, 1_600];
/// The share of the time that is left which may be waited: the request itself needs the rest.
const PATIENCE_SHARE: u32 = 3;
/// When to come again after waiting in vain.
const COME_AGAIN: Duration = Duration::from_secs(5);
/// For how long nobody in this environment waits again then.
const IMPATIENT: SignedDuration = SignedDuration::from_secs(2);
/// What a lock lasts beyond two requests for a token: reading the secret, and writing it, with repetitions.
const LOCK_MARGIN: Duration = Duration::from_secs(30);
/// A token that was renewed because the one before was refused, and is refused as well, is not renewed for so long: an
/// application that refuses everything must not use up the versions of the secret.
const FORCED_INTERVAL: SignedDuration = SignedDuration::from_mins(15);

/// A token that could not be stored yet, with the lock that is kept so that nobody else renews meanwhile.
pub(super) struct Unsaved {
    fields: Map<String, Value>,
    /// Digests of the credentials that it was had with, and of those after the rotation.
    before: String,
    after: String,
    token: Token,
    lock: SecretLock,
}

/// Whose turn it is.
enum Turn {
    /// Somebody else's token is there.
    Theirs(Token),
    /// Ours.
    Ours(SecretLock),
    /// Somebody else's still, and nothing is lost if we ask as well: nothing rotates.
    Whoever,
}

/// Whether a refused token may be renewed now.
enum Forced {
    /// Nothing was refused.
    No,
    /// It may; this is noted with the new one.
    Now(Timestamp),
    /// The one before it was refused as well, a moment ago.
    TooSoon,
}

/// A token that is good: another environment's, or a new one. None if nothing better than the refused one is to be had.
pub(super) async fn renew(
    call: &TokenCall<'_>,
    entry: &mut Entry,
    refused: Option<&str>,
    redactor: &mut Redactor,
) -> Result<Option<Token>, TokenProblem> {
    if refused.is_none() {
        let secret = call.secrets.get(call.secret_name()).await?;
        redactor.hide_all(&secret);
        if let Some(token) = good(call, &secret, None) {
            return Ok(Some(token));
        }
    }
    if entry.is_short || !may_share(call.authentication()) {
        return alone(call, entry, refused, redactor).await;
    }
    let mut waited = Duration::ZERO;
    match turn(call, entry, refused, &mut waited, redactor).await? {
        Turn::Theirs(token) => Ok(Some(token)),
        Turn::Whoever => alone(call, entry, refused, redactor).await,
        Turn::Ours(lock) => {
            let renewed = under_lock(call, entry, refused, &lock, waited, redactor).await;
            // Kept as long as what was given is not stored: else the next one would begin with the old refresh token.
            if entry.unsaved.is_none() {
                call.secrets.unlock(call.secret_name(), lock).await;
            }
            renewed
        }
    }
}

/// Stores what could not be stored when it was given; the token, if it is stored now.
pub(super) async fn save(call: &TokenCall<'_>, entry: &mut Entry) -> Result<Option<Token>, TokenProblem> {
    let Some(unsaved) = entry.unsaved.take() else { return Ok(None) };
    let name = call.secret_name();
    let saved = async {
        let lock = call.secrets.lock(name, Some(&unsaved.lock), lock_span(call)).await?;
        if lock.is_none() { Err(busy()) } else { put(call, &unsaved).await }
    };
    match saved.await {
        Ok(is_stored) => {
            call.secrets.unlock(name, unsaved.lock).await;
            Ok(is_stored.then_some(unsaved.token))
        }
        Err(problem) => {
            entry.unsaved = Some(unsaved);
            Err(problem)
        }
    }
}

// Short tokens that rotate nothing are each environment's own.
fn may_share(authentication: &Authentication) -> bool {
    let is_long =
        authentication.said_lifetime_seconds().is_none_or(|seconds| u64::from(seconds) >= SHARED_FROM.as_secs());
    is_long || authentication.rotated_credential().is_some()
}

async fn turn(
    call: &TokenCall<'_>,
    entry: &mut Entry,
    refused: Option<&str>,
    waited: &mut Duration,
    redactor: &mut Redactor,
) -> Result<Turn, TokenProblem> {
    let name = call.secret_name();
    let patience = match entry.patience_until {
        Some(until) if call.now() < until => Duration::ZERO,
        _ => call.left / PATIENCE_SHARE,
    };
    let mut pauses = PAUSES_MILLISECONDS.iter().map(|milliseconds| Duration::from_millis(*milliseconds));
    loop {
        if let Some(lock) = call.secrets.lock(name, None, lock_span(call)).await? {
            return Ok(Turn::Ours(lock));
        }
        let Some(pause) = pauses.next().filter(|pause| *waited + *pause <= patience) else { break };
        (call.pause)(pause).await;
        *waited += pause;
        let secret = call.secrets.latest(name).await?;
        redactor.hide_all(&secret);
        if let Some(token) = good(call, &secret, refused) {
            return Ok(Turn::Theirs(token));
        }
    }
    if call.authentication().rotated_credential().is_none() {
        return Ok(Turn::Whoever);
    }
    entry.patience_until = call.now().checked_add(IMPATIENT).ok();
    Err(busy())
}

async fn under_lock(
    call: &TokenCall<'_>,
    entry: &mut Entry,
    refused: Option<&str>,
    lock: &SecretLock,
    waited: Duration,
    redactor: &mut Redactor,
) -> Result<Option<Token>, TokenProblem> {
    let timeout = call.timeout.min(call.left.saturating_sub(waited));
    let mut tried: Option<(String, TokenProblem)> = None;
    // Twice at most: with the credentials as they are, and with those that a person put there meanwhile.
    for _ in 0..2 {
        let secret = call.secrets.latest(call.secret_name()).await?;
        redactor.hide_all(&secret);
        if let Some(token) = good(call, &secret, refused) {
            return Ok(Some(token));
        }
        let grant = Grant::of(call, &secret)?;
        match tried.take() {
            Some((digest, problem)) if digest == grant.digest => return Err(problem),
            _ => {}
        }
        let forced = forced(call, entry, &secret, refused);
        if matches!(forced, Forced::TooSoon) {
            return Ok(None);
        }
        let granted = match ask(call, &grant, timeout, redactor).await {
            Ok(granted) => granted,
            Err(problem @ TokenProblem::Refused { .. }) => {
                tried = Some((grant.digest, problem));
                continue;
            }
            Err(problem) => return Err(problem),
        };
        let Some(unsaved) = to_store(call, &secret, grant, &granted, &forced, lock, redactor) else {
            entry.is_short = true;
            return Ok(Some(Token::fresh(&granted.access_token, granted.expires_in, call.now())));
        };
        match put(call, &unsaved).await {
            Ok(true) => return Ok(Some(unsaved.token)),
            Ok(false) => {}
            Err(problem) if granted.rotated.is_some() => {
                entry.unsaved = Some(unsaved);
                return Err(problem);
            }
            Err(_) => {
                // Nothing is lost with it: the others ask for one of their own.
                tracing::warn!(
                    tenant = %call.connection.tenant,
                    connection = %call.connection.id,
                    "an access token cannot be stored; it is used here only"
                );
                return Ok(Some(unsaved.token));
            }
        }
    }
    Err(tried.map_or_else(busy, |(_, problem)| problem))
}

/// A token for this environment alone.
async fn alone(
    call: &TokenCall<'_>,
    entry: &mut Entry,
    refused: Option<&str>,
    redactor: &mut Redactor,
) -> Result<Option<Token>, TokenProblem> {
    let name = call.secret_name();
    let secret = match refused {
        Some(_) => call.secrets.refresh(name).await?,
        None => call.secrets.get(name).await?,
    };
    redactor.hide_all(&secret);
    match forced(call, entry, &secret, refused) {
        Forced::No => {}
        Forced::Now(now) => entry.forced_at = Some(now),
        Forced::TooSoon => return Ok(None),
    }
    let grant = Grant::of(call, &secret)?;
    let granted = match ask(call, &grant, call.timeout, redactor).await {
        // A credential that is refused may have been renewed since it was remembered: it is read once more.
        Err(problem @ TokenProblem::Refused { .. }) => {
            let secret = call.secrets.refresh(name).await?;
            redactor.hide_all(&secret);
            let renewed = Grant::of(call, &secret)?;
            if renewed.digest == grant.digest {
                return Err(problem);
            }
            ask(call, &renewed, call.timeout, redactor).await?
        }
        outcome => outcome?,
    };
    redactor.hide(&granted.access_token);
    Ok(Some(Token::fresh(&granted.access_token, granted.expires_in, call.now())))
}

fn good(call: &TokenCall<'_>, secret: &Map<String, Value>, refused: Option<&str>) -> Option<Token> {
    Token::stored(secret, &digest(call, secret)).filter(|token| token.is_good(call.now(), refused))
}

fn forced(call: &TokenCall<'_>, entry: &Entry, secret: &Map<String, Value>, refused: Option<&str>) -> Forced {
    if refused.is_none() {
        return Forced::No;
    }
    let now = call.now();
    let stored = StoredToken::of(secret).and_then(|stored| stored.forced_at);
    match [entry.forced_at, stored].into_iter().flatten().max() {
        Some(last) if now.duration_since(last).abs() < FORCED_INTERVAL => Forced::TooSoon,
        _ => Forced::Now(now),
    }
}

/// What is to be put into the secret; nothing if the token stays in memory.
fn to_store(
    call: &TokenCall<'_>,
    secret: &Map<String, Value>,
    grant: Grant,
    granted: &Granted,
    forced: &Forced,
    lock: &SecretLock,
    redactor: &mut Redactor,
) -> Option<Unsaved> {
    let Granted { access_token, expires_in, rotated } = granted;
    redactor.hide(access_token);
    // With a rotated refresh token there is a write anyway.
    if *expires_in < SHARED_FROM && rotated.is_none() {
        return None;
    }
    let (now, mut after) = (call.now(), secret.clone());
    let mut fields = Map::new();
    if let Some((field, value)) = rotated {
        redactor.hide(value);
        fields.insert(field.clone(), Value::String(value.clone()));
    }
    after.extend(fields.clone());
    let after = digest(call, &after);
    let token = StoredToken {
        access_token: access_token.clone(),
        expires_at: now.checked_add(*expires_in).unwrap_or(now),
        credentials: Some(after.clone()),
        forced_at: match forced {
            Forced::Now(now) => Some(*now),
            Forced::No | Forced::TooSoon => None,
        },
    };
    fields.insert(TOKEN_FIELD.to_owned(), serde_json::to_value(&token).unwrap_or_default());
    let token = Token::fresh(access_token, *expires_in, now);
    Some(Unsaved { fields, before: grant.digest, after, token, lock: lock.clone() })
}

/// Puts it into the secret, in one write; false if a person replaced the credentials that it was had with.
async fn put(call: &TokenCall<'_>, unsaved: &Unsaved) -> Result<bool, TokenProblem> {
    let name = call.secret_name();
    let mut secret = call.secrets.latest(name).await?;
    let found = digest(call, &secret);
    if found != unsaved.before && found != unsaved.after {
        tracing::info!(
            tenant = %call.connection.tenant,
            connection = %call.connection.id,
            "the credentials were replaced while they were renewed; the new ones stay"
        );
        return Ok(false);
    }
    secret.extend(unsaved.fields.clone());
    call.secrets.put(name, secret).await?;
    tracing::info!(
        tenant = %call.connection.tenant,
        connection = %call.connection.id,
        rotated = unsaved.before != unsaved.after,
        "an access token was renewed and stored"
    );
    Ok(true)
}

fn lock_span(call: &TokenCall<'_>) -> Duration {
    // Of the manifest, not of the time that is left: it must outlive whatever is done under it.
    call.connection.manifest.manifest().limits.request_timeout() * 2 + LOCK_MARGIN
}

fn busy() -> TokenProblem {
    TokenProblem::Unavailable {
        status: None,
        retry_after: Some(COME_AGAIN),
        reason: "another invocation is renewing the access token".to_owned(),
    }
}
