//! What `ingest` knows of a connection that takes webhooks, and what it may decide by itself.

use super::{EventIdRule, SignatureScheme};
use crate::content::check_depth;
use crate::ids::ConnectorName;
use crate::xml;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What `ingest` knows of a connection; `api` writes it to the control table when a bundle is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSettings {
    /// The connector, for logs and for the first message.
    pub connector: ConnectorName,
    /// How webhooks come.
    #[serde(flatten)]
    pub way: WebhookWay,
    /// In which other formats they come, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<WebhookWay>,
    /// The name of the connection's secret.
    pub secret_name: String,
    /// The largest body that is accepted, in bytes.
    pub body_max_bytes: u32,
    /// Whether an operator stopped the connection: its senders are told to come again later.
    #[serde(default)]
    pub paused: bool,
}

/// One way in which webhooks come: the format, its proof, and the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookWay {
    /// How a sender proves itself.
    pub signature: SignatureScheme,
    /// Where the sender's id of the event is.
    #[serde(default)]
    pub event_id: EventIdRule,
    /// What the body is written in.
    #[serde(default, skip_serializing_if = "WebhookFormat::is_json")]
    pub format: WebhookFormat,
    /// What the body must say of its sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<KnownSender>,
    /// What the sender takes for an acknowledgement; absent: any 2xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<Acknowledgement>,
}

/// What the body of a webhook is written in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WebhookFormat {
    /// One JSON value.
    #[default]
    Json,
    /// One XML document, without a document type. It is turned into JSON before anything else sees it: an element
    /// becomes an object of its attributes (`@name`) and children, by their names without prefixes; a name that
    /// occurs several times a list; an element of text alone that text; text beside others `#text`; a nil one `null`.
    Xml {
        /// Elements that are never kept, by their names without prefixes, wherever they are: credentials that a
        /// sender puts into its body.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        omit: Vec<String>,
    },
}

/// What the body of a webhook must say of its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSender {
    /// Where it says so: a JSON pointer.
    pub at: String,
    /// What must stand there.
    pub is: String,
    /// How many characters are compared, from the first; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<u16>,
}

/// An answer that its sender takes for an acknowledgement. Its status is 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// The type of the body.
    pub content_type: String,
    /// The body, as it is sent.
    pub body: String,
}

/// Why the body of a webhook is not taken. Never quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookBodyError {
    /// It is not JSON in UTF-8.
    #[error("it is not one JSON value in UTF-8")]
    NotJson,
    /// It nests too deeply.
    #[error("it is {0}")]
    TooDeep(#[from] crate::content::ContentError),
    /// It is not XML that is taken.
    #[error("it is {0}")]
    Xml(#[from] xml::XmlError),
    /// It comes from somebody else, or does not say from whom.
    #[error("its sender is not the one that the connection names")]
    Sender,
}

impl WebhookSettings {
    /// The way that a body of that type comes; `content_type` is the header's value. A sender that does not say it, or
    /// says it wrongly, is taken by the first one.
    #[must_use]
    pub fn way_of(&self, content_type: Option<&str>) -> &WebhookWay {
        let is_xml = content_type.is_some_and(is_xml);
        let mut ways = std::iter::once(&self.way).chain(&self.also);
        ways.find(|way| way.format.is_json() != is_xml).unwrap_or(&self.way)
    }
}

impl WebhookWay {
    /// The body as one JSON value, if it is of the format and comes from the sender that it should.
    ///
    /// # Errors
    /// [`WebhookBodyError`].
    pub fn read(&self, body: String) -> Result<Box<RawValue>, WebhookBodyError> {
        let text = match &self.format {
            WebhookFormat::Json => {
                check_depth(&body)?;
                body
            }
            WebhookFormat::Xml { omit } => {
                let text = xml::to_json(&body, omit)?.to_string();
                check_depth(&text)?;
                text
            }
        };
        serde_json::from_str::<IgnoredAny>(&text).map_err(|_| WebhookBodyError::NotJson)?;
        if let Some(sender) = &self.sender
            && !sender.is_in(&text)
        {
            return Err(WebhookBodyError::Sender);
        }
        RawValue::from_string(text).map_err(|_| WebhookBodyError::NotJson)
    }
}

impl WebhookFormat {
    /// Whether it is JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        *self == Self::Json
    }
}

impl KnownSender {
    fn is_in(&self, body: &str) -> bool {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let said = match body.pointer(&self.at) {
            Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Some(Value::Number(number)) => Cow::Owned(number.to_string()),
            _ => return false,
        };
        match self.characters {
            None => !self.is.is_empty() && said == self.is,
            Some(characters) => {
                let first = |text: &str| -> Option<String> {
                    let first: String = text.chars().take(characters.into()).collect();
                    (first.chars().count() == usize::from(characters)).then_some(first)
                };
                first(&self.is).is_some_and(|known| first(&said) == Some(known))
            }
        }
    }
}

/// RFC 7303: `text/xml`, `application/xml`, and whatever ends in `+xml`.
fn is_xml(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "text/xml" | "application/xml") || kind.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings() -> WebhookSettings {
        let token = |place: &str| json!({"scheme": "token", place: "token", "secret": "s"});
        let settings = json!({
            "connector": "c", "signature": token("header"), "secret_name": "n", "body_max_bytes": 1,
            "also": [{"signature": token("query"), "format": {"xml": {"omit": ["SessionId"]}},
                      "sender": {"at": "/a/Org", "is": "00D000000000001EAA", "characters": 15}}],
        });
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn settings_survive_the_control_table() {
        let text = r#"{"connector":"revenova","signature":{"scheme":"hmac_sha256","header":"X-Revenova-Signature","prefix":"sha256=","encoding":"hex","signed":"{timestamp}.{body}","timestamp_header":"X-Revenova-Timestamp","tolerance_seconds":300,"secret":"webhook_secret"},"event_id":{"header":"X-Revenova-Delivery"},"secret_name":"fluxnex/local/connections/acme/revenova","body_max_bytes":1048576,"paused":false}"#;
        let settings: WebhookSettings = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&settings).unwrap(), text);
        let with_both = super::tests::settings();
        let text = serde_json::to_string(&with_both).unwrap();
        assert_eq!(serde_json::from_str::<WebhookSettings>(&text).unwrap(), with_both);
    }

    #[test]
    fn garbage_settings_are_refused() {
        let text = |signature: &str| {
            format!(r#"{{"connector":"c","secret_name":"s","body_max_bytes":1,"signature":{signature}}}"#)
        };
        for garbage in [
            "null",
            "{}",
            r#"{"scheme":"none"}"#,
            r#"{"scheme":"token","header":"a"}"#,
            r#"{"scheme":"token","header":"a","secret":"s","colour":1}"#,
            r#"{"scheme":"hmac_sha256","header":"a","secret":"s","encoding":"rot13"}"#,
        ] {
            assert!(serde_json::from_str::<WebhookSettings>(&text(garbage)).is_err(), "{garbage}");
        }
    }

    #[test]
    fn the_type_of_the_body_says_how_it_came() {
        let both = settings();
        let is_json = |settings: &WebhookSettings, kind| settings.way_of(kind).format.is_json();
        for xml in ["text/xml", "Text/XML; charset=UTF-8", "application/xml", "application/soap+xml"] {
            assert!(!is_json(&both, Some(xml)), "{xml}");
        }
        for other in [None, Some(""), Some("application/json"), Some("text/plain"), Some("xml")] {
            assert!(is_json(&both, other), "{other:?}");
        }
        let only = WebhookSettings { way: both.also[0].clone(), also: vec![], ..both };
        assert!(!is_json(&only, Some("application/json")));
    }

    #[test]
    fn a_sender_is_told_by_what_stands_in_the_body() {
        let both = settings();
        let way = &both.also[0];
        let read = |org: &str| way.read(format!("<a><Org>{org}</Org><SessionId>marked</SessionId></a>"));
        assert_eq!(read("00D000000000001EAA").unwrap().get(), r#"{"a":{"Org":"00D000000000001EAA"}}"#);
        assert!(read("00D000000000001").is_ok(), "the last three are check digits");
        for other in ["", "00D000000000002EAA", "00D", "00d000000000001", "00D000000000001<b/>"] {
            assert_eq!(read(other).unwrap_err(), WebhookBodyError::Sender, "{other}");
        }
        assert_eq!(way.read("<b/>".to_owned()).unwrap_err(), WebhookBodyError::Sender);
        let whole = |is: &str| KnownSender { at: "/a".to_owned(), is: is.to_owned(), characters: None };
        assert!(whole("7").is_in(r#"{"a": 7}"#) && whole("x").is_in(r#"{"a": "x"}"#));
        assert!(!whole("").is_in(r#"{"a": ""}"#) && !whole("7").is_in("[]") && !whole("x").is_in(r#"{"a": "xy"}"#));
        let short = KnownSender { characters: Some(15), ..whole("0") };
        assert!(!short.is_in(r#"{"a": "0"}"#), "what is too short is nobody");
    }
}
