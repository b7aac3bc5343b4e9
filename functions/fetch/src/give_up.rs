//! A parent that cannot be had: the records that wait for it fail visibly, and people are told.

use crate::{Fetch, Step, StepError, infrastructure};
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::fetch::{BlockingFetch, TaskError};
use fluxnex_core::message::Notification;
use fluxnex_store::{FetchEnd, HopelessWait, Tenant};

impl Fetch {
    /// The fetch ends before its waiters are looked for: a wait that is committed later finds it ended, and wants
    /// another one; a wait that is under way holds the row of the fetch, and is seen here. Waits are first told of,
    /// then ended: after a crash in between they are told of again, with the same ids.
    pub(crate) async fn give_up(&self, parent: &BlockingFetch, error: &TaskError) -> Result<Step, StepError> {
        let tenant = self.tenant(parent).await?;
        let database = self.tenants.database();
        let may = database.may_give_up(&tenant, parent.parent, parent.generation).await;
        if !may.map_err(infrastructure)? {
            return Ok(Step { outcome: "needless", reason: None });
        }
        let reason = error.reason();
        let now = self.clock.now();
        for fetch in database.open_fetches(&tenant, &[parent.parent]).await.map_err(infrastructure)? {
            database.end_fetch(&tenant, &fetch, FetchEnd::Failed(&reason), now).await.map_err(infrastructure)?;
        }
        let waits = database.waits_for(&tenant, parent.parent, &reason).await.map_err(infrastructure)?;
        self.tell(&tenant, &waits).await?;
        database.end_waits(&tenant, &waits).await.map_err(infrastructure)?;
        Ok(Step { outcome: "given up", reason: Some(reason) })
    }

    async fn tell(&self, tenant: &Tenant, waits: &[HopelessWait]) -> Result<(), StepError> {
        let now = self.clock.now();
        let messages = waits
            .iter()
            .map(|HopelessWait { event, flow, connection, record, reason }| {
                let (record, reason) = (record.clone(), reason.clone());
                let message = Notification::event_failed(tenant.id(), *event, flow, connection, record, reason, now);
                Ok(OutgoingMessage::json(&message)?.group(tenant.id().as_str()))
            })
            .collect::<Result<Vec<_>, serde_json::Error>>()
            .map_err(infrastructure)?;
        if messages.is_empty() {
            return Ok(());
        }
        self.queues.send(&self.notification_delivery, messages).await.map_err(infrastructure)
    }
}
