//! A page of a source as events, and where the next one begins.

use crate::Reading;
use fluxnex_cloud::clock::Clock;
use fluxnex_core::connector::ListedPage;
use fluxnex_core::ids::{EventId, SenderEventId};
use fluxnex_core::mapping::Json;
use fluxnex_core::message::EventSource;
use fluxnex_core::poll::Position;
use fluxnex_lambda::BoxError;
use fluxnex_lambda::inbound::Accepted;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A page, ready to be made durable.
pub(crate) struct Page {
    pub(crate) events: Vec<Accepted>,
    /// The place of the last record, and whether another page follows; or why none can be asked for.
    pub(crate) goes_on: Result<(Option<Position>, bool), &'static str>,
}

/// Each record of the page as an event. One that cannot be identified goes on all the same: L2 makes
/// a visible failure of it.
pub(crate) fn events(
    reading: &Reading<'_>,
    page: ListedPage,
    after: Option<&Position>,
    clock: &dyn Clock,
) -> Result<Page, BoxError> {
    let settings = reading.polled.connection.settings()?;
    let at = clock.now();
    let (mut last, found) = (None, !page.records.is_empty());
    let mut events = Vec::with_capacity(page.records.len());
    for record in page.records {
        let place = place(reading, &record, &settings);
        let digest = Sha256::new()
            .chain_update(reading.request.object.as_str())
            .chain_update([0])
            .chain_update(record.get())
            .finalize();
        // What cannot be read is the same event each time that it is found again, so that people are
        // told of it once. What can be read may come again with the same content after another.
        let event = match &place {
            Some(_) => clock.new_id(),
            None => Uuid::new_v5(&Uuid::NAMESPACE_OID, &digest),
        };
        last = place.or(last);
        events.push(Accepted {
            tenant: reading.request.tenant.clone(),
            connection: reading.request.connection.clone(),
            event: EventId(event),
            at,
            source: EventSource::Poll,
            sender_event_id: SenderEventId::parse(format!("poll-{}", hex::encode(digest)))?,
            derived: true,
            object: Some(reading.request.object.clone()),
            body: record,
        });
    }
    let goes_on = match (&last, after) {
        (None, _) if found && page.more => Err("no record of the page can be identified"),
        (Some(last), Some(after)) if last.version < after.version || last == after => {
            Err("the source gives records that were read before: it does not keep to {since} and {after}")
        }
        _ => Ok((last, page.more)),
    };
    Ok(Page { events, goes_on })
}

fn place(reading: &Reading<'_>, record: &RawValue, settings: &Json) -> Option<Position> {
    let object = &reading.request.object;
    let identified = reading.connection.manifest.identify(object, record.get(), settings).ok()?;
    Some(Position { version: identified.version?, id: Some(identified.id) })
}
