//! Why deliveries wait: what is paused, and what else each of them waits for.

use anyhow::Result;
use tokio_postgres::Client;

/// More causes than so many are not listed.
const MOST_CAUSES: i64 = 10;

/// So many deliveries that wait for the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wait {
    /// What for.
    pub why: String,
    /// How many.
    pub deliveries: i64,
}

/// What the deliveries of a tenant wait for, the most frequent first. A pause comes before any other cause.
pub async fn waits(client: &Client, schema: &str) -> Result<Vec<Wait>> {
    // The name comes from the catalog, quoted as an identifier.
    let query = format!(
        r#"SELECT w.why, count(*) FROM (
               SELECT CASE WHEN c.paused THEN 'the tenant is paused'
                           WHEN n.definition ->> 'paused' = 'true' THEN 'the connection ' || d.target || ' is paused'
                           WHEN f.definition ->> 'paused' = 'true' THEN 'the flow ' || d.flow || ' is paused'
                           WHEN s.reason IS NOT NULL THEN s.reason
                           WHEN d.next_attempt_at > now() THEN 'its time has not come'
                           ELSE 'its turn' END AS why
               FROM fluxnex_master.tenants t
               JOIN fluxnex_master.configurations c ON c.tenant = t.tenant AND c.version = t.running_version
               CROSS JOIN "{schema}".deliveries d
               JOIN "{schema}".event_states s ON s.event = d.event AND s.flow = d.flow AND s.target = d.target
               LEFT JOIN fluxnex_master.connections n
                   ON n.tenant = c.tenant AND n.version = c.version AND n.connection = d.target
               LEFT JOIN fluxnex_master.flows f ON f.tenant = c.tenant AND f.version = c.version AND f.flow = d.flow
               WHERE t.schema_name = $1 AND d.state = 'pending'
           ) w GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $2"#
    );
    let rows = client.query(&query, &[&schema, &MOST_CAUSES]).await?;
    Ok(rows.into_iter().map(|row| Wait { why: row.get(0), deliveries: row.get(1) }).collect())
}
