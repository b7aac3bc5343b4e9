//! Seeds that failed once (`faults/corpus`): run before all others.
//!
//! Each names its kind of story, so that a new kind does not make it another one, and the mutant that brings its
//! bug back. So it can be seen whether the seed still tells its story: when handlers change, it may not.

use super::scenario::{self, Recipe};
use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};
use serde::Deserialize;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/corpus");

/// A seed that failed, with its story.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// The seed.
    pub seed: u64,
    /// The kind of its story: the name of a file in `faults/scenarios`.
    pub scenario: String,
    /// The mutant that brings the bug back.
    pub mutant: String,
    /// What was wrong.
    pub broke: String,
    /// Who did what, in which order.
    pub story: Vec<String>,
    /// What was wrong in the code.
    pub why: String,
}

impl Remembered {
    /// The kind of its story.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn recipe(&self) -> Result<&'static Recipe> {
        let found = scenario::named(&self.scenario);
        found.with_context(|| format!("seed {} of the corpus: there is no scenario {:?}", self.seed, self.scenario))
    }
}

/// All of them, by the names of their files.
///
/// # Errors
/// If a file is not understood.
pub fn all() -> Result<Vec<Remembered>> {
    let mut files: Vec<_> = FILES.files().collect();
    files.sort_by_key(|file| file.path());
    let read = |file: &&include_dir::File<'_>| {
        let text = file.contents_utf8().unwrap_or_default();
        serde_saphyr::from_str(text).with_context(|| format!("faults/corpus/{}", file.path().display()))
    };
    files.iter().map(read).collect()
}
