//! The source: gives one record by its id, or those that changed since a stamp, in the order of stamps and ids. It deletes
//! nothing, and says so when it is asked for deletions.

use super::{Answered, Applications, Call};
use serde_json::{Value, json};

/// Fewer than the connector takes at once, so that there are pages.
const PAGE: usize = 3;

impl Applications {
    pub(super) fn source(&self, call: &Call<'_>) -> Answered {
        if call.path.ends_with("/deleted") {
            return deleted(call);
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
        let since = between(query, "SystemModstamp > ", " ").and_then(|since| since.parse::<jiff::Timestamp>().ok());
        let after = between(query, "Id > '", "'").unwrap_or_default();
        let Some(since) = since else { return (400, json!([{"errorCode": "MALFORMED_QUERY", "message": query}])) };
        let mut found: Vec<(jiff::Timestamp, &str, &Value)> = of_tenant
            .filter_map(|((_, _, id), record)| {
                let stamp = record.get("SystemModstamp")?.as_str()?.replace("+0000", "Z").parse().ok()?;
                (stamp > since || (stamp == since && id.as_str() > after)).then_some((stamp, id.as_str(), record))
            })
            .collect();
        found.sort_by(|one, other| (one.0, one.1).cmp(&(other.0, other.1)));
        let is_done = found.len() <= PAGE;
        let records: Vec<&Value> = found.iter().take(PAGE).map(|(_, _, record)| *record).collect();
        (200, json!({"totalSize": found.len(), "done": is_done, "records": records}))
    }
}

/// Salesforce's "Get Deleted": the moments are required, the first one before the other.
fn deleted(call: &Call<'_>) -> Answered {
    let moment = |name: &str| call.query.get(name)?.parse::<jiff::Timestamp>().ok();
    match moment("start").zip(moment("end")) {
        Some((start, end)) if start < end => (
            200,
            json!({"deletedRecords": [], "earliestDateAvailable": start.to_string(), "latestDateCovered": end.to_string()}),
        ),
        _ => (400, json!([{"errorCode": "INVALID_REPLICATION_DATE", "message": "start and end"}])),
    }
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    if end.is_empty() { Some(rest) } else { Some(rest.split(end).next().unwrap_or(rest)) }
}
