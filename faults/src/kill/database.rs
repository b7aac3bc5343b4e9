//! The job's database, on the PostgreSQL that the environment names; and what is not done yet there.

use super::applications::TENANT;
use crate::postgres::Server;
use anyhow::Result;
use fluxnex_simulators::reconcile::FailedEvent;
use std::collections::BTreeMap;

/// An empty database of its own.
pub struct Database {
    server: Server,
    /// The same server with this database.
    pub own: Server,
}

impl Database {
    /// Makes it, on the server that tests use.
    ///
    /// # Errors
    /// Nothing names the server, or it refuses.
    pub async fn create() -> Result<Self> {
        let server = Server::from_environment()?;
        let name = format!("job_{}", uuid::Uuid::now_v7().simple());
        let client = server.connect().await?;
        client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        // The server may be restarted, and what was committed must be there then.
        client.batch_execute(&format!("ALTER DATABASE {name} SET synchronous_commit = on")).await?;
        Ok(Self { own: server.at(&name), server })
    }

    /// What FluxNex has not brought to an end, and how many of each; empty if there is nothing.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn open(&self) -> Result<BTreeMap<String, u64>> {
        let query = format!(
            "SELECT 'events ' || state, count(*) FROM tenant_{TENANT}.event_states \
                 WHERE state IN ('received', 'processing', 'waiting', 'pending', 'sending') GROUP BY 1 \
             UNION ALL SELECT 'deliveries ' || state, count(*) FROM tenant_{TENANT}.deliveries \
                 WHERE state IN ('pending', 'sending') GROUP BY 1 \
             UNION ALL SELECT 'waiting records', count(*) FROM tenant_{TENANT}.waiting_records HAVING count(*) > 0 \
             UNION ALL SELECT 'fetches ' || state, count(*) FROM tenant_{TENANT}.dependency_fetches \
                 WHERE state NOT IN ('stored', 'failed') GROUP BY 1 \
             UNION ALL SELECT 'dead letters of ' || queue, count(*) FROM fluxnex_master.dead_letters \
                 WHERE state = 'waiting' GROUP BY 1"
        );
        let rows = self.own.connect().await?.query(&query, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1).unsigned_abs())).collect())
    }

    /// The events that FluxNex shows as failed or held.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn failed_events(&self) -> Result<Vec<FailedEvent>> {
        let query = format!(
            "SELECT source = 'webhook', sender_event_id, coalesce(object, ''), coalesce(source_id, ''), \
             coalesce(reason, '') FROM tenant_{TENANT}.event_states WHERE state IN ('failed', 'held')"
        );
        let rows = self.own.connect().await?.query(&query, &[]).await?;
        let failed = rows.iter().map(|row| {
            let (event, object, record, reason): (String, String, String, String) =
                (row.get(1), row.get(2), row.get(3), row.get(4));
            if row.get(0) {
                FailedEvent::of_delivery(event, reason)
            } else {
                FailedEvent::of_record(object, record, reason)
            }
        });
        Ok(failed.collect())
    }

    /// Removes it.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn remove(self) -> Result<()> {
        let name = self.own.database();
        let client = self.server.connect().await?;
        Ok(client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await?)
    }
}
