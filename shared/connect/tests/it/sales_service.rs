//! An OData service that nobody here wrote: SAP's `@sap/cds`, serving `simulators/published/odata` with records of ours.

use crate::published;
use serde::Deserialize;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The token and the name and password that the service lets in.
pub const TOKEN: &str = "sales-token";
pub const USER: &str = "sales-user";
pub const PASSWORD: &str = "sales-password";

/// It starts in two seconds; a machine that is busy takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The service while it runs; dropping it ends it.
pub struct Sales {
    /// Where it listens: with TLS, if it was given a certificate.
    pub url: String,
    process: Child,
    folder: PathBuf,
}

/// A certificate for `localhost` and its key, both PEM.
pub struct Certificate {
    pub chain: String,
    pub key: String,
}

/// What the service prints when it listens.
#[derive(Debug, Deserialize)]
struct Listening {
    port: u16,
    tls_port: Option<u16>,
}

/// The stamp of an invoice, by its number: seven share one.
pub fn stamp(number: usize) -> String {
    let seconds = number / 7;
    format!("2026-11-20T{:02}:{:02}:{:02}.{:03}Z", 8 + seconds / 3600, seconds / 60 % 60, seconds % 60, seconds % 1000)
}

/// The id of an invoice, by its number.
pub fn invoice_id(number: usize) -> String {
    // The order of the ids is not that of the stamps.
    format!("INV-{:05}", (number * 7_919) % 100_000)
}

impl Sales {
    /// Starts the service with so many invoices. Blocks.
    pub fn start(name: &str, invoices: usize, certificate: Option<&Certificate>) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sales-{name}-{}", std::process::id()));
        prepare(&folder, invoices);
        let mut process = Command::new("node")
            .args(["node_modules/@sap/cds/bin/serve.js", "all", "--in-memory"])
            .current_dir(&folder)
            .envs([("PORT", "0"), ("SALES_TOKEN", TOKEN), ("SALES_USER", USER), ("SALES_PASSWORD", PASSWORD)])
            .envs(certificate.iter().flat_map(|one| [("TLS_CERTIFICATE", &one.chain), ("TLS_KEY", &one.key)]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(fs::File::create(folder.join("errors.log")).unwrap()))
            .spawn()
            .unwrap_or_else(|error| panic!("node: {error}"));
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        // The rest of the output is read, too: a full pipe would stop the service.
        std::thread::spawn(move || {
            let mut said = String::new();
            for line in output.lines().map_while(Result::ok) {
                let found: Option<Listening> = serde_json::from_str(&line).ok();
                let _ = writeln!(said, "{line}");
                let _ = found.map(|found| sender.send(Ok(found)));
            }
            let _ = sender.send(Err(said));
        });
        let listening: Listening = match receiver.recv_timeout(PATIENCE) {
            Ok(Ok(listening)) => listening,
            other => {
                let _ = process.kill();
                let errors = fs::read_to_string(folder.join("errors.log")).unwrap_or_default();
                panic!("the OData service did not start: {other:?}\n{errors}");
            }
        };
        let url = match listening.tls_port {
            Some(port) => format!("https://localhost:{port}"),
            None => format!("http://localhost:{}", listening.port),
        };
        Self { url, process, folder }
    }
}

impl Drop for Sales {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The service's files in a folder of its own, with the packages beside them and the records as CSV.
fn prepare(folder: &Path, invoices: usize) {
    let _ = fs::remove_dir_all(folder);
    copy(&published::folder().join("odata"), folder);
    symlink(published::node_modules(), folder.join("node_modules")).unwrap();
    let data = folder.join("db/data");
    fs::create_dir_all(&data).unwrap();
    let customers = "ID;Name;Country;ModifiedAt\n\
                     C-1;Adler GmbH;DE;2026-11-20T08:00:00.000Z\n\
                     C-2;Brooks & Sons;US;2026-11-20T08:00:00.000Z\n";
    fs::write(data.join("fluxnex.sales-Customers.csv"), customers).unwrap();
    let mut records = "ID;Customer_ID;Status;Total;ModifiedAt\n".to_owned();
    for number in 0..invoices {
        let (id, customer, at) = (invoice_id(number), number % 2 + 1, stamp(number));
        let status = if number % 10 == 0 { "draft" } else { "open" };
        writeln!(records, "{id};C-{customer};{status};{number}.50;{at}").unwrap();
    }
    fs::write(data.join("fluxnex.sales-Invoices.csv"), records).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
