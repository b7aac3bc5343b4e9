//! Published programs that nobody here wrote, for the tests that run them: where they are, and how they are run.
//!
//! `cargo xtask test` says where it installed them. A test that is run by itself installs them into the build
//! folder, once for all tests of all crates.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Python's packages. The platform's tools install the same versions.
const PYTHON_PACKAGES: [&str; 2] = ["simple-salesforce==1.12.10", "standardwebhooks==1.1.0"];

/// The folder with the list of Node's packages, and with the scripts that use them.
pub fn folder() -> PathBuf {
    // From either crate that has this file.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.ancestors().find(|folder| folder.join("simulators/published").is_dir());
    root.unwrap_or_else(|| panic!("there is no simulators/published above {}", package.display()))
        .join("simulators/published")
}

/// A Python that has the packages.
pub fn python() -> PathBuf {
    if let Some(given) = std::env::var_os("FLUXNEX_TOOLS_PYTHON") {
        return given.into();
    }
    let place = installed("python", &PYTHON_PACKAGES.join(" "), |place| {
        run(Command::new("python3").args(["-m", "venv"]).arg(place));
        run(Command::new(place.join("bin/python")).args(["-m", "pip", "install", "--quiet"]).args(PYTHON_PACKAGES));
    });
    place.join("bin/python")
}

/// The `node_modules` that has the packages.
pub fn node_modules() -> PathBuf {
    if let Some(given) = std::env::var_os("FLUXNEX_TOOLS_NODE_MODULES") {
        return given.into();
    }
    let lock = fs::read_to_string(folder().join("package-lock.json")).unwrap();
    let place = installed("node", &lock, |place| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(folder().join(file), place.join(file)).unwrap();
        }
        // None of the packages needs its install script: they would build native code, which nothing here uses.
        run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(place));
    });
    place.join("node_modules")
}

/// A script of [`folder`], to be run by Node with the packages at hand.
pub fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(folder().join(script)).env("NODE_PATH", node_modules()).env("NO_PROXY", "*");
    command
}

/// Runs a command to its end and gives what it printed; a failure ends the test with what it said.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed ({}):\n{printed}\n{errors}", output.status);
    printed.into_owned()
}

/// A folder that is installed if it is not the one that `wanted` describes. Tests run in processes of their own:
/// one installs, the others wait.
fn installed(name: &str, wanted: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (place, stamp) = (base.join(format!("published-{name}")), base.join(format!("published-{name}.complete")));
    let lock = File::create(base.join(format!("published-{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return place;
    }
    let _ = fs::remove_file(&stamp);
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).unwrap();
    install(&place);
    fs::write(stamp, wanted).unwrap();
    place
}
