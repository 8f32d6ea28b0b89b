//! `avp-bench report`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use avp_bench::report;

const EXAMPLES: &str = "\
Examples:
  avp-bench report runs/pocket-quick
  avp-bench report runs/pocket-quick --out reports/pocket-quick
  avp-bench report runs/pocket-quick --json > numbers.json

Writes index.html, report.md, plots/*.svg, tables/*.csv and tables/*.parquet: the same bytes from the same folder.";

/// Makes the report of a merged run: a page, Markdown, pictures, tables.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What `merge` wrote: record.json and traces.jsonl.
    run: PathBuf,
    /// The report's folder. [default: reports/NAME, as the run file names it]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// All numbers as JSON, instead of a table of arms.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let run = avp_bench::analysis::Merged::open(&args.run)
        .with_context(|| format!("{} is no merged run; `avp-bench merge` makes one", args.run.display()))?;
    let report = report::Report::of(&run)?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => PathBuf::from("reports").join(file_name(&report.analysis.name)),
    };
    report.write(&out)?;
    if args.json {
        super::print(&format!("{}\n", serde_json::to_string_pretty(&report.analysis)?))?;
    } else {
        super::print(&report::terminal_table(&report.analysis))?;
        super::print(&format!("\n{}\n", out.join("index.html").display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A run's name without anything that leads elsewhere.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    if name.trim_matches('.').is_empty() { "run".to_owned() } else { name }
}
