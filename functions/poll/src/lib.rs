//! L1: asks a source what changed, one page per message, and feeds each record in.
//!
//! Nothing here needs the database: what is known of a connection was published to the control table
//! when its bundle was applied, and the progress of each poll is kept there, so that polling a source
//! where nothing changed leaves a sleeping database asleep. In order: the records of a page are in
//! the queue, then the progress is saved, then the message for the next page is sent, then this one
//! is acknowledged. The rules are in `fluxnex_core::poll`.

mod failure;
mod page;
mod settings;

use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::{Control, Saved};
use fluxnex_cloud::queue::{OutgoingMessage, QueueUrl, Queues};
use fluxnex_connect::{Connection, Engine, ListOutcome, ListRequest};
use fluxnex_core::connector::CompiledList;
use fluxnex_core::ids::ObjectName;
use fluxnex_core::message::{NextPage, PollRequest};
use fluxnex_core::poll::{Begin, Listing, Position, Progress, Run, Turn, run_of_message};
use fluxnex_lambda::batch::{BatchError, Outcome, Work};
use fluxnex_lambda::inbound::Inbound;
use fluxnex_lambda::{BoxError, Deadline, TimeScale};
use futures::future::join_all;
use settings::{PollCache, Polled};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What is left of an invocation for making a page durable.
const RESERVE: Duration = Duration::from_secs(4);
/// How often a request for a run is looked at again because another one changed the progress.
const MOST_LOOKS: usize = 3;

/// What the stage needs.
pub struct Poll {
    settings: PollCache,
    control: Arc<dyn Control>,
    engine: Engine,
    inbound: Inbound,
    queues: Arc<dyn Queues>,
    clock: Arc<dyn Clock>,
    time_scale: TimeScale,
    fetch_request: QueueUrl,
    notification_delivery: QueueUrl,
}

/// Where the stage sends what is no record.
pub struct PollQueues {
    /// The stage's own queue: the next page of a run.
    pub fetch_request: QueueUrl,
    /// Where failures are told.
    pub notification_delivery: QueueUrl,
}

/// A page that is to be read.
pub(crate) struct Reading<'a> {
    pub(crate) request: &'a PollRequest,
    pub(crate) connection: &'a Connection,
    pub(crate) polled: &'a Polled,
    pub(crate) lists: Lists<'a>,
    pub(crate) progress: Progress,
    pub(crate) revision: Option<u64>,
    pub(crate) next: NextPage,
}

/// The lists of an object.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    pub(crate) changed: &'a CompiledList,
    pub(crate) deleted: Option<&'a CompiledList>,
}

impl<'a> Lists<'a> {
    fn of(&self, list: Listing) -> Option<&'a CompiledList> {
        match list {
            Listing::Changed => Some(self.changed),
            Listing::Deleted => self.deleted,
        }
    }
}

impl Poll {
    /// A stage that reads through `engine` and feeds into `inbound`.
    pub fn new(
        control: Arc<dyn Control>,
        engine: Engine,
        inbound: Inbound,
        clock: Arc<dyn Clock>,
        time_scale: TimeScale,
        queues: PollQueues,
    ) -> Self {
        let PollQueues { fetch_request, notification_delivery } = queues;
        Self {
            settings: PollCache::new(control.clone(), clock.clone()),
            control,
            engine,
            queues: inbound.queues.clone(),
            inbound,
            clock,
            time_scale,
            fetch_request,
            notification_delivery,
        }
    }

    /// Handles the requests of a batch, each by itself; one outcome for each, in order.
    ///
    /// # Errors
    /// Never: what goes wrong is one request's.
    pub async fn handle(&self, works: &[Work<PollRequest>], deadline: Deadline) -> Result<Vec<Outcome>, BatchError> {
        let outcomes = works.iter().map(|work| async move {
            let request = &work.message;
            // The same for each time that the message comes.
            let run = request.next.map_or_else(|| run_of_message(&work.record.message_id), |next| next.run);
            let outcome = self.request(request, run, deadline).await;
            outcome
                .unwrap_or_else(|error| Outcome::retry(error.to_string()))
                .tenant(&request.tenant)
                .connection(&request.connection)
        });
        Ok(join_all(outcomes).await)
    }

    async fn request(&self, request: &PollRequest, run: Uuid, deadline: Deadline) -> Result<Outcome, BoxError> {
        const NOT_POLLED: &str = "not polled any more";
        let Some(polled) = self.settings.get(&request.tenant, &request.connection).await? else {
            return Ok(Outcome::done(NOT_POLLED));
        };
        let Some(definition) = polled.connection.definition.polls.get(&request.object) else {
            return Ok(Outcome::done(NOT_POLLED));
        };
        let connection = match Connection::of(&request.tenant, &polled.connection) {
            Ok(connection) => connection,
            Err(reason) => return self.misconfigured(request, run, reason).await,
        };
        let manifest = connection.manifest.clone();
        let Some(changed) = manifest.list_changed(&request.object) else {
            return self.misconfigured(request, run, "the connector cannot list this object".to_owned()).await;
        };
        let lists = Lists { changed, deleted: manifest.list_deleted(&request.object) };
        let floor = definition.since.and_then(|since| changed.floor(since));
        for _ in 0..MOST_LOOKS {
            let (progress, revision) = self.progress(request).await?;
            let (progress, revision, next) = match request.next.filter(|next| next.page > 0) {
                Some(next) => match progress.turn(next.run, next.page) {
                    Turn::Read => (progress, revision, next),
                    Turn::Done(page) => return self.go_on(request, NextPage { page, ..next }, Duration::ZERO).await,
                    Turn::Over => return Ok(Outcome::done("the run is over")),
                },
                None => match progress.begin(run, floor.as_ref(), &changed.manner(), self.clock.now()) {
                    Begin::Busy => return Ok(Outcome::done("another run is under way")),
                    Begin::Goes(1) => (progress, revision, NextPage { run, page: 1 }),
                    Begin::Goes(page) => return self.go_on(request, NextPage { run, page }, Duration::ZERO).await,
                    Begin::Begins(begun) => match self.save(request, revision, &begun).await? {
                        Some(revision) => (*begun, Some(revision), NextPage { run, page: 1 }),
                        None => continue,
                    },
                },
            };
            let reading =
                Reading { request, connection: &connection, polled: &polled, lists, progress, revision, next };
            return self.read(reading, floor.as_ref(), deadline).await;
        }
        Ok(Outcome::retry("the progress changes all the time"))
    }

    async fn read(
        &self,
        reading: Reading<'_>,
        floor: Option<&Position>,
        deadline: Deadline,
    ) -> Result<Outcome, BoxError> {
        let Reading { request, connection, lists, progress, next, .. } = &reading;
        let Some(run) = &progress.run else { return Ok(Outcome::done("the run is over")) };
        let Some(list) = lists.of(run.list) else {
            const REASON: &str = "the connector lists no deletions any more";
            return self.give_up(&reading, REASON, REASON).await;
        };
        let page = match self.list(connection, &request.object, run, deadline).await {
            ListOutcome::Listed(page) => page,
            ListOutcome::Failed(failure) => return self.page_failed(&reading, failure).await,
        };
        let records = page.records.len();
        let page = page::events(&reading, run.list, list, page, self.clock.as_ref())?;
        let deletions = lists.deleted.map(CompiledList::manner);
        let after = progress.page_read(&page.read, &list.manner(), deletions.as_ref(), floor, self.clock.now());
        self.inbound.make_durable(page.events).await?;
        let after = match after {
            Ok(after) => after,
            Err(stuck) => return self.give_up(&reading, &stuck.to_string(), &stuck.to_string()).await,
        };
        if self.save(request, reading.revision, &after).await?.is_none() {
            // The same message twice at once, or an answer that got lost: it goes by what is there.
            let (progress, _) = self.progress(request).await?;
            return match progress.turn(next.run, next.page) {
                Turn::Read => Ok(Outcome::retry("the progress was changed meanwhile")),
                Turn::Done(page) => self.go_on(request, NextPage { page, ..*next }, Duration::ZERO).await,
                Turn::Over => Ok(Outcome::done("the run is over")),
            };
        }
        if let Some(run) = &after.run {
            self.go_on(request, NextPage { run: run.id, page: run.page }, Duration::ZERO).await?;
        }
        let end = if after.run.is_some() { "" } else { ", the last one" };
        Ok(Outcome::done(format!("read {records} records of page {}{end}", next.page)))
    }

    async fn list(&self, connection: &Connection, object: &ObjectName, run: &Run, deadline: Deadline) -> ListOutcome {
        let request = ListRequest {
            list: run.list,
            object,
            position: run.position.as_ref(),
            continuation: run.query.continuation.as_ref(),
            timeout: deadline.remaining().saturating_sub(RESERVE),
        };
        self.engine.list(connection, &request).await.outcome
    }

    /// Asks for a page, at once or later.
    pub(crate) async fn go_on(
        &self,
        request: &PollRequest,
        next: NextPage,
        delay: Duration,
    ) -> Result<Outcome, BoxError> {
        let message = PollRequest { next: Some(next), ..request.clone() };
        let message = OutgoingMessage::json(&message)?.group(request.tenant.as_str()).delay(delay);
        self.queues.send(&self.fetch_request, vec![message]).await?;
        Ok(Outcome::done("goes on"))
    }

    pub(crate) async fn progress(&self, request: &PollRequest) -> Result<(Progress, Option<u64>), BoxError> {
        let saved = self.control.poll_progress(&request.tenant, &request.connection, &request.object).await?;
        match saved {
            None => Ok((Progress::default(), None)),
            Some(Saved { revision, body }) => match serde_json::from_value(body) {
                Ok(progress) => Ok((progress, Some(revision))),
                Err(_) => Err("the saved progress of the poll cannot be read".into()),
            },
        }
    }

    /// Saves progress if nobody did meanwhile; gives its revision.
    pub(crate) async fn save(
        &self,
        request: &PollRequest,
        expected: Option<u64>,
        progress: &Progress,
    ) -> Result<Option<u64>, BoxError> {
        let PollRequest { tenant, connection, object, .. } = request;
        let body = serde_json::to_value(progress)?;
        let saved = self.control.save_poll_progress(tenant, connection, object, expected, &body).await?;
        Ok(saved.then(|| expected.map_or(1, |expected| expected + 1)))
    }
}
