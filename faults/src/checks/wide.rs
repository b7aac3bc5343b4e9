//! Order across records, where a flow has one ordering key for all of them.

use super::{Kind, Problem};
use crate::simulation::{ACCOUNTING, Applications, INVOICE, Observer, Scenario, Subject, WIDE};
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};

/// What was registered is committed within this time: the stamp is of the beginning.
const COMMITTED: SignedDuration = SignedDuration::from_secs(2);

/// One delivery of a record that has no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) source_id: String,
    /// When its event was registered.
    pub(super) registered_at: Timestamp,
    /// Its place among the deliveries of its key: when its event arrived.
    pub(super) place: Timestamp,
    /// When it was made; it was claimed later.
    pub(super) made_at: Timestamp,
}

/// Records of one version, so that no delivery takes the place of another.
fn plain(scenario: &Scenario) -> Vec<&Subject> {
    let is_plain = |subject: &&Subject| subject.tenant == WIDE && subject.object == INVOICE;
    let known = scenario.known.iter().filter(|(_, known)| known.contents.len() == 1 && known.is_told);
    known.map(|(subject, _)| subject).filter(is_plain).collect()
}

pub(super) async fn check(
    observer: &Observer,
    scenario: &Scenario,
    applications: &Applications,
) -> Result<Vec<Problem>> {
    // Clocks that differ say nothing of what was first.
    if plain(scenario).len() < 2 || !scenario.clocks_apart.is_zero() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT e.source_id, e.registered_at, d.place_at, d.created_at FROM tenant_{WIDE}.deliveries d
         JOIN tenant_{WIDE}.events e ON e.event = d.event WHERE d.entity = 'invoice' AND d.target = '{ACCOUNTING}'
         ORDER BY 1, 4"
    );
    let mut delivered = Vec::new();
    for row in observer.ask(&sql).await? {
        delivered.push(Delivered {
            source_id: row.try_get(0)?,
            registered_at: row.try_get(1)?,
            place: row.try_get(2)?,
            made_at: row.try_get(3)?,
        });
    }
    let effects = applications.effects.iter().filter(|effect| effect.tenant == WIDE && effect.target == ACCOUNTING);
    let effects: Vec<&str> = effects.map(|effect| effect.source_id.as_str()).collect();
    Ok(judge(&plain(scenario), &delivered, &effects))
}

/// `effects` are the ids of the records, in the order in which they took effect.
pub(super) fn judge(plain: &[&Subject], delivered: &[Delivered], effects: &[&str]) -> Vec<Problem> {
    let is_plain = |one: &&Delivered| plain.iter().any(|subject| subject.id == one.source_id);
    let delivered: Vec<&Delivered> = delivered.iter().filter(is_plain).collect();
    let place = |one: &Delivered| effects.iter().position(|effect| *effect == one.source_id);
    let mut problems = Vec::new();
    for earlier in &delivered {
        for later in &delivered {
            // Known before the other one was even made, and so before it was claimed.
            let was_known = earlier.place < later.place && earlier.registered_at + COMMITTED < later.made_at;
            if was_known && place(later).is_some() && place(earlier).is_none_or(|at| Some(at) > place(later)) {
                let words =
                    format!("{} of {WIDE} went before {}, which is earlier", later.source_id, earlier.source_id);
                problems.push(Problem { kind: Kind::OutOfOrder, words });
            }
        }
    }
    problems
}
