//! `doctor`: eight steps with a new adapter, each with what to do when it fails.

mod patient;
mod steps;

use std::ffi::OsString;

use avp_conformance::gate::Exit;
use clap::Args;

use self::{
    patient::Patient,
    steps::{Finding, STEPS},
};
use super::{
    console::{self, ColorArgs},
    target::{FramingArg, PlaceArgs, TargetArgs},
};

/// Which adapter.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance doctor -- python3 adapter.py
  avp-conformance doctor --framing ndjson -- node adapter.js
  avp-conformance doctor avp-python@0.6.2

Exit code 0: all eight steps went well; 3: at least one did not.
")]
pub(super) struct DoctorArgs {
    /// An adapter of the project [default: the built-in reference]
    #[arg(value_name = "NAME[@VERSION]", conflicts_with = "command")]
    name: Option<String>,
    /// The same
    #[arg(long, value_name = "NAME[@VERSION]", conflicts_with_all = ["name", "command"], hide = true)]
    adapter: Option<String>,
    #[command(flatten)]
    places: PlaceArgs,
    /// How frames stand on the pipe of your own adapter
    #[arg(long, value_enum, value_name = "FORM", requires = "command")]
    framing: Option<FramingArg>,
    /// Start your own adapter once for every request, as `COMMAND OP`
    #[arg(long, requires = "command", conflicts_with = "framing")]
    exec: bool,
    #[command(flatten)]
    color: ColorArgs,
    /// Your own adapter: the command that starts it
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs it.
pub(super) fn doctor(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let target = TargetArgs {
        adapter: args.name.clone().or_else(|| args.adapter.clone()),
        places: args.places.clone(),
        framing: args.framing,
        exec: args.exec,
        command: args.command.clone(),
        ..TargetArgs::default()
    }
    .resolve()?;
    let layout = console::layout(args.color.color);
    console::print(&format!("{}\n\n", target.launcher.describe()))?;
    let mut patient = Patient::new(target.launcher.as_ref(), args.exec);
    let mut failed = 0;
    for (n, step) in STEPS.iter().enumerate() {
        let finding = (step.ask)(&mut patient);
        let (word, code) = match &finding {
            Finding::Good(_) => ("ok", "1;32"),
            Finding::Skipped(_) => ("skipped", "33"),
            Finding::Bad { .. } => ("FAILED", "1;31"),
        };
        let word = if layout.color { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() };
        let mut text = format!("{}. {}: {word}\n", n + 1, step.question);
        match &finding {
            Finding::Good(seen) | Finding::Skipped(seen) => text.push_str(&layout.labelled(3, "", seen)),
            Finding::Bad { seen, advice } => {
                failed += 1;
                text.push_str(&layout.labelled(3, "seen", seen));
                text.push_str(&layout.labelled(3, "to do", advice));
                for (n, line) in
                    patient.stderr().lines().rev().take(8).collect::<Vec<_>>().iter().rev().enumerate()
                {
                    text.push_str(&layout.labelled(3, if n == 0 { "stderr" } else { "" }, line));
                }
            }
        }
        console::print(&text)?;
        if matches!(finding, Finding::Bad { .. }) && step.needed {
            console::print("\nThe other steps need this one.\n")?;
            return Ok(Exit::Unusable);
        }
    }
    if failed > 0 {
        console::print(&format!("\n{failed} of {} steps failed.\n", STEPS.len()))?;
        return Ok(Exit::Unusable);
    }
    let next = if target.repeat.is_empty() { String::new() } else { format!(" {}", target.repeat) };
    console::print(&format!("\nAll well. Next: avp-conformance run{next}\n"))?;
    Ok(Exit::Ok)
}
