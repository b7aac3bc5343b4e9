//! Runs the simulated applications until it is told to stop.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use fluxnex_simulators::commands::Ports;
use fluxnex_simulators::{Options, start};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Simulated applications for development: Revenova, QuickBooks Online, HubSpot, an ERP
/// and a webhook receiver, each with HTTPS at the root of its own port, steered over a control API.
///
/// Prints one line of JSON with the ports when everything listens. Port 0 takes a free port.
#[derive(Debug, Parser)]
struct Arguments {
    /// The address to listen on.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.to_string())]
    host: String,
    /// Revenova's port (HTTPS).
    #[arg(long, default_value_t = 0)]
    revenova_port: u16,
    /// QuickBooks Online's port (HTTPS).
    #[arg(long, default_value_t = 0)]
    quickbooks_port: u16,
    /// The ERP's port (HTTPS).
    #[arg(long, default_value_t = 0)]
    erp_port: u16,
    /// HubSpot's port (HTTPS).
    #[arg(long, default_value_t = 0)]
    hubspot_port: u16,
    /// The webhook receiver's port (HTTPS).
    #[arg(long, default_value_t = 0)]
    receiver_port: u16,
    /// The control API's port (plain HTTP).
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// The server's certificate for `localhost` and `127.0.0.1`, a PEM file.
    #[arg(long)]
    tls_cert: PathBuf,
    /// Its private key, a PEM file.
    #[arg(long)]
    tls_key: PathBuf,
    /// An authority to trust when webhooks are sent to an `https` address, a PEM file.
    #[arg(long)]
    extra_ca_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // Before anything is printed: whoever reads the line may already send the signal.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;

    let arguments = Arguments::parse();
    let running = start(&Options {
        host: arguments.host,
        ports: Ports {
            revenova: arguments.revenova_port,
            quickbooks: arguments.quickbooks_port,
            erp: arguments.erp_port,
            hubspot: arguments.hubspot_port,
            receiver: arguments.receiver_port,
            control: arguments.control_port,
        },
        tls_certificate: arguments.tls_cert,
        tls_key: arguments.tls_key,
        extra_authority: arguments.extra_ca_file,
    })
    .await?;
    println!("{}", serde_json::to_string(&running.ports)?);

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    drop(running);
    Ok(())
}
