//! Keyed calls of the API: one item for each, first held by whoever does the work, then with the answer.

use super::{DynamoControl, Item, holds, number, parsed, text};
use crate::aws::error::Failure;
use crate::control::{Begun, ControlError, KeyedCall, bounded, ceil_millisecond};
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use jiff::Timestamp;
use serde_json::Value;

/// How long after its end a call that was never answered is forgotten, in seconds: more than clocks differ.
const UNANSWERED_SECONDS: i64 = 3_600;
/// The sort key of these items.
const CALL: &str = "call";

impl DynamoControl {
    pub(super) async fn begin(
        &self,
        call: &KeyedCall<'_>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Begun, ControlError> {
        let forgotten = until.as_second().saturating_add(UNANSWERED_SECONDS);
        // The table forgets late (within days), so what is over by its time counts as gone. Its own holder may begin
        // it: a first attempt whose answer got lost is repeated.
        let request = self
            .call(call, ceil_millisecond(until), forgotten)
            .condition_expression(
                "attribute_not_exists(pk) OR expires_at <= :second OR attribute_not_exists(answer) AND \
                 held_until <= :now OR attribute_not_exists(answer) AND holder = :holder",
            )
            .expression_attribute_values(":second", number(now.as_second()))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":holder", text(call.holder.to_string()));
        if holds(request.send().await.map(drop).map_err(Failure::of))? {
            return Ok(Begun::Yours);
        }
        let found = self.item(key(call), CALL).await?;
        // What ended between the two looks may be begun by the next attempt.
        found.as_ref().map_or(Ok(Begun::UnderWay), begun)
    }

    pub(super) async fn end(
        &self,
        call: &KeyedCall<'_>,
        answer: Option<&Value>,
        remembered_until: Timestamp,
    ) -> Result<(), ControlError> {
        let request = self
            .call(call, 0, remembered_until.as_second())
            .condition_expression("holder = :holder AND attribute_not_exists(answer)")
            .expression_attribute_values(":holder", text(call.holder.to_string()));
        let request = match answer {
            Some(answer) => request.item("answer", text(bounded(answer)?)),
            None => request,
        };
        holds(request.send().await.map(drop).map_err(Failure::of)).map(drop)
    }

    fn call(&self, call: &KeyedCall<'_>, held_until: i64, expires_at: i64) -> PutItemFluentBuilder {
        self.client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(key(call)))
            .item("sk", text(CALL))
            .item("fingerprint", text(call.fingerprint))
            .item("holder", text(call.holder.to_string()))
            .item("held_until", number(held_until))
            .item("expires_at", number(expires_at))
    }
}

fn key(call: &KeyedCall<'_>) -> String {
    format!("call#{}#{}", call.tenant, call.name)
}

fn begun(item: &Item) -> Result<Begun, ControlError> {
    let malformed = |what| ControlError::Malformed { what };
    let Some(answer) = item.get("answer") else { return Ok(Begun::UnderWay) };
    let fingerprint = item.get("fingerprint").and_then(|fingerprint| fingerprint.as_s().ok());
    Ok(Begun::Answered {
        fingerprint: fingerprint.ok_or(malformed("fingerprint of a call"))?.clone(),
        answer: parsed(answer).ok_or(malformed("answer of a call"))?,
    })
}
