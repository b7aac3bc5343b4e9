//! Sends outbound messages as Salesforce does: SOAP 1.1, up to a hundred notifications, no signature.
//!
//! The shape is that of the WSDL
//! (<https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_wsdl.htm>): texts
//! without types, fields that are null left out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::records::salesforce_id;
use crate::commands::{OutboundMessage, OutboundMessageSent};
use crate::world::World;

/// Salesforce waits so long for an answer
/// (<https://help.salesforce.com/s/articleView?id=platform.workflow_om_considerations.htm>).
const PATIENCE: Duration = Duration::from_secs(60);
const MOST_NOTIFICATIONS: usize = 100;

/// Sends one message and tells what was answered.
///
/// # Errors
/// If there is no such record, or nowhere to send to.
pub async fn send(world: &Arc<World>, command: OutboundMessage) -> Result<OutboundMessageSent, String> {
    let count = command.record_ids.len();
    if !(1..=MOST_NOTIFICATIONS).contains(&count) {
        return Err(format!("a message has 1 to {MOST_NOTIFICATIONS} notifications"));
    }
    let mut notification_ids = command.notification_ids.clone();
    if notification_ids.is_empty() {
        notification_ids = (0..count).map(|_| salesforce_id("04l", uuid::Uuid::new_v4().as_u128() >> 64)).collect();
    }
    if notification_ids.len() != count {
        return Err("as many notification_ids as record_ids".to_owned());
    }
    let mut notifications = String::new();
    for (notification, id) in notification_ids.iter().zip(&command.record_ids) {
        let record = world.revenova.records.get(&command.object, id);
        let record = record.ok_or_else(|| format!("there is no {} {id}", command.object))?;
        notifications.push_str(&of_record(notification, &command.object, id, &record, &command.fields));
    }
    let organization_id = command.organization_id.clone().unwrap_or_else(|| world.revenova.settings().organization_id);
    let body = envelope(&organization_id, command.session_id.as_deref(), &notifications);
    let request = world
        .revenova
        .sender
        .client()
        .post(&command.url)
        .timeout(PATIENCE)
        .header("content-type", "text/xml; charset=utf-8")
        .header("soapaction", "\"\"")
        .body(body);
    let response = request.send().await.map_err(|error| error.without_url().to_string())?;
    let status = response.status().as_u16();
    let text = response.text().await.unwrap_or_default();
    Ok(OutboundMessageSent { status, acknowledged: status == 200 && is_acknowledgement(&text), notification_ids })
}

fn envelope(organization_id: &str, session_id: Option<&str>, notifications: &str) -> String {
    let session = match session_id {
        Some(session) => format!("<SessionId>{}</SessionId>", escaped(session)),
        None => "<SessionId xsi:nil=\"true\"/>".to_owned(),
    };
    let organization = escaped(organization_id);
    let soap = "https://example.my.salesforce.com/services/Soap";
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n \
         <soapenv:Body>\n  <notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\">\n   \
         <OrganizationId>{organization}</OrganizationId>\n   <ActionId>04k5f000000FluxAAC</ActionId>\n   {session}\n   \
         <EnterpriseUrl>{soap}/c/62.0/{organization}</EnterpriseUrl>\n   \
         <PartnerUrl>{soap}/u/62.0/{organization}</PartnerUrl>\n{notifications}  </notifications>\n \
         </soapenv:Body>\n</soapenv:Envelope>"
    )
}

fn of_record(notification: &str, object: &str, id: &str, record: &Value, fields: &[String]) -> String {
    let mut elements = format!("     <sf:Id>{}</sf:Id>\n", escaped(id));
    for name in fields.iter().filter(|name| *name != "Id") {
        let text = match record.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => of_moment(text),
            Some(other) => other.to_string(),
        };
        elements.push_str(&format!("     <sf:{name}>{}</sf:{name}>\n", escaped(&text)));
    }
    format!(
        "   <Notification>\n    <Id>{notification}</Id>\n    \
         <sObject xsi:type=\"sf:{object}\" xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\">\n{elements}    </sObject>\n   \
         </Notification>\n"
    )
}

/// XML Schema writes the zone of a moment as `Z`, the REST API as `+0000`.
fn of_moment(text: &str) -> String {
    match text.strip_suffix("+0000") {
        Some(moment) if moment.len() == 23 && moment.as_bytes().get(10) == Some(&b'T') => format!("{moment}Z"),
        _ => text.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn is_acknowledgement(text: &str) -> bool {
    let text: String = text.split_whitespace().collect();
    text.contains("<notificationsResponse") && text.contains("<Ack>true</Ack>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_notification_has_texts_and_leaves_out_what_is_null() {
        let record = json!({"Id": "1", "Name": "A & <B>", "Total": 1.5, "Gone": false, "None": null,
                            "At": "2026-11-20T12:00:00.000+0000"});
        let fields = ["Id", "Name", "Total", "Gone", "None", "At"].map(str::to_owned);
        let text = of_record("n", "Account", "1", &record, &fields);
        for expected in [
            "<Id>n</Id>",
            "xsi:type=\"sf:Account\"",
            "<sf:Name>A &amp; &lt;B&gt;</sf:Name>",
            "<sf:Total>1.5</sf:Total>",
            "<sf:Gone>false</sf:Gone>",
            "<sf:At>2026-11-20T12:00:00.000Z</sf:At>",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!text.contains("None") && text.matches("<sf:Id>").count() == 1);
    }

    #[test]
    fn a_2xx_alone_is_no_acknowledgement() {
        let response = |ack: &str| format!("<x:Body><notificationsResponse xmlns=\"u\">\n <Ack>{ack}</Ack>");
        assert!(is_acknowledgement(&response("true")));
        for other in [&response("false"), "", "{\"event\": 1}", "<Ack>true</Ack>"] {
            assert!(!is_acknowledgement(other), "{other}");
        }
    }
}
