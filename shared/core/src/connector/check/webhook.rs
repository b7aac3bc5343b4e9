//! The check of how webhooks prove who sends them, and how they are read and answered.

use super::Check;
use crate::connector::compiled::RECORD_VARIABLES;
use crate::connector::{AnotherWay, Sender};
use crate::mapping::Program;
use crate::signature::{Acknowledgement, EventIdRule, SignatureScheme, SignedPlace, WebhookFormat};

/// The longest answer to a sender, in bytes.
const LONGEST_ANSWER_BYTES: usize = 4 * 1024;
/// The longest name of an element, in bytes.
const LONGEST_NAME_BYTES: usize = 100;

impl Check<'_> {
    /// Checks the webhooks; gives the program that finds their records.
    pub(in crate::connector) fn webhook(&mut self) -> Option<Program> {
        let webhook = self.manifest.webhook.as_ref()?;
        let ways: Vec<(String, AnotherWay)> = webhook.ways().collect();
        for (at, way) in &ways {
            self.way(at, way);
        }
        let json = ways.iter().filter(|(_, way)| way.format.is_json()).count();
        if json > 1 || ways.len() - json > 1 {
            self.problem("webhook.also", "no format comes in two ways: nothing would tell them apart");
        }
        self.program("webhook.records", &webhook.records, RECORD_VARIABLES)
    }

    fn way(&mut self, at: &str, way: &AnotherWay) {
        self.signature(at, &way.signature);
        if let EventIdRule { header: Some(header) } = &way.event_id {
            self.header(&format!("{at}.event_id.header"), header);
        }
        if let WebhookFormat::Xml { omit } = &way.format
            && omit
                .iter()
                .any(|name| name.is_empty() || name.len() > LONGEST_NAME_BYTES || name.contains([':', '<', ' ']))
        {
            self.problem(&format!("{at}.format.xml.omit"), "names of elements, without their prefixes");
        }
        if let Some(Sender { at: pointer, is, characters }) = &way.sender {
            self.template(&format!("{at}.sender.is"), is, &[]);
            if !pointer.starts_with('/') {
                self.problem(&format!("{at}.sender.at"), "a JSON pointer begins with /");
            }
            if *characters == Some(0) {
                self.problem(&format!("{at}.sender.characters"), "must be above 0");
            }
        }
        if let Some(Acknowledgement { content_type, body }) = &way.acknowledge {
            if content_type.is_empty() || !content_type.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                self.problem(&format!("{at}.acknowledge.content_type"), "a type such as text/xml");
            }
            if body.len() > LONGEST_ANSWER_BYTES {
                let reason = format!("an answer has {LONGEST_ANSWER_BYTES} bytes at most");
                self.problem(&format!("{at}.acknowledge.body"), reason);
            }
        }
    }

    fn signature(&mut self, at: &str, scheme: &SignatureScheme) {
        let at = format!("{at}.signature");
        self.credential(&format!("{at}.secret"), scheme.secret());
        for header in scheme.headers() {
            self.header(&at, header);
        }
        match scheme {
            SignatureScheme::HmacSha256 { signed, timestamp_header, .. } => {
                if !signed.covers_body() {
                    let reason = "must contain {body} or {body_sha256}: else anything could be sent with a signature";
                    self.problem(&format!("{at}.signed"), reason);
                }
                if signed.has(SignedPlace::Timestamp) && timestamp_header.is_none() {
                    self.problem(&format!("{at}.signed"), "{timestamp} needs timestamp_header");
                }
            }
            SignatureScheme::Token { header, query, prefix, .. } => match (header, query.as_deref()) {
                (Some(_), None) => {}
                (None, Some("")) => self.problem(&format!("{at}.query"), "a parameter has a name"),
                (None, Some(_)) if !prefix.is_empty() => self.problem(&format!("{at}.prefix"), "goes with header"),
                (None, Some(_)) => {}
                (None, None) => self.problem(&at, "one of header and query says where the token is"),
                (Some(_), Some(_)) => self.problem(&at, "header and query exclude each other"),
            },
            SignatureScheme::StandardWebhooks { .. } => {}
        }
    }
}
