//! jq's standard library, cut to what a program uses.
//!
//! jaq compiles the whole library with each program: some 200 definitions for a mapping that calls
//! two. That was most of what compiling cost, and it is paid at every cold start.

use jaq_core::load::parse::Def;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A definition of the library, and the words of its body: a superset of what it calls.
struct Entry {
    definition: Def<&'static str>,
    words: Vec<String>,
}

/// The library as jaq gives it, parsed once.
static LIBRARY: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let ours = jaq_core::load::parse(super::functions::DEFINITIONS, |parser| parser.defs()).unwrap_or_default();
    // Later definitions call earlier ones: ours stand before those of the library that they change.
    let definitions = jaq_core::defs().chain(ours).chain(jaq_std::defs()).chain(jaq_json::defs());
    let entry = |definition: Def<&'static str>| {
        let words = words(&format!("{:?}", definition.body)).map(str::to_owned).collect();
        Entry { definition, words }
    };
    // What calls a function that is not offered is not offered.
    let mut missing: BTreeSet<String> = super::functions::OUTSIDE.iter().map(|name| (*name).to_owned()).collect();
    let mut kept = Vec::new();
    for entry in definitions.map(entry) {
        if entry.words.iter().any(|word| missing.contains(word)) {
            missing.insert(entry.definition.name.to_owned());
        } else {
            kept.push(entry);
        }
    }
    kept
});

/// The words of a text, names of functions and formats (`@json`) among them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '!');
    text.split(move |c: char| !is_part(c)).filter(|word| !word.is_empty())
}

/// What of the library a program may use: a superset, found by names alone.
pub(super) struct Used {
    names: BTreeSet<String>,
}

impl Used {
    /// By the words of the program, and of the definitions that these name.
    pub(super) fn by(source: &str) -> Self {
        let mut by_name: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in LIBRARY.iter() {
            by_name.entry(entry.definition.name).or_default().push(entry);
        }
        let mut names = BTreeSet::new();
        let mut open: Vec<&str> = words(source).collect();
        while let Some(word) = open.pop() {
            if names.insert(word.to_owned()) {
                let entries = by_name.get(word).into_iter().flatten();
                open.extend(entries.flat_map(|entry| entry.words.iter().map(String::as_str)));
            }
        }
        Self { names }
    }

    /// Whether a function of that name may be called.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The definitions, in the order of the library: later ones may call earlier ones.
    pub(super) fn definitions(&self) -> impl Iterator<Item = Def<&'static str>> {
        LIBRARY.iter().filter(|entry| self.has(entry.definition.name)).map(|entry| entry.definition.clone())
    }
}

/// All definitions, for programs that use one without naming it.
pub(super) fn all() -> impl Iterator<Item = Def<&'static str>> {
    LIBRARY.iter().map(|entry| entry.definition.clone())
}
