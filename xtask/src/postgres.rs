//! A PostgreSQL of the instance's own: TLS and password authentication as on AWS, on a free local port.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio_postgres::{Client, Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    certificates::Certificates,
    command::{Tool, ToolFailure, output_of, tail},
    layout::{Layout, is_root, remove_folder},
    processes::{self, Start, Stop},
    progress::{Progress, Step},
    state::StateFile,
    system::{account_to_run_as, copy_folder, free_port, is_free, is_reachable_by_others, secret},
    tools::Postgres,
};

/// The process's name.
pub const NAME: &str = "postgres";
const ADMINISTRATOR: &str = "postgres";
/// The user and the database of FluxNex.
pub const FLUXNEX: &str = "fluxnex";
const START_GRACE: Duration = Duration::from_secs(30);
/// How long the children of a killed server may take to end.
const CHILDREN_GRACE: Duration = Duration::from_secs(10);
const ADVICE: &str = "read the log; `cargo xtask down` then `cargo xtask up` starts from nothing";

/// A running database, as it is remembered.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Database {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The password of the user `fluxnex`, who owns the database `fluxnex`.
    pub password: String,
    administrator_password: String,
    programs: PathBuf,
    account: Option<(u32, u32)>,
}

/// Starts the database, or makes it first; one that runs is left alone.
pub async fn up(
    layout: &Layout,
    state: &StateFile,
    postgres: &Postgres,
    certificates: &Certificates,
    progress: &Progress,
) -> Result<()> {
    let known = state.get().database.clone();
    if is_up(layout, state) {
        return Ok(());
    }
    let step = progress.start("starting PostgreSQL");
    let result = async {
        // One that runs but is not remembered is of an older clone or of a state that was lost.
        end(layout).await?;
        let data = layout.database().join("data");
        let database = match known.filter(|_| data.join("PG_VERSION").exists()) {
            Some(database) => Database { port: still_free(database.port)?, ..database },
            None => initialise(layout, postgres, certificates, &step).await?,
        };
        step.detail("waiting for it to answer");
        start(layout, &database, certificates).await?;
        prepare(&database, certificates).await?;
        state.update(|state| state.database = Some(database))
    };
    let result = result.await;
    step.finish(result)
}

/// Whether the database is remembered and runs.
pub fn is_up(layout: &Layout, state: &StateFile) -> bool {
    state.get().database.is_some() && processes::running(layout, NAME).is_some()
}

/// Stops the database and removes its data.
pub async fn down(layout: &Layout) -> Result<()> {
    let segment = shared_memory(&layout.database().join("data"));
    let ran = processes::running(layout, NAME).is_some();
    end(layout).await?;
    if let Some(segment) = segment.filter(|_| !ran) {
        // It was killed and could not release its shared memory, which outlives every process.
        output_of("ipcrm", &["-m", &segment]).await;
    }
    remove_folder(&layout.database())
}

/// SIGQUIT does not wait for anything to be written out, but unlike a kill releases the shared memory.
async fn end(layout: &Layout) -> Result<()> {
    processes::stop(layout, NAME, Stop { signal: Signal::QUIT, grace: Duration::from_secs(10) }).await
}

/// Ends the server at once, as if it had crashed, and starts it again: what was not committed is undone then.
pub async fn restart(layout: &Layout, state: &StateFile, certificates: &Certificates) -> Result<()> {
    let database = state.get().database.clone().context("there is no database")?;
    end(layout).await?;
    start(layout, &database, certificates).await
}

/// Connects as the user `fluxnex`.
pub async fn connect(database: &Database, certificates: &Certificates) -> Result<Client> {
    connect_as(database, certificates, FLUXNEX, &database.password, FLUXNEX).await
}

async fn connect_as(
    database: &Database,
    certificates: &Certificates,
    user: &str,
    password: &str,
    name: &str,
) -> Result<Client> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(database.port).user(user).password(password).dbname(name);
    config.ssl_mode(SslMode::Require).connect_timeout(Duration::from_secs(5)).application_name("xtask");
    let (client, connection) = config.connect(tls(certificates)?).await.context("cannot connect to PostgreSQL")?;
    // Its error reaches the client's next query.
    tokio::spawn(connection);
    Ok(client)
}

fn tls(certificates: &Certificates) -> Result<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&certificates.authority)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Makes a new, empty cluster.
async fn initialise(
    layout: &Layout,
    postgres: &Postgres,
    certificates: &Certificates,
    step: &Step,
) -> Result<Database> {
    step.detail("making a new cluster");
    let folder = layout.database();
    remove_folder(&folder)?;
    fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(if is_root() { 0o755 } else { 0o700 }))?;
    let account = if is_root() { Some(account_to_run_as()?) } else { None };
    let programs = match &postgres.copyable {
        Some(source) if account.is_some() && !is_reachable_by_others(source) => {
            let copy = folder.join("programs");
            copy_folder(source, &copy)?;
            copy.join("bin")
        }
        _ => postgres.programs.clone(),
    };
    let database =
        Database { port: free_port()?, password: secret(), administrator_password: secret(), programs, account };
    let data = folder.join("data");
    fs::create_dir(&data)?;
    let password_file = folder.join("administrator-password");
    crate::state::write_private(&password_file, database.administrator_password.as_bytes())?;
    own(&[&data, &password_file], account)?;
    initdb(layout, &database, &password_file, step).await?;
    fs::remove_file(&password_file)?;
    configure(&data, certificates, account)?;
    Ok(database)
}

async fn initdb(layout: &Layout, database: &Database, password_file: &Path, step: &Step) -> Result<()> {
    let folder = layout.database();
    let mut command = Command::new(database.programs.join("initdb"));
    command.arg("--pgdata").arg(folder.join("data")).arg("--pwfile").arg(password_file);
    command.args(["--username", ADMINISTRATOR, "--encoding", "UTF8", "--locale", "C", "--auth", "scram-sha-256"]);
    command.args(["--no-sync", "--no-instructions"]);
    command.env_clear().envs(environment()).current_dir(&folder);
    if let Some((user, group)) = database.account {
        command.gid(group).uid(user);
    }
    let log = layout.log("initdb");
    Tool { what: "making a PostgreSQL cluster", log: &log, advice: "read the log", output: None }
        .run(command, step)
        .await
}

/// The server's own settings; its port is given at each start.
fn configure(data: &Path, certificates: &Certificates, account: Option<(u32, u32)>) -> Result<()> {
    let settings = "\
# Written by `cargo xtask`. Reached through TLS on this machine only, as RDS is: no socket file.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
password_encryption = 'scram-sha-256'
# Each warm function keeps a connection, and the emulator starts as many functions as there is work for.
max_connections = 300
shared_buffers = '128MB'
# The data are thrown away with the instance: they need not survive a power failure, only a killed process.
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
# Files in the data folder instead of /dev/shm, which a killed server would leave behind.
dynamic_shared_memory_type = mmap
timezone = 'UTC'
log_timezone = 'UTC'
";
    fs::write(data.join("postgresql.conf"), settings)?;
    fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n")?;
    fs::copy(&certificates.server, data.join("server.pem"))?;
    fs::copy(&certificates.server_key, data.join("server.key"))?;
    fs::set_permissions(data.join("server.key"), fs::Permissions::from_mode(0o600))?;
    let files = ["postgresql.conf", "pg_hba.conf", "server.pem", "server.key"].map(|name| data.join(name));
    own(&files.each_ref().map(PathBuf::as_path), account)
}

fn own(paths: &[&Path], account: Option<(u32, u32)>) -> Result<()> {
    let Some((user, group)) = account else { return Ok(()) };
    for path in paths {
        chown(path, Some(user), Some(group)).with_context(|| format!("cannot hand over {}", path.display()))?;
    }
    Ok(())
}

/// Starts the server. The children of one that was killed may take a moment to notice, and keep its
/// shared memory until then.
async fn start(layout: &Layout, database: &Database, certificates: &Certificates) -> Result<()> {
    // The process is gone, as our own record says; its file would count a zombie for a running server.
    let _ = fs::remove_file(layout.database().join("data/postmaster.pid"));
    let deadline = Instant::now() + CHILDREN_GRACE;
    loop {
        run(layout, database).await?;
        let answer = wait_until_it_answers(layout, database, certificates).await;
        let in_use = tail(&layout.log(NAME)).iter().any(|line| line.contains("pre-existing shared memory block"));
        if answer.is_ok() || !in_use || Instant::now() > deadline {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn run(layout: &Layout, database: &Database) -> Result<()> {
    let data = layout.database().join("data");
    let start = Start {
        name: NAME,
        program: &database.programs.join("postgres"),
        arguments: vec!["-D".to_owned(), data.display().to_string(), "-p".to_owned(), database.port.to_string()],
        environment: environment(),
        folder: &layout.database(),
        user: database.account,
    };
    processes::start(layout, &start).await.map(drop)
}

/// The user's own PG… variables would change what the server does.
fn environment() -> Vec<(String, String)> {
    let fixed = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LC_ALL", "C"), ("TZ", "UTC")];
    fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

async fn wait_until_it_answers(layout: &Layout, database: &Database, certificates: &Certificates) -> Result<()> {
    let deadline = Instant::now() + START_GRACE;
    loop {
        let attempt =
            connect_as(database, certificates, ADMINISTRATOR, &database.administrator_password, "postgres").await;
        let Err(error) = attempt else { return Ok(()) };
        if processes::running(layout, NAME).is_none() || Instant::now() > deadline {
            let what = format!("PostgreSQL does not answer on port {}: {error:#}", database.port);
            return Err(ToolFailure::explained_by(what, &layout.log(NAME), ADVICE).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Makes the user and the database, once. On AWS too, FluxNex's user is no superuser.
async fn prepare(database: &Database, certificates: &Certificates) -> Result<()> {
    let administrator =
        connect_as(database, certificates, ADMINISTRATOR, &database.administrator_password, "postgres").await?;
    let exists = administrator.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&FLUXNEX]).await?.is_some();
    if !exists {
        let password = database.password.as_str();
        let role = format!("CREATE ROLE {FLUXNEX} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'");
        administrator.batch_execute(&role).await.context("cannot make the database user")?;
        // The simulator has deadlocks found at once.
        let grant = format!("GRANT SET ON PARAMETER deadlock_timeout TO {FLUXNEX}");
        administrator.batch_execute(&grant).await.context("cannot allow what the simulator sets")?;
    }
    let exists = administrator.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&FLUXNEX]).await?.is_some();
    if !exists {
        let create = format!("CREATE DATABASE {FLUXNEX} OWNER {FLUXNEX}");
        administrator.batch_execute(&create).await.context("cannot make the database")?;
    }
    Ok(())
}

fn still_free(port: u16) -> Result<u16> {
    if !is_free(port) {
        bail!("port {port}, which the database had, is taken by another program; run `cargo xtask down`, then `up`");
    }
    Ok(port)
}

/// The id of the server's System V shared memory, from its `postmaster.pid` (line 7: key and id).
fn shared_memory(data: &Path) -> Option<String> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    text.lines().nth(6)?.split_whitespace().nth(1).map(str::to_owned)
}

/// The database's secret, in the shape that RDS makes.
pub fn secret_document(database: &Database) -> serde_json::Value {
    serde_json::json!({
        "engine": "postgres",
        "host": "127.0.0.1",
        "port": database.port,
        "username": FLUXNEX,
        "password": database.password,
        "dbname": FLUXNEX,
    })
}

/// The database as libpq and its kin write addresses. The authority to trust is told apart: not all of them
/// take `sslrootcert`.
pub fn url(database: &Database) -> String {
    let (password, port) = (&database.password, database.port);
    format!("postgresql://{FLUXNEX}:{password}@127.0.0.1:{port}/{FLUXNEX}?sslmode=require")
}
