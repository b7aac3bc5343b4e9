//! Builds the functions and the simulators, and packs each function as Lambda wants it.

mod zip;

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use tokio::process::Command;
use uuid::Uuid;

use crate::{command::Tool, layout::Layout, progress::Progress};

const PROFILE: &str = "local";
const SIMULATORS: &str = "simulators";

/// What was built.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// The folder with `<function>.zip` for each function.
    pub folder: PathBuf,
    /// Changes when a function's binary changes.
    pub fingerprint: String,
    /// The simulators' binary.
    pub simulators: PathBuf,
    /// Changes when the simulators' binary changes.
    pub simulators_fingerprint: String,
}

/// A binary that cargo built.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Binary {
    name: String,
    path: PathBuf,
}

/// One line of cargo's `--message-format=json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    executable: Option<PathBuf>,
    #[serde(default)]
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// The functions' names, from their folders.
pub fn functions(layout: &Layout) -> Result<Vec<String>> {
    let folder = layout.root().join("functions");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let crates = entries.flatten().filter(|entry| entry.path().join("Cargo.toml").is_file());
    let mut names: Vec<String> = crates.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Compiles, and packs what changed.
pub async fn build(layout: &Layout, progress: &Progress) -> Result<Artifacts> {
    let functions = functions(layout)?;
    let binaries = binaries(layout, None, "build", progress).await?;
    let step = progress.start("packing the functions");
    let result = pack_all(layout, &functions, &binaries).await;
    step.finish(result)
}

/// Compiles one function, or everything, and gives what cargo made. `log` is the name of the step's log.
pub async fn binaries(layout: &Layout, function: Option<&str>, log: &str, progress: &Progress) -> Result<Vec<Binary>> {
    let what = match function {
        Some(name) => format!("building {name}"),
        None => "building the functions and simulators".to_owned(),
    };
    // Commands that build at the same time must not write the same file.
    let messages = layout.log(&format!("{log}-messages-{}", std::process::id()));
    let step = progress.start(&what);
    let tool = Tool {
        what: &what,
        log: &layout.log(log),
        advice: "repair what the compiler names, then run the command again",
        output: Some(&messages),
    };
    let result = tool.run(compile(layout, function), &step).await;
    let text = fs::read_to_string(&messages).context("cannot read what cargo built");
    let _ = fs::remove_file(&messages);
    step.finish(result)?;
    let text = text?;
    let mut binaries = executables(&text);
    binaries.sort();
    Ok(binaries)
}

/// The path of a binary.
pub fn find<'a>(binaries: &'a [Binary], name: &str) -> Result<&'a Path> {
    match binaries.iter().find(|binary| binary.name == name) {
        Some(binary) => Ok(binary.path.as_path()),
        None => bail!("cargo built no binary named {name}"),
    }
}

fn compile(layout: &Layout, function: Option<&str>) -> Command {
    let mut command = Command::new(cargo());
    // The whole workspace, because a selection would unify the features of dependencies otherwise, and
    // build the AWS SDK once more than the tests do.
    command.args(["build", "--workspace", "--profile", PROFILE, "--message-format", "json-render-diagnostics"]);
    if let Some(function) = function {
        command.args(["--bin", function]);
    }
    command.current_dir(layout.root());
    command
}

/// The cargo that runs us, so that its version is the clone's.
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

fn executables(messages: &str) -> Vec<Binary> {
    let parsed = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let artifacts = parsed.filter(|message| message.reason == "compiler-artifact");
    artifacts.filter_map(|message| Some(Binary { name: message.target?.name, path: message.executable? })).collect()
}

async fn pack_all(layout: &Layout, functions: &[String], binaries: &[Binary]) -> Result<Artifacts> {
    // Beside the binaries, as what they are: products of the build, which outlive the platform.
    let built = find(binaries, SIMULATORS)?;
    let folder = built.parent().unwrap_or(Path::new(".")).join("packed");
    let mut packing = Vec::new();
    for function in functions {
        let (binary, archive) = (find(binaries, function)?, folder.join(format!("{function}.zip")));
        packing.push(async move { refresh(binary, &archive, zip::pack(binary, &archive)).await });
    }
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let fingerprints: Vec<String> = stream::iter(packing).buffered(at_once).try_collect().await?;
    // A running program cannot be written to, and cargo may replace it meanwhile: it runs from a copy.
    let simulators = layout.artifacts().join(SIMULATORS);
    let simulators_fingerprint = refresh(built, &simulators, async {
        let aside = simulators.with_extension("new");
        fs::copy(built, &aside)?;
        fs::rename(&aside, &simulators).context("cannot replace the simulators")
    });
    let simulators_fingerprint = simulators_fingerprint.await?;
    let fingerprint = Uuid::new_v5(&Uuid::NAMESPACE_OID, fingerprints.join("\n").as_bytes()).to_string();
    Ok(Artifacts { folder, fingerprint, simulators, simulators_fingerprint })
}

/// Makes `artifact` from `binary` unless it was made from the same one. Returns the binary's fingerprint.
async fn refresh(binary: &Path, artifact: &Path, make: impl Future<Output = Result<()>>) -> Result<String> {
    let metadata = fs::metadata(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    // Reading the content of some 300 MB would take longer than all the rest of a second `up`.
    let (inode, size) = (metadata.ino(), metadata.size());
    let fingerprint = format!("{}:{inode}:{size}:{}.{}", binary.display(), metadata.mtime(), metadata.mtime_nsec());
    let stamp = artifact.with_extension("stamp");
    if artifact.is_file() && fs::read_to_string(&stamp).is_ok_and(|found| found == fingerprint) {
        return Ok(fingerprint);
    }
    let folder = artifact.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    make.await.with_context(|| format!("cannot make {}", artifact.display()))?;
    fs::write(&stamp, &fingerprint).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found_among_cargos_messages() {
        let text = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}"#,
            "\nwarning: not JSON\n",
            r#"{"reason":"compiler-artifact","target":{"name":"ingest"},"executable":"/target/local/ingest"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let expected = Binary { name: "ingest".to_owned(), path: PathBuf::from("/target/local/ingest") };
        assert_eq!(executables(text), [expected]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_artifact_is_made_again_only_when_its_binary_changes() {
        let folder = std::env::temp_dir().join(format!("xtask-refresh-{}", Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        let (binary, artifact) = (folder.join("binary"), folder.join("packed/artifact.zip"));
        fs::write(&binary, "one").unwrap();
        let made = std::cell::Cell::new(0);
        let make = async || {
            made.set(made.get() + 1);
            Ok(fs::write(&artifact, "made")?)
        };
        let first = refresh(&binary, &artifact, make()).await.unwrap();
        assert_eq!(refresh(&binary, &artifact, make()).await.unwrap(), first);
        assert_eq!(made.get(), 1);
        fs::write(&binary, "another").unwrap();
        assert_ne!(refresh(&binary, &artifact, make()).await.unwrap(), first);
        assert_eq!(made.get(), 2);
        fs::remove_dir_all(&folder).unwrap();
    }
}
