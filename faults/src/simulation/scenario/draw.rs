//! One concrete story from a recipe and a seed.

use super::recipe::{Occasion, Recipe, draw as draw_recipe};
use super::record::Version;
use super::{
    ACCOUNT, ACCOUNTING, DELETED, Happening, INVOICE, Known, Occurrence, PARTNER, POISON, Scenario, Subject, TENANTS,
    Telling,
};
use crate::queues::{Choices as _, Seeded};
use crate::simulation::ground::beginning;
use jiff::SignedDuration;
use serde_json::json;
use std::time::Duration;

/// After the last change a record is surely found by a poll: the overlap of the source, and more.
const SETTLED: Duration = Duration::from_secs(200);
/// How often the schedule fires in the end: a run may be given up, and a busy one lets the next one pass.
const LAST_POLLS: u32 = 3;
/// What is between them: more than a run holds its place.
const BETWEEN_POLLS: Duration = Duration::from_secs(1_000);

/// The scenario of a seed.
pub(super) fn scenario(seed: u64, recipe: Option<&Recipe>) -> Scenario {
    let mut choices = Seeded::new(seed ^ 0x5343_454e);
    let drawn = draw_recipe(&mut choices);
    let Some(recipe) = recipe.or(drawn) else { return Scenario::default() };
    let scenario = Scenario {
        recipe: recipe.name.clone(),
        clocks_apart: Duration::from_millis(recipe.clocks_apart_milliseconds as u64),
        stray_wakes: recipe.stray_wakes,
        batch_size: recipe.batch_size,
        faults: recipe.faults,
        is_calm: recipe.calm,
        access_tokens: recipe.access_token_seconds.map(|seconds| Duration::from_secs(seconds as u64)),
        ..Scenario::default()
    };
    let mut drawing = Drawing { recipe, choices, scenario, last: Duration::ZERO };
    let tenants = recipe.tenants.draw(&mut drawing.choices);
    // Which tenants are in the story is drawn as well: they differ.
    let first = drawing.choices.below(TENANTS.len());
    for tenant in TENANTS.iter().cycle().skip(first).take(tenants.min(TENANTS.len())) {
        drawing.tenant(tenant);
    }
    drawing.surroundings();
    let mut scenario = drawing.scenario;
    scenario.occurrences.sort_by_key(|occurrence| occurrence.after);
    scenario
}

struct Drawing<'a> {
    recipe: &'a Recipe,
    choices: Seeded,
    scenario: Scenario,
    /// When the source changed last.
    last: Duration,
}

/// What all members of a family have in common.
struct Family {
    to_partner: bool,
    is_polled: bool,
}

impl Drawing<'_> {
    fn add(&mut self, after: Duration, what: Happening) {
        self.scenario.occurrences.push(Occurrence { after, what });
    }

    fn tenant(&mut self, tenant: &str) {
        let is_polled = self.recipe.polled.draw(&mut self.choices);
        self.last = Duration::ZERO;
        let customers = self.recipe.customers.draw(&mut self.choices);
        let subject = |object: &str, id: String| Subject { tenant: tenant.to_owned(), object: object.to_owned(), id };
        let mut all: Vec<Subject> = Vec::new();
        while all.len() < customers {
            let size = (1 + self.recipe.ancestors.draw(&mut self.choices)).min(customers - all.len());
            let family: Vec<Subject> =
                (0..size).map(|place| subject(ACCOUNT, format!("001{tenant}{}", all.len() + place))).collect();
            let is_circle = self.recipe.circles.draw(&mut self.choices);
            let of = Family { to_partner: self.recipe.to_partner.draw(&mut self.choices), is_polled };
            let oldest = if is_circle { family.last().cloned() } else { None };
            let parents = std::iter::once(oldest).chain(family.iter().cloned().map(Some));
            for (customer, parent) in family.iter().zip(parents) {
                self.customer(customer, parent, &of);
            }
            all.extend(family);
        }
        for number in 0..self.recipe.invoices.draw(&mut self.choices) {
            let parent = all.get(self.choices.below(all.len())).cloned();
            let family = Family { to_partner: false, is_polled };
            self.record(&subject(INVOICE, format!("a0X{tenant}{number}")), parent, &family, true);
        }
        if is_polled {
            self.polls(tenant);
        }
    }

    fn customer(&mut self, customer: &Subject, parent: Option<Subject>, family: &Family) {
        if self.recipe.absent.draw(&mut self.choices) {
            let known = Known { parent, is_absent: true, ..Known::default() };
            self.scenario.known.insert(customer.clone(), known);
            return;
        }
        let is_told = !self.recipe.only_at_source.draw(&mut self.choices);
        self.record(customer, parent, family, is_told);
    }

    /// The versions of a record, told in any order, some twice, some later, some not at all.
    fn record(&mut self, subject: &Subject, parent: Option<Subject>, family: &Family, by_webhook: bool) {
        let recipe = self.recipe;
        let versions = recipe.versions.draw(&mut self.choices);
        let is_large = recipe.large.draw(&mut self.choices);
        let between = recipe.seconds_between_versions;
        let mut changed_at = match between.draw(&mut self.choices) {
            0 => SignedDuration::from_secs(-i64::try_from(versions).unwrap_or_default()),
            _ => SignedDuration::from_millis(self.choices.below(recipe.told.within_milliseconds) as i64),
        };
        let mut contents: Vec<String> = Vec::new();
        let endings = self.endings(versions);
        for version in 1..=versions + endings.len() {
            let ending = version.checked_sub(versions + 1).and_then(|place| endings.get(place)).cloned();
            let poison = subject.object == ACCOUNT && recipe.poisoned.draw(&mut self.choices);
            let returning = contents.len().checked_sub(2).and_then(|place| contents.get(place)).cloned();
            contents.push(match (ending, returning) {
                (Some(ending), _) => ending,
                (None, Some(content)) if recipe.returns.draw(&mut self.choices) => content,
                _ if poison => format!("{POISON}{version}"),
                _ => format!("v{version}"),
            });
            let content = contents.last().map_or("", String::as_str);
            let stamp = (beginning() + changed_at).strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string();
            let to_partner = family.to_partner;
            let record = Version { subject, parent: parent.as_ref(), content, stamp, to_partner, is_large }.record();
            let after = Duration::try_from(changed_at).unwrap_or(Duration::ZERO);
            if after.is_zero() {
                self.scenario.records.insert(subject.clone(), record.clone());
            } else {
                self.add(after, Happening::Changes(subject.clone(), record.clone()));
            }
            self.last = self.last.max(after);
            let is_silent = family.is_polled && recipe.told.silent.draw(&mut self.choices);
            if by_webhook && !is_silent {
                let body = json!({
                    "event": "updated", "object": subject.object, "organizationId": "00D5f000000FluxEAA",
                    "record": record,
                });
                self.tell(subject, version, &body.to_string(), after);
            }
            changed_at += SignedDuration::from_secs(between.draw(&mut self.choices).max(1) as i64);
        }
        let targets = if family.to_partner { vec![ACCOUNTING, PARTNER] } else { vec![ACCOUNTING] };
        let is_told = by_webhook || family.is_polled;
        let targets = targets.into_iter().collect();
        let known = Known { contents, parent, is_absent: false, is_told, targets };
        self.scenario.known.insert(subject.clone(), known);
    }

    /// What a record says after so many versions: that it was deleted, and perhaps that it is back.
    fn endings(&mut self, versions: usize) -> Vec<String> {
        let recipe = self.recipe;
        let mut endings = Vec::new();
        if recipe.deleted.draw(&mut self.choices) {
            endings.push(DELETED.to_owned());
            if recipe.restored.draw(&mut self.choices) {
                endings.push(format!("v{}", versions + 2));
            }
        }
        endings
    }

    fn tell(&mut self, subject: &Subject, version: usize, body: &str, changed: Duration) {
        let told = &self.recipe.told;
        let sender = format!("{}-{}-{version}", subject.tenant, subject.id);
        let times = if told.again.draw(&mut self.choices) { told.times.draw(&mut self.choices) } else { 1 };
        for time in 0..times {
            let mut after = changed + Duration::from_millis(self.choices.below(told.within_milliseconds) as u64);
            if told.late.draw(&mut self.choices) {
                after += Duration::from_secs(told.late_seconds.draw(&mut self.choices) as u64);
            }
            // A repetition has the same id, or comes as news of its own.
            let is_own = time > 0 && self.choices.below(2) == 1;
            let sender = if is_own { format!("{sender}-again{time}") } else { sender.clone() };
            let (subject, body) = (subject.clone(), body.to_owned());
            self.add(after, Happening::Told(Telling { subject, version, sender, body, attempts: 0 }));
        }
    }

    fn polls(&mut self, tenant: &str) {
        let mut times = Vec::new();
        let span =
            usize::try_from(self.last.as_millis()).unwrap_or(usize::MAX).max(self.recipe.told.within_milliseconds);
        for _ in 0..self.recipe.polls.draw(&mut self.choices) {
            times.push(Duration::from_millis(self.choices.below(span) as u64));
        }
        for last in 0..LAST_POLLS {
            times.push(self.last + SETTLED + BETWEEN_POLLS * last);
        }
        for after in times {
            for object in [ACCOUNT, INVOICE] {
                self.add(after, Happening::Polled { tenant: tenant.to_owned(), object });
            }
        }
    }

    /// What goes wrong around the records.
    fn surroundings(&mut self) {
        let recipe = self.recipe;
        for outage in &recipe.outages {
            if let Some((after, span)) = self.occasion(&outage.when) {
                self.add(after, Happening::Outage(outage.of.clone(), span));
            }
        }
        if let Some((after, span)) = recipe.restart.as_ref().and_then(|occasion| self.occasion(occasion)) {
            self.add(after, Happening::Restart(span));
        }
        if let Some((after, _)) = recipe.configuration_change.as_ref().and_then(|occasion| self.occasion(occasion)) {
            let tenants: std::collections::BTreeSet<String> =
                self.scenario.known.keys().map(|subject| subject.tenant.clone()).collect();
            for tenant in tenants {
                self.add(after, Happening::Configured(tenant));
            }
        }
        if let Some((after, _)) = recipe.clock_jump.as_ref().and_then(|occasion| self.occasion(occasion)) {
            self.add(after, Happening::ClocksJump);
        }
    }

    fn occasion(&mut self, occasion: &Occasion) -> Option<(Duration, Duration)> {
        if !occasion.percent.draw(&mut self.choices) {
            return None;
        }
        let after = Duration::from_millis(occasion.after_milliseconds.draw(&mut self.choices) as u64);
        Some((after, Duration::from_secs(occasion.seconds.draw(&mut self.choices) as u64)))
    }
}
