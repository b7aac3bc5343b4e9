//! Requests and answers of the guarded client, and the check of a URL.

use super::address::classify;
use super::resolver::may_reach;
use crate::connection::Reach;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use std::net::IpAddr;
use std::time::Duration;

/// The longest URL that is requested, in bytes.
const LONGEST_URL_BYTES: usize = 16 * 1024;

/// A request. Debug shows neither headers, body nor query: they may hold credentials.
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The URL, checked when it is requested.
    pub url: Url,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// How long the request may take, with its answer.
    pub timeout: Duration,
    /// The largest answer that is read, in bytes.
    pub response_max_bytes: usize,
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.method, self.url.path())
    }
}

/// An answer, whatever its status.
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, if it could be read.
    pub body: Body,
}

/// An answer's body.
pub type Body = Result<Vec<u8>, BodyFault>;

/// Why an answer's body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// It is larger than the request allows.
    #[error("the answer is too large")]
    TooLarge,
    /// It ended early or came too slowly.
    #[error("the answer broke off")]
    CutOff,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The connection may not go there.
    #[error("{0}")]
    Refused(#[from] RefusedUrl),
    /// The request cannot be written.
    #[error("the request cannot be written")]
    Malformed,
    /// It was never sent.
    #[error("the application cannot be reached: {reason}")]
    NotSent {
        /// What went wrong.
        reason: &'static str,
    },
    /// It was sent, at least in part, and no answer came.
    #[error("{reason}")]
    Lost {
        /// What went wrong.
        reason: &'static str,
    },
}

impl RequestError {
    /// Whether the request may have had an effect.
    #[must_use]
    pub fn was_sent(self) -> bool {
        match self {
            Self::Refused(_) | Self::Malformed | Self::NotSent { .. } => false,
            Self::Lost { .. } => true,
        }
    }
}

/// Why a URL is not requested. The URL is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedUrl {
    /// It is no URL.
    #[error("the address is not a URL")]
    Malformed,
    /// Its scheme is neither HTTPS nor, where the connection allows it, HTTP.
    #[error("the address is not https, and the connection allows nothing else")]
    Scheme,
    /// It carries a user name or password.
    #[error("the address carries a user name or password")]
    Credentials,
    /// It names no host.
    #[error("the address names no host")]
    Host,
    /// It is longer than 16 KiB.
    #[error("the address is too long")]
    TooLong,
    /// It leads to an address that the connection may not reach.
    #[error("the address leads to a network that the connection may not reach")]
    Address,
}

/// Whether a connection may request the URL, as far as the URL itself tells: a host name is checked
/// when it is resolved.
///
/// # Errors
/// [`RefusedUrl`].
pub fn check_url(url: &Url, reach: Reach) -> Result<(), RefusedUrl> {
    match url.scheme() {
        "https" => {}
        "http" if reach.plain_http => {}
        _ => return Err(RefusedUrl::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(RefusedUrl::Credentials);
    }
    if url.as_str().len() > LONGEST_URL_BYTES {
        return Err(RefusedUrl::TooLong);
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(RefusedUrl::Host)?;
    // The URL parser has turned decimal, octal and hexadecimal forms into dotted ones by now.
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match literal.parse::<IpAddr>() {
        Ok(address) if !may_reach(classify(address), reach.private_addresses) => Err(RefusedUrl::Address),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: Reach = Reach { private_addresses: false, plain_http: false };
    const ANYWHERE: Reach = Reach { private_addresses: true, plain_http: true };

    fn check(url: &str, reach: Reach) -> Result<(), RefusedUrl> {
        check_url(&Url::parse(url).map_err(|_| RefusedUrl::Malformed)?, reach)
    }

    #[test]
    fn hostile_urls_are_refused() {
        for url in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://017700000001/",
            "https://127.0.0.1./",
            "https://１２７.0.0.1/",
            "https://①②⑦.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[0:0:0:0:0:ffff:a9fe:a9fe]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::127.0.0.1]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "https://10.0.0.1/",
            "https://192.168.0.1/",
            "https://172.16.0.1:8443/",
            "https://100.64.0.1/",
            "https://0/",
            "https://169.254.169.254/latest/meta-data/",
            "https://2852039166/",
            "https://0xa9fea9fe/",
            "https://0251.0376.0251.0376/",
            "https://169.254.43518/",
            "https://public.example@127.0.0.1/",
            "https://public.example%40127.0.0.1/",
            "https://user@public.example/",
            "https://:password@public.example/",
            "http://public.example/",
            "HTTP://public.example/",
            "file:///etc/passwd",
            "ftp://public.example/",
            "gopher://127.0.0.1/",
            "data:,x",
            "javascript:0",
            "unix:/run/x.sock",
            "https://",
            "https:///",
            "https://[::1",
            "https://256.256.256.256/",
            "https://0x100000000/",
            "https://exa mple/",
            "",
            "//public.example/",
            "/etc",
            "https://[fe80::1%25eth0]/",
            "https://[::ffff:0:127.0.0.1]/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[2002:7f00:1::]/",
            "https://[2001:0:7f00:1::]/",
            "https://\u{0}/",
            "https:\\\\127.0.0.1\\",
            "https://127.0.0.1\\@public.example/",
            "https://127.0.0.1#@public.example/",
            "https://127。0。0。1/",
            "https://[::]/",
            "https://[ff02::1]/",
            "https://203.0.113.7/",
            "https://198.18.0.1/",
            "https://168.63.129.16/",
        ] {
            assert!(check(url, NOWHERE).is_err(), "{url}");
        }
        assert_eq!(check(&format!("https://public.example/{}", "a".repeat(20_000)), NOWHERE), Err(RefusedUrl::TooLong));
    }

    #[test]
    fn a_connection_may_be_allowed_more_but_never_metadata() {
        for url in [
            "http://127.0.0.1:8080/",
            "https://10.0.0.1/",
            "http://[::1]:1/",
            "http://localhost/",
            "https://public.example/",
        ] {
            assert_eq!(check(url, ANYWHERE), Ok(()), "{url}");
        }
        for url in
            ["http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://user@localhost/", "file:///etc/passwd"]
        {
            assert!(check(url, ANYWHERE).is_err(), "{url}");
        }
        assert_eq!(check("https://8.8.8.8/", NOWHERE), Ok(()));
    }
}
