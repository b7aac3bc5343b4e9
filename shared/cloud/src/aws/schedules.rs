//! Schedules on EventBridge Scheduler.

use super::error::{Failure, Kind};
use crate::schedules::{Schedule, ScheduleError, Schedules, check, check_name, check_prefix};
use async_trait::async_trait;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::config::http::HttpResponse;
use aws_sdk_scheduler::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_scheduler::types::{FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, Target};

/// How long a message is tried to be sent. Beyond, the schedule's next turn makes up for it: a turn
/// says only "look what changed", and one too many does no harm.
const MAX_AGE_SECONDS: i32 = 3600;
const MAX_RETRIES: i32 = 20;
/// How often "replace it, or else make it" is tried, while another call makes or removes the same schedule.
const MAX_ROUNDS: usize = 3;
/// The most names in one page that the service gives.
const PAGE_SIZE: i32 = 100;

const NOT_FOUND: &str = "ResourceNotFoundException";
const CONFLICT: &str = "ConflictException";

/// Where all schedules of one adapter live, and send to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleTarget {
    /// The name of the schedule group.
    pub group: String,
    /// The role that the service takes on to send.
    pub role_arn: String,
    /// The queue that the messages go to.
    pub queue_arn: String,
}

/// The adapter to one group of EventBridge Scheduler.
#[derive(Debug, Clone)]
pub struct EventBridgeSchedules {
    client: Client,
    target: ScheduleTarget,
}

impl EventBridgeSchedules {
    /// The schedules of the target's group, through `client`.
    #[must_use]
    pub fn new(client: Client, target: ScheduleTarget) -> Self {
        Self { client, target }
    }

    fn target(&self, schedule: &Schedule) -> Result<Target, BuildError> {
        let retries =
            RetryPolicy::builder().maximum_event_age_in_seconds(MAX_AGE_SECONDS).maximum_retry_attempts(MAX_RETRIES);
        Target::builder()
            .arn(&self.target.queue_arn)
            .role_arn(&self.target.role_arn)
            .input(&schedule.input)
            .retry_policy(retries.build())
            .build()
    }

    async fn replace(&self, schedule: &Schedule) -> Result<(), Failed> {
        let request = self
            .client
            .update_schedule()
            .group_name(&self.target.group)
            .name(&schedule.name)
            .description(&schedule.description)
            .schedule_expression(schedule.expression.as_str())
            .set_schedule_expression_timezone(schedule.timezone.clone())
            .flexible_time_window(window()?)
            .target(self.target(schedule)?);
        request.send().await.map(drop).map_err(Failed::of)
    }

    async fn create(&self, schedule: &Schedule) -> Result<(), Failed> {
        let request = self
            .client
            .create_schedule()
            .group_name(&self.target.group)
            .name(&schedule.name)
            .description(&schedule.description)
            .schedule_expression(schedule.expression.as_str())
            .set_schedule_expression_timezone(schedule.timezone.clone())
            .flexible_time_window(window()?)
            .target(self.target(schedule)?);
        request.send().await.map(drop).map_err(Failed::of)
    }
}

/// No window: everybody's full hour comes at once, but into a queue, which holds it until it can be
/// handled. A window would only make each record up to a minute later.
fn window() -> Result<FlexibleTimeWindow, BuildError> {
    FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build()
}

/// A failure, and what the service says of a schedule that it does not take.
struct Failed {
    failure: Failure,
    refusal: Option<String>,
}

impl Failed {
    fn of<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let refusal = error.as_service_error().and_then(|error| refusal(error.code()?, error.message()?));
        Self { failure: Failure::of(error), refusal }
    }
}

impl From<BuildError> for Failed {
    fn from(error: BuildError) -> Self {
        let code = "ConstructionFailure".to_owned();
        Self { failure: Failure { kind: Kind::Refused, code, source: Some(error.into()) }, refusal: None }
    }
}

/// What is wrong with the schedule. The same code also stands for a role that the service may not
/// take on, which is no fault of the schedule's.
fn refusal(code: &str, message: &str) -> Option<String> {
    let is_of_schedule = code == "ValidationException" && !message.contains("role");
    is_of_schedule.then(|| message.to_owned())
}

fn failed(failed: Failed) -> ScheduleError {
    let Failed { failure: Failure { kind, code, source }, refusal } = failed;
    match (refusal, kind) {
        (Some(reason), _) => ScheduleError::Invalid { reason },
        // Another call is changing the same schedule.
        (None, Kind::Refused) if code == CONFLICT => ScheduleError::Unavailable { code, source },
        (None, Kind::Refused) => ScheduleError::Refused { code, source },
        (None, Kind::Unavailable) => ScheduleError::Unavailable { code, source },
    }
}

#[async_trait]
impl Schedules for EventBridgeSchedules {
    async fn put(&self, schedule: &Schedule) -> Result<(), ScheduleError> {
        check(schedule)?;
        for round in 1.. {
            match self.replace(schedule).await {
                Err(error) if error.failure.code == NOT_FOUND => {}
                Err(error) if error.failure.code == CONFLICT && round < MAX_ROUNDS => continue,
                answer => return answer.map_err(failed),
            }
            match self.create(schedule).await {
                Err(error) if error.failure.code == CONFLICT && round < MAX_ROUNDS => {}
                answer => return answer.map_err(failed),
            }
        }
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), ScheduleError> {
        check_name(name)?;
        let request = self.client.delete_schedule().group_name(&self.target.group).name(name);
        match request.send().await.map_err(Failed::of) {
            Err(error) if error.failure.code == NOT_FOUND => Ok(()),
            answer => answer.map(drop).map_err(failed),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, ScheduleError> {
        check_prefix(prefix)?;
        let prefix = Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty());
        let request = self.client.list_schedules().group_name(&self.target.group).set_name_prefix(prefix);
        let mut pages = request.into_paginator().page_size(PAGE_SIZE).items().send();
        let mut names = Vec::new();
        while let Some(schedule) = pages.next().await {
            names.extend(schedule.map_err(|error| failed(Failed::of(error)))?.name);
        }
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_is_not_there_is_no_fault_of_the_schedule() {
        let role = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.";
        assert_eq!(refusal("ValidationException", role), None);
        assert_eq!(refusal("ThrottlingException", "Rate exceeded"), None);
        let expression = "Invalid Schedule Expression cron(0 0 31 2 ? *).";
        assert_eq!(refusal("ValidationException", expression), Some(expression.to_owned()));
    }
}
