//! The bodies of requests and answers that have no type of their own elsewhere.
//!
//! The handlers read and write them field by field; the tests hold each answer against these.

#![expect(dead_code, reason = "they are only described")]

use fluxnex_core::bundle::Bundle;
use fluxnex_core::ids::TenantId;
use schemars::JsonSchema;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is wrong, after RFC 9457.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    /// What kind of problem it is: `about:blank`, or a path such as `/problems/invalid-bundle`.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is special about this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Under what it is found in the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Each thing that is wrong.
    #[serde(default)]
    errors: Vec<String>,
}

/// How the service is.
#[derive(JsonSchema)]
pub(super) struct Health {
    /// `live` or `ready`.
    status: String,
}

/// An OpenAPI document.
#[derive(JsonSchema)]
pub(super) struct Document {
    /// The version of OpenAPI.
    openapi: String,
    /// What the API is.
    info: Map<String, Value>,
    /// Who serves it.
    servers: Vec<Value>,
    /// Its parts.
    tags: Vec<Value>,
    /// What can be called.
    paths: Map<String, Value>,
    /// What is said once.
    components: Map<String, Value>,
}

/// A version of a bundle.
#[derive(JsonSchema)]
pub(super) struct Version {
    /// Its number.
    version: i64,
    /// As it was applied.
    bundle: Bundle,
}

/// A bundle that was applied.
#[derive(JsonSchema)]
pub(super) struct Applied {
    /// Whose.
    tenant: TenantId,
    /// The version that runs.
    version: i64,
    /// Whether it is a new one.
    changed: bool,
}

/// A page of versions.
#[derive(JsonSchema)]
pub(super) struct Versions {
    /// The newest first.
    versions: Vec<ListedVersion>,
    /// The cursor of the page after this; null: this is the last.
    next: Option<String>,
}

/// A version in a list.
#[derive(JsonSchema)]
pub(super) struct ListedVersion {
    /// Counted from 1.
    version: i64,
    /// The tenant's name for people, in it.
    title: String,
    /// Who applied it.
    applied_by: String,
    /// When (RFC 3339).
    applied_at: String,
    /// Whether it is the one that runs.
    running: bool,
    /// How many connections it has.
    connections: i64,
    /// How many flows it has.
    flows: i64,
}

/// A record of the replica.
#[derive(JsonSchema)]
pub(super) struct Record {
    /// The source.
    connection: String,
    /// The record type there.
    object: String,
    /// The id there.
    id: String,
    /// The version there; null where the source has none.
    version: Option<i64>,
    /// When the news of this state came in (RFC 3339).
    arrived_at: String,
    /// Whether the source deleted it.
    deleted: bool,
    /// The record, with its numbers as they were written.
    record: Value,
}

/// The credentials of a connection by name.
#[derive(JsonSchema)]
pub(super) struct Secret {
    /// The name of the secret.
    secret: String,
    /// The credentials.
    fields: BTreeMap<String, Active>,
    /// Until when old ones stay active (RFC 3339).
    rotating: BTreeMap<String, String>,
}

/// How many of a credential are active.
#[derive(JsonSchema)]
pub(super) struct Active {
    /// The number.
    active: u64,
}

/// The credentials of a connection.
#[derive(JsonSchema)]
pub(super) struct StoreSecret {
    /// The connector that they are for.
    connector: String,
    /// The credentials, by name.
    fields: BTreeMap<String, String>,
}

/// Credentials that were stored.
#[derive(JsonSchema)]
pub(super) struct StoredSecret {
    /// The name of the secret.
    secret: String,
    /// Whether there was none before.
    created: bool,
}

/// What is to become of credentials; one of `replace`, `add` and `retire` is needed.
#[derive(JsonSchema)]
pub(super) struct ChangeSecret {
    /// Credentials that take the place of the old ones at once.
    #[serde(default)]
    replace: BTreeMap<String, String>,
    /// Credentials that become active beside the old ones.
    #[serde(default)]
    add: BTreeMap<String, String>,
    /// Credentials of which only the newest stays.
    #[serde(default)]
    retire: Vec<String>,
    /// For how long old ones stay active, in seconds; a day if nothing is said.
    #[serde(default)]
    overlap_seconds: Option<u64>,
    /// Whether old ones are retired before their time.
    #[serde(default)]
    early: Option<bool>,
}

/// Credentials that were changed.
#[derive(JsonSchema)]
pub(super) struct ChangedSecret {
    /// The name of the secret.
    secret: String,
    /// Until when old ones stay active (RFC 3339).
    rotating: BTreeMap<String, String>,
}

/// A secret that was ended.
#[derive(JsonSchema)]
pub(super) struct EndedSecret {
    /// Its name.
    secret: String,
    /// Whether it was there.
    ended: bool,
    /// For how many days it can be brought back.
    recovery_days: Option<i64>,
}

/// What a consent is asked with.
#[derive(JsonSchema)]
pub(super) struct AskConsent {
    /// Where the application sends the person back to.
    redirect_uri: String,
    /// What comes back with the code.
    state: String,
    /// The challenge of RFC 7636 (S256).
    code_challenge: String,
}

/// Where a person consents.
#[derive(JsonSchema)]
pub(super) struct Consent {
    /// The address.
    url: String,
}

/// The code that came of a consent.
#[derive(JsonSchema)]
pub(super) struct RedeemCode {
    /// The one that the consent was asked with.
    redirect_uri: String,
    /// The code.
    code: String,
    /// What the challenge was made of (RFC 7636).
    code_verifier: String,
}

/// A connection that may be used now.
#[derive(JsonSchema)]
pub(super) struct Authorised {
    /// Always true.
    authorised: bool,
}

/// What is tried; nothing: the object that the tenant uses of the connection.
#[derive(JsonSchema)]
pub(super) struct TestConnection {
    /// The record type.
    #[serde(default)]
    object: Option<String>,
    /// The record.
    #[serde(default)]
    id: Option<String>,
    /// Send what the connector has for it; then nothing else may be said.
    #[serde(default)]
    send: Option<bool>,
}

/// What came of a test.
#[derive(JsonSchema)]
pub(super) struct Tested {
    /// Whether it went well.
    ok: bool,
    /// The record type.
    object: String,
    /// How long it took.
    duration_ms: i64,
    /// How it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// How many records were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    /// Their ids at the application.
    #[serde(default)]
    ids: Vec<String>,
    /// The HTTP status of what was sent.
    #[serde(default)]
    status: Option<u16>,
    /// Why it did not go well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Map<String, Value>>,
}
