//! What a folded batch writes to the replica.

use super::batch::{Batch, Row};
use super::{IncomingRecord, SourceRecordKey};
use crate::error::StoreError;
use crate::gate::Transaction;
use crate::json::JsonText;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

pub(super) type Rows = BTreeMap<SourceRecordKey, Row>;

impl Batch<'_> {
    pub(super) async fn write_replica(&self, transaction: &Transaction<'_>, rows: &Rows) -> Result<(), StoreError> {
        let (fresh, confirmed): (Vec<_>, Vec<_>) =
            rows.iter().filter(|(_, row)| row.placed).partition(|(_, row)| row.content_from.is_some());
        if !fresh.is_empty() {
            self.upsert(transaction, &fresh).await?;
        }
        if !confirmed.is_empty() {
            self.confirm(transaction, &confirmed).await?;
        }
        Ok(())
    }

    async fn upsert(&self, transaction: &Transaction<'_>, rows: &[(&SourceRecordKey, &Row)]) -> Result<(), StoreError> {
        let [connections, objects, source_ids] = super::columns(rows.iter().map(|(key, _)| *key));
        let versions: Vec<Option<i64>> = rows.iter().map(|(_, row)| row.state.place.source_version).collect();
        let arrived: Vec<Timestamp> = rows.iter().map(|(_, row)| row.state.place.arrived_at).collect();
        let placed_by: Vec<Uuid> = rows.iter().map(|(_, row)| row.state.place.event.0).collect();
        let events: Vec<Uuid> = rows.iter().map(|(_, row)| row.event.0).collect();
        let hashes: Vec<&[u8]> = rows.iter().map(|(_, row)| row.state.content.0.as_slice()).collect();
        let payloads: Vec<JsonText<'_>> =
            rows.iter().map(|(_, row)| JsonText(self.payload(row.content_from))).collect();
        let deleted: Vec<bool> = rows.iter().map(|(_, row)| row.state.deleted).collect();
        let sql = format!(
            "INSERT INTO {}.source_records (tenant, connection, object, source_id, source_version, arrived_at, placed_by,
                 event, content_hash, payload, deleted, first_seen, last_seen)
             SELECT $1, k.*, $2, $2 FROM unnest($3::text[], $4::text[], $5::text[], $6::int8[], $7::timestamptz[],
                 $8::uuid[], $9::uuid[], $10::bytea[], $11::json[], $12::bool[]) k
             ON CONFLICT (connection, object, source_id) DO UPDATE SET source_version = excluded.source_version,
                 arrived_at = excluded.arrived_at, placed_by = excluded.placed_by, event = excluded.event,
                 content_hash = excluded.content_hash, payload = excluded.payload, deleted = excluded.deleted,
                 last_seen = excluded.last_seen
             RETURNING xmax = 0",
            self.schema()
        );
        let written = transaction
            .query_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&self.now, Type::TIMESTAMPTZ),
                    (&connections, Type::TEXT_ARRAY),
                    (&objects, Type::TEXT_ARRAY),
                    (&source_ids, Type::TEXT_ARRAY),
                    (&versions, Type::INT8_ARRAY),
                    (&arrived, Type::TIMESTAMPTZ_ARRAY),
                    (&placed_by, Type::UUID_ARRAY),
                    (&events, Type::UUID_ARRAY),
                    (&hashes, Type::BYTEA_ARRAY),
                    (&payloads, Type::JSON_ARRAY),
                    (&deleted, Type::BOOL_ARRAY),
                ],
            )
            .await?;
        let inserted =
            written.iter().map(|row| row.try_get::<_, bool>(0)).filter(|new| matches!(new, Ok(true))).count();
        let expected = rows.iter().filter(|(_, row)| !row.existed).count();
        // A row that appeared since the rows were locked was overwritten unread: start again.
        if inserted == expected { Ok(()) } else { Err(StoreError::Conflict) }
    }

    async fn confirm(
        &self,
        transaction: &Transaction<'_>,
        rows: &[(&SourceRecordKey, &Row)],
    ) -> Result<(), StoreError> {
        let [connections, objects, source_ids] = super::columns(rows.iter().map(|(key, _)| *key));
        let versions: Vec<Option<i64>> = rows.iter().map(|(_, row)| row.state.place.source_version).collect();
        let arrived: Vec<Timestamp> = rows.iter().map(|(_, row)| row.state.place.arrived_at).collect();
        let placed_by: Vec<Uuid> = rows.iter().map(|(_, row)| row.state.place.event.0).collect();
        let sql = format!(
            "UPDATE {}.source_records r SET source_version = k.source_version, arrived_at = k.arrived_at,
                 placed_by = k.placed_by, last_seen = $2
             FROM unnest($3::text[], $4::text[], $5::text[], $6::int8[], $7::timestamptz[], $8::uuid[])
                 k (connection, object, source_id, source_version, arrived_at, placed_by)
             WHERE r.tenant = $1 AND r.connection = k.connection AND r.object = k.object AND r.source_id = k.source_id",
            self.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 8] = [
            (&self.tenant.id.as_str(), Type::TEXT),
            (&self.now, Type::TIMESTAMPTZ),
            (&connections, Type::TEXT_ARRAY),
            (&objects, Type::TEXT_ARRAY),
            (&source_ids, Type::TEXT_ARRAY),
            (&versions, Type::INT8_ARRAY),
            (&arrived, Type::TIMESTAMPTZ_ARRAY),
            (&placed_by, Type::UUID_ARRAY),
        ];
        transaction.execute_typed(&sql, &parameters).await?;
        Ok(())
    }

    fn payload(&self, index: Option<usize>) -> &str {
        match index.and_then(|index| self.incoming.get(index)).map(|incoming| &incoming.record) {
            Some(IncomingRecord::State { payload, .. }) => payload,
            _ => "null",
        }
    }
}
