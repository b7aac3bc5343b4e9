//! What happens in a seed: which records change when, what is told twice, out of order, or not at all, and
//! what else goes wrong meanwhile.
//!
//! - `recipe.rs`: kinds of stories as data (`faults/scenarios/*.yaml`)
//! - `draw.rs`: one concrete story from a recipe and a seed; `record.rs`: what its records look like

mod draw;
mod recipe;
mod record;
#[cfg(test)]
mod tests;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use recipe::{Percent, Recipe, all, named};
pub use record::content_of;

/// Every secret holds these words; nothing else may.
pub const MARK: &str = "marked-secret";
/// The key that webhooks to receivers are signed with.
pub const SIGNING_SECRET: &str = "whsec_bWFya2VkLXNpZ25pbmctc2VjcmV0LWtleQ==";
/// The tenants of every simulation.
pub const TENANTS: [&str; 2] = ["alpha", WIDE];
/// The tenant whose invoices have one ordering key for all.
pub const WIDE: &str = "beta";
/// The accounting target refuses for good what has this in its name.
pub const POISON: &str = "poison";
/// What the last version of a record says that its source deleted.
pub const DELETED: &str = "deleted";
/// What the source calls a customer.
pub const ACCOUNT: &str = "Account";
/// What the source calls an invoice.
pub const INVOICE: &str = "rtms__CustomerInvoice__c";
/// The target that is written to as an accounting application.
pub const ACCOUNTING: &str = "quickbooks";
/// The target that is sent webhooks.
pub const PARTNER: &str = "partner";

/// One record of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Whose it is.
    pub tenant: String,
    /// Its object.
    pub object: String,
    /// Its id at the source.
    pub id: String,
}

/// What is known of a record of the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// What each version says, from the first on: equal words are equal contents.
    pub contents: Vec<String>,
    /// Its parent.
    pub parent: Option<Subject>,
    /// The source does not have it.
    pub is_absent: bool,
    /// Somebody will be told of it, by a webhook or by a poll.
    pub is_told: bool,
    /// The targets that take it.
    pub targets: BTreeSet<&'static str>,
}

impl Known {
    /// Whether its source deleted it, for good or for a while.
    #[must_use]
    pub fn was_deleted(&self) -> bool {
        self.contents.iter().any(|content| content == DELETED)
    }
}

/// A webhook of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// The record.
    pub subject: Subject,
    /// Its version, from 1.
    pub version: usize,
    /// The sender's id; the same for a repetition.
    pub sender: String,
    /// The body.
    pub body: String,
    /// How often it was sent before without being accepted.
    pub attempts: u32,
}

/// Something that happens by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// The source's record is so from now on.
    Changes(Subject, Value),
    /// The source sends a webhook.
    Told(Telling),
    /// A schedule fires.
    Polled {
        /// Whose.
        tenant: String,
        /// What is polled.
        object: &'static str,
    },
    /// Applications whose host begins so do not answer for so long.
    Outage(String, Duration),
    /// Every connection to PostgreSQL ends, and none can be made for so long.
    Restart(Duration),
    /// PostgreSQL is there again.
    IsBack,
    /// The tenant's other configuration is applied.
    Configured(String),
    /// All clocks but the first jump.
    ClocksJump,
}

/// When it happens, after the beginning.
#[derive(Debug, Clone, PartialEq)]
pub struct Occurrence {
    /// After the beginning.
    pub after: Duration,
    /// What.
    pub what: Happening,
}

/// A seed's scenario.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// The recipe's name.
    pub recipe: String,
    /// What happens, by time.
    pub occurrences: Vec<Occurrence>,
    /// The source's records as they are at the beginning.
    pub records: BTreeMap<Subject, Value>,
    /// All records.
    pub known: BTreeMap<Subject, Known>,
    /// So many wakes come by another way as well.
    pub stray_wakes: Percent,
    /// By how much the clocks of environments differ at most.
    pub clocks_apart: Duration,
    /// Messages of a batch at most, if the recipe says so.
    pub batch_size: Option<usize>,
    /// Faults of applications at most, if the recipe says so: then they are frequent.
    pub faults: Option<usize>,
    /// Nothing goes wrong: no crash, no fault, queues without quirks.
    pub is_calm: bool,
    /// The accounting target's access tokens end after so long, if the recipe says so.
    pub access_tokens: Option<Duration>,
}

/// Whether a text holds a secret.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    text.contains(MARK) || text.contains(SIGNING_SECRET)
}

impl Scenario {
    /// The scenario of a seed: of the named recipe, or of one that the seed draws.
    #[must_use]
    pub fn of(seed: u64, recipe: Option<&Recipe>) -> Self {
        draw::scenario(seed, recipe)
    }

    /// The content that a record which somebody is told of ends with.
    pub fn newest(&self) -> impl Iterator<Item = (&Subject, &str)> {
        let told = self.known.iter().filter(|(_, known)| known.is_told);
        told.filter_map(|(subject, known)| Some((subject, known.contents.last()?.as_str())))
    }

    /// Whether a record cannot reach a target: it is refused there, or it or one of its ancestors cannot be
    /// had, or its ancestors form a circle. One whose ancestor was deleted may come too late.
    #[must_use]
    pub fn is_hopeless(&self, subject: &Subject, target: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut at = Some(subject);
        while let Some(subject) = at {
            if !seen.insert(subject) {
                return true;
            }
            let Some(known) = self.known.get(subject) else { return true };
            let refused = known.contents.last().is_some_and(|newest| newest.contains(POISON));
            if known.is_absent || (refused && target == ACCOUNTING) {
                return true;
            }
            at = known.parent.as_ref();
            if at.and_then(|parent| self.known.get(parent)).is_some_and(Known::was_deleted) {
                return true;
            }
        }
        false
    }

    /// Whether a wait may last until it is given up: ancestors form a circle.
    #[must_use]
    pub fn has_circle(&self) -> bool {
        self.known.values().any(|known| {
            let mut at = known.parent.as_ref();
            for _ in 0..self.known.len() {
                at = at.and_then(|subject| self.known.get(subject)).and_then(|known| known.parent.as_ref());
            }
            at.is_some()
        })
    }

    /// Whether some version of a record, or of one of its ancestors, is refused or cannot be had: a failure of
    /// it has a reason.
    #[must_use]
    pub fn may_fail(&self, subject: &Subject) -> bool {
        let poisoned = |known: &Known| known.contents.iter().any(|content| content.contains(POISON));
        let mut at = Some(subject);
        for generation in 0..=self.known.len() {
            let Some(subject) = at else { return false };
            match self.known.get(subject) {
                Some(known) if generation > 0 && known.was_deleted() => return true,
                Some(known) if !known.is_absent && !poisoned(known) => at = known.parent.as_ref(),
                _ => return true,
            }
        }
        // A circle.
        true
    }
}
