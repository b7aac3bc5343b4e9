//! The tool cache: what FluxNex installs for itself, once per user, shared by all clones.
//!
//! A tool is built in a folder aside and renamed into place, under a lock: a folder with the right name
//! is complete. Its name carries the versions, so that clones at different versions get along.

pub mod node;
mod postgres;
mod python;
mod sam;
pub mod versions;

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use uuid::Uuid;

use crate::{
    layout::Layout,
    prerequisites::{self, Prerequisites},
    progress::Progress,
};
pub use postgres::Postgres;
pub use sam::{Sam, check_system};

/// The installed tools.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Python in the virtual environment that has the emulator; to be run as `python -m …`.
    pub python: PathBuf,
    /// PostgreSQL's server programs.
    pub postgres: Postgres,
}

/// Where tools are kept, and how to add one.
pub struct Cache {
    folder: PathBuf,
}

/// Installs what is missing.
pub async fn install(layout: &Layout, prerequisites: &Prerequisites, progress: &Progress) -> Result<Tools> {
    let cache = Cache::open()?;
    // Both at once: one waits for the network while the other unpacks.
    let (python, postgres) = tokio::try_join!(
        python::environment(&python::EMULATOR, &cache, layout, prerequisites, progress),
        postgres::find_or_install(&cache, layout, progress),
    )?;
    Ok(Tools { python: python.join("bin/python"), postgres })
}

/// The `node_modules` of the published programs that the tests run, installed if need be.
pub async fn published(layout: &Layout, progress: &Progress) -> Result<PathBuf> {
    node::published(&Cache::open()?, layout, progress).await
}

/// AWS's SAM command line, installed if need be. Only what runs single functions needs it.
pub async fn sam(layout: &Layout, progress: &Progress) -> Result<Sam> {
    let prerequisites = prerequisites::python_alone().await?;
    let environment = python::environment(&python::SAM, &Cache::open()?, layout, &prerequisites, progress).await?;
    Ok(Sam::new(environment))
}

impl Cache {
    /// `$FLUXNEX_CACHE/tools`, by default `~/.cache/fluxnex/tools`.
    pub fn open() -> Result<Self> {
        let base = match std::env::var_os("FLUXNEX_CACHE") {
            Some(folder) => PathBuf::from(folder),
            None => {
                let home = std::env::home_dir().filter(|home| home.is_absolute());
                home.ok_or_else(|| anyhow!("HOME is not set; set it or FLUXNEX_CACHE"))?.join(".cache/fluxnex")
            }
        };
        let folder = std::path::absolute(base.join("tools")).context("the tool cache has no path")?;
        fs::create_dir_all(&folder).with_context(|| format!("cannot create the tool cache {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// The folder of a tool in a version, which may not exist yet.
    fn place(&self, tool: &str, key: &str) -> PathBuf {
        let digits = Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()).simple().to_string();
        self.folder.join(format!("{tool}-{}", digits.get(..12).unwrap_or(&digits)))
    }

    /// Waits until no other command installs this tool. The lock ends with the returned file.
    async fn lock(&self, tool: &str) -> Result<File> {
        lock_file(&self.folder.join(format!("{tool}.lock"))).await
    }

    /// An empty folder to build a tool in, with a name of its own: what a killed command started may still
    /// write to an earlier one, which is removed. To be called under the tool's lock.
    fn aside(&self, tool: &str) -> Result<PathBuf> {
        let prefix = format!("{tool}.new-");
        let entries = fs::read_dir(&self.folder).with_context(|| format!("cannot read {}", self.folder.display()))?;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                crate::layout::remove_folder(&entry.path())?;
            }
        }
        let aside = self.folder.join(format!("{prefix}{}", Uuid::new_v4().simple()));
        fs::create_dir(&aside).with_context(|| format!("cannot create {}", aside.display()))?;
        Ok(aside)
    }
}

/// Locks a file, waiting without blocking the rest.
pub async fn lock_file(path: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tools_place_changes_with_its_versions() {
        let cache = Cache { folder: PathBuf::from("/cache") };
        assert_eq!(cache.place("python", "a"), cache.place("python", "a"));
        assert_ne!(cache.place("python", "a"), cache.place("python", "b"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_lock_is_waited_for() {
        let path = std::env::temp_dir().join(format!("xtask-lock-{}", Uuid::new_v4()));
        let held = lock_file(&path).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(250), lock_file(&path)).await.is_err());
        drop(held);
        assert!(tokio::time::timeout(Duration::from_secs(5), lock_file(&path)).await.unwrap().is_ok());
        fs::remove_file(&path).unwrap();
    }
}
