//! A bundle's folder: nothing outside it is read, and nothing that is too large.

use crate::finding::Finding;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The name of a bundle in its folder.
pub const FILE: &str = "fluxnex.yaml";
/// The largest file beside the bundle, in bytes.
pub(super) const LARGEST_FILE_BYTES: u64 = 256 * 1024;
/// The most that is read of one folder, in bytes.
pub(super) const LARGEST_FOLDER_BYTES: u64 = 4 * 1024 * 1024;

/// A bundle's folder.
#[derive(Debug)]
pub struct Folder {
    /// As it was given.
    pub path: PathBuf,
    /// The name of the bundle's file in it.
    pub file: String,
    real: PathBuf,
    left_bytes: u64,
}

impl Folder {
    /// Opens a folder, or the folder of a bundle's file.
    ///
    /// # Errors
    /// A finding that says what would be right.
    pub fn open(place: &Path) -> Result<Self, Finding> {
        let (path, file) = if place.is_file() {
            let name = place.file_name().and_then(|name| name.to_str()).unwrap_or(FILE);
            let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty());
            (parent.unwrap_or(Path::new(".")).to_owned(), name.to_owned())
        } else {
            (place.to_owned(), FILE.to_owned())
        };
        match fs::canonicalize(&path) {
            Ok(real) if real.is_dir() => Ok(Self { path, file, real, left_bytes: LARGEST_FOLDER_BYTES }),
            _ => {
                let finding = Finding::of(path.join(&file), "there is no such folder");
                Err(finding.hint("a bundle is a folder with fluxnex.yaml; `fluxnex init` makes one".to_owned()))
            }
        }
    }

    /// The text of a file, by its path below the folder.
    ///
    /// # Errors
    /// Why it is not read, in words.
    pub fn read(&mut self, path: &str) -> Result<String, String> {
        let real = fs::canonicalize(self.real.join(path)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        })?;
        if !real.starts_with(&self.real) {
            return Err("it leads out of the bundle's folder".to_owned());
        }
        // A pipe or a device would never end.
        if !real.is_file() {
            return Err("it is no file".to_owned());
        }
        let mut bytes = Vec::new();
        let file = File::open(&real).map_err(|error| error.to_string())?;
        file.take(LARGEST_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let length = bytes.len() as u64;
        if length > LARGEST_FILE_BYTES {
            return Err(format!("it is too large: a file has at most {LARGEST_FILE_BYTES} bytes"));
        }
        self.left_bytes = self
            .left_bytes
            .checked_sub(length)
            .ok_or_else(|| format!("the folder is too large: at most {LARGEST_FOLDER_BYTES} bytes of it are read"))?;
        String::from_utf8(bytes).map_err(|_| "it is no text in UTF-8".to_owned())
    }
}
