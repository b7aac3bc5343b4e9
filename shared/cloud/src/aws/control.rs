//! The control table on DynamoDB.
//!
//! | item | pk | sk | attributes |
//! | --- | --- | --- | --- |
//! | webhook settings | `connection#<tenant>#<connection>` | `webhook` | `version`, `document` (JSON text; absent once withdrawn) |
//! | poll settings | `connection#<tenant>#<connection>` | `polls` | `version`, `document` (the same) |
//! | progress of a poll | `poll#<tenant>#<connection>` | object | `revision` (1, then one more each time), `progress` (JSON text) |
//! | lease | `lease#<name>` | `lease` | `holder`, `held_until` (milliseconds since 1970; 0 once released), `expires_at` (seconds; while it is held: the table forgets it an hour after its end) |
//! | keyed call | `call#<tenant>#<name>` | `call` | `fingerprint`, `holder`, `held_until`, `answer` (JSON text; absent until there is one), `expires_at` (seconds) |
//! | busy marker | `busy#<shard>` | tenant | `busy_until` (milliseconds since 1970; also its revision) |
//!
//! Markers are listed by a Query of each shard; the shards keep them off one partition and apart from
//! everything else.

mod calls;

use super::error::{Failure, Kind};
use crate::control::{
    Begun, BusyRevision, BusyTenant, Control, ControlError, Document, Facet, KeyedCall, Published, Saved, bounded,
    ceil_millisecond,
};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// Partitions that the busy markers are spread over. Markers of another number would not be found.
const BUSY_SHARDS: u32 = 8;
/// How long after its end a lease is forgotten, in seconds: more than clocks differ.
const LEASE_REMEMBERED_SECONDS: i64 = 3_600;
/// The code of a write whose condition did not hold.
const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

type Item = HashMap<String, AttributeValue>;

/// The adapter to the control table.
#[derive(Debug, Clone)]
pub struct DynamoControl {
    client: Client,
    table: String,
}

impl DynamoControl {
    /// The control table called `table`, through `client`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    async fn replace(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
        version: u64,
        document: Option<String>,
    ) -> Result<Published, ControlError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(connection_key(tenant, connection)))
            .item("sk", text(facet.name()))
            .item("version", number(version))
            .condition_expression("attribute_not_exists(pk) OR version <= :version")
            .expression_attribute_values(":version", number(version));
        let request = match document {
            Some(document) => request.item("document", text(document)),
            None => request,
        };
        let answer = request.send().await.map(drop).map_err(Failure::of);
        Ok(if holds(answer)? { Published::Current } else { Published::Outdated })
    }

    /// One item. Consistent: a sender may call right after its connection was published, and a poll
    /// goes on from what the one before it saved.
    async fn item(&self, pk: String, sk: &str) -> Result<Option<Item>, ControlError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = request.key("pk", text(pk)).key("sk", text(sk)).send().await;
        Ok(answer.map_err(|error| failed(Failure::of(error)))?.item)
    }

    fn lease(&self, name: &str, holder: Uuid, until_millisecond: i64) -> PutItemFluentBuilder {
        self.client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(format!("lease#{name}")))
            .item("sk", text("lease"))
            .item("holder", text(holder.to_string()))
            .item("held_until", number(until_millisecond))
    }

    async fn busy_of_shard(&self, shard: u32) -> Result<Vec<BusyTenant>, ControlError> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(format!("busy#{shard}")));
        let mut items = request.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = items.next().await {
            found.push(busy_tenant(&item.map_err(|error| failed(Failure::of(error)))?)?);
        }
        Ok(found)
    }
}

#[async_trait]
impl Control for DynamoControl {
    async fn publish(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
        version: u64,
        document: &Value,
    ) -> Result<Published, ControlError> {
        self.replace(tenant, connection, facet, version, Some(bounded(document)?)).await
    }

    async fn published(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
    ) -> Result<Option<Document>, ControlError> {
        let item = self.item(connection_key(tenant, connection), facet.name()).await?;
        item.as_ref().map(document).transpose().map(Option::flatten)
    }

    async fn withdraw(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
        version: u64,
    ) -> Result<Published, ControlError> {
        self.replace(tenant, connection, facet, version, None).await
    }

    async fn poll_progress(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        object: &ObjectName,
    ) -> Result<Option<Saved>, ControlError> {
        let item = self.item(poll_key(tenant, connection), object.as_str()).await?;
        item.as_ref().map(saved).transpose()
    }

    async fn save_poll_progress(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        object: &ObjectName,
        expected: Option<u64>,
        body: &Value,
    ) -> Result<bool, ControlError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(poll_key(tenant, connection)))
            .item("sk", text(object.as_str()))
            .item("revision", number(expected.unwrap_or(0).saturating_add(1)))
            .item("progress", text(bounded(body)?));
        let request = match expected {
            None => request.condition_expression("attribute_not_exists(pk)"),
            Some(revision) => request
                .condition_expression("revision = :expected")
                .expression_attribute_values(":expected", number(revision)),
        };
        holds(request.send().await.map(drop).map_err(Failure::of))
    }

    async fn mark_busy(&self, tenant: &TenantId, until: Timestamp) -> Result<(), ControlError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(busy_key(tenant)))
            .key("sk", text(tenant.as_str()))
            .update_expression("SET busy_until = :until")
            .condition_expression("attribute_not_exists(busy_until) OR busy_until < :until")
            .expression_attribute_values(":until", number(ceil_millisecond(until)));
        holds(request.send().await.map(drop).map_err(Failure::of)).map(drop)
    }

    async fn busy_tenants(&self, limit: usize) -> Result<Vec<BusyTenant>, ControlError> {
        let shards = (0..BUSY_SHARDS).map(|shard| self.busy_of_shard(shard));
        let mut found: Vec<BusyTenant> = futures::future::try_join_all(shards).await?.into_iter().flatten().collect();
        found.sort_by(|a, b| (a.until, &a.tenant).cmp(&(b.until, &b.tenant)));
        found.truncate(limit);
        Ok(found)
    }

    async fn clear_busy(
        &self,
        tenant: &TenantId,
        revision: BusyRevision,
        now: Timestamp,
    ) -> Result<bool, ControlError> {
        if revision.0 > now.as_millisecond() {
            return Ok(false);
        }
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("pk", text(busy_key(tenant)))
            .key("sk", text(tenant.as_str()))
            .condition_expression("busy_until = :revision")
            .expression_attribute_values(":revision", number(revision.0));
        holds(request.send().await.map(drop).map_err(Failure::of))
    }

    async fn take_lease(
        &self,
        name: &str,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, ControlError> {
        // Its own holder may take it: a first attempt whose answer got lost is repeated.
        let forgotten = until.as_second().saturating_add(LEASE_REMEMBERED_SECONDS);
        let request = self
            .lease(name, holder, ceil_millisecond(until))
            .item("expires_at", number(forgotten))
            .condition_expression("attribute_not_exists(pk) OR held_until <= :now OR holder = :holder")
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":holder", text(holder.to_string()));
        holds(request.send().await.map(drop).map_err(Failure::of))
    }

    async fn release_lease(&self, name: &str, holder: Uuid) -> Result<bool, ControlError> {
        // Replaced and not deleted, so that whoever takes leases needs no permission to delete. There is one for each
        // connection that has tokens; it stays.
        let request = self
            .lease(name, holder, 0)
            .condition_expression("holder = :holder AND held_until <> :released")
            .expression_attribute_values(":holder", text(holder.to_string()))
            .expression_attribute_values(":released", number(0));
        holds(request.send().await.map(drop).map_err(Failure::of))
    }

    async fn begin_call(&self, call: &KeyedCall<'_>, now: Timestamp, until: Timestamp) -> Result<Begun, ControlError> {
        self.begin(call, now, until).await
    }

    async fn end_call(
        &self,
        call: &KeyedCall<'_>,
        answer: Option<&Value>,
        remembered_until: Timestamp,
    ) -> Result<(), ControlError> {
        self.end(call, answer, remembered_until).await
    }
}

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn connection_key(tenant: &TenantId, connection: &ConnectionId) -> String {
    format!("connection#{tenant}#{connection}")
}

fn poll_key(tenant: &TenantId, connection: &ConnectionId) -> String {
    format!("poll#{tenant}#{connection}")
}

fn busy_key(tenant: &TenantId) -> String {
    format!("busy#{}", shard(tenant.as_str()))
}

/// FNV-1a: the same in every build and version, as stored keys depend on it.
fn shard(tenant: &str) -> u32 {
    let hash = tenant.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % BUSY_SHARDS
}

fn document(item: &Item) -> Result<Option<Document>, ControlError> {
    let malformed = |what| ControlError::Malformed { what };
    let Some(body) = item.get("document") else { return Ok(None) };
    Ok(Some(Document {
        version: whole(item, "version").ok_or(malformed("version of a connection"))?,
        body: parsed(body).ok_or(malformed("document of a connection"))?,
    }))
}

fn saved(item: &Item) -> Result<Saved, ControlError> {
    let malformed = |what| ControlError::Malformed { what };
    Ok(Saved {
        revision: whole(item, "revision").ok_or(malformed("revision of a poll"))?,
        body: item.get("progress").and_then(parsed).ok_or(malformed("progress of a poll"))?,
    })
}

/// The JSON that the attribute holds as text.
fn parsed(attribute: &AttributeValue) -> Option<Value> {
    serde_json::from_str(attribute.as_s().ok()?).ok()
}

fn whole(item: &Item, attribute: &str) -> Option<u64> {
    item.get(attribute)?.as_n().ok()?.parse().ok()
}

fn busy_tenant(item: &Item) -> Result<BusyTenant, ControlError> {
    let malformed = |what| ControlError::Malformed { what };
    let tenant = item.get("sk").and_then(|tenant| TenantId::parse(tenant.as_s().ok()?.as_str()).ok());
    let until = item.get("busy_until").and_then(|until| until.as_n().ok()?.parse::<i64>().ok());
    let until = until.ok_or(malformed("busy_until of a marker"))?;
    Ok(BusyTenant {
        tenant: tenant.ok_or(malformed("tenant of a marker"))?,
        until: Timestamp::from_millisecond(until).map_err(|_| malformed("busy_until of a marker"))?,
        revision: BusyRevision(until),
    })
}

fn failed(failure: Failure) -> ControlError {
    let Failure { kind, code, source } = failure;
    match kind {
        Kind::Refused => ControlError::Refused { code, source },
        Kind::Unavailable => ControlError::Unavailable { code, source },
    }
}

/// Whether the condition of a write held.
fn holds(answer: Result<(), Failure>) -> Result<bool, ControlError> {
    match answer {
        Ok(()) => Ok(true),
        Err(failure) if failure.code == CONDITION_FAILED => Ok(false),
        Err(failure) => Err(failed(failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_never_change() {
        assert_eq!([shard("acme"), shard("globex"), shard("initech")], [7, 6, 1]);
    }
}
