//! A tenant's bundle as files: made, checked, tried, compared with what runs, applied, and taken back.

pub mod apply;
pub mod history;
pub mod init;
mod live;
pub mod map;
pub mod sample;
pub mod test;
pub mod validate;

use crate::api::{self, Api};
use crate::connection::Tenant;
use crate::terminal::Terminal;
use anyhow::{Result, anyhow};
use fluxnex_authoring::Finding;
use fluxnex_authoring::bundle::{Checked, Values, Variables, check};
use fluxnex_core::ids::TenantId;
use std::fs;
use std::path::{Path, PathBuf};

/// A bundle on this machine, and the values of its variables.
#[derive(Debug, clap::Args)]
pub struct Bundle {
    /// The folder with fluxnex.yaml, or that file
    #[arg(default_value = ".")]
    folder: PathBuf,
    #[command(flatten)]
    values: ValuesOfVariables,
}

/// What `${NAME}` stands for.
#[derive(Debug, clap::Args)]
pub struct ValuesOfVariables {
    /// The value of a variable of the bundle; otherwise $FLUXNEX_VAR_<NAME>
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// A YAML file with values of variables
    #[arg(long, value_name = "FILE")]
    variables: Option<PathBuf>,
}

impl ValuesOfVariables {
    fn collect(&self) -> Result<Variables> {
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Variables::collect(&self.set, self.variables.as_deref(), environment).map_err(|error| anyhow!("{error}"))
    }
}

impl Bundle {
    /// Checks it, and shows what was found.
    fn check(&self, values: Values, terminal: &Terminal) -> Result<Checked> {
        let checked = check(&self.folder, &self.values.collect()?, values);
        show(&self.root(), &checked.findings, terminal);
        Ok(checked)
    }

    /// The folder, also where a file was named.
    fn root(&self) -> PathBuf {
        match self.folder.parent() {
            Some(parent) if self.folder.is_file() => parent.to_owned(),
            _ => self.folder.clone(),
        }
    }
}

/// Shows findings with their lines.
fn show(folder: &Path, findings: &[Finding], terminal: &Terminal) {
    for finding in findings {
        let path = if folder == Path::new(".") { finding.file.clone() } else { folder.join(&finding.file) };
        let text = fs::read_to_string(&path).ok();
        let shown = Finding { file: path, ..finding.clone() };
        terminal.say(format!("{}\n", shown.render(text.as_deref(), terminal.is_coloured())));
    }
}

fn number(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A tenant at an API.
#[derive(Debug, clap::Args)]
pub struct There {
    #[command(flatten)]
    api: api::Arguments,
}

impl There {
    async fn tenant(&self, id: TenantId) -> Result<Tenant> {
        Ok(Tenant { id, api: Api::find(&self.api).await? })
    }
}
