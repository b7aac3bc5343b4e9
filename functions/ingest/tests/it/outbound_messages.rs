//! Salesforce's outbound messages: XML, a secret in the URL, the organisation in the body, an answer in XML.

use crate::support::{Answer, Gateway, MAX_BYTES, SECRET_NAME};
use fluxnex_lambda::ApiGatewayV2httpRequest;
use fluxnex_testing::{captured, webhook_request};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MESSAGE: &str = include_str!("../../../../connectors/salesforce/samples/outbound-message.xml");
const TOKEN: &str = "marked-token";
/// What the sample's sender says that nobody else must ever see.
const SESSION: &str = "example-session-that-is-never-kept";

/// A gateway to a connection of a connector as it is, of the organisation of the sample.
async fn gateway(connector: &str) -> Gateway {
    let gateway = Gateway::new().await;
    gateway.secrets.create(
        SECRET_NAME,
        json!({"webhook_secret": crate::support::SECRET, "outbound_message_token": [TOKEN, "marked-before"]}),
    );
    let given: BTreeMap<String, String> =
        [("instance", "example.my.salesforce.com"), ("organization_id", "00D5f000000Flux")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let manifest = fluxnex_connect::catalog::manifest(connector).unwrap();
    let mut settings = manifest.published_webhook(&given, SECRET_NAME, false).unwrap().unwrap();
    settings.body_max_bytes = u32::try_from(MAX_BYTES).unwrap();
    gateway.publish(2, &serde_json::to_value(settings).unwrap()).await;
    gateway
}

fn request(query: &str, body: &str) -> ApiGatewayV2httpRequest {
    let headers = json!({"content-type": "text/xml; charset=utf-8", "soapaction": "\"\""});
    let mut request = webhook_request("acme", "revenova", headers.as_object().unwrap(), body);
    request.raw_query_string = Some(query.to_owned());
    request
}

async fn send(gateway: &Gateway, body: &str) -> Answer {
    gateway.answer(request(&format!("token={TOKEN}"), body)).await
}

#[tokio::test]
async fn a_message_is_one_durable_event_and_is_acknowledged_as_its_sender_wants_it() {
    for connector in ["salesforce", "revenova"] {
        let gateway = gateway(connector).await;
        let answer = send(&gateway, MESSAGE).await;
        assert_eq!((answer.status(), answer.header("content-type")), (200, Some("text/xml; charset=utf-8")));
        let ack = fluxnex_core::xml::to_json(&answer.text(), &[]).unwrap();
        assert_eq!(ack.pointer("/Envelope/Body/notificationsResponse/Ack"), Some(&json!("true")));
        let events = gateway.events();
        assert_eq!(events.len(), 1);
        let body: Value = serde_json::from_str(events[0].inline.as_ref().unwrap().get()).unwrap();
        let notifications = &body["Envelope"]["Body"]["notifications"];
        assert_eq!(notifications["Notification"][0]["Id"], "04l5f000000FluxQA1");
        assert_eq!(notifications["Notification"][0]["sObject"]["LastName"], "Adler & Söhne");
        assert_eq!(notifications["ActionId"], "04k5f000000FluxAAC");
        assert!(events[0].derived && events[0].object.is_none());
        // The token before the last rotation is good, too.
        assert_eq!(gateway.answer(request("x=1&token=marked-before", MESSAGE)).await.status(), 200);
        let events = gateway.events();
        assert_eq!(events[0].sender_event_id, events[1].sender_event_id, "the same message is the same");
    }
}

#[tokio::test]
async fn the_session_is_neither_kept_nor_logged_nor_part_of_what_is_the_same() {
    let gateway = gateway("salesforce").await;
    assert_eq!(send(&gateway, MESSAGE).await.status(), 200);
    assert_eq!(send(&gateway, &MESSAGE.replace(SESSION, "another-session")).await.status(), 200);
    send(&gateway, &MESSAGE.replace("</Notification>", "")).await;
    let messages = gateway.queues.messages(&crate::support::inbound());
    assert!(!messages.iter().any(|message| message.body.contains("session") || message.body.contains(TOKEN)));
    let events = gateway.events();
    assert_eq!(events[0].sender_event_id, events[1].sender_event_id);
    let logged = captured::text();
    for marker in [SESSION, TOKEN, "Adler"] {
        assert!(!logged.contains(marker), "{marker} was logged");
    }
}

#[tokio::test]
async fn who_does_not_know_the_secret_or_is_another_organisation_is_refused() {
    let gateway = gateway("salesforce").await;
    for query in
        ["", "token=", "token=marked", "token=marked-token2", "Token=marked-token", "token=marked-token&token=x"]
    {
        gateway.answer(request(query, MESSAGE)).await.assert_problem(401, "/problems/signature");
    }
    for organisation in ["00D5f000000OtherAA", "", "00D5f0000"] {
        let other = MESSAGE.replace("00D5f000000FluxEAK", organisation);
        send(&gateway, &other).await.assert_problem(403, "/problems/sender");
    }
    for nobody in ["<a/>", "<Envelope><Body><notifications/></Body></Envelope>"] {
        send(&gateway, nobody).await.assert_problem(403, "/problems/sender");
    }
    gateway.assert_nothing_kept();
}

#[tokio::test]
async fn garbage_and_bombs_are_refused() {
    let gateway = gateway("salesforce").await;
    let laughs = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;&lol;&lol;\">]>{}",
        MESSAGE.replacen("Anna", "&lol2;", 1).trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
    );
    let outside = MESSAGE.replacen(
        "<soapenv:Envelope",
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><soapenv:Envelope",
        1,
    );
    let deep = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
    let wide = format!("<a>{}</a>", "<b/>".repeat(20_000));
    for body in ["", "x", "{}", "<a", "<a></b>", &MESSAGE[..MESSAGE.len() / 2], &laughs, &outside, &deep] {
        send(&gateway, body).await.assert_problem(400, "/problems/body");
    }
    send(&gateway, &wide).await.assert_problem(403, "/problems/sender");
    let large = MESSAGE.replacen("Anna", &"x".repeat(MAX_BYTES), 1);
    send(&gateway, &large).await.assert_problem(413, "/problems/body-too-large");
    gateway.assert_nothing_kept();
}

#[tokio::test]
async fn one_format_does_not_open_the_door_of_the_other() {
    let gateway = gateway("revenova").await;
    // Revenova's own webhooks come as before.
    assert_eq!(gateway.send("{}").await.status(), 202);
    // The token is no proof of JSON, and the signature of JSON no proof of a message.
    let mut json = request(&format!("token={TOKEN}"), "{}");
    json.headers.insert("content-type", "application/json".parse().unwrap());
    gateway.answer(json).await.assert_problem(401, "/problems/signature");
    let mut xml = gateway.request(MESSAGE);
    xml.headers.insert("content-type", "text/xml".parse().unwrap());
    gateway.answer(xml).await.assert_problem(401, "/problems/signature");
    assert_eq!(gateway.events().len(), 1);
}
