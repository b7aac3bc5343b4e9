//! What a new bundle begins with for each entity: a record, and mappings that fit it.

use fluxnex_core::ids::EntityName;

/// A beginning.
pub(super) struct Start {
    entity: &'static str,
    /// Whether its records refer to a customer.
    pub(super) customer: bool,
    /// An example of a source record, as JSON.
    pub(super) record: &'static str,
    /// Source record → entity.
    pub(super) to_entity: &'static str,
    /// Entity → what the target is sent.
    pub(super) to_target: &'static str,
}

const NAMED: &str = r#"{
  "id": "1",
  "name": "Adler GmbH & Co. KG"
}"#;
const NAME: &str = "{\n  name: .name\n}";
const NUMBERED: &str = r#"{
  "id": "1",
  "number": "N-1001"
}"#;
const NUMBER: &str = "{\n  number: .number\n}";

const STARTS: &[Start] = &[
    Start { entity: "customer", customer: false, record: NAMED, to_entity: NAME, to_target: NAME },
    Start { entity: "contact", customer: false, record: NAMED, to_entity: NAME, to_target: NAME },
    Start { entity: "lead", customer: false, record: NAMED, to_entity: NAME, to_target: NAME },
    Start { entity: "carrier", customer: false, record: NAMED, to_entity: NAME, to_target: NAME },
    Start { entity: "load", customer: false, record: NUMBERED, to_entity: NUMBER, to_target: NUMBER },
    Start {
        entity: "loan",
        customer: false,
        record: r#"{
  "id": "1",
  "number": "LN-1001",
  "currency": "USD"
}"#,
        to_entity: "{\n  number: .number,\n  currency: .currency\n}",
        to_target: "{\n  number: .number,\n  currency: .currency\n}",
    },
    Start {
        entity: "invoice",
        customer: true,
        record: r#"{
  "id": "1",
  "number": "INV-1001",
  "customer_id": "C-42",
  "date": "2026-11-01",
  "currency": "USD",
  "lines": [
    { "description": "Line haul", "amount": 1000.50 }
  ]
}"#,
        to_entity: "{
  number: .number,
  # The customer's own id here; the record waits until the customer is known.
  customer: $parents.customer,
  date: .date,
  currency: .currency,
  # Amounts are decimal strings: `tostring` keeps the digits that the source wrote.
  lines: [.lines[] | { description: .description, amount: (.amount | tostring) }]
}",
        to_target: "{
  number: .number,
  # What the target calls the customer; filled in when the delivery is sent.
  customer: $references.customer,
  date: .date,
  currency: .currency,
  lines: [.lines[] | { description: .description, amount: .amount }]
}",
    },
    Start {
        entity: "payment",
        customer: true,
        record: r#"{
  "id": "1",
  "customer_id": "C-42",
  "date": "2026-11-01",
  "currency": "USD",
  "amount": 1000.50
}"#,
        to_entity: "{
  # The customer's own id here; the record waits until the customer is known.
  customer: $parents.customer,
  date: .date,
  currency: .currency,
  # Amounts are decimal strings: `tostring` keeps the digits that the source wrote.
  amount: (.amount | tostring)
}",
        to_target: "{
  # What the target calls the customer; filled in when the delivery is sent.
  customer: $references.customer,
  date: .date,
  currency: .currency,
  amount: .amount
}",
    },
];

impl Start {
    pub(super) fn of(entity: &EntityName) -> Option<&'static Self> {
        STARTS.iter().find(|start| start.entity == entity.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entity_has_a_beginning() {
        for name in fluxnex_core::entity::names() {
            assert!(Start::of(&EntityName::parse(name).unwrap()).is_some(), "{name}");
        }
    }
}
