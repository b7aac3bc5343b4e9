//! `cargo xtask status`: what runs, where it is reached, and what is in it.

use anyhow::Result;
use tokio_postgres::Client;

use super::waits::waits;
use crate::{
    aws::{Aws, QueueDepth},
    certificates, emulator,
    layout::Layout,
    postgres, processes,
    progress::Progress,
    simulators,
    state::{State, StateFile},
};

/// Prints the status. Says whether everything runs.
pub async fn status(layout: &Layout, progress: &Progress) -> Result<bool> {
    if !super::is_running(layout) {
        progress.say("The platform is not running. `cargo xtask up` starts it.");
        return Ok(false);
    }
    let state = StateFile::open(layout);
    let state = state.get().clone();
    let mut complete = true;
    progress.say("Processes");
    for name in [postgres::NAME, emulator::NAME, simulators::NAME] {
        let record = processes::running(layout, name);
        complete &= record.is_some();
        let what = record.map_or_else(|| "NOT RUNNING".to_owned(), |record| format!("process {}", record.pid));
        progress.say(format!("  {name:<12} {what:<16} log {}", layout.relative(&layout.log(name)).display()));
    }
    addresses(layout, &state, progress)?;
    if let Err(error) = queues(layout, &state, progress).await {
        progress.say(format!("Queues\n  unknown: {error:#}"));
    }
    if let Err(error) = database(layout, &state, progress).await {
        progress.say(format!("Database\n  unknown: {error:#}"));
    }
    if !complete || state.deployment.is_none() {
        progress.say("Something is missing: `cargo xtask up` starts what does not run.");
    }
    Ok(complete && state.deployment.is_some())
}

fn addresses(layout: &Layout, state: &State, progress: &Progress) -> Result<()> {
    let mut lines = Vec::new();
    if let Some(emulator) = &state.emulator {
        if let Some(deployment) = &state.deployment {
            lines.push(("API", deployment.api_url(emulator).unwrap_or_else(|error| error.to_string())));
        }
        lines.push(("AWS", format!("{}   (region us-east-1, keys test/test)", emulator.endpoint())));
    }
    if let Some(database) = &state.database {
        let url = format!("postgresql://{0}@127.0.0.1:{1}/{0}?sslmode=verify-ca", postgres::FLUXNEX, database.port);
        lines
            .push(("PostgreSQL", format!("{url}   (password in {})", layout.relative(&layout.state_file()).display())));
    }
    if let Some(ports) = &state.simulators {
        lines.push(("Revenova", format!("https://127.0.0.1:{}", ports.revenova)));
        lines.push(("QuickBooks", format!("https://127.0.0.1:{}", ports.quickbooks)));
        lines.push(("ERP", format!("https://127.0.0.1:{}", ports.erp)));
        lines.push(("Receiver", format!("https://127.0.0.1:{}", ports.receiver)));
        lines.push(("Control", format!("http://127.0.0.1:{}   (of the simulated applications)", ports.control)));
    }
    let certificates = certificates::ensure(layout)?;
    lines.push((
        "Authority",
        format!("{}   (signs all local certificates)", layout.relative(&certificates.authority).display()),
    ));
    progress.say("Addresses");
    for (name, address) in lines {
        progress.say(format!("  {name:<12} {address}"));
    }
    Ok(())
}

async fn queues(layout: &Layout, state: &State, progress: &Progress) -> Result<()> {
    let Some(emulator) = state.emulator.as_ref().filter(|_| processes::running(layout, emulator::NAME).is_some())
    else {
        return Ok(());
    };
    let depths = Aws::new(emulator.endpoint())?.queue_depths().await?;
    progress.say(format!("{:<44} {:>8} {:>10} {:>8}", "Queues", "visible", "in flight", "delayed"));
    // Dead letters are worth a line only if there are some.
    for depth in depths.iter().filter(|depth| depth.total() > 0 || !is_dead_letters(depth)) {
        progress.say(format!("  {:<42} {:>8} {:>10} {:>8}", depth.name, depth.visible, depth.in_flight, depth.delayed));
    }
    Ok(())
}

/// Whether a queue holds dead letters, by its name.
pub fn is_dead_letters(depth: &QueueDepth) -> bool {
    depth.name.trim_end_matches(".fifo").ends_with("-dlq")
}

async fn database(layout: &Layout, state: &State, progress: &Progress) -> Result<()> {
    let Some(database) = state.database.as_ref().filter(|_| processes::running(layout, postgres::NAME).is_some())
    else {
        return Ok(());
    };
    let client = postgres::connect(database, &certificates::ensure(layout)?).await?;
    progress.say("Database");
    let tenants = tenants(&client).await?;
    for line in database_lines(&tenants, &counts(&client).await?) {
        progress.say(line);
    }
    for tenant in tenants.iter().filter(|tenant| tenant.running_version > 0) {
        let waits = waits(&client, &tenant.schema).await?;
        if !waits.is_empty() {
            progress.say(format!("Deliveries of {} that wait, and for what", tenant.schema));
        }
        for wait in waits {
            progress.say(format!("  {:>8}  {}", wait.deliveries, wait.why));
        }
    }
    Ok(())
}

/// Each tenant with its counts; one of which nothing is stored yet has its line too.
fn database_lines(tenants: &[Tenant], counts: &[Count]) -> Vec<String> {
    if tenants.is_empty() {
        return vec!["  no tenant yet".to_owned()];
    }
    let mut lines = Vec::new();
    for tenant in tenants {
        let bundle = match tenant.running_version {
            0 => "no bundle applied".to_owned(),
            version => format!("version {version} of its bundle runs"),
        };
        lines.push(format!("  {:<42} {bundle}", tenant.schema));
        for count in counts.iter().filter(|count| count.schema == tenant.schema) {
            lines.push(format!("  {:<42} {:>8}", format!("  {} {}", count.table, count.state), count.rows));
        }
    }
    lines
}

/// A tenant of the catalog.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Tenant {
    schema: String,
    running_version: i64,
}

/// The catalog's tenants; none before the first migration.
async fn tenants(client: &Client) -> Result<Vec<Tenant>> {
    let there = client.query_one("SELECT to_regclass('fluxnex_master.tenants') IS NOT NULL", &[]).await?;
    if !there.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let query = "SELECT schema_name, running_version FROM fluxnex_master.tenants ORDER BY 1";
    let rows = client.query(query, &[]).await?;
    Ok(rows.into_iter().map(|row| Tenant { schema: row.get(0), running_version: row.get(1) }).collect())
}

/// The rows of one table in one state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Count {
    /// `tenant_<slug>`.
    pub schema: String,
    /// `event_states`, `deliveries`…
    pub table: String,
    /// The state that the rows are in; empty for a table without states.
    pub state: String,
    /// How many.
    pub rows: i64,
}

/// The tables of a tenant whose rows are worth counting.
const TABLES: [&str; 5] = ["event_states", "source_records", "canonical_records", "waiting_records", "deliveries"];

/// Counts the rows of every tenant by state. Asks the catalog first, so that it works on any stage of the schema.
pub async fn counts(client: &Client) -> Result<Vec<Count>> {
    let found = client
        .query(
            "SELECT t.table_schema::text, t.table_name::text, EXISTS (
                 SELECT FROM information_schema.columns AS c
                 WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.column_name = 'state')
             FROM information_schema.tables AS t
             WHERE t.table_schema LIKE 'tenant\\_%' AND t.table_name = ANY($1)
             ORDER BY 1, 2",
            &[&TABLES.map(str::to_owned).to_vec()],
        )
        .await?;
    let mut counts = Vec::new();
    for row in found {
        let (schema, table, has_state): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        let state = if has_state { "state::text" } else { "''" };
        // Both names come from the database's own catalog, quoted as identifiers.
        let query = format!(r#"SELECT {state}, count(*) FROM "{schema}"."{table}" GROUP BY 1 ORDER BY 1"#);
        for row in client.query(&query, &[]).await? {
            counts.push(Count { schema: schema.clone(), table: table.clone(), state: row.get(0), rows: row.get(1) });
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_without_rows_is_there_all_the_same() {
        let tenant = |schema: &str, running_version| Tenant { schema: schema.to_owned(), running_version };
        let row = |schema: &str, rows| Count {
            schema: schema.to_owned(),
            table: "deliveries".to_owned(),
            state: "delivered".to_owned(),
            rows,
        };
        let tenants = [tenant("tenant_acme", 2), tenant("tenant_new", 0)];
        let lines = database_lines(&tenants, &[row("tenant_acme", 7)]);
        let expected =
            ["tenant_acme version 2 of its bundle runs", "deliveries delivered 7", "tenant_new no bundle applied"];
        let words = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(lines.iter().map(words).collect::<Vec<_>>(), expected);
        assert_eq!(database_lines(&[], &[]), ["  no tenant yet"]);
    }
}
