//! A connection that is paused: its senders are told to come later, and it is not polled.

use crate::support::Stage;
use fluxnex_cloud::control::{Control, Facet};
use fluxnex_core::ids::ConnectionId;
use serde_json::json;

#[tokio::test]
async fn senders_are_told_and_polls_stop_until_it_goes_on() {
    let stage = Stage::new().await;
    let mut bundle = stage.bundle();
    let connection = ConnectionId::parse("revenova").unwrap();
    for (paused, schedules) in [(false, 2), (true, 0), (true, 0), (false, 2)] {
        bundle["connections"]["revenova"]["paused"] = json!(paused);
        assert_eq!(stage.put(&bundle).await.status, 200);
        let published = async |facet| stage.setting.control.published(&stage.setting.tenant, &connection, facet).await;
        let webhook = published(Facet::Webhook).await.unwrap().unwrap();
        assert_eq!(webhook.body["paused"], paused);
        assert_eq!(published(Facet::Polls).await.unwrap().is_some(), !paused);
        assert_eq!(stage.setting.schedules.schedules().len(), schedules);
    }
}
