//! The programs of the functions, built as this test is; and a host that runs them.

use fluxnex_faults::host::platform::FUNCTIONS;
use fluxnex_faults::host::{Host, HostOptions, Sizes};
use fluxnex_faults::queues::Quirks;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The folder with the programs, which are built first: cargo builds none for a test of another package.
///
/// As `cargo xtask` builds them: with the features of the whole workspace. Another selection would have
/// them built once more.
pub fn built() -> PathBuf {
    // target/<folder of the profile>/deps/<this test>
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap().to_owned();
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        name => name,
    };
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(repository()).args(["build", "--workspace", "--profile", profile, "--target-dir"]);
    build.arg(folder.parent().unwrap());
    for (function, _) in FUNCTIONS {
        build.args(["--bin", function]);
    }
    assert!(build.status().unwrap().success(), "the functions are built");
    folder
}

/// A folder for what a test's host writes.
pub fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A host for those who need AWS only.
pub async fn without_programs() -> Host {
    at_scale(20.0).await
}

/// A host without programs on which time passes so many times faster.
pub async fn at_scale(time_scale: f64) -> Host {
    let options = HostOptions {
        repository: repository(),
        programs: PathBuf::from("/nowhere"),
        logs: folder("services"),
        database: Value::Null,
        extra_ca_file: None,
        time_scale,
        sizes: Sizes::default(),
        quirks: Quirks::NONE,
        seed: 1,
        latency: Duration::ZERO,
    };
    Host::start(&options).await.unwrap()
}
