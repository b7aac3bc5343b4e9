//! What a machine must have before the first command: named, with the way to get it, when it is missing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    command::output_of,
    tools::{
        node::NPM,
        versions::{NODE_AT_LEAST, PYTHON_AT_LEAST, Version},
    },
};

/// The programs of the machine that the tools are installed and run with.
#[derive(Clone, Debug)]
pub struct Prerequisites {
    /// Python ≥ 3.10 with `venv`.
    pub python: PathBuf,
    /// What tells one Python installation from another: version and place.
    pub python_identity: String,
}

/// Below this a build would end amid its work, and PostgreSQL with it.
const LEAST_FREE_BYTES: u64 = 1 << 30;
/// What a target folder has after the first run of all tests, and some more: 4.5 GB were seen.
const FIRST_BUILD_BYTES: u64 = 6 << 30;

/// Something that is missing, and how to get it.
struct Missing {
    what: String,
    debian: &'static str,
    fedora: &'static str,
    macos: &'static str,
    elsewhere: &'static str,
}

const PYTHON_CODE: &str = "import sys, venv, ensurepip; print(sys.version.split()[0], sys.base_prefix)";

/// Looks for everything and fails with the list of all that is missing.
pub async fn check() -> Result<Prerequisites> {
    let (python, node, rust, compiler) = tokio::join!(python(), node(), rust(), compiler());
    let mut missing = Vec::new();
    let mut need = |result: std::result::Result<(), Missing>| missing.extend(result.err());
    need(rust);
    need(compiler);
    need(node);
    let python = python.map_err(|what| need(Err(what))).ok();
    room()?;
    match (python, missing.as_slice()) {
        (Some((python, python_identity)), []) => Ok(Prerequisites { python, python_identity }),
        _ => bail!("{}", describe(&missing)),
    }
}

/// Looks for Python only.
pub async fn python_alone() -> Result<Prerequisites> {
    match python().await {
        Ok((python, python_identity)) => Ok(Prerequisites { python, python_identity }),
        Err(missing) => bail!("{}", describe(&[missing])),
    }
}

/// Room on the disks of the clone and of the target folder.
fn room() -> Result<()> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let is_first = !target.join("local").join("deps").is_dir();
    enough(Path::new("."), LEAST_FREE_BYTES)?;
    enough(&target, if is_first { FIRST_BUILD_BYTES } else { LEAST_FREE_BYTES })
}

fn enough(folder: &Path, least: u64) -> Result<()> {
    // A folder that is not there yet will be on the disk of the one that it is made in.
    let existing = folder.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(existing)
        .with_context(|| format!("cannot ask how much room {} has", existing.display()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / f64::from(1 << 30));
    ensure!(
        free >= least,
        "{} has {} left, and {} are needed: make room (`cargo clean` removes what earlier builds left), or let \
         CARGO_TARGET_DIR name a folder on another disk",
        folder.display(),
        gigabytes(free),
        gigabytes(least)
    );
    Ok(())
}

fn describe(missing: &[Missing]) -> String {
    let mut text = String::from("this machine lacks what FluxNex needs:");
    for missing in missing {
        text.push_str(&format!(
            "\n\n  {}\n    Debian, Ubuntu: {}\n    Fedora:         {}\n    macOS:          {}\n    elsewhere:      {}",
            missing.what, missing.debian, missing.fedora, missing.macos, missing.elsewhere
        ));
    }
    text
}

async fn python() -> std::result::Result<(PathBuf, String), Missing> {
    let candidates = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
    let mut seen = String::from("none was found");
    for candidate in candidates {
        let Some(printed) = output_of(candidate, &["--version"]).await else { continue };
        if Version::parse(&printed).is_none_or(|version| version < PYTHON_AT_LEAST) {
            seen = format!("found only {printed}");
            continue;
        }
        match output_of(candidate, &["-c", PYTHON_CODE]).await {
            Some(identity) => return Ok((PathBuf::from(candidate), identity)),
            None => seen = format!("{printed} is here, but without its module venv"),
        }
    }
    Err(Missing {
        what: format!("Python {PYTHON_AT_LEAST} or newer with venv ({seen})"),
        debian: "sudo apt-get install python3 python3-venv",
        fedora: "sudo dnf install python3",
        macos: "brew install python",
        elsewhere: "https://www.python.org/downloads/",
    })
}

async fn node() -> std::result::Result<(), Missing> {
    let node = output_of("node", &["--version"]).await;
    let npm = output_of(NPM, &["--version"]).await;
    let seen = match (&node, &npm) {
        (Some(version), Some(_)) if Version::parse(version).is_some_and(|found| found >= NODE_AT_LEAST) => {
            return Ok(());
        }
        (None, _) => "none was found".to_owned(),
        (Some(version), None) => format!("node {version} is here, but without npm"),
        (Some(version), Some(_)) => format!("found only {version}"),
    };
    Err(Missing {
        what: format!("Node.js {NODE_AT_LEAST} or newer with npm ({seen})"),
        debian: "sudo apt-get install nodejs npm   (or, if that is older: https://nodejs.org/en/download)",
        fedora: "sudo dnf install nodejs npm",
        macos: "brew install node",
        elsewhere: "https://nodejs.org/en/download",
    })
}

async fn rust() -> std::result::Result<(), Missing> {
    if output_of("cargo", &["--version"]).await.is_some() && output_of("rustc", &["--version"]).await.is_some() {
        return Ok(());
    }
    Err(Missing {
        what: "Rust, in the version that rust-toolchain.toml names".to_owned(),
        debian: "see elsewhere",
        fedora: "see elsewhere",
        macos: "see elsewhere",
        elsewhere: "https://rustup.rs (it then fetches the right version by itself)",
    })
}

async fn compiler() -> std::result::Result<(), Missing> {
    let named = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if output_of(named, &["--version"]).await.is_some() {
        return Ok(());
    }
    Err(Missing {
        what: "a C compiler (Rust links with it, and the TLS library is built with it)".to_owned(),
        debian: "sudo apt-get install build-essential",
        fedora: "sudo dnf install gcc",
        macos: "xcode-select --install",
        elsewhere: "gcc or clang, as `cc`",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_of_before_anything_is_built() {
        let folder = std::env::temp_dir().join("not").join("there").join("yet");
        enough(&folder, 1).unwrap();
        let error = enough(&folder, u64::MAX).unwrap_err().to_string();
        for part in ["there", "GB left", "cargo clean", "CARGO_TARGET_DIR"] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }

    #[test]
    fn all_that_is_missing_is_named_at_once_with_the_way_to_get_it() {
        let missing = |what: &str| Missing {
            what: what.to_owned(),
            debian: "apt-get one",
            fedora: "dnf two",
            macos: "brew three",
            elsewhere: "four",
        };
        let text = describe(&[missing("Python"), missing("Node.js")]);
        for part in ["Python", "Node.js", "apt-get one", "dnf two", "brew three", "four"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
