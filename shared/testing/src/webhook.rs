//! Webhooks as Revenova signs them and API Gateway hands them over.

use fluxnex_lambda::ApiGatewayV2httpRequest;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

/// The headers of a webhook, signed with `secret` at `seconds` since 1970.
#[must_use]
pub fn signed(secret: &str, delivery: &str, seconds: i64, body: &[u8]) -> Map<String, Value> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let headers = json!({
        "content-type": "application/json",
        "x-revenova-delivery": delivery,
        "x-revenova-timestamp": seconds.to_string(),
        "x-revenova-signature": signature,
    });
    headers.as_object().unwrap().clone()
}

/// The request that API Gateway makes of a webhook.
#[must_use]
pub fn webhook_request(
    tenant: &str,
    connection: &str,
    headers: &Map<String, Value>,
    body: &str,
) -> ApiGatewayV2httpRequest {
    let request = json!({
        "version": "2.0",
        "routeKey": "POST /v1/webhooks/{tenant}/{connection}",
        "rawPath": format!("/v1/webhooks/{tenant}/{connection}"),
        "rawQueryString": "",
        "headers": headers,
        "pathParameters": {"tenant": tenant, "connection": connection},
        "requestContext": {
            "http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.1", "userAgent": "x"},
            "requestId": "r", "routeKey": "r", "stage": "$default", "timeEpoch": 0,
        },
        "body": body,
        "isBase64Encoded": false,
    });
    serde_json::from_value(request).unwrap()
}
