//! The connectors that are built in: every folder under `connectors/`.

use fluxnex_core::bundle::Connectors;
use fluxnex_core::connector::{CompiledManifest, Manifest, ManifestError};

include!(concat!(env!("OUT_DIR"), "/manifests.rs"));

/// Why there is no such manifest, or it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No built-in connector has the name.
    #[error("there is no connector {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The text is not a manifest.
    #[error("connector.yaml: {reason}")]
    Malformed {
        /// What is wrong, with line and column.
        reason: String,
    },
    /// The manifest contradicts itself, or a program does not compile.
    #[error("{0}")]
    Invalid(#[from] ManifestError),
}

/// The built-in connectors, for the review of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn;

impl Connectors for BuiltIn {
    fn names(&self) -> Vec<&str> {
        names().collect()
    }

    fn manifest(&self, name: &str) -> Result<Manifest, String> {
        manifest(name).map_err(|error| error.to_string())
    }
}

/// The names of the built-in connectors, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    MANIFESTS.iter().map(|(name, _)| *name)
}

/// The manifest of a built-in connector, as it was written.
///
/// # Errors
/// [`CatalogError::Unknown`] or [`CatalogError::Malformed`].
pub fn manifest(name: &str) -> Result<Manifest, CatalogError> {
    let (_, text) = MANIFESTS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| CatalogError::Unknown { name: name.chars().take(60).collect() })?;
    parse(text)
}

/// The manifest of a built-in connector, checked and compiled.
///
/// # Errors
/// [`CatalogError`].
pub fn compiled(name: &str) -> Result<CompiledManifest, CatalogError> {
    Ok(CompiledManifest::compile(manifest(name)?)?)
}

/// Reads the YAML text of a manifest.
///
/// # Errors
/// [`CatalogError::Malformed`].
pub fn parse(text: &str) -> Result<Manifest, CatalogError> {
    serde_saphyr::from_str(text).map_err(|error| CatalogError::Malformed { reason: error.to_string() })
}
