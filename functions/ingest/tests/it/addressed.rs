//! Signatures that cover the URL: it is the one that the sender called.

use crate::support::{Gateway, SECRET, settings};
use fluxnex_core::signature::{Encoding, SignedRequest, SignedText, TimeUnit, sign_request};
use fluxnex_lambda::ApiGatewayV2httpRequest;
use fluxnex_testing::webhook_request;
use serde_json::json;

const BODY: &str = "[{\"objectId\":1}]";
const HOST: &str = "abc123.execute-api.eu-west-1.amazonaws.com";

/// A request that was signed for `signed_url`, as HubSpot signs, and came in at the API's own host.
fn request(gateway: &Gateway, signed_url: &str) -> ApiGatewayV2httpRequest {
    let signed = SignedText::try_from("{method}{url_decoded}{body}{timestamp}".to_owned()).unwrap();
    let what = SignedRequest { method: "POST", url: signed_url, body: BODY.as_bytes() };
    let now = fluxnex_cloud::clock::Clock::now(gateway.clock.as_ref());
    let signature = sign_request(SECRET, &signed, Encoding::Base64, TimeUnit::Milliseconds, &what, now).unwrap();
    let headers = json!({
        "x-hubspot-signature-v3": signature.signature, "x-hubspot-request-timestamp": signature.timestamp,
        "host": "hooks.example.com", "x-forwarded-host": "hooks.example.com",
    });
    let mut request = webhook_request("acme", "revenova", headers.as_object().unwrap(), BODY);
    request.request_context.domain_name = Some(HOST.to_owned());
    request
}

async fn gateway() -> Gateway {
    let gateway = Gateway::new().await;
    let mut settings = settings();
    settings["signature"] = json!({
        "scheme": "hmac_sha256", "header": "X-HubSpot-Signature-v3", "encoding": "base64",
        "signed": "{method}{url_decoded}{body}{timestamp}", "timestamp_header": "X-HubSpot-Request-Timestamp",
        "timestamp_unit": "milliseconds", "secret": "webhook_secret",
    });
    gateway.publish(2, &settings).await;
    gateway
}

#[tokio::test]
async fn the_host_is_the_one_of_the_api_and_no_header_changes_it() {
    let gateway = gateway().await;
    let url = format!("https://{HOST}/v1/webhooks/acme/revenova");
    assert_eq!(gateway.answer(request(&gateway, &url)).await.status(), 202);
    for other in [
        "https://hooks.example.com/v1/webhooks/acme/revenova".to_owned(),
        format!("https://{HOST}/v1/webhooks/globex/revenova"),
        format!("{url}?a=1"),
        String::new(),
    ] {
        gateway.answer(request(&gateway, &other)).await.assert_problem(401, "/problems/signature");
    }
}

#[tokio::test]
async fn behind_another_name_the_setting_says_which() {
    let gateway = gateway().await;
    let stage = gateway.stage.behind(Some("https://hooks.example.com".to_owned()));
    let gateway = Gateway { stage, ..gateway };
    let mut asked = request(&gateway, "https://hooks.example.com/v1/webhooks/acme/revenova?b=%3A");
    asked.raw_query_string = Some("b=%3A".to_owned());
    // HubSpot decodes the colon before it signs.
    assert_eq!(gateway.answer(asked).await.status(), 202);
    let api = format!("https://{HOST}/v1/webhooks/acme/revenova");
    assert_eq!(gateway.answer(request(&gateway, &api)).await.status(), 401);
}
