//! The ERP: its settings, the records that it comes to have, and how they change.

use serde::{Deserialize, Serialize};

/// Settings of the ERP.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ErpSettings {
    /// The token that callers must show, as `Authorization: Bearer`. Before it is set nobody gets in.
    pub api_token: Option<String>,
    /// The most records of one page if the caller does not say, 1 to 1,000.
    pub page_size: Option<usize>,
    /// The most records of one page, whatever the caller says, 1 to 1,000.
    pub largest_page_size: Option<usize>,
}

/// `POST /erp/scenario`: customers and invoices, with stamps of this moment. Nobody is told of them.
///
/// Everything but the stamps follows from the seed; ids of different seeds do not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ErpScenario {
    /// Customers.
    pub customers: u32,
    /// Invoices, without the poisoned ones. In the order of their stamps they are mixed with the
    /// customers, so that some are older than theirs.
    pub invoices: u32,
    /// Invoices without lines, which violate the entity's schema.
    pub poison: u32,
    /// The seed.
    pub seed: u64,
}

impl Default for ErpScenario {
    fn default() -> Self {
        Self { customers: 10, invoices: 40, poison: 0, seed: 1 }
    }
}

/// What came into being: the answer to [`ErpScenario`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErpPlanned {
    /// Record versions; as many as records.
    pub versions: u64,
    /// Customers.
    pub customers: u64,
    /// Invoices, without the poisoned ones.
    pub invoices: u64,
    /// Poisoned invoices.
    pub poison: u64,
    /// Invoices that are older than their customers.
    pub invoices_before_customers: u64,
}

/// `POST /erp/changes`: good records change, with stamps of this moment. Nobody is told.
/// Either `share` or `count` says how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErpChanges {
    /// The share of all good records, 0 to 1.
    #[serde(default)]
    pub share: Option<f64>,
    /// So many records, each once.
    #[serde(default)]
    pub count: Option<u32>,
    /// The seed.
    #[serde(default = "one")]
    pub seed: u64,
}

fn one() -> u64 {
    1
}
