//! What a drawn scenario must be, whatever the recipe and the seed.

use super::recipe::all;
use super::record::name_of;
use super::{Happening, Scenario};

#[test]
fn a_seed_draws_the_same_story_each_time_and_every_recipe_can_be_drawn() {
    let drawn: std::collections::BTreeSet<String> = (0..2_000).map(|seed| Scenario::of(seed, None).recipe).collect();
    for recipe in all() {
        assert!(recipe.weight > 0 && drawn.contains(&recipe.name), "{}", recipe.name);
        let (one, other) = (Scenario::of(7, Some(recipe)), Scenario::of(7, Some(recipe)));
        assert_eq!((one.occurrences, one.records, one.known), (other.occurrences, other.records, other.known));
    }
}

#[test]
fn what_is_told_is_known_and_what_the_source_ends_with_is_the_newest_version() {
    for recipe in all() {
        for seed in 0..200 {
            let scenario = Scenario::of(seed, Some(recipe));
            let mut records = scenario.records.clone();
            let mut last = std::time::Duration::ZERO;
            for occurrence in &scenario.occurrences {
                assert!(occurrence.after >= last, "by time");
                last = occurrence.after;
                match &occurrence.what {
                    Happening::Changes(subject, record) => {
                        records.insert(subject.clone(), record.clone());
                    }
                    Happening::Told(telling) => assert!(scenario.known[&telling.subject].is_told),
                    _ => {}
                }
            }
            for (subject, content) in scenario.newest() {
                assert_eq!(records[subject]["Name"], name_of(subject, content), "{} {seed}", recipe.name);
            }
        }
    }
}
