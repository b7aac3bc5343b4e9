//! What an instance remembers between commands: ports, passwords, what was deployed.

use std::{
    cell::{Ref, RefCell},
    fs::{self, File},
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use fluxnex_simulators::commands::Ports;
use serde::{Deserialize, Serialize};

use crate::{
    command::stop_strays, demo::Credentials, deploy::Deployment, emulator::Emulator, layout::Layout,
    postgres::Database, progress::Progress, tools::lock_file,
};

/// Raised when a remembered instance cannot be taken over; it is then taken down and made anew.
const VERSION: u32 = 1;

/// Everything that is remembered.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct State {
    version: u32,
    /// The database.
    pub database: Option<Database>,
    /// The AWS emulator.
    pub emulator: Option<Emulator>,
    /// The simulated applications' ports.
    pub simulators: Option<Ports>,
    /// What was deployed, and where.
    pub deployment: Option<Deployment>,
    /// What the demo's applications and connections agree on.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// Whether a deployment has begun and not ended: still true only if its command was killed or interrupted.
    #[serde(default)]
    pub deploying: bool,
}

/// The state of an instance together with its file; each change is written at once.
pub struct StateFile {
    path: PathBuf,
    state: RefCell<State>,
}

impl StateFile {
    /// Reads the state; none, or one that cannot be understood, counts as empty.
    pub fn open(layout: &Layout) -> Self {
        let path = layout.state_file();
        let read = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok());
        let state = read.filter(|state| state.version == VERSION).unwrap_or_default();
        Self { path, state: RefCell::new(state) }
    }

    /// The present state.
    pub fn get(&self) -> Ref<'_, State> {
        self.state.borrow()
    }

    /// Changes the state and writes it.
    pub fn update(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        let mut state = self.state.borrow_mut();
        change(&mut state);
        state.version = VERSION;
        write_private(&self.path, &serde_json::to_vec_pretty(&*state)?)
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let aside = path.with_extension("new");
    let write = || {
        let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(content)?;
        fs::rename(&aside, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Held while a command changes an instance.
#[must_use]
pub struct Lock(#[expect(dead_code, reason = "the lock ends when the file is closed")] File);

impl Lock {
    /// Waits until no other command changes the instance. Creates its folders, and ends the tools that a
    /// killed command left running.
    pub async fn acquire(layout: &Layout, progress: &Progress) -> Result<Self> {
        let step = progress.start("waiting for another command");
        let result = Self::wait(layout).await;
        step.finish(result)
    }

    async fn wait(layout: &Layout) -> Result<Self> {
        loop {
            layout.create()?;
            let path = layout.lock_file();
            let file = lock_file(&path).await?;
            // `down` may have removed the file while we waited for it: then it locks nothing any more.
            let held = file.metadata().map(|metadata| metadata.ino()).ok();
            if held.is_some() && held == fs::metadata(&path).map(|metadata| metadata.ino()).ok() {
                stop_strays(&layout.logs()).await;
                return Ok(Self(file));
            }
        }
    }

    /// Whether another command changes the instance now.
    pub fn is_held(layout: &Layout) -> bool {
        let Ok(file) = File::open(layout.lock_file()) else { return false };
        file.try_lock().is_err()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::{layout::Instance, progress::Audience};

    fn layout() -> Layout {
        let root = std::env::temp_dir().join(format!("xtask-state-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&root).unwrap();
        Layout::of(root, Instance::Developer)
    }

    #[test]
    fn what_is_written_is_read_again_and_private() {
        let layout = layout();
        layout.create().unwrap();
        let state = StateFile::open(&layout);
        state
            .update(|state| {
                state.simulators =
                    Some(Ports { revenova: 1, quickbooks: 2, erp: 3, receiver: 4, control: 5, ..Ports::default() })
            })
            .unwrap();
        let again = StateFile::open(&layout);
        assert_eq!(again.get().simulators, state.get().simulators);
        assert_eq!(fs::metadata(layout.state_file()).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(layout.root()).unwrap();
    }

    #[test]
    fn a_state_of_another_version_or_garbage_counts_as_empty() {
        let layout = layout();
        layout.create().unwrap();
        for content in
            ["garbage", r#"{"version":999,"simulators":{"revenova":1,"quickbooks":2,"receiver":3,"control":4}}"#]
        {
            fs::write(layout.state_file(), content).unwrap();
            assert!(StateFile::open(&layout).get().simulators.is_none());
        }
        fs::remove_dir_all(layout.root()).unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_lock_on_a_removed_folder_is_taken_anew() {
        let layout = layout();
        let progress = Progress::new(Audience::Nobody);
        let first = Lock::acquire(&layout, &progress).await.unwrap();
        assert!(Lock::is_held(&layout));
        let waiting = Lock::acquire(&layout, &progress);
        let removing = async {
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            fs::remove_dir_all(layout.state()).unwrap();
            drop(first);
        };
        let (second, ()) = tokio::join!(waiting, removing);
        assert!(second.is_ok() && Lock::is_held(&layout));
        fs::remove_dir_all(layout.root()).unwrap();
    }
}
