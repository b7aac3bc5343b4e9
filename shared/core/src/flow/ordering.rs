//! Ordering keys: what must stay in order at a target.
//!
//! The key is made of the source record, because the replica must know it before anything is mapped: from then on the
//! record's event stands before later ones of its key. Keys of expressions are shared by the flows of one source: the
//! customer of an invoice and that of its payment is one key.

use super::{Flow, OrderingKey};
use crate::canonical::canonical_id;
use crate::ids::{ObjectName, SourceId};
use crate::mapping::{Json, MappingError};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What an expression gave is shown in the key up to this length in bytes; of what is longer the key has a hash.
const LONGEST_SHOWN_BYTES: usize = 100;
const EXPECTED: &str = "the ordering key: a text, a number, or null";

impl Flow {
    /// Whether its ordering keys are made by an expression.
    #[must_use]
    pub fn orders_by_expression(&self) -> bool {
        self.ordering.is_some()
    }

    /// The ordering key of a record that has none by expression: itself, or the whole connection.
    #[must_use]
    pub fn ordering_key(&self, object: &ObjectName, source_id: &SourceId) -> String {
        match self.definition.ordering_key {
            OrderingKey::Record | OrderingKey::By(_) => {
                let id = canonical_id(&self.definition.source.connection, object, source_id);
                format!("{}/{id}", self.definition.entity)
            }
            OrderingKey::Connection => "*".to_owned(),
        }
    }

    /// The ordering key of a record, whose payload is JSON text. Where the expression gives null or an empty text, it is
    /// the record's own.
    ///
    /// # Errors
    /// [`MappingError`] if the expression fails, or gives what cannot be a key: then the record cannot pass the flow, and
    /// until that is written down it keeps its own key.
    pub fn ordering_key_of(
        &self,
        object: &ObjectName,
        source_id: &SourceId,
        payload: &str,
    ) -> Result<String, MappingError> {
        let own = || self.ordering_key(object, source_id);
        let Some(by) = &self.ordering else { return Ok(own()) };
        let record = Json::parse(&by.name, payload)?;
        let text = match by.get()?.run_as(&record, vec![], EXPECTED)? {
            Value::Null => return Ok(own()),
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => return Err(MappingError::Output { name: by.name.clone(), expected: EXPECTED }),
        };
        if text.is_empty() {
            return Ok(own());
        }
        let source = &self.definition.source.connection;
        // Not every text can be in a message or a column, and none is to be of any length.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        Ok(if is_plain && text.len() <= LONGEST_SHOWN_BYTES {
            format!("by/{source}/{text}")
        } else {
            format!("by/{source}#{}", hex::encode(Sha256::digest(text.as_bytes())))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::FlowDefinition;
    use crate::ids::FlowId;
    use serde_json::json;

    fn flow(ordering_key: &Value) -> Flow {
        let definition: FlowDefinition = serde_json::from_value(json!({
            "source": {"connection": "erp", "object": "Invoices"}, "entity": "invoice", "to_entity": ".",
            "ordering_key": ordering_key,
            "targets": [{"connection": "books", "object": "Invoice", "to_target": "."}],
        }))
        .unwrap();
        Flow::new(FlowId::parse("invoices").unwrap(), definition, vec![])
    }

    fn key(ordering_key: &Value, payload: &str) -> Result<String, String> {
        let (object, id) = (ObjectName::parse("Invoices").unwrap(), SourceId::parse("I-1").unwrap());
        let flow = flow(ordering_key);
        flow.ordering_key_of(&object, &id, payload).map_err(|error| error.to_string())
    }

    #[test]
    fn records_that_share_what_the_expression_gives_share_the_key() {
        let by = json!({"by": ".customer"});
        assert_eq!(key(&by, r#"{"customer":"C 42"}"#).unwrap(), "by/erp/C 42");
        assert_eq!(key(&by, r#"{"customer":42}"#).unwrap(), "by/erp/42");
        assert_eq!(key(&json!("connection"), "{}").unwrap(), "*");
        let own = key(&json!("record"), "{}").unwrap();
        assert!(own.starts_with("invoice/"), "{own}");
        for nothing in [r#"{"customer":null}"#, r#"{"customer":""}"#, "{}"] {
            assert_eq!(key(&by, nothing).unwrap(), own, "{nothing}");
        }
    }

    #[test]
    fn a_key_is_short_and_plain_whatever_the_record_says() {
        let by = json!({"by": ".customer"});
        let mut keys = std::collections::BTreeSet::new();
        for text in
            ["x".repeat(101), "x".repeat(5_000), "a\u{0}b".to_owned(), "Müller".to_owned(), "\u{ffff}".to_owned()]
        {
            let key = key(&by, &json!({ "customer": text }).to_string()).unwrap();
            assert!(key.starts_with("by/erp#") && key.len() < 120 && key.is_ascii(), "{key}");
            assert!(keys.insert(key));
        }
    }

    #[test]
    fn what_cannot_be_a_key_names_flow_and_expression_and_no_value() {
        let list = key(&json!({"by": "[.customer]"}), r#"{"customer":"marked"}"#).unwrap_err();
        assert!(list.contains("invoices.ordering_key") && list.contains("a text, a number, or null"), "{list}");
        let fault = key(&json!({"by": ".customer.id"}), r#"{"customer":"marked"}"#).unwrap_err();
        assert!(fault.contains("invoices.ordering_key") && !fault.contains("marked"), "{fault}");
        assert!(key(&json!({"by": ".customer"}), "no JSON").is_err());
    }
}
