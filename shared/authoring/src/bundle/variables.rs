//! The values of a bundle's variables: `--set NAME=value` before a file of them before `FLUXNEX_VAR_NAME`.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What a variable of the environment begins with.
const PREFIX: &str = "FLUXNEX_VAR_";
/// The largest file of variables, in bytes.
const LARGEST_FILE_BYTES: u64 = 256 * 1024;

/// Values of variables.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// All of them.
    pub values: BTreeMap<String, String>,
    /// Those that were given for this bundle: one that it does not use is a mistake.
    pub given: BTreeSet<String>,
}

impl Variables {
    /// Puts them together.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub fn collect(
        set: &[String],
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, String> {
        let mut variables = Self::default();
        let ours = |(name, value): (String, String)| Some((name.strip_prefix(PREFIX)?.to_owned(), value));
        variables.values.extend(environment.filter_map(ours));
        if let Some(path) = file {
            for (name, value) in from_file(path)? {
                variables.put(name, value)?;
            }
        }
        for pair in set {
            let (name, value) = pair.split_once('=').ok_or_else(|| format!("--set {pair}: write NAME=value"))?;
            variables.put(name.to_owned(), value.to_owned())?;
        }
        Ok(variables)
    }

    fn put(&mut self, name: String, value: String) -> Result<(), String> {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.len() > 60 || !name.chars().all(letters) {
            return Err("a variable's name has 1 to 60 letters, digits and underscores".to_owned());
        }
        self.given.insert(name.clone());
        self.values.insert(name, value);
        Ok(())
    }
}

fn from_file(path: &Path) -> Result<Vec<(String, String)>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let found = fs::metadata(path).map_err(|error| failed(&error))?;
    if !found.is_file() || found.len() > LARGEST_FILE_BYTES {
        return Err(failed(&format_args!("a file of variables has at most {LARGEST_FILE_BYTES} bytes")));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    let fields: Map<String, Value> =
        crate::manifest::read(&text, &path.display().to_string()).map_err(|finding| finding.to_string())?;
    let text = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(number) => Ok((name, number.to_string())),
        Value::Bool(bool) => Ok((name, bool.to_string())),
        _ => Err(failed(&format_args!("{name}: write one text"))),
    };
    fields.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_value_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("v.yaml");
        fs::write(&file, "A: file\nB: file\nN: 7\n").unwrap();
        let environment = [("FLUXNEX_VAR_A", "environment"), ("FLUXNEX_VAR_C", "environment"), ("PATH", "x")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let set = ["A=set=it".to_owned()];
        let variables = Variables::collect(&set, Some(&file), environment.into_iter()).unwrap();
        let values: Vec<_> = variables.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(values, ["A=set=it", "B=file", "C=environment", "N=7"]);
        assert!(!variables.given.contains("C"));
    }

    #[test]
    fn garbage_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        for (text, expected) in [("[1]", "v.yaml"), ("A: [1]", "one text"), ("a b: c", "letters"), ("A: [", "v.yaml")] {
            let file = folder.path().join("v.yaml");
            fs::write(&file, text).unwrap();
            let error = Variables::collect(&[], Some(&file), std::iter::empty()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = Variables::collect(&["A".to_owned()], None, std::iter::empty()).unwrap_err();
        assert!(error.contains("NAME=value"), "{error}");
        assert!(Variables::collect(&[], Some(folder.path()), std::iter::empty()).is_err());
    }
}
