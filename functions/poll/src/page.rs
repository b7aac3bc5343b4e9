//! A page of a source as events, and what it says of the next one.

use crate::Reading;
use fluxnex_cloud::clock::Clock;
use fluxnex_core::connector::{CompiledList, ListedPage};
use fluxnex_core::ids::{EventId, SenderEventId};
use fluxnex_core::mapping::Json;
use fluxnex_core::message::{DeletedRecord, Deletion, EventSource};
use fluxnex_core::poll::{Listing, PageRead, Position};
use fluxnex_lambda::BoxError;
use fluxnex_lambda::inbound::Accepted;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A page, ready to be made durable.
pub(crate) struct Page {
    pub(crate) events: Vec<Accepted>,
    /// What it says of the next one.
    pub(crate) read: PageRead,
}

/// Each record of the page as an event. One that cannot be identified goes on all the same: L2 makes
/// a visible failure of it.
pub(crate) fn events(
    reading: &Reading<'_>,
    listing: Listing,
    list: &CompiledList,
    page: ListedPage,
    clock: &dyn Clock,
) -> Result<Page, BoxError> {
    let settings = reading.polled.connection.settings()?;
    let at = clock.now();
    let records = u32::try_from(page.records.len()).unwrap_or(u32::MAX);
    let mut read = PageRead { records, more: page.more, next: page.next, mark: page.mark, ..PageRead::default() };
    let mut events = Vec::with_capacity(page.records.len());
    for record in page.records {
        let (place, deletion) = match listing {
            Listing::Changed => (place(reading, &record, &settings), None),
            Listing::Deleted => {
                let of = deleted(list, &record, &settings, at.as_microsecond());
                (of.as_ref().map(position), Some(Deletion { of }))
            }
        };
        let digest = Sha256::new()
            .chain_update(reading.request.object.as_str())
            .chain_update([u8::from(listing == Listing::Deleted)])
            .chain_update(record.get())
            .finalize();
        // What cannot be read is the same event each time that it is found again, so that people are
        // told of it once. What can be read may come again with the same content after another.
        let event = match &place {
            Some(_) => clock.new_id(),
            None => Uuid::new_v5(&Uuid::NAMESPACE_OID, &digest),
        };
        read.highest = read.highest.max(place.clone());
        read.last = place.or(read.last);
        events.push(Accepted {
            tenant: reading.request.tenant.clone(),
            connection: reading.request.connection.clone(),
            event: EventId(event),
            at,
            source: EventSource::Poll,
            sender_event_id: SenderEventId::parse(format!("poll-{}", hex::encode(digest)))?,
            derived: true,
            object: Some(reading.request.object.clone()),
            deletion,
            body: record,
        });
    }
    Ok(Page { events, read })
}

fn place(reading: &Reading<'_>, record: &RawValue, settings: &Json) -> Option<Position> {
    let object = &reading.request.object;
    let identified = reading.connection.manifest.identify(object, record.get(), settings).ok()?;
    Some(Position { version: identified.version?, id: Some(identified.id) })
}

/// A deletion of which the source does not say when it was is as of the moment at which it is read.
fn deleted(list: &CompiledList, record: &RawValue, settings: &Json, read_at: i64) -> Option<DeletedRecord> {
    let (source_id, version) = list.deletion(record.get(), settings).ok()?;
    let version = if list.manner().versioned { version? } else { read_at };
    Some(DeletedRecord { source_id, version })
}

fn position(deleted: &DeletedRecord) -> Position {
    Position { version: deleted.version, id: Some(deleted.source_id.clone()) }
}
