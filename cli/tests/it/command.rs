//! Runs `fluxnex`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What it said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs the program in a folder, with nobody to be asked and no AWS account.
pub fn fluxnex(folder: &Path, arguments: &[&str]) -> Said {
    fluxnex_with(folder, arguments, &[])
}

pub fn fluxnex_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fluxnex"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).envs(variables.iter().copied());
    for name in ["FLUXNEX_API", "AWS_PROFILE", "AWS_ENDPOINT_URL"] {
        if !variables.iter().any(|(given, _)| *given == name) {
            command.env_remove(name);
        }
    }
    said(command.output().unwrap())
}

pub fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}
