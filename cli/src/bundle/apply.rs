//! `fluxnex plan` and `fluxnex apply`: a bundle compared with the one that runs, and put in its place.

use super::{Bundle, There, sample};
use crate::Ended;
use crate::connection::{Read, Tenant};
use crate::terminal::Terminal;
use anyhow::{Result, bail};
use fluxnex_authoring::bundle::plan::Plan;
use fluxnex_authoring::bundle::{Checked, Values};
use fluxnex_core::bundle::Bundle as Definition;
use serde_json::json;

pub const PLAN_EXAMPLES: &str = "\
Examples:
  fluxnex plan examples/acme --variables production.yaml
  fluxnex plan --detailed-exitcode      # 0: nothing would change; 1: something would
  fluxnex plan --records 500            # look at more records of each changed flow; 0: at none
  fluxnex plan --json | jq .changes

The flows that would change are run over a sample of the records that are here: how many would become something else,
fail, or not be sent any more. Nothing is written and nothing is sent. Exit code 1 if a record would fail that does not
today.";

pub const APPLY_EXAMPLES: &str = "\
Examples:
  fluxnex apply examples/acme --variables production.yaml
  fluxnex apply --yes                   # also where connections or flows would be removed
  fluxnex apply --shadow                # flows that are new here are mapped and recorded, and deliver nothing

The bundle is checked here, then applied as a whole, on the condition that nobody applied another one since it was
compared. What connections and flows are removed is asked about first.";

/// What would change.
#[derive(Debug, clap::Args)]
pub struct PlanArguments {
    #[command(flatten)]
    bundle: Bundle,
    #[command(flatten)]
    there: There,
    /// Exit code 1 if something would change
    #[arg(long)]
    detailed_exitcode: bool,
    /// How many records of each changed flow are looked at
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(0..=500))]
    records: u16,
}

/// What is applied.
#[derive(Debug, clap::Args)]
pub struct ApplyArguments {
    #[command(flatten)]
    bundle: Bundle,
    #[command(flatten)]
    there: There,
    /// Remove what is not in the bundle any more without asking
    #[arg(long)]
    yes: bool,
    /// Put flows that do not run yet, or run so, in shadow: they are mapped and recorded, and deliver nothing
    #[arg(long)]
    shadow: bool,
}

/// How a bundle is put in the place of the one that runs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// The older version that it is.
    pub(super) restores: Option<i64>,
    /// Whether what goes is not asked about.
    pub(super) yes: bool,
    /// Whether flows that are new are put in shadow.
    pub(super) shadow: bool,
}

pub async fn plan(arguments: &PlanArguments, terminal: &Terminal) -> Result<Ended> {
    let Some(next) = checked(&arguments.bundle, terminal)? else { return Ok(Ended::Negative) };
    let tenant = arguments.there.tenant(next.tenant.clone()).await?;
    let running = terminal.wait("reading what runs", tenant.read()).await?;
    let plan = between(&running, &next);
    tell(&tenant, &plan, terminal);
    let looks = running.runs() && arguments.records > 0;
    let flows = if looks { sample::concerned(&plan, &next) } else { Vec::new() };
    let samples = sample::samples(&tenant, &next, &flows, arguments.records, terminal).await?;
    for sample in &samples {
        terminal.say(sample::text(sample));
    }
    terminal.answer(&json!({ "changes": plan.changes, "samples": samples }))?;
    let no = samples.iter().any(sample::fails) || (arguments.detailed_exitcode && !plan.is_empty());
    Ok(if no { Ended::Negative } else { Ended::Done })
}

pub async fn apply(arguments: &ApplyArguments, terminal: &Terminal) -> Result<Ended> {
    let Some(next) = checked(&arguments.bundle, terminal)? else { return Ok(Ended::Negative) };
    let tenant = arguments.there.tenant(next.tenant.clone()).await?;
    let manner = Manner { restores: None, yes: arguments.yes, shadow: arguments.shadow };
    put(&tenant, next, manner, terminal).await
}

/// The bundle, if nothing is wrong with it.
fn checked(bundle: &Bundle, terminal: &Terminal) -> Result<Option<Definition>> {
    let Checked { bundle: definition, findings, .. } = bundle.check(Values::Needed, terminal)?;
    if definition.is_none() {
        terminal.say("the bundle has faults: nothing is done");
        terminal.answer(&json!({ "fine": false, "findings": findings }))?;
    }
    Ok(definition)
}

fn between(running: &Read, next: &Definition) -> Plan {
    Plan::of(running.runs().then_some(&running.bundle), next)
}

fn tell(tenant: &Tenant, plan: &Plan, terminal: &Terminal) {
    match plan.is_empty() {
        true => terminal.say(format!("{}: what runs is this bundle", tenant.id)),
        false => terminal.say(plan.text()),
    }
}

/// Flows that deliver nothing yet are not to begin with it.
fn put_in_shadow(next: &mut Definition, running: &Definition) {
    for (id, flow) in &mut next.flows {
        flow.shadow |= running.flows.get(id).is_none_or(|runs| runs.shadow);
    }
}

/// Applies a bundle over the one that was read just before.
pub(super) async fn put(tenant: &Tenant, mut next: Definition, manner: Manner, terminal: &Terminal) -> Result<Ended> {
    let running = terminal.wait("reading what runs", tenant.read()).await?;
    if manner.shadow {
        put_in_shadow(&mut next, &running.bundle);
    }
    let plan = between(&running, &next);
    tell(tenant, &plan, terminal);
    let removed = plan.removed().join(", ");
    if !removed.is_empty() && !manner.yes {
        if !terminal.can_ask() {
            bail!("this would remove {removed}: give --yes if that is meant");
        }
        if !terminal.confirm(&format!("Remove {removed}?"))? {
            terminal.say("nothing is done");
            return Ok(Ended::Negative);
        }
    }
    // Also when nothing changes: an apply that was cut short is finished by the next one.
    let version = terminal.wait("applying", tenant.apply(&next, &running, manner.restores)).await?;
    terminal.say(format!("{}: version {version} runs", tenant.id));
    let shadow: Vec<&str> = next.flows.iter().filter(|(_, flow)| flow.shadow).map(|(id, _)| id.as_str()).collect();
    if !shadow.is_empty() {
        terminal.say(format!("in shadow, deliver nothing: {}", shadow.join(", ")));
    }
    terminal.answer(&json!({ "tenant": tenant.id, "version": version, "changes": plan.changes, "shadow": shadow }))?;
    Ok(Ended::Done)
}
