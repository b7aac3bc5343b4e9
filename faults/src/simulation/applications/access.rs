//! The accounting application's tokens, as Intuit gives them: access tokens end; each renewal brings a new refresh
//! token; the old one stays good until the new access token is used, and not longer.

use super::{Answered, Applications, Call};
use crate::simulation::scenario::MARK;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Who holds a token stops using it this long before its end, and asks for another one.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// The tokens of every tenant.
#[derive(Debug)]
pub struct Access {
    lifetime: Duration,
    tenants: BTreeMap<String, Consent>,
    given: u64,
    /// Renewals for which there was no need: the last token was still good, and its answer had arrived.
    pub needless: usize,
    /// Those who died, who may have taken a token with them.
    pub deaths: usize,
}

/// What one tenant's person consented to.
#[derive(Debug)]
struct Consent {
    refresh: String,
    /// What it was before, until the newest access token is used.
    before: Option<String>,
    /// The newest access token; nothing if it was never given, or its answer was lost.
    newest: Option<String>,
    /// Until when each is good.
    tokens: BTreeMap<String, Timestamp>,
}

impl Default for Consent {
    fn default() -> Self {
        Self { refresh: MARK.to_owned(), before: None, newest: None, tokens: BTreeMap::new() }
    }
}

impl Access {
    /// Tokens that are good for so long.
    #[must_use]
    pub fn new(lifetime: Duration) -> Self {
        Self { lifetime, tenants: BTreeMap::new(), given: 0, needless: 0, deaths: 0 }
    }

    /// The answer with the newest token was lost on the way.
    pub(super) fn answer_lost(&mut self, tenant: &str) {
        if let Some(consent) = self.tenants.get_mut(tenant) {
            consent.newest = None;
        }
    }

    fn renew(&mut self, tenant: &str, refresh: &str, now: Timestamp) -> Option<(String, String)> {
        let consent = self.tenants.entry(tenant.to_owned()).or_default();
        if consent.refresh != refresh && consent.before.as_deref() != Some(refresh) {
            return None;
        }
        let newest = consent.newest.as_ref().and_then(|newest| consent.tokens.get(newest));
        self.needless += usize::from(newest.is_some_and(|until| *until - SKEW > now));
        self.given += 1;
        let access = format!("{MARK}-{}-access-{tenant}", self.given);
        let rotated = format!("{MARK}-{}-refresh-{tenant}", self.given);
        // Whoever asks with the old one lost the answer: what was given then is forgotten.
        consent.before = Some(refresh.to_owned());
        consent.refresh.clone_from(&rotated);
        consent.tokens.insert(access.clone(), crate::queues::after(now, self.lifetime));
        consent.newest = Some(access.clone());
        Some((access, rotated))
    }

    /// Whether the token is good; its use ends the refresh token before it.
    fn uses(&mut self, tenant: &str, access: &str, now: Timestamp) -> bool {
        let Some(consent) = self.tenants.get_mut(tenant) else { return false };
        let is_good = consent.tokens.get(access).is_some_and(|until| now < *until);
        if is_good && consent.newest.as_deref() == Some(access) {
            consent.before = None;
        }
        is_good
    }
}

impl Applications {
    /// Gives a token for a refresh token.
    pub(super) fn renewed(&mut self, call: &Call<'_>, now: Timestamp) -> Option<Answered> {
        let access = self.access.as_mut()?;
        let body = call.request.body.as_deref().unwrap_or_default();
        let fields: BTreeMap<String, String> = form(body);
        let refresh = fields.get("refresh_token").map(String::as_str).unwrap_or_default();
        Some(match access.renew(&call.tenant, refresh, now) {
            Some((token, rotated)) => {
                let seconds = access.lifetime.as_secs();
                let answer = json!({"access_token": token, "refresh_token": rotated, "token_type": "bearer",
                    "expires_in": seconds, "x_refresh_token_expires_in": 8_726_400});
                (200, answer)
            }
            None => {
                let words =
                    format!("credentials: what was given to {} was lost: its refresh token is no good", call.tenant);
                if !self.problems.contains(&words) {
                    self.problems.push(words);
                }
                (400, json!({"error": "invalid_grant"}))
            }
        })
    }

    /// The refusal of a token that is not good; nothing if it is.
    pub(super) fn refused(&mut self, call: &Call<'_>, now: Timestamp) -> Option<Answered> {
        let access = self.access.as_mut()?;
        let token = call.header("authorization").strip_prefix("Bearer ").unwrap_or_default().to_owned();
        if access.uses(&call.tenant, &token, now) {
            return None;
        }
        let error = json!({"message": "message=AuthenticationFailed; statusCode=401", "code": "3200"});
        Some((401, json!({"fault": {"error": [error], "type": "AUTHENTICATION"}})))
    }
}

fn form(body: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let url = reqwest::Url::parse(&format!("http://x/?{text}"));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_old_refresh_token_is_good_until_the_new_access_token_is_used() {
        let mut access = Access::new(Duration::from_secs(1_500));
        let (first, refresh) = access.renew("alpha", MARK, second(0)).unwrap();
        assert!(access.uses("alpha", &first, second(1)) && !access.uses("beta", &first, second(1)));
        assert_eq!(access.renew("alpha", MARK, second(2)), None, "it was used");
        let (_, lost) = access.renew("alpha", &refresh, second(1_450)).unwrap();
        assert_eq!(access.needless, 0, "the first one was about to end");
        let (second_one, _) = access.renew("alpha", &refresh, second(1_451)).unwrap();
        assert_eq!(access.needless, 1, "the one before had arrived");
        assert_eq!(access.renew("alpha", &lost, second(1_452)), None);
        assert!(!access.uses("alpha", &first, second(1_500)) && access.uses("alpha", &second_one, second(1_500)));
        access.answer_lost("alpha");
        assert_eq!(access.renew("alpha", &refresh, second(1_501)), None);
    }
}
