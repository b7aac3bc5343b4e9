//! A token against forged requests, and the session that it is good for: fetched before something is written.
//!
//! Nothing of it is kept beyond the call: the cookies stand for the user whose credentials fetched them, and those may be
//! others by the next call.

use super::answer::{Refusal, header};
use super::call::{Asked, Call, Exchange, Trouble};
use super::prepare::{Place, PrepareError, Prepared, Subject};
use super::redact::Redactor;
use super::token_request::sensitive;
use crate::client::{HttpAnswer, HttpRequest};
use fluxnex_core::connector::{Csrf, OperationKind, TemplateValues};
use reqwest::Method;
use reqwest::header::{ACCEPT, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};

/// The longest header that is believed, in bytes.
const LONGEST_BYTES: usize = 8 * 1024;

/// What goes with a request that has an effect. It has no Debug.
#[derive(Default)]
pub(super) struct CsrfSession {
    /// The header and the token in it; nothing if the application gave none.
    token: Option<(HeaderName, String)>,
    /// `name=value` of each cookie.
    cookies: Vec<String>,
}

impl Call<'_> {
    /// What must be fetched before something of that kind is done.
    pub(super) fn csrf(&self, kind: OperationKind) -> Option<Csrf> {
        let target = self.connection.manifest.manifest().target.as_ref();
        target.and_then(|target| target.csrf.clone()).filter(|_| kind.has_effect())
    }

    /// Fetches token and session; gives the refusal if that is what it came to.
    pub(super) async fn open_csrf(
        &mut self,
        csrf: &Csrf,
        place: &Place,
        subject: &Subject<'_>,
    ) -> Result<Option<Refusal>, Trouble> {
        let path = csrf.path.fill(&TemplateValues::settings(&place.settings), str::to_owned);
        let url = place.below(&path.map_err(PrepareError::from)?)?;
        let name = HeaderName::try_from(&csrf.header).map_err(|_| PrepareError::Value { part: "headers" })?;
        let headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("application/json")),
            (name.clone(), HeaderValue::from_static("Fetch")),
        ]);
        let prepared = Prepared { method: Method::GET, url, headers, body: None };
        let subject = Subject::of(subject.object);
        let asked = Asked { kind: OperationKind::Read, place, prepared: &prepared, subject: &subject };
        match self.proved(&asked).await? {
            Exchange::Answered(answered) => {
                self.csrf = Some(CsrfSession::of(name, &answered.answer));
                Ok(None)
            }
            Exchange::Refused(refusal) => Ok(Some(refusal)),
        }
    }
}

impl CsrfSession {
    fn of(name: HeaderName, answer: &HttpAnswer) -> Self {
        let fits = |text: &&str| !text.is_empty() && text.len() <= LONGEST_BYTES;
        let token = header(answer, name.as_str()).map(str::trim).filter(fits);
        let token = token.filter(|token| !token.eq_ignore_ascii_case("required")).map(|token| (name, token.to_owned()));
        let set = answer.headers.get_all(SET_COOKIE).iter().filter_map(|set| set.to_str().ok());
        let pairs = set.filter_map(|set| set.split(';').next()).map(str::trim);
        // A cookie without a value was deleted (RFC 6265, section 5.2).
        let is_set =
            |pair: &&str| pair.split_once('=').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty());
        let cookies = pairs.filter(fits).filter(is_set).map(str::to_owned).collect();
        Self { token, cookies }
    }

    /// Adds it to a request that is proved already.
    pub(super) fn add(&self, request: &mut HttpRequest, redactor: &mut Redactor) -> Result<(), Trouble> {
        if let Some((name, token)) = &self.token {
            redactor.hide(token);
            request.headers.insert(name, sensitive(token)?);
        }
        if !self.cookies.is_empty() {
            for pair in &self.cookies {
                redactor.hide(pair.split_once('=').map_or(pair.as_str(), |(_, value)| value));
            }
            let proof = request.headers.get(COOKIE).and_then(|cookies| cookies.to_str().ok()).map(str::to_owned);
            let cookies: Vec<String> = proof.into_iter().chain(self.cookies.iter().cloned()).collect();
            request.headers.insert(COOKIE, sensitive(&cookies.join("; "))?);
        }
        Ok(())
    }
}

/// Whether an answer says that the token is not, or no longer, good.
pub(super) fn wants_another(csrf: &Csrf, answer: &HttpAnswer) -> bool {
    answer.status == 403
        && header(answer, &csrf.header).is_some_and(|said| said.trim().eq_ignore_ascii_case("required"))
}
