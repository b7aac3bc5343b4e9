//! What the source's records look like.

use super::{ACCOUNT, DELETED, Subject};
use serde_json::{Value, json};

/// The name of a record: whose it is, which it is, and what this version of it says.
#[must_use]
pub fn name_of(subject: &Subject, content: &str) -> String {
    format!("{}-{}-{content}", subject.tenant, subject.id)
}

/// What a name says of its version.
#[must_use]
pub fn content_of(name: &str) -> &str {
    name.splitn(3, '-').nth(2).unwrap_or_default()
}

/// One version of a record.
pub struct Version<'a> {
    /// The record.
    pub subject: &'a Subject,
    /// Its parent.
    pub parent: Option<&'a Subject>,
    /// What it says.
    pub content: &'a str,
    /// When it was saved, as the source writes that.
    pub stamp: String,
    /// The customer goes to the partner as well.
    pub to_partner: bool,
    /// Too large for a message.
    pub is_large: bool,
}

impl Version<'_> {
    /// The record as the source gives it.
    #[must_use]
    pub fn record(&self) -> Value {
        let Self { subject, parent, content, stamp, .. } = self;
        let name = name_of(subject, content);
        let parent = parent.map(|parent| parent.id.as_str());
        let mut record = if subject.object == ACCOUNT {
            json!({
                "Id": subject.id, "Name": name, "AccountNumber": if self.to_partner { "P" } else { "N" },
                "ParentId": parent, "CurrencyIsoCode": "USD",
            })
        } else {
            json!({
                "Id": subject.id, "Name": name, "rtms__Customer__c": parent, "rtms__Invoice_Date__c": "2026-11-01",
                "CurrencyIsoCode": "USD",
                "rtms__Invoice_Line_Items__r": {"totalSize": 1, "done": true, "records": [{"rtms__Amount__c": 10.5}]},
            })
        };
        if let Some(record) = record.as_object_mut() {
            record.insert("IsDeleted".to_owned(), json!(*content == DELETED));
            record.insert("SystemModstamp".to_owned(), json!(stamp));
            if self.is_large {
                record.insert("Description".to_owned(), json!("x".repeat(70_000)));
            }
        }
        record
    }
}
