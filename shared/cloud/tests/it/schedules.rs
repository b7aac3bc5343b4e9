//! The adapter to EventBridge Scheduler passes its suite against the AWS emulator, and what it makes fires.

use super::emulator::{clients, endpoint, fresh};
use async_trait::async_trait;
use fluxnex_cloud::aws::{Clients, ScheduleTarget};
use fluxnex_cloud::conformance;
use fluxnex_cloud::conformance::schedules::ScheduleWorld;
use fluxnex_cloud::schedules::{Schedule, ScheduleError, Schedules};
use fluxnex_core::bundle;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct EmulatedSchedules {
    clients: Clients,
    scheduler: aws_sdk_scheduler::Client,
    port: Arc<dyn Schedules>,
    group: String,
    queue_url: String,
}

impl EmulatedSchedules {
    async fn new() -> Self {
        let clients = clients().await;
        let scheduler = aws_sdk_scheduler::Client::new(clients.config());
        let role_arn = super::role::create(&endpoint(), &fresh("role")).await;
        let (group, queue) = (fresh("group"), fresh("polls"));
        scheduler.create_schedule_group().name(&group).send().await.unwrap();
        let queue_url = clients.sqs().create_queue().queue_name(&queue).send().await.unwrap().queue_url.unwrap();
        let queue_arn = format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
        let port = clients.schedules(ScheduleTarget { group: group.clone(), role_arn, queue_arn });
        Self { clients, scheduler, port, group, queue_url }
    }
}

#[async_trait]
impl ScheduleWorld for EmulatedSchedules {
    fn schedules(&self) -> &dyn Schedules {
        self.port.as_ref()
    }

    async fn find(&self, name: &str) -> Option<Schedule> {
        let found = match self.scheduler.get_schedule().group_name(&self.group).name(name).send().await {
            Ok(found) => found,
            Err(error) if error.as_service_error().unwrap().is_resource_not_found_exception() => return None,
            Err(error) => panic!("{error:?}"),
        };
        Some(Schedule {
            name: found.name.unwrap(),
            description: found.description.unwrap_or_default(),
            expression: bundle::Schedule::parse(found.schedule_expression.unwrap()).unwrap(),
            // What is given none is in UTC.
            timezone: found.schedule_expression_timezone.filter(|timezone| timezone != "UTC"),
            input: found.target.unwrap().input.unwrap(),
        })
    }
}

#[tokio::test]
async fn schedules() {
    conformance::schedules::suite(&EmulatedSchedules::new().await).await;
}

#[tokio::test]
async fn a_schedule_sends_its_input() {
    let world = EmulatedSchedules::new().await;
    let moment = Timestamp::now().checked_add(SignedDuration::from_secs(1)).unwrap();
    let input = json!({"v": 1, "text": "é\""});
    let schedule = Schedule {
        name: "once".to_owned(),
        description: String::new(),
        expression: bundle::Schedule::parse(moment.strftime("at(%Y-%m-%dT%H:%M:%S)").to_string()).unwrap(),
        timezone: None,
        input: input.to_string(),
    };
    world.port.put(&schedule).await.unwrap();
    let started = Instant::now();
    loop {
        let request = world.clients.sqs().receive_message().queue_url(&world.queue_url).wait_time_seconds(1);
        if let Some(message) = request.send().await.unwrap().messages.unwrap_or_default().pop() {
            let body: Value = serde_json::from_str(&message.body.unwrap()).unwrap();
            assert_eq!(body, input);
            return;
        }
        // The emulator looks every ten seconds for what is due.
        assert!(started.elapsed() < Duration::from_secs(40), "nothing came");
    }
}

#[tokio::test]
async fn a_group_that_is_not_there_refuses() {
    let target = ScheduleTarget {
        group: "absent".to_owned(),
        role_arn: "arn:aws:iam::0:role/r".to_owned(),
        queue_arn: "q".to_owned(),
    };
    let schedules = clients().await.schedules(target);
    let schedule = Schedule {
        name: "x".to_owned(),
        description: String::new(),
        expression: bundle::Schedule::parse("rate(1 minute)").unwrap(),
        timezone: None,
        input: "{}".to_owned(),
    };
    let error = schedules.put(&schedule).await.unwrap_err();
    assert!(matches!(error, ScheduleError::Refused { .. }), "{error:?}");
}
