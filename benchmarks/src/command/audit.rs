//! `avp-bench audit`.

use std::path::PathBuf;
use std::process::ExitCode;

use avp_bench::record::Audit;
use avp_bench::run_file::RunFile;
use avp_bench::sandbox::Sandbox;
use avp_bench::task::{Task, audit};

const EXAMPLES: &str = "\
Examples:
  avp-bench audit pocket-quick
  avp-bench audit my-run.yaml --json

Every run begins with this, and its record keeps the outcome. No model is needed.

Exit codes: 0 each scorer takes every item's own answer, no empty one, no other item's, and none that ends the program instead
of answering; 1 one of them does not; 2 wrong arguments.";

/// Tries the scorers of a run on answers that are known.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run file, or the name of a shipped one.
    run: String,
    /// Items of each task at most, as `limits.items` of the run file.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// The folder of published data sets, one folder each; otherwise where `avp-bench data fetch` puts them.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Runs programs without a sandbox.
    #[arg(long)]
    unconfined: bool,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = RunFile::open(&args.run)?.limited(args.limit);
    let tasks: Vec<_> =
        file.tasks.iter().map(|task| Task::open(task, args.data.as_deref())).collect::<Result<_, _>>()?;
    let sandbox = match tasks.iter().any(|task| task.form.runs_programs()) {
        true if args.unconfined => Some(Sandbox::unconfined()?),
        true => Some(Sandbox::probe()?),
        false => None,
    };
    let chosen = |task: &Task| task.chosen(file.seed, file.limits.items);
    let audits: Vec<_> = tasks.iter().map(|task| audit(task, &chosen(task), sandbox.as_ref())).collect();
    let text = if args.json {
        serde_json::to_string_pretty(&audits)? + "\n"
    } else {
        audits.iter().map(|audit| format!("{}: {}\n", audit.task, describe(audit))).collect()
    };
    super::print(&text)?;
    Ok(if audits.iter().all(Audit::is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An audit in a line.
pub(super) fn describe(audit: &Audit) -> String {
    let mut text = format!(
        "own answer right for {} of {} items, an empty one for {}, another item's for {} of {}",
        audit.gold, audit.items, audit.empty, audit.foreign, audit.foreign_of
    );
    if audit.cheats_of > 0 {
        text += &format!(", {} of {} replies that answer nothing taken", audit.cheats, audit.cheats_of);
    }
    if audit.shown_only {
        text += " (by the upstream project's rules, shown for what they are)";
    } else if audit.ceiling {
        text += " (the first is the ceiling of every arm)";
    }
    text
}
