//! All applications of one process, wired together.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use tokio::task::JoinHandle;

use crate::commands::Ports;
use crate::erp::Erp;
use crate::faults::Faults;
use crate::hubspot::Hubspot;
use crate::quickbooks::Quickbooks;
use crate::receiver::Receiver;
use crate::recorder::Recorder;
use crate::revenova::Revenova;
use crate::{control, erp, hubspot, quickbooks, receiver, revenova, serve};

/// Where to listen. Port 0 takes a free port.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on.
    pub host: String,
    /// The ports.
    pub ports: Ports,
    /// The server's certificate, PEM.
    pub tls_certificate: PathBuf,
    /// Its key, PEM.
    pub tls_key: PathBuf,
    /// An authority that webhook targets with `https` addresses may be certified by.
    pub extra_authority: Option<PathBuf>,
}

/// What the applications share.
pub struct World {
    pub recorder: Recorder,
    pub faults: Faults,
    pub revenova: Revenova,
    pub quickbooks: Quickbooks,
    pub erp: Erp,
    pub hubspot: Hubspot,
    pub receiver: Receiver,
}

/// The applications while they listen. Dropping it stops the listening.
pub struct Running {
    /// The ports that were taken.
    pub ports: Ports,
    listeners: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
    }
}

/// Starts every application. When it returns, all of them listen.
///
/// # Errors
/// If a port is taken, or the certificate or the key cannot be used.
pub async fn start(options: &Options) -> Result<Running> {
    let tls = serve::acceptor(&options.tls_certificate, &options.tls_key)?;
    let sender = revenova::Sender::new(options.extra_authority.as_deref())?;
    let world = Arc::new(World {
        recorder: Recorder::default(),
        faults: Faults::default(),
        revenova: Revenova::new(sender),
        quickbooks: Quickbooks::default(),
        erp: Erp::default(),
        hubspot: Hubspot::default(),
        receiver: Receiver::default(),
    });
    let mut listeners = Vec::new();
    let mut open = async |port: u16, secured: bool, router: Router| -> Result<u16> {
        // The control API has no authentication: it stays on this machine.
        let host = if secured { options.host.as_str() } else { "127.0.0.1" };
        let (listener, address) = serve::listen(host, port).await?;
        let tls = secured.then(|| tls.clone());
        listeners.push(tokio::spawn(serve::serve(listener, tls, router)));
        Ok(address.port())
    };
    let ports = Ports {
        revenova: open(options.ports.revenova, true, revenova::router(&world)).await?,
        quickbooks: open(options.ports.quickbooks, true, quickbooks::router(&world)).await?,
        erp: open(options.ports.erp, true, erp::router(&world)).await?,
        hubspot: open(options.ports.hubspot, true, hubspot::router(&world)).await?,
        receiver: open(options.ports.receiver, true, receiver::router(&world)).await?,
        control: open(options.ports.control, false, control::router(&world)).await?,
    };
    Ok(Running { ports, listeners })
}
