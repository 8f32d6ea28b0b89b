//! `avp-bench merge`.

use std::path::PathBuf;
use std::process::ExitCode;

use avp_bench::folder;

use super::run::{ShardArg, show};

const EXAMPLES: &str = "\
Examples:
  avp-bench merge runs/mine

Writes DIR/traces.jsonl, sorted, and DIR/results.json with the results' hash: SHA-256 over all traces without times, energy and
memory, the same for every number of shards and every interruption. Shards that are missing or not done, and traces that are
missing or there twice, are named, and nothing is written then.

Exit codes: 0 done; 1 something is missing, and standard error says what; 2 wrong arguments.";

/// Puts the shards of a run together.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run's folder.
    dir: PathBuf,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (results, _) = folder::merge(&args.dir)?;
    show(&args.dir, Some(&results), ShardArg::WHOLE, args.json)?;
    Ok(ExitCode::SUCCESS)
}
