//! `search`: inputs that bring numeric answers as far from the oracle's as can be found.

use std::io::IsTerminal as _;

use avp_conformance::{
    case::Spec,
    event::Dissector,
    gate::Exit,
    report::text::Layout,
    schedule::{RunOptions, StopFlag},
    search::{self, NUMERIC, Plan, Worst},
};
use clap::Args;
use indicatif::ProgressBar;

use super::{
    Ended,
    console::{self, ColorArgs},
    run, selection, show, suite,
    target::TargetArgs,
};

/// Questions where nothing is said: some ten seconds of an interpreter.
const BUDGET: usize = 4000;

/// What to search, and how long.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance search                                            the built-in reference
  avp-conformance search --op soft_embed --budget 20000 -- ./mine   one operation, for longer
  avp-conformance search --adapter avp-python@0.6.2 --json

Each line tells how far the worst of the first cases is off, and the worst that was found, in units in the last place. The
inputs are of the kind that the suite's own checks use, so that their tolerances hold.

Exit codes: 0 when every answer is as near as the requirement demands, 1 when one is not, 2 for a mistake in the options,
3 when the implementation can't be used, 5 when it answers no numbers, 130 when stopped by hand.
")]
pub(super) struct SearchArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Only these operations: soft_embed,realign_apply
    #[arg(long, value_name = "OP", value_delimiter = ',', value_parser = op)]
    op: Vec<String>,
    /// Most questions in all
    #[arg(long, value_name = "N", default_value_t = BUDGET)]
    budget: usize,
    /// Decides where it begins and what it tries: a number, or `random`
    #[arg(long, value_name = "SEED", default_value_t = suite::DEFAULT_SEED, value_parser = run::seed)]
    seed: u64,
    /// The dialect
    #[arg(long, value_name = "VERSION", default_value = "0.4", value_parser = selection::spec)]
    spec: Spec,
    /// Multiplies every time limit, for slow machines
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = run::factor)]
    timeout_scale: f64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    color: ColorArgs,
}

fn op(text: &str) -> Result<String, String> {
    match NUMERIC.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("operations that answer numbers are {}", NUMERIC.join(", "))),
    }
}

/// Runs it.
pub(super) fn search(args: &SearchArgs) -> anyhow::Result<Exit> {
    let target = args.target.resolve()?;
    let mut options = RunOptions::new(args.seed);
    options.timeout_scale = args.timeout_scale;
    options.stop = StopFlag::default();
    run::stop_on_signal(&options.stop)?;
    let plan = Plan { seed: args.seed, budget: args.budget, ops: args.op.clone(), spec: args.spec };
    let bar = match std::io::stderr().is_terminal() {
        true => ProgressBar::new(args.budget as u64),
        false => ProgressBar::hidden(),
    };
    let found =
        search::search(target.launcher.as_ref(), &options, &plan, |asked| bar.set_position(asked as u64))
            .map_err(|error| run::no_verdict(Some(error), &target))?;
    bar.finish_and_clear();
    if args.json {
        console::print(&format!("{}\n", serde_json::to_string_pretty(&found)?))?;
    } else {
        console::print(&render(&found, &console::layout(args.color.color)))?;
    }
    if options.stop.raised() {
        return Ok(Exit::Interrupted);
    }
    if found.is_empty() {
        return Err(Ended::new(Exit::Incomplete, "it answers no numbers that an oracle knows").into());
    }
    let beyond = found.iter().any(|worst| !worst.missed.is_empty());
    Ok(if beyond { Exit::Failed } else { Exit::Ok })
}

fn render(found: &[Worst], layout: &Layout) -> String {
    let mut out = String::new();
    for worst in found {
        let odd = match worst.not_finite {
            0 => String::new(),
            count => format!(", {count} not finite"),
        };
        let told = format!(
            "{} {}: {:.2} ULP at first, {:.2} ULP after {} questions{odd}",
            worst.op, worst.dtype, worst.before, worst.after, worst.asked
        );
        out.push_str(&format!("{:28}{told}\n", worst.property));
    }
    for worst in found.iter().filter(|worst| !worst.missed.is_empty()) {
        out.push('\n');
        let title = format!("{} misses {}", worst.property, worst.missed.join(", "));
        out.push_str(&layout.title(&title, &worst.op));
        for (index, step) in worst.case.steps.iter().enumerate() {
            show::one_step(&mut out, &worst.case, index, step, layout, &Dissector);
        }
    }
    out
}
