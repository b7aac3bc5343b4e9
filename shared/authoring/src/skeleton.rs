//! A new connector: a folder that passes its own check, for its author to change.

mod kinds;

pub use kinds::Kind;

use crate::manifest;
use fluxnex_core::ids::{ConnectorName, ObjectName};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const MANIFEST: &str = include_str!("../skeleton/connector.yaml");
const PAGE: &str = include_str!("../skeleton/README.md");
const SAMPLE: &str = include_str!("../skeleton/sample.json");
const READ_ONE: &str = include_str!("../skeleton/read-one.yaml");
const LIST_CHANGED: &str = include_str!("../skeleton/list-changed.yaml");

/// The schema of manifests, beside the connectors' folders.
const SCHEMA: &str = "connector.schema.json";
/// What tells an editor of it.
const SCHEMA_LINE: &str = "# yaml-language-server: $schema=../connector.schema.json\n";

/// What is known of a new connector.
#[derive(Debug, Clone)]
pub struct Skeleton {
    /// Its name.
    pub name: ConnectorName,
    /// What people see.
    pub title: String,
    /// Where the application's API begins.
    pub base_url: String,
    /// The address of its documentation.
    pub documentation: String,
    /// A record type of it.
    pub object: ObjectName,
    /// How requests prove who sends them.
    pub kind: Kind,
}

impl Skeleton {
    /// The files, by their paths below the folder.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, String)> {
        let object = self.object.as_str();
        let word: String =
            object.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
        let parts = self.kind.parts();
        let places = [
            ("@TITLE@", self.title.clone()),
            // A JSON text is a YAML text, whatever is in it.
            ("@TITLE_TEXT@", quoted(&self.title)),
            ("@NAME@", self.name.to_string()),
            ("@DOCUMENTATION@", quoted(&self.documentation)),
            ("@BASE_URL@", quoted(&self.base_url)),
            ("@OBJECT@", object.to_owned()),
            ("@PATH@", word.clone()),
            ("@SAMPLE@", word.clone()),
            ("@CREDENTIALS@", parts.credentials.to_owned()),
            ("@AUTHENTICATION@", parts.authentication.to_owned()),
            ("@TABLE@", parts.table.to_owned()),
            ("@SECRET@", parts.secret.to_owned()),
            ("@TOKEN@", parts.token.to_owned()),
            ("@PROOF@", parts.proof.to_owned()),
        ];
        let fill = |text: &str| places.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value));
        let without_gaps = |text: &str| fill(text).replace("\n\n\n", "\n\n").replace("\n\nnow:", "\nnow:");
        vec![
            ("connector.yaml".into(), without_gaps(MANIFEST)),
            ("README.md".into(), without_gaps(PAGE)),
            (Path::new("samples").join(format!("{word}.json")), SAMPLE.to_owned()),
            (Path::new("tests").join("read-one.yaml"), without_gaps(READ_ONE)),
            (Path::new("tests").join("list-changed.yaml"), without_gaps(LIST_CHANGED)),
        ]
    }

    /// Writes the folder. What is there is not touched.
    ///
    /// # Errors
    /// If one of the files is there already, or cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let files = self.files();
        if let Some((path, _)) = files.iter().find(|(path, _)| folder.join(path).exists()) {
            let message = format!("{} is there already", folder.join(path).display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        // Beside the others, editors find the schema of manifests.
        let has_schema = folder.parent().is_some_and(|parent| parent.join(SCHEMA).is_file());
        for (path, text) in &files {
            let begins = if has_schema && path.as_os_str() == manifest::FILE { SCHEMA_LINE } else { "" };
            let text = format!("{begins}{text}");
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            File::options().write(true).create_new(true).open(&path)?.write_all(text.as_bytes())?;
        }
        Ok(files.into_iter().map(|(path, _)| folder.join(path)).collect())
    }
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " -_./:".contains(c);
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain) && !text.contains(": ");
    if bare && !text.ends_with([':', ' ']) && !matches!(text, "true" | "false" | "null" | "yes" | "no") {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}
