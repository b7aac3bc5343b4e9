//! The check of how requests prove who sends them.

use super::Check;
use crate::connector::{Authentication, Claim, Login, Method, Template};
use crate::mapping::Program;
use crate::secret_source::TOKEN_FIELD;
use crate::signature::{SignedPlace, SignedText, is_header_name};

/// Headers that frame the request: no proof can stand in them.
const FRAMING: &[&str] =
    &["connection", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding", "upgrade"];

impl Check<'_> {
    /// Checks the authentication; gives the program that finds a session's token.
    pub(in crate::connector) fn authentication(&mut self) -> Option<Program> {
        let manifest = self.manifest;
        if manifest.credentials.contains_key(TOKEN_FIELD) {
            self.problem(&format!("credentials.{TOKEN_FIELD}"), "this name is reserved for the access token");
        }
        let authentication = &manifest.authentication;
        for credential in authentication.credentials() {
            self.credential("authentication", credential);
        }
        if let Some(token_url) = authentication.token_url() {
            self.template("authentication.token_url", token_url, &[]);
        }
        if authentication.said_lifetime_seconds() == Some(0) {
            self.problem("authentication.lifetime_seconds", "must be above 0");
        }
        match authentication {
            Authentication::ApiKey { header, prefix, query, .. } => {
                self.api_key(header.as_deref(), prefix, query.as_deref())
            }
            Authentication::OAuth2AuthorizationCode { authorize_url, authorize_parameters, .. } => {
                self.template("authentication.authorize_url", authorize_url, &[]);
                self.authorize_parameters(authorize_parameters.keys());
            }
            Authentication::OAuth2JwtBearer { issuer, subject, audience, key_id, .. } => {
                let claims = [("issuer", Some(issuer)), ("subject", subject.as_ref()), ("key_id", key_id.as_ref())];
                for (field, claim) in claims {
                    self.claim(field, claim);
                }
                if let Some(audience) = audience {
                    self.template("authentication.audience", audience, &[]);
                }
            }
            Authentication::SessionLogin { login, token, cookie, header, prefix, .. } => {
                self.login(login);
                return self.session(token.as_deref(), cookie.as_deref(), header, prefix);
            }
            Authentication::HmacSignature { header, prefix, signed, timestamp_header, .. } => {
                self.request_signature(header, prefix.as_ref(), signed, timestamp_header.as_deref());
            }
            Authentication::None
            | Authentication::Bearer { .. }
            | Authentication::Basic { .. }
            | Authentication::OAuth2ClientCredentials { .. }
            | Authentication::StandardWebhooks { .. } => {}
        }
        None
    }

    fn api_key(&mut self, header: Option<&str>, prefix: &str, query: Option<&str>) {
        match (header, query) {
            (Some(header), None) => self.proving_header("authentication.header", header),
            (None, Some("")) => self.problem("authentication.query", "a parameter has a name"),
            (None, Some(_)) if !prefix.is_empty() => self.problem("authentication.prefix", "goes with header"),
            (None, Some(_)) => {}
            (None, None) => self.problem("authentication", "one of header and query says where the key goes"),
            (Some(_), Some(_)) => self.problem("authentication", "header and query exclude each other"),
        }
    }

    // What the flow itself says cannot be said otherwise.
    fn authorize_parameters<'n>(&mut self, names: impl Iterator<Item = &'n String>) {
        const RESERVED: [&str; 7] =
            ["client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "scope", "state"];
        for name in names.filter(|name| RESERVED.contains(&name.as_str())) {
            self.problem("authentication.authorize_parameters", format!("{name} is set by the flow itself"));
        }
    }

    fn claim(&mut self, field: &str, claim: Option<&Claim>) {
        if let Some(Claim::Text(text)) = claim {
            self.template(&format!("authentication.{field}"), text, &[]);
        }
    }

    fn login(&mut self, login: &Login) {
        self.template("authentication.login.path", &login.path, &[]);
        if !login.path.as_str().is_empty() && !login.path.as_str().starts_with('/') {
            self.problem("authentication.login.path", "must begin with /");
        }
        if login.method == Method::Get {
            self.problem("authentication.login.method", "GET has no body for the credentials");
        }
        if login.form.is_empty() == login.json.is_empty() {
            self.problem("authentication.login", "one of form and json says what the credentials are called");
        }
    }

    fn session(&mut self, token: Option<&str>, cookie: Option<&str>, header: &str, prefix: &str) -> Option<Program> {
        match (token, cookie) {
            (Some(token), None) => {
                self.proving_header("authentication.header", header);
                return self.program("authentication.token", token, &[]);
            }
            (None, Some(cookie)) => {
                if !is_cookie_name(cookie) {
                    self.problem("authentication.cookie", "a cookie's name is visible ASCII without separators");
                }
                if !header.eq_ignore_ascii_case("authorization") || !prefix.is_empty() {
                    self.problem("authentication", "header and prefix go with token, not with cookie");
                }
            }
            _ => self.problem("authentication", "one of token and cookie says what names the session"),
        }
        None
    }

    fn request_signature(
        &mut self,
        header: &str,
        prefix: Option<&Template>,
        signed: &SignedText,
        timestamp_header: Option<&str>,
    ) {
        self.proving_header("authentication.header", header);
        if let Some(prefix) = prefix {
            self.template("authentication.prefix", prefix, &[]);
        }
        if let Some(name) = timestamp_header {
            self.proving_header("authentication.timestamp_header", name);
            if name.eq_ignore_ascii_case(header) {
                self.problem("authentication.timestamp_header", "is the header of the signature");
            }
        }
        if signed.has(SignedPlace::Timestamp) && timestamp_header.is_none() {
            self.problem("authentication.signed", "{timestamp} needs timestamp_header, or nobody could verify it");
        }
    }

    pub(super) fn proving_header(&mut self, at: &str, name: &str) {
        self.header(at, name);
        if FRAMING.contains(&name.to_ascii_lowercase().as_str()) {
            self.problem(at, format!("{name} frames the request; it cannot carry a proof"));
        }
    }

    pub(super) fn header(&mut self, at: &str, name: &str) {
        if !is_header_name(name) {
            self.problem(at, "a header's name is letters, digits and hyphens");
        }
    }
}

/// RFC 6265, section 4.1.1: a token.
fn is_cookie_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte))
}
