//! What earlier releases wrote can be read: messages in queues, and documents in tables, of each release.
//!
//! `formats/<release>/` keeps them. A file is never changed once its release is out: a format that changes gets a
//! file in the next release's folder. `messages/` holds one of every shape; `rows/` what a deployed release
//! had stored for a tenant.

use fluxnex_core::bundle::{ConnectionDefinition, EntityDefinition, NotificationRule};
use fluxnex_core::connector::Manifest;
use fluxnex_core::fetch::{BlockingFetch, FetchTask};
use fluxnex_core::flow::FlowDefinition;
use fluxnex_core::message::{
    InboundEvent, Notification, PollRequest, RecordChanged, RecordNormalised, SweepTenant, WakeMessage,
};
use fluxnex_core::poll::{PollSettings, Progress};
use fluxnex_core::signature::WebhookSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Reads a text, and says what would be written of it today; nothing for what is only read.
type Reader = fn(&str) -> Result<Option<Value>, serde_json::Error>;

fn kept<T: DeserializeOwned + Serialize>(text: &str) -> Result<Option<Value>, serde_json::Error> {
    serde_json::from_str::<T>(text).and_then(|value| serde_json::to_value(value).map(Some))
}

fn only_read<T: DeserializeOwned>(text: &str) -> Result<Option<Value>, serde_json::Error> {
    serde_json::from_str::<T>(text).map(|_| None)
}

/// Every kind of document that outlives the program that wrote it, by the first part of its file's name.
const KINDS: [(&str, Reader); 17] = [
    ("inbound_event", kept::<InboundEvent>),
    ("record_changed", kept::<RecordChanged>),
    ("record_normalised", kept::<RecordNormalised>),
    ("poll_request", kept::<PollRequest>),
    ("wake", kept::<WakeMessage>),
    ("sweep_tenant", kept::<SweepTenant>),
    ("notification", kept::<Notification>),
    ("blocking_fetch", kept::<BlockingFetch>),
    ("fetch_task", only_read::<FetchTask>),
    ("poll_progress", kept::<Progress>),
    ("poll_settings", kept::<PollSettings>),
    ("webhook_settings", kept::<WebhookSettings>),
    ("connection", kept::<ConnectionDefinition>),
    ("manifest", kept::<Manifest>),
    ("flow", kept::<FlowDefinition>),
    ("notifications", kept::<Vec<NotificationRule>>),
    ("entities", kept::<BTreeMap<String, EntityDefinition>>),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("formats")
}

fn listed(folder: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The releases, oldest first, and the files of each.
fn releases() -> Vec<(String, Vec<PathBuf>)> {
    let mut releases: Vec<(String, Vec<PathBuf>)> = listed(&folder())
        .into_iter()
        .map(|release| {
            let files = listed(&release).iter().flat_map(|folder| listed(folder)).collect();
            (release.file_name().unwrap().to_str().unwrap().to_owned(), files)
        })
        .collect();
    let number = |name: &str| name.split('.').map(|part| part.parse::<u32>().unwrap()).collect::<Vec<_>>();
    releases.sort_by_key(|(name, _)| number(name));
    releases
}

fn kind(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap().split('.').next().unwrap()
}

#[test]
fn what_earlier_releases_wrote_can_be_read() {
    let kinds = BTreeMap::from(KINDS);
    for file in releases().into_iter().flat_map(|(_, files)| files) {
        let read = kinds.get(kind(&file)).unwrap_or_else(|| panic!("{}: no such kind", file.display()));
        let text = std::fs::read_to_string(&file).unwrap();
        let written = read(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        // What is written of it today means the same.
        if let Some(written) = written {
            let again = read(&written.to_string()).unwrap();
            assert_eq!(again, Some(written), "{}", file.display());
        }
    }
}

#[test]
fn the_newest_release_writes_what_is_kept_of_it() {
    let kinds = BTreeMap::from(KINDS);
    let mut newest: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in releases().into_iter().flat_map(|(_, files)| files) {
        newest.insert(file.file_name().unwrap().to_str().unwrap().to_owned(), file);
    }
    let known: BTreeSet<&str> = newest.values().map(|file| kind(file)).collect();
    assert_eq!(known, kinds.keys().copied().collect(), "every kind has a file");
    for file in newest.values() {
        let text = std::fs::read_to_string(file).unwrap();
        if let Some(written) = kinds[kind(file)](&text).unwrap() {
            let kept: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(written, kept, "{}: put the new format into the next release's folder", file.display());
        }
    }
}
