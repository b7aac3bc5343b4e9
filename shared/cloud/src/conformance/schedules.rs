//! What every group of schedules does.

use crate::Disposition;
use crate::schedules::{Schedule, ScheduleError, Schedules};
use async_trait::async_trait;
use fluxnex_core::bundle;
use serde_json::json;

/// Schedules, and somebody who looks at them.
#[async_trait]
pub trait ScheduleWorld: Send + Sync {
    /// The port, on an empty group.
    fn schedules(&self) -> &dyn Schedules;

    /// The schedule of that name; nothing if there is none.
    async fn find(&self, name: &str) -> Option<Schedule>;
}

/// Runs the suite.
pub async fn suite(world: &dyn ScheduleWorld) {
    putting(world).await;
    removing(world).await;
    listing(world).await;
    what_is_not_valid_is_refused(world).await;
}

fn expression(text: &str) -> bundle::Schedule {
    bundle::Schedule::parse(text).expect("a schedule")
}

fn schedule(name: &str) -> Schedule {
    Schedule {
        name: name.to_owned(),
        description: "acme: Invoices of erp".to_owned(),
        expression: expression("cron(0/15 6-20 ? * MON-FRI *)"),
        timezone: Some("Europe/Berlin".to_owned()),
        input: json!({"v": 1, "tenant": "acme", "object": "Invoices \"é\""}).to_string(),
    }
}

async fn put(world: &dyn ScheduleWorld, schedule: &Schedule) {
    world.schedules().put(schedule).await.expect("put");
    assert_eq!(world.find(&schedule.name).await.as_ref(), Some(schedule));
}

async fn putting(world: &dyn ScheduleWorld) {
    let first = schedule("acme.erp.0123abcd");
    assert_eq!(world.find(&first.name).await, None);
    put(world, &first).await;
    put(world, &first).await;
    let next = Schedule {
        expression: expression("rate(5 minutes)"),
        timezone: None,
        description: String::new(),
        input: "{}".to_owned(),
        ..first
    };
    put(world, &next).await;
}

async fn removing(world: &dyn ScheduleWorld) {
    let gone = schedule("acme.erp.gone");
    put(world, &gone).await;
    world.schedules().remove(&gone.name).await.expect("remove");
    assert_eq!(world.find(&gone.name).await, None);
    world.schedules().remove(&gone.name).await.expect("remove what is not there");
    put(world, &gone).await;
    world.schedules().remove(&gone.name).await.expect("remove it again");
}

async fn listing(world: &dyn ScheduleWorld) {
    for name in ["acme_2.erp.1", "acme.hub.1", "acme.erp.2", "globex.erp.1", &"x".repeat(64)] {
        put(world, &schedule(name)).await;
    }
    let list = |prefix| world.schedules().list(prefix);
    assert_eq!(list("acme.").await.expect("list"), ["acme.erp.0123abcd", "acme.erp.2", "acme.hub.1"]);
    assert_eq!(list("acme.erp.").await.expect("list"), ["acme.erp.0123abcd", "acme.erp.2"]);
    assert_eq!(list("").await.expect("list").len(), 6);
    assert!(list("nobody.").await.expect("list").is_empty());
}

async fn what_is_not_valid_is_refused(world: &dyn ScheduleWorld) {
    let good = schedule("valid");
    let long = "x".repeat(65);
    let mut wrong: Vec<Schedule> =
        ["", "a b", "a/b", "é", &long].map(|name| Schedule { name: name.to_owned(), ..good.clone() }).into();
    wrong.push(Schedule { timezone: Some("Europe Berlin".to_owned()), ..good.clone() });
    wrong.push(Schedule { description: "x".repeat(513), ..good.clone() });
    wrong.push(Schedule { input: "{".to_owned(), ..good });
    for schedule in wrong {
        let error = world.schedules().put(&schedule).await.expect_err("not valid");
        assert!(matches!(error, ScheduleError::Invalid { .. }), "{schedule:?}: {error:?}");
        assert_eq!(error.disposition(), Disposition::Drop);
    }
    assert!(world.schedules().remove("a b").await.is_err());
    assert!(world.schedules().list("a b").await.is_err());
    assert_eq!(world.schedules().list("").await.expect("list").len(), 6, "none was made");
}
