//! `avp-bench claims`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use avp_bench::analysis::Merged;
use avp_bench::claim::{Checked, check, published};

const EXAMPLES: &str = "\
Examples:
  avp-bench claims
  avp-bench claims runs/humaneval-7b
  avp-bench claims runs/humaneval-7b --json

A published figure is held against a run of the same model, the task's `-compat` form and the same arm alone. reproduced: in the
run's own interval, on as many items; inside its interval: nothing against it, and not enough for it; contradicted: apart by
more than both samples' uncertainty, after Holm's correction; not run: with the reason.";

/// Shows every published figure, and what a merged run says of it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What `merge` wrote; without it, the figures alone.
    run: Option<PathBuf>,
    /// JSON instead of a list.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let claims = published()?;
    let Some(folder) = &args.run else {
        let text = if args.json {
            serde_json::to_string_pretty(&claims)? + "\n"
        } else {
            claims.iter().fold(String::new(), |mut text, claim| {
                let _ = writeln!(text, "{}", line(&claim.id, &claim.subject(), &claim.figure(), claim.n));
                text
            })
        };
        super::print(&text)?;
        return Ok(ExitCode::SUCCESS);
    };
    let merged = Merged::open(folder)
        .with_context(|| format!("{} is no merged run; `avp-bench merge` makes one", folder.display()))?;
    let checked = check(&claims, &merged);
    let text = if args.json { serde_json::to_string_pretty(&checked)? + "\n" } else { list(&checked) };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn line(id: &str, subject: &str, figure: &str, n: Option<u64>) -> String {
    let n = n.map_or_else(String::new, |n| format!(" (n = {n})"));
    let subject = if subject.is_empty() { String::new() } else { format!("{subject}: ") };
    format!("{id}: {subject}{figure}{n}")
}

fn list(checked: &[Checked]) -> String {
    let mut text = String::new();
    let mut counts = BTreeMap::new();
    for one in checked {
        let claim = &one.claim;
        let _ = writeln!(text, "{}", line(&claim.id, &claim.subject(), &claim.figure(), claim.n));
        let found = one.found().map_or_else(String::new, |found| format!("; the run: {found}"));
        let _ = writeln!(text, "    {} ({}){found}", one.verdict.words(), one.why);
        *counts.entry(one.verdict).or_insert(0) += 1;
    }
    let counts: Vec<String> =
        counts.into_iter().map(|(verdict, count)| format!("{count} {}", verdict.words())).collect();
    let _ = writeln!(text, "{} published figures: {}", checked.len(), counts.join(", "));
    text
}
