//! The ERP's part of the control API: records and changes that nobody is told of.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::generate;
use super::records::{MOST_RECORDS, Stored};
use super::schema::{self, KEY, SETS};
use crate::clock::now_microseconds;
use crate::commands::{ErpChanges, ErpPlanned, ErpScenario, SilentVersions};
use crate::journal::{App, Channel, SourceVersion};
use crate::random::Random;
use crate::world::World;

/// Creates the records of a scenario.
///
/// # Errors
/// Says what is wrong with the command, or that its records are there already.
pub fn start(world: &World, scenario: &ErpScenario) -> Result<ErpPlanned, String> {
    let records = [scenario.customers, scenario.invoices, scenario.poison].into_iter().map(u64::from).sum::<u64>();
    if records > MOST_RECORDS as u64 {
        return Err(format!("{records} records are more than {MOST_RECORDS}"));
    }
    if scenario.customers == 0 && records > 0 {
        return Err("invoices need customers".to_owned());
    }
    let (records, planned) = generate::records(scenario, Timestamp::now());
    record(world, world.erp.records.insert(records)?);
    Ok(planned)
}

/// Changes some of the good records.
///
/// # Errors
/// Says what is wrong with the command, or that there are not so many records.
pub fn change(world: &World, command: &ErpChanges) -> Result<SilentVersions, String> {
    let mut ids: Vec<(&'static str, String)> = Vec::new();
    for set in &SETS {
        let good = world.erp.records.all(set).into_iter().filter(|record| generate::is_good(record));
        ids.extend(good.filter_map(|record| Some((set.name, record.get(KEY)?.as_str()?.to_owned()))));
    }
    let count = match (command.share, command.count) {
        (Some(share), None) if (0.0..=1.0).contains(&share) => (ids.len() as f64 * share).round() as usize,
        (Some(share), None) => return Err(format!("share {share} is not between 0 and 1")),
        (None, Some(count)) => count as usize,
        _ => return Err("either share or count says how many records change".to_owned()),
    };
    if count > ids.len() {
        return Err(format!("there are no {count} records, only {}", ids.len()));
    }
    let mut random = Random::new(command.seed);
    random.shuffle(&mut ids);
    ids.truncate(count);
    let stored = world.erp.records.change(&ids, |record| generate::change(record, &mut random), Timestamp::now());
    let mut made = SilentVersions { versions: stored.len() as u64, ..SilentVersions::default() };
    for version in &stored {
        *made.by_object.entry(version.set.to_owned()).or_default() += 1;
    }
    record(world, stored);
    Ok(made)
}

fn record(world: &World, stored: Vec<Stored>) {
    let at = now_microseconds();
    world.recorder.versions(stored.into_iter().map(|stored| SourceVersion {
        app: App::Erp,
        object: stored.set.to_owned(),
        record_id: stored.id,
        version: stored.version,
        channel: Channel::Poll,
        content: stored.record,
        at,
    }));
}

/// All records of an entity set, as they are now.
///
/// # Errors
/// If there is no such set.
pub fn records(world: &World, set: &str) -> Result<Vec<Arc<Value>>, String> {
    let set = schema::set(set).ok_or_else(|| format!("there is no set {set:?}"))?;
    Ok(world.erp.records.all(set))
}
