//! A sample of the replica, for a look at what other mappings would make of it. It only reads.

use crate::connection::Database;
use crate::error::StoreError;
use crate::replica::{SourceRecord, record_of};
use crate::tenant::Tenant;
use fluxnex_core::ids::{ConnectionId, ObjectName};
use tokio_postgres::types::Type;

impl Database {
    /// Records of one object that their source did not delete: as many with the lowest ids as with the highest, in the
    /// order of their ids, at most `most` of them and `most_bytes` of payload. The primary key finds them, however many
    /// there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sample_records(
        &self,
        tenant: &Tenant,
        connection: &ConnectionId,
        object: &ObjectName,
        most: u16,
        most_bytes: i64,
    ) -> Result<Vec<SourceRecord>, StoreError> {
        let records = format!("{}.source_records", tenant.schema());
        let sql = format!(
            "WITH sampled AS (
                (SELECT source_id FROM {records}
                 WHERE tenant = $1 AND connection = $2 AND object = $3 AND NOT deleted
                 ORDER BY source_id LIMIT $4)
                UNION
                (SELECT source_id FROM {records}
                 WHERE tenant = $1 AND connection = $2 AND object = $3 AND NOT deleted
                 ORDER BY source_id DESC LIMIT $5)
             ), weighed AS (
                SELECT r.*, sum(octet_length(r.payload::text)) OVER (ORDER BY r.source_id) AS bytes
                FROM sampled JOIN {records} r USING (source_id)
                WHERE r.tenant = $1 AND r.connection = $2 AND r.object = $3
             )
             SELECT connection, object, source_id, source_version, arrived_at, placed_by, event, payload, deleted
             FROM weighed WHERE bytes <= $6 ORDER BY source_id"
        );
        let highest = i64::from(most / 2);
        let lowest = i64::from(most) - highest;
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 6] = [
            (&tenant.id.as_str(), Type::TEXT),
            (&connection.as_str(), Type::TEXT),
            (&object.as_str(), Type::TEXT),
            (&lowest, Type::INT8),
            (&highest, Type::INT8),
            (&most_bytes, Type::INT8),
        ];
        let rows = self.query(&sql, &parameters).await?;
        rows.iter().map(record_of).collect()
    }
}
