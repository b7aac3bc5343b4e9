//! The operations that can be tried, as arguments.

use anyhow::{Context, Result, anyhow, bail};
use clap::Subcommand;
use fluxnex_authoring::trial::{Action, Item};
use fluxnex_connect::TargetRecord;
use fluxnex_core::connector::{CompiledManifest, VersionKind};
use fluxnex_core::ids::{ObjectName, SourceId};
use fluxnex_core::poll::{Listing, Position};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A larger record is none, in bytes.
const LARGEST_PAYLOAD_BYTES: usize = 1024 * 1024;

/// What is tried.
#[derive(Debug, Subcommand)]
pub enum Operation {
    /// Read one record of a source object
    ReadOne {
        /// The object
        object: String,
        /// The record's id
        id: String,
    },
    /// Read several records of a source object
    ReadMany {
        /// The object
        object: String,
        /// The records' ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// List one page of what changed of a source object
    ListChanged {
        /// The object
        object: String,
        /// After which version: a moment (2026-11-01T00:00:00Z) or a number; otherwise from the very beginning
        #[arg(long, value_name = "VERSION")]
        since: Option<String>,
        /// After which id of that version
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// List one page of what was deleted of a source object
    ListDeleted {
        /// The object
        object: String,
        /// After which version; otherwise from the very beginning
        #[arg(long, value_name = "VERSION")]
        since: Option<String>,
    },
    /// Write one record to a target object: this has an effect
    Send {
        /// The object
        object: String,
        /// The file with the record in the target's shape (JSON); `-` for standard input
        payload: PathBuf,
        /// The record's id at the target, if it is there already
        #[arg(long, value_name = "ID")]
        target_id: Option<String>,
        /// Its version at the target
        #[arg(long, value_name = "VERSION", requires = "target_id")]
        target_version: Option<String>,
        /// The idempotency key; otherwise a random one
        #[arg(long)]
        key: Option<String>,
        /// Our own id of the record, for targets that keep it
        #[arg(long, value_name = "ID")]
        external_id: Option<String>,
    },
    /// Write several records to a target object: this has an effect
    SendBatch {
        /// The object
        object: String,
        /// The file with a JSON list of `{"payload", "external_id", "target_id", "target_version", "key"}`, of which only
        /// the payload is needed; `-` for standard input
        items: PathBuf,
    },
    /// Delete one record at a target object: this has an effect
    Delete {
        /// The object
        object: String,
        /// The record's id at the target
        id: String,
        /// Its version at the target
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
        /// The idempotency key; otherwise a random one
        #[arg(long)]
        key: Option<String>,
        /// Our own id of the record, for targets that keep it
        #[arg(long, value_name = "ID")]
        external_id: Option<String>,
    },
}

/// One record of a batch, as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemText {
    payload: Box<RawValue>,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    target_id: Option<String>,
    #[serde(default)]
    target_version: Option<String>,
    #[serde(default)]
    key: Option<String>,
}

impl Operation {
    /// The operation with its names checked.
    pub fn action(self, manifest: &CompiledManifest) -> Result<Action> {
        match self {
            Self::ReadOne { object, id } => {
                let object = source(manifest, object)?;
                let id = SourceId::parse(id).map_err(|error| anyhow!("{error}"))?;
                Ok(Action::ReadOne { object, id })
            }
            Self::ReadMany { object, ids } => {
                let object = source(manifest, object)?;
                let ids = ids.into_iter().map(SourceId::parse).collect::<Result<Vec<_>, _>>();
                Ok(Action::ReadMany { object, ids: ids.map_err(|error| anyhow!("{error}"))? })
            }
            Self::ListChanged { object, since, after } => {
                let object = source(manifest, object)?;
                let position = position(manifest, &object, since.as_deref(), after)?;
                Ok(Action::List { list: Listing::Changed, object, position })
            }
            Self::ListDeleted { object, since } => {
                let object = source(manifest, object)?;
                let position = position(manifest, &object, since.as_deref(), None)?;
                Ok(Action::List { list: Listing::Deleted, object, position })
            }
            Self::Send { object, payload, target_id, target_version, key, external_id } => {
                let object = target(manifest, object)?;
                let payload = read_payload(&payload)?;
                let target = target_id.map(|id| TargetRecord { id, version: target_version });
                Ok(Action::Send { object, payload, key: key_or_new(key), external_id, target })
            }
            Self::SendBatch { object, items } => {
                let object = target(manifest, object)?;
                Ok(Action::Batch { object, items: read_items(&items)? })
            }
            Self::Delete { object, id, version, key, external_id } => {
                let object = target(manifest, object)?;
                let target = Some(TargetRecord { id, version });
                Ok(Action::Delete { object, key: key_or_new(key), external_id, target })
            }
        }
    }
}

fn source(manifest: &CompiledManifest, object: String) -> Result<ObjectName> {
    let object = ObjectName::parse(object).map_err(|error| anyhow!("{error}"))?;
    if manifest.manifest().source_object(&object).is_none() {
        let names = manifest.manifest().objects.keys().map(ToString::to_string).collect();
        bail!("the connector has no object {object}; {}", known(names));
    }
    Ok(object)
}

fn target(manifest: &CompiledManifest, object: String) -> Result<ObjectName> {
    let object = ObjectName::parse(object).map_err(|error| anyhow!("{error}"))?;
    if manifest.target_object(&object).is_none() {
        bail!("the connector cannot be sent {object}; {}", known(targets(manifest)));
    }
    Ok(object)
}

fn key_or_new(key: Option<String>) -> String {
    key.unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

fn targets(manifest: &CompiledManifest) -> Vec<String> {
    let target = manifest.manifest().target.as_ref();
    target.map(|target| target.objects.keys().map(ToString::to_string).collect()).unwrap_or_default()
}

fn known(names: Vec<String>) -> String {
    if names.is_empty() { "it has none".to_owned() } else { format!("there are: {}", names.join(", ")) }
}

fn position(
    manifest: &CompiledManifest,
    object: &ObjectName,
    since: Option<&str>,
    after: Option<String>,
) -> Result<Option<Position>> {
    let id = after.map(SourceId::parse).transpose().map_err(|error| anyhow!("--after: {error}"))?;
    let Some(since) = since else {
        return if id.is_some() { Err(anyhow!("--after needs --since")) } else { Ok(None) };
    };
    let kind = manifest.manifest().source_object(object).map(|object| object.identify.version_kind).unwrap_or_default();
    let version = match kind {
        VersionKind::Timestamp => {
            let moment: Timestamp = since.parse().context("--since is no moment such as 2026-11-01T00:00:00Z")?;
            moment.as_microsecond()
        }
        VersionKind::Integer => since.parse().context("--since is no number: this object's versions are numbers")?,
    };
    Ok(Some(Position { version, id }))
}

fn read_items(path: &Path) -> Result<Vec<Item>> {
    let texts: Vec<ItemText> = serde_json::from_str(read_payload(path)?.get())
        .with_context(|| format!("{} is no list of {{payload, external_id, target_id, key}}", path.display()))?;
    if texts.is_empty() {
        bail!("{} has no records", path.display());
    }
    let item = |text: ItemText| Item {
        payload: text.payload,
        key: key_or_new(text.key),
        external_id: text.external_id,
        target: text.target_id.map(|id| TargetRecord { id, version: text.target_version }),
    };
    Ok(texts.into_iter().map(item).collect())
}

fn read_payload(path: &Path) -> Result<Box<RawValue>> {
    let mut text = String::new();
    let reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?)
    };
    reader.take(LARGEST_PAYLOAD_BYTES as u64 + 1).read_to_string(&mut text).context("cannot read the record")?;
    if text.len() > LARGEST_PAYLOAD_BYTES {
        bail!("the record has more than {LARGEST_PAYLOAD_BYTES} bytes");
    }
    RawValue::from_string(text.trim().to_owned()).with_context(|| format!("{} is no JSON", path.display()))
}
