//! `avp-bench compare`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use avp_bench::analysis::{Merged, RunPair};
use avp_bench::report;

const EXAMPLES: &str = "\
Examples:
  avp-bench compare runs/main runs/branch
  avp-bench compare runs/ten runs/five --pair latent@10=latent@5
  avp-bench compare A B --json

Arms are paired by id, then those of --pair, then the one arm of a kind that each run has left. Every difference is of the
second run less the first, on the items that both have: score interval of 95 %, exact test, Holm over all of them.";

/// Holds two merged runs beside each other, item by item.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What `merge` wrote for one run.
    first: PathBuf,
    /// And for the other.
    second: PathBuf,
    /// An arm of the first run and the arm of the second that it is held against.
    #[arg(long, value_name = "ARM=ARM", value_parser = pair)]
    pair: Vec<(String, String)>,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (first, second) = text.split_once('=').ok_or_else(|| format!("ARM=ARM, found {text:?}"))?;
    Ok((first.to_owned(), second.to_owned()))
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let open = |folder: &PathBuf| {
        Merged::open(folder).with_context(|| format!("{} is no merged run", folder.display()))
    };
    let (first, second) = (open(&args.first)?, open(&args.second)?);
    let pair = RunPair::of(&first, &second, &args.pair);
    anyhow::ensure!(!pair.arms.is_empty(), "the runs have no item in common under any arm of both");
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&pair)?)
    } else {
        report::compare_table(&pair)
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
