//! EventBridge Scheduler. Its schedules are kept, and fire when the host is told so, or at their rate.

use super::super::Inner;
use super::super::http::{self, Call};
use super::Refusal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One schedule, as it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its whole request.
    pub request: Value,
}

impl Schedule {
    /// What it sends.
    #[must_use]
    pub fn input(&self) -> &str {
        self.target("Input")
    }

    /// The queue that it sends to.
    #[must_use]
    pub fn queue(&self) -> &str {
        self.target("Arn").rsplit(':').next().unwrap_or_default()
    }

    /// How often it fires, if it has a rate: `rate(5 minutes)`.
    #[must_use]
    pub fn rate(&self) -> Option<Duration> {
        let expression = self.request.get("ScheduleExpression")?.as_str()?;
        let (value, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
        let seconds = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 3600,
            "day" => 86_400,
            _ => return None,
        };
        Some(Duration::from_secs(value.parse::<u64>().ok()? * seconds))
    }

    fn target(&self, name: &str) -> &str {
        let target = self.request.get("Target").and_then(|target| target.get(name));
        target.and_then(Value::as_str).unwrap_or_default()
    }
}

/// All schedules, by group and name.
#[derive(Debug, Default)]
pub struct Schedules {
    schedules: Mutex<BTreeMap<(String, String), Schedule>>,
}

impl Schedules {
    fn schedules(&self) -> MutexGuard<'_, BTreeMap<(String, String), Schedule>> {
        self.schedules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<(String, Schedule)> {
        self.schedules().iter().map(|((_, name), schedule)| (name.clone(), schedule.clone())).collect()
    }
}

pub(super) fn answer(host: &Inner, operation: &str, call: &Call, input: &Value) -> Result<Value, Refusal> {
    let mut schedules = host.schedules.schedules();
    if operation == "ListSchedules" {
        let group = call.parameter("ScheduleGroup").unwrap_or_else(|| "default".to_owned());
        let prefix = call.parameter("NamePrefix").unwrap_or_default();
        let listed = schedules.keys().filter(|(of, name)| *of == group && name.starts_with(&prefix));
        let listed: Vec<Value> = listed.map(|(group, name)| json!({"GroupName": group, "Name": name})).collect();
        return Ok(json!({ "Schedules": listed }));
    }
    let name = http::decoded(call.path.strip_prefix("/schedules/").unwrap_or_default());
    let group = input.get("GroupName").and_then(Value::as_str).map(str::to_owned);
    let group = group.or_else(|| call.parameter("groupName")).unwrap_or_else(|| "default".to_owned());
    let key = (group, name);
    let missing =
        || Refusal::of_status(404, "ResourceNotFoundException", format!("Schedule {} does not exist.", key.1));
    let arn = json!({"ScheduleArn": format!("arn:aws:scheduler:us-east-1:000000000000:schedule/{}/{}", key.0, key.1)});
    match operation {
        "CreateSchedule" if schedules.contains_key(&key) => {
            Err(Refusal::of_status(409, "ConflictException", format!("Schedule {} already exists.", key.1)))
        }
        "CreateSchedule" => {
            schedules.insert(key, Schedule { request: input.clone() });
            Ok(arn)
        }
        "UpdateSchedule" => {
            let schedule = schedules.get_mut(&key).ok_or_else(missing)?;
            schedule.request = input.clone();
            Ok(arn)
        }
        "DeleteSchedule" => {
            schedules.remove(&key).ok_or_else(missing)?;
            Ok(json!({}))
        }
        _ => Ok(schedules.get(&key).ok_or_else(missing)?.request.clone()),
    }
}
