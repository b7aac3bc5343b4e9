//! The command itself: what is printed where, and what counts as success.

use std::path::PathBuf;

use anyhow::{Result, anyhow};

use super::{HOW_TO_APPLY, Platform, Request, check_name, event, invoke, programs};
use crate::{layout::Layout, progress::Progress, samples, system::print};

/// What `cargo xtask invoke` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The function, by the name of its folder in functions/
    #[arg(required_unless_present = "all")]
    function: Option<String>,
    /// The event, a file of JSON; there are samples in events/<function>/
    #[arg(required_unless_present = "all")]
    event: Option<PathBuf>,
    /// End with one line of JSON on standard output
    #[arg(long)]
    json: bool,
    /// Print the event as it is sent, and send it not (for `sam local invoke -e`)
    #[arg(long, conflicts_with = "json")]
    print_event: bool,
    /// Run every sample of events/ and compare the answers with events/expected.yaml
    #[arg(long, conflicts_with_all = ["function", "event", "json", "print_event"])]
    all: bool,
}

/// Runs the command. Says whether the function answered without an error (with `--all`: as expected); an error
/// means that it was not invoked. The answer goes to standard output, all else to standard error.
pub async fn run(layout: &Layout, arguments: &Arguments, progress: &Progress) -> Result<bool> {
    if arguments.all {
        return samples::run_and_print(layout, progress).await;
    }
    let (Some(function), Some(path)) = (arguments.function.clone(), arguments.event.clone()) else {
        return Err(anyhow!("a function and an event are needed"));
    };
    check_name(layout, &function)?;
    let request = Request { function, event: path };
    if arguments.print_event {
        let event = event(layout, &request).await?;
        print(&format!("{event:#}\n"))?;
        return Ok(true);
    }
    // What is cheap to find out comes before what takes long.
    event(layout, &request).await?;
    let platform = Platform::find(layout)?;
    let programs = programs(layout, &request.function, progress).await?;
    let invocation = invoke(&platform, &programs, &request, progress).await?;
    for line in &invocation.log {
        progress.say(line);
    }
    if let Some(tenant) = invocation.log.iter().find_map(|line| unknown_tenant(line)) {
        progress.say(format!("The bundle of {tenant} is not applied on this platform; {HOW_TO_APPLY}."));
    }
    if arguments.json {
        print(&format!("{}\n", invocation.json(&request)))?;
    } else {
        print(&format!("{:#}\n", invocation.answer.response))?;
        progress.say(invocation.summary());
    }
    Ok(!invocation.answer.failed)
}

/// The tenant that a line of a function's log says is not there.
fn unknown_tenant(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("there is no tenant ")?;
    rest.split(|character: char| !character.is_ascii_alphanumeric() && character != '_').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_is_not_there_is_found_in_the_log() {
        assert_eq!(unknown_tenant(r#"{"reason":"poisoned: there is no tenant acme","n":1}"#), Some("acme"));
        assert_eq!(unknown_tenant(r#"{"reason":"the record is not stored"}"#), None);
    }
}
