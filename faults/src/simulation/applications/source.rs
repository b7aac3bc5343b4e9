//! The source: gives one record by its id, or those that changed since a stamp, in the order of stamps and ids, and tells
//! which it deleted.

use super::{Answered, Applications, Call};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Fewer than the connector takes at once, so that there are pages.
const PAGE: usize = 3;

impl Applications {
    pub(super) fn source(&self, call: &Call<'_>) -> Answered {
        if call.path.ends_with("/deleted") {
            return self.deleted(call);
        }
        let query = call.query.get("q").map(String::as_str).unwrap_or_default();
        let object =
            between(query, " FROM rtms__CustomerInvoice__c", "").map_or("Account", |_| "rtms__CustomerInvoice__c");
        let of_tenant = self.records.iter().filter(|((tenant, known, _), _)| *tenant == call.tenant && known == object);
        if let Some(id) = between(query, "WHERE Id = '", "'") {
            let records: Vec<&Value> =
                of_tenant.filter(|((_, _, known), _)| known == id).map(|(_, record)| record).collect();
            return (200, json!({"totalSize": records.len(), "done": true, "records": records}));
        }
        let since = between(query, "SystemModstamp > ", " ").and_then(|since| since.parse::<Timestamp>().ok());
        let after = between(query, "Id > '", "'").unwrap_or_default();
        let Some(since) = since else { return (400, json!([{"errorCode": "MALFORMED_QUERY", "message": query}])) };
        let mut found: Vec<(Timestamp, &str, &Value)> = of_tenant
            .filter_map(|((_, _, id), record)| {
                let stamp = stamp(record)?;
                (stamp > since || (stamp == since && id.as_str() > after)).then_some((stamp, id.as_str(), record))
            })
            .collect();
        found.sort_by(|one, other| (one.0, one.1).cmp(&(other.0, other.1)));
        let is_done = found.len() <= PAGE;
        let records: Vec<&Value> = found.iter().take(PAGE).map(|(_, _, record)| *record).collect();
        (200, json!({"totalSize": found.len(), "done": is_done, "records": records}))
    }

    /// Salesforce's "Get Deleted": the moments are required, the first one before the other.
    fn deleted(&self, call: &Call<'_>) -> Answered {
        let moment = |name: &str| call.query.get(name)?.parse::<Timestamp>().ok();
        let Some((start, end)) = moment("start").zip(moment("end")).filter(|(start, end)| start < end) else {
            return (400, json!([{"errorCode": "INVALID_REPLICATION_DATE", "message": "start and end"}]));
        };
        let object = call.path.split('/').rev().nth(1).unwrap_or_default();
        let of_tenant = self.records.iter().filter(|((tenant, known, _), _)| *tenant == call.tenant && known == object);
        let deleted: Vec<Value> = of_tenant
            .filter(|(_, record)| record.get("IsDeleted").and_then(Value::as_bool) == Some(true))
            .filter_map(|((_, _, id), record)| {
                let stamp = stamp(record)?;
                (start <= stamp && stamp < end).then(|| json!({"id": id, "deletedDate": record.get("SystemModstamp")}))
            })
            .collect();
        let answer = json!({
            "deletedRecords": deleted, "earliestDateAvailable": start.to_string(), "latestDateCovered": end.to_string(),
        });
        (200, answer)
    }
}

fn stamp(record: &Value) -> Option<Timestamp> {
    record.get("SystemModstamp")?.as_str()?.replace("+0000", "Z").parse().ok()
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    if end.is_empty() { Some(rest) } else { Some(rest.split(end).next().unwrap_or(rest)) }
}
