//! What the CDK app makes for each profile, checked by `sam validate --lint`: every template is a test.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use futures::{StreamExt, stream};

use crate::{
    command::Tool,
    deploy,
    layout::{Layout, create_private, remove_folder},
    progress::{Progress, Step},
    tools::{self, Sam},
};

/// The profiles, and from which folder their templates are checked: the checks that are left out, with the reasons,
/// are in its `.cfnlintrc.yaml`.
const PROFILES: [(&str, &str); 4] =
    [("local", "."), ("dev", "infra-cdk"), ("staging", "infra-cdk"), ("production", "infra-cdk")];
const TEMPLATE: &str = ".template.json";
const REGION: &str = "us-east-1";
/// Each check takes a processor for some seconds.
const AT_ONCE: usize = 2;

/// Makes and checks all templates; each with its name.
pub async fn check(layout: &Layout, progress: &Progress) -> Result<Vec<(String, Result<()>)>> {
    let sam = tools::sam(layout, progress).await?;
    tools::node::modules(layout, progress).await?;
    let folder = layout.state().join("templates");
    remove_folder(&folder)?;
    let step = progress.start("templates");
    let result = check_in(layout, &sam, &folder, &step).await;
    step.finish(result)
}

async fn check_in(layout: &Layout, sam: &Sam, folder: &Path, step: &Step) -> Result<Vec<(String, Result<()>)>> {
    // Its settings must be those of the repository, not of whoever runs the tests.
    let home = folder.join("home");
    create_private(&home)?;
    let mut templates = Vec::new();
    for (profile, from) in PROFILES {
        let made = synthesise(layout, profile, &folder.join(profile), step).await?;
        templates.extend(made.into_iter().map(|template| (template, from)));
    }
    let checks = templates.into_iter().map(|(template, from)| {
        let home = &home;
        async move {
            let name = format!("the template {}", stem(&template));
            let result = validate(layout, sam, &template, from, home, step).await;
            (name, result)
        }
    });
    Ok(stream::iter(checks).buffered(AT_ONCE).collect().await)
}

async fn synthesise(layout: &Layout, profile: &str, output: &Path, step: &Step) -> Result<Vec<PathBuf>> {
    let mut command = deploy::cdk(layout, output);
    command.args(["synth", "--quiet", "--context", &format!("profile={profile}")]);
    let log = layout.log(&format!("synth-{profile}"));
    let what = format!("making the templates of {profile}");
    Tool { what: &what, log: &log, advice: "run `npm test` in infra-cdk", output: None }.run(command, step).await?;
    let entries = fs::read_dir(output).with_context(|| format!("cannot read {}", output.display()))?;
    let mut made: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    made.retain(|path| path.to_string_lossy().ends_with(TEMPLATE));
    made.sort();
    if made.is_empty() { Err(anyhow!("the CDK made no template for {profile}")) } else { Ok(made) }
}

async fn validate(layout: &Layout, sam: &Sam, template: &Path, from: &str, home: &Path, step: &Step) -> Result<()> {
    let mut command = sam.command();
    command.args(["validate", "--lint", "--region", REGION, "--template-file"]).arg(template);
    command.env("HOME", home).current_dir(layout.root().join(from));
    let name = stem(template);
    let log = layout.log(&format!("validate-{name}"));
    let advice = "repair what it names in infra-cdk, or say why not in the .cfnlintrc.yaml that it is checked by";
    Tool { what: &format!("sam validate --lint of {name}"), log: &log, advice, output: None }.run(command, step).await
}

fn stem(template: &Path) -> String {
    let name = template.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.trim_end_matches(TEMPLATE).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_named_after_its_stack() {
        assert_eq!(stem(Path::new("/x/FluxNex-dev-Data.template.json")), "FluxNex-dev-Data");
    }
}
