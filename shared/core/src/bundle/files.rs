//! Puts the files that a bundle names in their places: `{file: mappings/invoice.jq}` becomes the
//! file's text, and `${NAME}` in the bundle's own texts the value of that variable.

use serde_json::Value;
use std::collections::BTreeMap;

/// Why a bundle's files could not be put in their places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// A file cannot be read.
    #[error("{at}: cannot read {path}: {reason}")]
    File {
        /// The fields that lead there, with dots.
        at: String,
        /// The path as it was written.
        path: String,
        /// What the reader said.
        reason: String,
    },
    /// A variable was not given a value.
    #[error("{at}: the variable {name} has no value")]
    Variable {
        /// The fields that lead there, with dots.
        at: String,
        /// The variable.
        name: String,
    },
}

/// Replaces `{file: path}` and `${NAME}` throughout a bundle. `read` gives the text of a file by
/// its path relative to the bundle.
///
/// # Errors
/// [`FilesError`] with the first file or variable that cannot be had.
pub fn inline(
    bundle: Value,
    variables: &BTreeMap<String, String>,
    read: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<Value, FilesError> {
    walk(bundle, "", variables, read)
}

fn walk(
    value: Value,
    at: &str,
    variables: &BTreeMap<String, String>,
    read: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<Value, FilesError> {
    let below = |part: &str| if at.is_empty() { part.to_owned() } else { format!("{at}.{part}") };
    match value {
        Value::String(text) => fill(&text, at, variables).map(Value::String),
        Value::Array(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| walk(item, &below(&index.to_string()), variables, read))
            .collect(),
        Value::Object(members) => {
            if let (1, Some(Value::String(path))) = (members.len(), members.get("file")) {
                let failed = |reason| FilesError::File { at: at.to_owned(), path: path.clone(), reason };
                if path.starts_with('/') || path.split('/').any(|part| part == "..") {
                    return Err(failed("it must be inside the bundle's folder".to_owned()));
                }
                return read(path).map(Value::String).map_err(failed);
            }
            members
                .into_iter()
                .map(|(name, member)| Ok((name.clone(), walk(member, &below(&name), variables, read)?)))
                .collect()
        }
        other => Ok(other),
    }
}

fn fill(text: &str, at: &str, variables: &BTreeMap<String, String>) -> Result<String, FilesError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            filled.push_str("${");
            rest = after;
            continue;
        };
        let value = variables
            .get(name)
            .ok_or_else(|| FilesError::Variable { at: at.to_owned(), name: name.chars().take(60).collect() })?;
        filled.push_str(value);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn files_and_variables_are_put_in_their_places() {
        let bundle = json!({"flows": {"a": {"to_entity": {"file": "a.jq"}}}, "url": "https://h:${PORT}/", "n": 1});
        let variables = BTreeMap::from([("PORT".to_owned(), "80".to_owned())]);
        let inlined = inline(bundle, &variables, &mut |path| Ok(format!("# {path}"))).unwrap();
        assert_eq!(inlined, json!({"flows": {"a": {"to_entity": "# a.jq"}}, "url": "https://h:80/", "n": 1}));
    }

    #[test]
    fn errors_say_where() {
        let none = BTreeMap::new();
        let error = inline(json!({"a": ["${X}"]}), &none, &mut |_| Ok(String::new())).unwrap_err();
        assert_eq!(error.to_string(), "a.0: the variable X has no value");
        for path in ["../x", "/etc/passwd", "a/../../b"] {
            let error = inline(json!({"a": {"file": path}}), &none, &mut |_| Ok(String::new())).unwrap_err();
            assert!(matches!(error, FilesError::File { .. }), "{path}");
        }
    }
}
