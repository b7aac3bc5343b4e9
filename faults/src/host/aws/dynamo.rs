//! DynamoDB, on one table.

use super::control_table::{ConditionFailed, ControlTable, Item, Key};
use super::expression::Terms;
use super::{Refusal, required};
use serde_json::{Value, json};

impl From<ConditionFailed> for Refusal {
    fn from(_: ConditionFailed) -> Self {
        Self::new("ConditionalCheckFailedException", "The conditional request failed")
    }
}

pub(super) fn answer(table: &ControlTable, operation: &str, input: &Value) -> Result<Value, Refusal> {
    let terms = Terms::of(input);
    let condition = terms.condition(input.get("ConditionExpression").and_then(Value::as_str))?;
    match operation {
        "GetItem" => Ok(table.get(&key(input, "Key")?).map_or_else(|| json!({}), |item| json!({ "Item": item }))),
        "PutItem" => {
            let item = input.get("Item").and_then(Value::as_object).cloned().unwrap_or_default();
            table.put(key(input, "Item")?, item, &condition)?;
            Ok(json!({}))
        }
        "UpdateItem" => {
            let update = terms.update(required(input, "UpdateExpression")?)?;
            table.update(key(input, "Key")?, &update, &condition)?;
            Ok(json!({}))
        }
        "DeleteItem" => {
            table.delete(&key(input, "Key")?, &condition)?;
            Ok(json!({}))
        }
        "Query" => {
            let items: Vec<Item> = table.partition(&terms.partition(required(input, "KeyConditionExpression")?)?);
            Ok(json!({"Count": items.len(), "ScannedCount": items.len(), "Items": items}))
        }
        _ => Err(Refusal::new("UnknownOperationException", format!("{operation} is not answered here"))),
    }
}

fn key(input: &Value, of: &str) -> Result<Key, Refusal> {
    let part = |name: &str| {
        let text = input.get(of)?.get(name)?.get("S")?.as_str()?;
        Some(text.to_owned()).filter(|text| !text.is_empty())
    };
    let missing = || Refusal::new("ValidationException", "One or more parameter values were invalid: Missing the key");
    part("pk").zip(part("sk")).ok_or_else(missing)
}
