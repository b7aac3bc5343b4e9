//! What targets call the records that were delivered, and what they have of them.

use super::{Batch, Finish, Written};
use crate::error::StoreError;
use crate::gate::Transaction;
use crate::json::JsonText;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

impl Batch<'_> {
    /// Learns what the targets call the delivered records, and what they have of them now.
    pub(super) async fn write_references(
        &self,
        transaction: &Transaction<'_>,
        written: &[Written],
    ) -> Result<(), StoreError> {
        let delivered: Vec<(&Written, Acknowledged<'_>)> =
            self.delivered(written).filter(|(written, _)| !written.deletes).collect();
        if delivered.is_empty() {
            return Ok(());
        }
        let connections: Vec<&str> = delivered.iter().map(|(written, _)| written.target.as_str()).collect();
        let entities: Vec<&str> = delivered.iter().map(|(written, _)| written.entity.as_str()).collect();
        let ids: Vec<Uuid> = delivered.iter().map(|(written, _)| written.canonical_id).collect();
        // A target that names nothing still knows the record: children may follow.
        let own = |written: &Written| written.canonical_id.to_string();
        let target_ids: Vec<String> =
            delivered.iter().map(|(written, it)| it.target_id.map_or_else(|| own(written), str::to_owned)).collect();
        let versions: Vec<Option<&str>> = delivered.iter().map(|(_, it)| it.target_version).collect();
        let payloads: Vec<Option<JsonText<'_>>> = delivered.iter().map(|(_, it)| it.payload.map(JsonText)).collect();
        let sql = format!(
            "INSERT INTO {}.cross_references (tenant, connection, entity, canonical_id, target_id, target_version,
                 acknowledged, learnt_at)
             SELECT DISTINCT ON (k.connection, k.id, k.entity)
                    $1, k.connection, k.entity, k.id, k.target_id, k.target_version, k.acknowledged, $2
             FROM unnest($3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::json[])
                 k (connection, entity, id, target_id, target_version, acknowledged)
             ORDER BY k.connection, k.id, k.entity
             ON CONFLICT (connection, canonical_id, entity) DO UPDATE SET target_id = excluded.target_id,
                 target_version = excluded.target_version, acknowledged = excluded.acknowledged,
                 learnt_at = excluded.learnt_at",
            self.tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 8] = [
            (&self.tenant.id.as_str(), Type::TEXT),
            (&self.now, Type::TIMESTAMPTZ),
            (&connections, Type::TEXT_ARRAY),
            (&entities, Type::TEXT_ARRAY),
            (&ids, Type::UUID_ARRAY),
            (&target_ids, Type::TEXT_ARRAY),
            (&versions, Type::TEXT_ARRAY),
            (&payloads, Type::JSON_ARRAY),
        ];
        transaction.execute_typed(&sql, &parameters).await?;
        Ok(())
    }

    /// What failed may have had an effect all the same: what the target has is not known any more.
    pub(super) async fn doubt_acknowledged(
        &self,
        transaction: &Transaction<'_>,
        written: &[Written],
    ) -> Result<(), StoreError> {
        let failed = |written: &&Written| matches!(self.finish_of(written), Some(Finish::Failed { .. }));
        let failed: Vec<&Written> = written.iter().filter(failed).collect();
        let set = "UPDATE {table} x SET acknowledged = NULL FROM";
        self.change_references(transaction, set, &failed).await
    }

    /// What was deleted at a target has no name there any more: should it come back, it is made anew.
    pub(super) async fn forget_references(
        &self,
        transaction: &Transaction<'_>,
        written: &[Written],
    ) -> Result<(), StoreError> {
        let deleted: Vec<&Written> =
            self.delivered(written).map(|(written, _)| written).filter(|written| written.deletes).collect();
        self.change_references(transaction, "DELETE FROM {table} x USING", &deleted).await
    }

    async fn change_references(
        &self,
        transaction: &Transaction<'_>,
        change: &str,
        of: &[&Written],
    ) -> Result<(), StoreError> {
        if of.is_empty() {
            return Ok(());
        }
        let connections: Vec<&str> = of.iter().map(|written| written.target.as_str()).collect();
        let entities: Vec<&str> = of.iter().map(|written| written.entity.as_str()).collect();
        let ids: Vec<Uuid> = of.iter().map(|written| written.canonical_id).collect();
        let change = change.replace("{table}", &format!("{}.cross_references", self.tenant.schema()));
        let sql = format!(
            "{change} unnest($2::text[], $3::text[], $4::uuid[]) k (connection, entity, canonical_id)
             WHERE x.tenant = $1 AND x.connection = k.connection AND x.entity = k.entity
               AND x.canonical_id = k.canonical_id"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&self.tenant.id.as_str(), Type::TEXT),
            (&connections, Type::TEXT_ARRAY),
            (&entities, Type::TEXT_ARRAY),
            (&ids, Type::UUID_ARRAY),
        ];
        transaction.execute_typed(&sql, &parameters).await?;
        Ok(())
    }

    /// How the attempt of a delivery ended.
    pub(super) fn finish_of(&self, written: &Written) -> Option<&Finish> {
        let mut finished = self.finished.iter();
        finished.find(|finished| finished.delivery.0 == written.delivery).map(|finished| &finished.finish)
    }

    pub(super) fn delivered<'w>(
        &'w self,
        written: &'w [Written],
    ) -> impl Iterator<Item = (&'w Written, Acknowledged<'w>)> {
        written.iter().filter_map(|written| match self.finish_of(written)? {
            Finish::Delivered { target_id, target_version, payload } => {
                let (target_id, target_version) = (target_id.as_deref(), target_version.as_deref());
                Some((written, Acknowledged { target_id, target_version, payload: payload.as_deref() }))
            }
            _ => None,
        })
    }
}

/// What a target acknowledged.
#[derive(Clone, Copy)]
pub(super) struct Acknowledged<'a> {
    target_id: Option<&'a str>,
    target_version: Option<&'a str>,
    payload: Option<&'a str>,
}
