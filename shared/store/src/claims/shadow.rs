//! What is of a flow in shadow is not sent, also where it was routed before the flow was in shadow.

use super::Claims;
use crate::error::StoreError;
use crate::gate::Transaction;
use fluxnex_core::ledger::{DeliveryState, SHADOW};
use tokio_postgres::types::{ToSql, Type};

impl Claims<'_> {
    /// Ends the pending deliveries of flows in shadow that stand in the claimed keys; they keep what would have been
    /// sent. What is being sent, or in doubt, ends as it would otherwise.
    pub(super) async fn leave_out(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let shadow = self.tenant.configuration().shadow_flows();
        if shadow.is_empty() {
            return Ok(());
        }
        let targets: Vec<&str> = self.keys.iter().map(|wake| wake.target.as_str()).collect();
        let keys: Vec<&str> = self.keys.iter().map(|wake| wake.ordering_key.as_str()).collect();
        let schema = self.tenant.schema();
        // In the order in which heads are locked.
        let sql = format!(
            "UPDATE {schema}.deliveries d SET state = $5, reason = $6, blocked_on = NULL, updated_at = $7
             FROM (SELECT d.delivery FROM {schema}.deliveries d
                   WHERE d.tenant = $1 AND d.state = 'pending' AND d.flow = ANY($4)
                     AND (d.target, d.ordering_key) IN (SELECT * FROM unnest($2::text[], $3::text[]))
                   ORDER BY d.delivery FOR UPDATE) k
             WHERE d.delivery = k.delivery"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 7] = [
            (&self.tenant.id.as_str(), Type::TEXT),
            (&targets, Type::TEXT_ARRAY),
            (&keys, Type::TEXT_ARRAY),
            (&shadow, Type::TEXT_ARRAY),
            (&DeliveryState::Skipped.as_str(), Type::TEXT),
            (&SHADOW, Type::TEXT),
            (&self.now, Type::TIMESTAMPTZ),
        ];
        transaction.execute_typed(&sql, &parameters).await?;
        Ok(())
    }
}
