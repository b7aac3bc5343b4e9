//! A table of DynamoDB with a partition key `pk` and a sort key `sk`, both texts.

use super::expression::{Condition, Update};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An item as it travels: attribute name to typed value, such as `{"S": "x"}`.
pub type Item = Map<String, Value>;
/// Partition and sort key.
pub type Key = (String, String);

/// The items of the table.
#[derive(Debug, Default)]
pub struct ControlTable {
    items: Mutex<BTreeMap<Key, Item>>,
}

/// The condition of a write did not hold: nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionFailed;

impl ControlTable {
    fn items(&self) -> MutexGuard<'_, BTreeMap<Key, Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One item.
    pub fn get(&self, key: &Key) -> Option<Item> {
        self.items().get(key).cloned()
    }

    /// The items of a partition, by sort key.
    pub fn partition(&self, partition: &str) -> Vec<Item> {
        let items = self.items();
        let from = (partition.to_owned(), String::new());
        items.range(from..).take_while(|((pk, _), _)| pk == partition).map(|(_, item)| item.clone()).collect()
    }

    /// Every item.
    pub fn all(&self) -> Vec<Item> {
        self.items().values().cloned().collect()
    }

    pub(super) fn put(&self, key: Key, item: Item, condition: &Condition) -> Result<(), ConditionFailed> {
        let mut items = self.items();
        held(condition, items.get(&key))?;
        items.insert(key, item);
        Ok(())
    }

    pub(super) fn update(&self, key: Key, update: &Update, condition: &Condition) -> Result<Item, ConditionFailed> {
        let mut items = self.items();
        held(condition, items.get(&key))?;
        let item = items.entry(key.clone()).or_insert_with(|| {
            let text = |text: String| serde_json::json!({ "S": text });
            [("pk".to_owned(), text(key.0)), ("sk".to_owned(), text(key.1))].into_iter().collect()
        });
        update.apply(item);
        Ok(item.clone())
    }

    pub(super) fn delete(&self, key: &Key, condition: &Condition) -> Result<(), ConditionFailed> {
        let mut items = self.items();
        held(condition, items.get(key))?;
        items.remove(key);
        Ok(())
    }
}

fn held(condition: &Condition, item: Option<&Item>) -> Result<(), ConditionFailed> {
    if condition.holds(item) { Ok(()) } else { Err(ConditionFailed) }
}
