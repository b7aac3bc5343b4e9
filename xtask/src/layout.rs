//! Where everything of one platform instance lives on disk.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use uuid::Uuid;

/// Which platform of a clone is meant: the developer's, or the one that `cargo xtask test` makes for itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Instance {
    /// The platform of `up`, `down`, `status`, `logs` and `demo`.
    Developer,
    /// The platform of `test`: its own folder, ports and processes.
    Test,
    /// The platform of `faults`, likewise.
    Faults,
}

/// The paths of one instance. Nothing is created by naming a path.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    state: PathBuf,
}

impl Layout {
    /// The layout of an instance in the clone that this command runs in.
    pub fn discover(instance: Instance) -> Result<Self> {
        Ok(Self::of(clone_root()?, instance))
    }

    /// The layout of an instance in a given clone.
    pub fn of(root: PathBuf, instance: Instance) -> Self {
        let state = match instance {
            Instance::Developer => root.join(".fluxnex"),
            Instance::Test => root.join(".fluxnex").join("test"),
            Instance::Faults => root.join(".fluxnex").join("faults"),
        };
        Self { root, state }
    }

    /// The clone.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that holds all state of the instance.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What is remembered between commands; readable by its owner only, since it holds passwords.
    pub fn state_file(&self) -> PathBuf {
        self.state.join("state.json")
    }

    /// Held while a command changes the instance.
    pub fn lock_file(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// One file per started process.
    pub fn processes(&self) -> PathBuf {
        self.state.join("processes")
    }

    /// The folder of all logs.
    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// The log of one step or process.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// The copy that the simulators run from.
    pub fn artifacts(&self) -> PathBuf {
        self.state.join("artifacts")
    }

    /// The local certificate authority and the server certificate it issued.
    pub fn certificates(&self) -> PathBuf {
        self.state.join("certificates")
    }

    /// Home, temporary files and code cache of the AWS emulator.
    pub fn emulator(&self) -> PathBuf {
        self.state.join("emulator")
    }

    /// What the CDK writes while it deploys.
    pub fn cdk_output(&self) -> PathBuf {
        self.state.join("cdk.out")
    }

    /// The CDK application.
    pub fn infrastructure(&self) -> PathBuf {
        self.root.join("infra-cdk")
    }

    /// The database's folder. PostgreSQL refuses to run as root, and the user that it then runs as
    /// cannot enter a clone in root's home: root's database lies under `/tmp`.
    pub fn database(&self) -> PathBuf {
        if is_root() { self.outside_home() } else { self.state.join("postgres") }
    }

    /// The instance's folder outside every home; only root needs it.
    fn outside_home(&self) -> PathBuf {
        let key = Uuid::new_v5(&Uuid::NAMESPACE_URL, self.state.as_os_str().as_encoded_bytes());
        let digits = key.simple().to_string();
        Path::new("/tmp").join(format!("fluxnex-{}", digits.get(..12).unwrap_or(&digits)))
    }

    /// Makes the state folder (and its log folder) with no access for others.
    pub fn create(&self) -> Result<()> {
        for folder in [self.state.clone(), self.logs(), self.processes()] {
            create_private(&folder)?;
        }
        Ok(())
    }

    /// A path as a person in the clone would write it.
    pub fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes a folder that only its owner can enter; an existing one must be ours.
pub fn create_private(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let owner = fs::metadata(folder)?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        bail!("{} belongs to user id {owner}, not to you; remove it, then try again", folder.display());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot set the permissions of {}", folder.display()))
}

/// Removes a folder with all that is in it; that it is not there is fine.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", folder.display())),
    }
}

/// The clone: `cargo run` names the package's folder; a binary started by hand looks upward.
fn clone_root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let start = match package.as_deref().and_then(Path::parent) {
        Some(root) => root.to_path_buf(),
        None => std::env::current_dir().context("the current folder is gone")?,
    };
    for folder in start.ancestors() {
        if folder.join("xtask/Cargo.toml").is_file() && folder.join("Cargo.toml").is_file() {
            return fs::canonicalize(folder).with_context(|| format!("cannot resolve {}", folder.display()));
        }
    }
    bail!("{} is not inside a clone of FluxNex", start.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_instance_lives_inside_the_developers_folder_and_shares_nothing_with_it() {
        let developer = Layout::of(PathBuf::from("/clone"), Instance::Developer);
        let test = Layout::of(PathBuf::from("/clone"), Instance::Test);
        assert!(test.state().starts_with(developer.state()));
        assert_ne!(developer.database(), test.database());
        assert_ne!(developer.outside_home(), test.outside_home());
    }

    #[test]
    fn the_folder_outside_home_is_short_and_stable() {
        let layout = Layout::of(PathBuf::from("/clone"), Instance::Developer);
        assert_eq!(layout.outside_home(), layout.outside_home());
        assert!(layout.outside_home().as_os_str().len() < 40);
    }
}
