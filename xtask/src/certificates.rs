//! The instance's certificate authority and server certificate.

use std::path::PathBuf;

use anyhow::Result;
use fluxnex_simulators::tls::LocalAuthority;
use jiff::Timestamp;

use crate::layout::{Layout, create_private};

/// The files of the local authority.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// What clients must trust.
    pub authority: PathBuf,
    /// The certificate for `localhost` and 127.0.0.1.
    pub server: PathBuf,
    /// Its key.
    pub server_key: PathBuf,
}

/// Makes the certificates, or keeps those that are still valid.
pub fn ensure(layout: &Layout) -> Result<Certificates> {
    let folder = layout.certificates();
    create_private(&folder)?;
    let authority = LocalAuthority::ensure(&folder, Timestamp::now())?;
    let server = authority.server();
    Ok(Certificates { authority: authority.ca(), server: server.certificate, server_key: server.key })
}
