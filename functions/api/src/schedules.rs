//! The schedules of a tenant's polls: made to match the configuration that runs.

use crate::bundle::NOT_PUBLISHED;
use crate::{Api, unavailable};
use fluxnex_cloud::schedules::{Schedule, ScheduleError};
use fluxnex_core::bundle::Configuration;
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use fluxnex_core::message::{PollRequest, V1};
use fluxnex_lambda::problem::Problem;
use std::collections::BTreeMap;
use uuid::Uuid;

/// How often schedules are made anew because another bundle was applied meanwhile.
const MOST_ROUNDS: usize = 3;

impl Api {
    /// Makes the tenant's schedules match the configuration that runs, which may be a newer one than
    /// the caller's: two applies at once end with the schedules of the later.
    pub(crate) async fn schedule(&self, tenant: &TenantId) -> Result<(), Problem> {
        for _ in 0..MOST_ROUNDS {
            let running = self.database.tenant(tenant).await.map_err(|error| {
                tracing::error!(%error, "the running configuration cannot be read");
                unavailable(NOT_PUBLISHED)
            })?;
            let configuration = running.configuration();
            self.match_schedules(configuration).await?;
            let version = self.database.running_version(tenant).await;
            if version.is_ok_and(|version| version == configuration.version) {
                return Ok(());
            }
        }
        Err(unavailable(NOT_PUBLISHED))
    }

    async fn match_schedules(&self, configuration: &Configuration) -> Result<(), Problem> {
        let failed = |error: ScheduleError| match error {
            ScheduleError::Invalid { reason } => {
                Problem::new(422, "invalid-schedule", "A schedule is refused").detail(reason)
            }
            error => {
                tracing::error!(%error, "a schedule cannot be made");
                unavailable(NOT_PUBLISHED)
            }
        };
        let wanted = schedules(configuration).map_err(|_| Problem::of_status(500))?;
        let there = self.schedules.list(&prefix(&configuration.tenant)).await.map_err(failed)?;
        for schedule in wanted.values() {
            self.schedules.put(schedule).await.map_err(failed)?;
        }
        for name in there.iter().filter(|name| !wanted.contains_key(*name)) {
            self.schedules.remove(name).await.map_err(failed)?;
        }
        Ok(())
    }
}

/// One schedule per connection and object that is polled, by name.
fn schedules(configuration: &Configuration) -> Result<BTreeMap<String, Schedule>, serde_json::Error> {
    let active = configuration.connections.values().filter(|connection| !configuration.is_paused(&connection.id));
    let polls = active.flat_map(|connection| {
        connection.definition.polls.iter().map(move |(object, poll)| (&connection.id, object, poll))
    });
    polls
        .map(|(connection, object, poll)| {
            let name = name(&configuration.tenant, connection, object);
            let (tenant, connection, object) = (configuration.tenant.clone(), connection.clone(), object.clone());
            let description = format!("polls {object} of {connection} for {tenant}");
            let request = PollRequest { v: V1, tenant, connection, object, next: None };
            let schedule = Schedule {
                name: name.clone(),
                description,
                expression: poll.schedule.clone(),
                timezone: poll.timezone.clone(),
                input: serde_json::to_string(&request)?,
            };
            Ok((name, schedule))
        })
        .collect()
}

/// What the names of a tenant's schedules begin with. No tenant's name has a full stop.
fn prefix(tenant: &TenantId) -> String {
    format!("{tenant}.")
}

/// At most 64 characters (EventBridge Scheduler): the connection is shortened, and a hash tells apart.
fn name(tenant: &TenantId, connection: &ConnectionId, object: &ObjectName) -> String {
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{connection}\u{0}{object}").as_bytes());
    let connection: String = connection.as_str().chars().take(14).collect();
    let hash: String = hash.simple().to_string().chars().take(8).collect();
    format!("{}{connection}.{hash}", prefix(tenant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_differ() {
        let tenant = TenantId::parse("a".repeat(40)).unwrap();
        let connection = |end: &str| ConnectionId::parse(format!("{}{end}", "c".repeat(50))).unwrap();
        let object = ObjectName::parse("Invoices").unwrap();
        let (one, two) = (name(&tenant, &connection("a"), &object), name(&tenant, &connection("b"), &object));
        assert!(one.len() <= 64 && one != two, "{one} {two}");
        assert!(one.starts_with(&prefix(&tenant)));
    }
}
