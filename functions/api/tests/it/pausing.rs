//! A connection, or a tenant, that is paused: senders are told to come later, and nothing is polled.

use crate::support::Stage;
use fluxnex_cloud::control::{Control, Facet};
use fluxnex_core::ids::ConnectionId;
use serde_json::json;

#[tokio::test]
async fn senders_are_told_and_polls_stop_until_it_goes_on() {
    let stage = Stage::new().await;
    let mut bundle = stage.bundle();
    let connection = ConnectionId::parse("revenova").unwrap();
    for (one, all, schedules) in [
        (false, false, 2),
        (true, false, 0),
        (true, false, 0),
        (false, false, 2),
        (false, true, 0),
        (true, true, 0),
        (false, false, 2),
    ] {
        let paused = one || all;
        bundle["connections"]["revenova"]["paused"] = json!(one);
        bundle["paused"] = json!(all);
        assert_eq!(stage.put(&bundle).await.status, 200);
        let published = async |facet| stage.setting.control.published(&stage.setting.tenant, &connection, facet).await;
        let webhook = published(Facet::Webhook).await.unwrap().unwrap();
        assert_eq!(webhook.body["paused"], paused);
        assert_eq!(published(Facet::Polls).await.unwrap().is_some(), !paused);
        assert_eq!(stage.setting.schedules.schedules().len(), schedules);
    }
}
