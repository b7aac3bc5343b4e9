//! Kinds of stories as data: what a seed may draw.

use crate::queues::Choices;
use serde::Deserialize;
use std::sync::OnceLock;

/// From the first to the second number, both of them included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Span(usize, usize);

impl Span {
    /// One of its numbers.
    pub fn draw(self, choices: &mut dyn Choices) -> usize {
        self.0 + choices.below(self.1.saturating_sub(self.0) + 1)
    }
}

/// Once in so many cases out of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Percent(usize);

impl Percent {
    /// Whether this is such a case.
    pub fn draw(self, choices: &mut dyn Choices) -> bool {
        self.0 > 0 && choices.below(100) >= 100_usize.saturating_sub(self.0)
    }
}

/// Something that may happen amid the story.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Occasion {
    /// In how many stories.
    pub percent: Percent,
    /// When, in milliseconds after the beginning.
    pub after_milliseconds: Span,
    /// For how long, in seconds.
    #[serde(default)]
    pub seconds: Span,
}

/// Applications that do not answer for a while.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// The first part of their hosts' names: `crm`, `books`, `partner` or `alerts`.
    pub of: String,
    /// When, and for how long.
    pub when: Occasion,
}

/// How the source tells of changes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Told {
    /// Most webhooks come within so long.
    pub within_milliseconds: usize,
    /// So many of them come later.
    pub late: Percent,
    /// So much later, in seconds.
    pub late_seconds: Span,
    /// So many come more than once.
    pub again: Percent,
    /// How often they come then.
    pub times: Span,
    /// So many changes are not told, if the tenant is polled.
    pub silent: Percent,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            within_milliseconds: 200,
            late: Percent(12),
            late_seconds: Span(1, 240),
            again: Percent(15),
            times: Span(2, 2),
            silent: Percent(0),
        }
    }
}

/// One kind of story.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Its name: that of its file.
    #[serde(skip)]
    pub name: String,
    /// What it is about.
    pub title: String,
    /// How often it is drawn, beside the weights of the others.
    pub weight: usize,
    /// Nothing goes wrong.
    #[serde(default)]
    pub calm: bool,
    /// How many tenants.
    #[serde(default = "one")]
    pub tenants: Span,
    /// How many customers each has.
    pub customers: Span,
    /// How many invoices each has.
    #[serde(default)]
    pub invoices: Span,
    /// How many versions each record has.
    #[serde(default = "one")]
    pub versions: Span,
    /// How much time passes at the source between two versions, in seconds. 0: all were made before the story
    /// begins.
    #[serde(default)]
    pub seconds_between_versions: Span,
    /// How many ancestors a customer has at most.
    #[serde(default)]
    pub ancestors: Span,
    /// So many families of customers are a circle.
    #[serde(default)]
    pub circles: Percent,
    /// So many customers nobody tells of: they have to be fetched.
    #[serde(default)]
    pub only_at_source: Percent,
    /// So many customers not even the source has.
    #[serde(default)]
    pub absent: Percent,
    /// So many records are too large for a message.
    #[serde(default)]
    pub large: Percent,
    /// So many versions of customers the accounting application refuses.
    #[serde(default)]
    pub poisoned: Percent,
    /// So many versions say what the one before the last one said.
    #[serde(default)]
    pub returns: Percent,
    /// So many records are deleted at the source after their last version.
    #[serde(default)]
    pub deleted: Percent,
    /// So many of those come back.
    #[serde(default)]
    pub restored: Percent,
    /// So many families go to the partner as well.
    #[serde(default = "half")]
    pub to_partner: Percent,
    /// How changes are told.
    #[serde(default)]
    pub told: Told,
    /// So many tenants are polled.
    #[serde(default)]
    pub polled: Percent,
    /// How often the schedule fires before it does so for the last time.
    #[serde(default)]
    pub polls: Span,
    /// Applications that do not answer.
    #[serde(default)]
    pub outages: Vec<Outage>,
    /// PostgreSQL restarts.
    #[serde(default)]
    pub restart: Option<Occasion>,
    /// The configuration changes in flight.
    #[serde(default)]
    pub configuration_change: Option<Occasion>,
    /// So many wakes come by another way as well, at any time: the queue keeps nobody from handling a key twice at
    /// a time.
    #[serde(default)]
    pub stray_wakes: Percent,
    /// The clocks of environments differ by so much at most, in milliseconds.
    #[serde(default)]
    pub clocks_apart_milliseconds: usize,
    /// Clocks jump.
    #[serde(default)]
    pub clock_jump: Option<Occasion>,
    /// Messages of a batch at most; what the seed says, if this is missing.
    #[serde(default)]
    pub batch_size: Option<usize>,
    /// The accounting target's access tokens are good for so long, and its refresh tokens rotate.
    #[serde(default)]
    pub access_token_seconds: Option<usize>,
    /// Faults of applications at most, every second request until then; what the seed says, if this is missing.
    #[serde(default)]
    pub faults: Option<usize>,
}

fn one() -> Span {
    Span(1, 1)
}

fn half() -> Percent {
    Percent(50)
}

macro_rules! recipes {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../scenarios/", $name, ".yaml")))),*]
    };
}

/// All of them, as they are written.
const RECIPES: &[(&str, &str)] = recipes![
    "calm",
    "chains",
    "circles",
    "clocks",
    "configuration-change",
    "contended",
    "deletions",
    "duplicates-across-days",
    "huge-batch",
    "missing-parents",
    "one-record",
    "outage",
    "poisoned",
    "restart",
    "returning-content",
    "tokens",
    "troubled-target",
    "webhook-and-poll",
    "webhook-storm",
];

/// All recipes. A file that is none fails a test, and is left out here.
#[must_use]
pub fn all() -> &'static [Recipe] {
    static ALL: OnceLock<Vec<Recipe>> = OnceLock::new();
    ALL.get_or_init(|| RECIPES.iter().filter_map(|(name, text)| read(name, text).ok()).collect())
}

fn read(name: &str, text: &str) -> Result<Recipe, String> {
    let recipe: Recipe = serde_saphyr::from_str(text).map_err(|error| format!("{name}: {error}"))?;
    Ok(Recipe { name: name.to_owned(), ..recipe })
}

/// The recipe of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Recipe> {
    all().iter().find(|recipe| recipe.name == name)
}

/// One of them, by their weights.
pub fn draw(choices: &mut dyn Choices) -> Option<&'static Recipe> {
    let total: usize = all().iter().map(|recipe| recipe.weight).sum();
    let mut place = choices.below(total);
    all().iter().find(|recipe| {
        let is_here = place < recipe.weight;
        place = place.saturating_sub(recipe.weight);
        is_here
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_recipe_and_every_recipe_is_known() {
        for (name, text) in RECIPES {
            read(name, text).unwrap();
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, RECIPES.len(), "each file of faults/scenarios is listed here");
    }
}
