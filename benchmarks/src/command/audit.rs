//! `avp-bench audit`.

use std::fmt::Write as _;
use std::process::ExitCode;

use avp_bench::run_file::RunFile;
use avp_bench::task::{Task, audit};

const EXAMPLES: &str = "\
Examples:
  avp-bench audit pocket-quick
  avp-bench audit my-run.yaml --json

Every run begins with this, and its record keeps the outcome. No model is needed.

Exit codes: 0 each scorer takes every item's own answer, no empty one, and no other item's; 1 one of them does not; 2 wrong
arguments.";

/// Tries the scorers of a run on answers that are known.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run file, or the name of a shipped one.
    run: String,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = RunFile::open(&args.run)?;
    let tasks: Vec<_> = file.tasks.iter().map(Task::open).collect::<Result<_, _>>()?;
    let audits: Vec<_> = tasks.iter().map(audit).collect();
    let text = if args.json {
        serde_json::to_string_pretty(&audits)? + "\n"
    } else {
        audits.iter().fold(String::new(), |mut text, audit| {
            let _ = writeln!(
                text,
                "{}: own answer right for {} of {} items, an empty one for {}, another item's for {} of {}",
                audit.task, audit.gold, audit.items, audit.empty, audit.foreign, audit.foreign_of
            );
            text
        })
    };
    super::print(&text)?;
    Ok(if audits.iter().all(avp_bench::record::Audit::is_good) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
