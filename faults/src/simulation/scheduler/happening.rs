//! What happens by itself: the source changes and tells of it, schedules fire, something goes away.

use super::Scheduler;
use crate::queues::{self, Choices as _, NewMessage};
use crate::simulation::functions::{Answer, Event, Function};
use crate::simulation::mutants::Edge;
use crate::simulation::running::Trigger;
use crate::simulation::scenario::{Happening, MARK, Occurrence, Telling};
use crate::simulation::world::physical;
use anyhow::{Result, bail};
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use fluxnex_core::message::{PollRequest, V1};
use fluxnex_testing::{signed, webhook_request};
use jiff::SignedDuration;
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long a sender waits before it repeats a webhook that was not accepted; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// A connection that ended is known to have ended within this time.
const LONGEST_NEWS: Duration = Duration::from_secs(5);
/// A connection that is in use cannot be asked; by then it knows, too.
const NEWS: Duration = Duration::from_millis(3);

impl Scheduler<'_> {
    /// Whether something happens now. A webhook needs an invocation.
    pub(super) fn is_happening(&self) -> bool {
        let now = self.world.now();
        self.occurrences.front().is_some_and(|first| {
            let is_full = self.running.len() >= self.plan.at_once;
            queues::after(self.began, first.after) <= now && !(is_full && matches!(first.what, Happening::Told(_)))
        })
    }

    /// What is next happens.
    pub(super) async fn happens(&mut self) -> Result<()> {
        let Some(Occurrence { what, .. }) = self.occurrences.pop_front() else { return Ok(()) };
        let now = self.world.now();
        match what {
            Happening::Told(telling) => return self.told(telling).await,
            Happening::Polled { tenant, object } => return self.polled(&tenant, object),
            Happening::Changes(subject, record) => {
                self.world.story().tell(now, "source", &format!("changes {}: {}", subject.id, short(&record)));
                let key = (subject.tenant, subject.object, subject.id);
                self.world.applications().records.insert(key, record);
            }
            Happening::Outage(host, span) => {
                self.world.story().tell(now, "application", &format!("{host} is away for {span:?}"));
                self.world.applications().goes_away(&host, queues::after(now, span));
            }
            Happening::Restart(span) => {
                self.world.story().tell(now, "database", &format!("restarts, and is away for {span:?}"));
                self.restart(span).await?;
            }
            Happening::IsBack => {
                self.world.story().tell(now, "database", "is back");
                self.ground.comes_back();
            }
            Happening::Configured(tenant) => {
                let version = self.ground.configure(&tenant, now).await?;
                let bundles = self.ground.bundles(&tenant)?;
                bundles.publish(&self.world.control, version).await?;
                self.world.story().tell(now, "operator", &format!("applies version {version} of {tenant}"));
            }
            Happening::ClocksJump => {
                let seconds = self.choices.below(21) as i64 - 10;
                self.world.clocks.jump(SignedDuration::from_secs(seconds));
                self.world.story().tell(now, "clocks", &format!("every second one jumps by {seconds} s"));
            }
        }
        Ok(())
    }

    /// The source sends a webhook, signed at this moment.
    async fn told(&mut self, telling: Telling) -> Result<()> {
        let tenant = &telling.subject.tenant;
        let headers = signed(MARK, &telling.sender, self.world.now().as_second(), telling.body.as_bytes());
        let request = webhook_request(tenant, "revenova", &headers, &telling.body);
        let what = format!("is told of {} v{} as {}", telling.subject.id, telling.version, telling.sender);
        self.invoke(Function::Ingest, Trigger::Told(Box::new(telling)), &what, Event::Webhook(Box::new(request))).await
    }

    /// What the sender makes of the answer: without a 2xx it sends the webhook again.
    pub(super) fn was_told(&mut self, mut telling: Telling, answer: Option<&Answer>) {
        let status = match answer {
            Some(Answer::Response(bytes)) => serde_json::from_slice::<Value>(bytes).ok(),
            _ => None,
        };
        let status = status.and_then(|answer| answer.get("statusCode")?.as_u64()).unwrap_or(500);
        if (200..300).contains(&status) || self.plan.planted.is(Edge::AcceptedBeforeDurable) {
            let accepted = (telling.subject.tenant, telling.sender);
            let mut story = self.world.story();
            story.counted.events += 1;
            story.accepted.insert(accepted);
            return;
        }
        if (400..500).contains(&status) {
            let words = format!("ingest refuses {} with {status}", telling.sender);
            self.world.story().problems.push(words);
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << telling.attempts.min(10)).min(LONGEST_PAUSE);
        telling.attempts += 1;
        self.later(pause, Happening::Told(telling));
    }

    /// Every connection to PostgreSQL ends at this moment.
    async fn restart(&mut self, span: Duration) -> Result<()> {
        self.ground.goes_away().await?;
        self.world.applications().somebody_died();
        // Whoever has a connection finds it closed from here on; in which order they learn of it is not left to
        // chance.
        let began = Instant::now();
        let environments = self.running.values().map(|running| &running.environment);
        for environment in environments.chain(self.warm.values().flatten()) {
            while environment.link.database.is_closed() == Some(false) {
                if began.elapsed() > LONGEST_NEWS {
                    bail!("{environment} does not learn that its connection ended");
                }
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        }
        tokio::time::sleep(NEWS).await;
        self.later(span, Happening::IsBack);
        // Who waited for a lock is told as well.
        self.drive(0).await
    }

    fn later(&mut self, span: Duration, what: Happening) {
        let after = Duration::try_from(self.world.now().duration_since(self.began)).unwrap_or_default() + span;
        let place = self.occurrences.partition_point(|other| other.after <= after);
        self.occurrences.insert(place, Occurrence { after, what });
    }

    /// A schedule fires.
    fn polled(&mut self, tenant: &str, object: &str) -> Result<()> {
        let now = self.world.now();
        let request = PollRequest {
            v: V1,
            tenant: TenantId::parse(tenant)?,
            connection: ConnectionId::parse("revenova")?,
            object: ObjectName::parse(object)?,
            next: None,
        };
        let message = NewMessage { group: Some(tenant.into()), ..NewMessage::new(serde_json::to_string(&request)?) };
        self.world.with_queues(|queues, _| queues.send(&physical("fetch-request"), message, now))?;
        self.world.story().tell(now, "schedule", &format!("{object} of {tenant} is to be polled"));
        Ok(())
    }
}

fn short(record: &Value) -> &str {
    record.get("Name").and_then(Value::as_str).unwrap_or_default()
}
