//! `baseline check` and `baseline update`.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use avp_conformance::{
    baseline::{Change, Deviation, Kind, Seen, update},
    gate::{Exit, Gate},
    report::Subject,
    tally::{Tally, counts},
    verdict::Outcome,
};
use clap::{Args, Subcommand};

use super::{console, report};

/// Known deviations.
#[derive(Subcommand)]
pub(super) enum BaselineCommand {
    /// Hold a baseline against recorded events, without running anything
    #[command(after_help = "Examples:\n  avp-conformance baseline check known.toml run.ndjson\n")]
    Check(CheckArgs),
    /// Rewrite a baseline so that it expects what was recorded; comments and order stay
    #[command(after_help = "\
Examples:
  avp-conformance run --no-baseline --events run.ndjson -- ./my-adapter
  avp-conformance baseline update known.toml run.ndjson
  avp-conformance run --baseline known.toml -- ./my-adapter

New entries are grouped by cause and carry the cause as their reason: put your own in.
")]
    Update(UpdateArgs),
}

/// What to hold against what.
#[derive(Args)]
pub(super) struct CheckArgs {
    /// The baseline
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Events that `run --events FILE` recorded
    #[arg(value_name = "EVENTS")]
    events: PathBuf,
    /// A missed SHOULD fails
    #[arg(long)]
    strict: bool,
}

/// What to write from what.
#[derive(Args)]
pub(super) struct UpdateArgs {
    /// The baseline; made when it is not there
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Events that `run --events FILE` recorded
    #[arg(value_name = "EVENTS")]
    events: PathBuf,
    /// List missed SHOULDs too
    #[arg(long)]
    strict: bool,
    /// List cases that were not run too, for an implementation that leaves something out on purpose
    #[arg(long)]
    not_run: bool,
    /// Reason of new entries [default: what the cases say of the cause]
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub(super) fn baseline(command: &BaselineCommand) -> anyhow::Result<Exit> {
    match command {
        BaselineCommand::Check(args) => check(args),
        BaselineCommand::Update(args) => rewrite(args),
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<Exit> {
    let tally = report::tally(report::read(&args.events)?)?;
    let baseline = report::read_baseline(&args.file)?;
    let applied = baseline.apply(&Seen::new(&tally.cases), report::today());
    let subject = Subject { baseline: Some(&applied), strict: args.strict, ..Subject::new(&tally) };
    let mut text = format!("{} deviations are as listed\n", applied.expected());
    for problem in &applied.problems {
        text.push_str(&format!("wrong: {problem}\n"));
    }
    for (name, entry) in &applied.stale {
        text.push_str(&format!("stale: {name} ({})\n", entry.reason));
    }
    for (case, check) in subject.unlisted_failures() {
        text.push_str(&format!("not listed: {}#{}\n", case.key, check.name));
    }
    console::print(&text)?;
    let gate = Gate::of(&subject);
    if !gate.why.is_empty() {
        eprintln!("exit code {}: {}", gate.exit.code(), gate.why);
    }
    Ok(gate.exit)
}

fn rewrite(args: &UpdateArgs) -> anyhow::Result<Exit> {
    let tally = report::tally(report::read(&args.events)?)?;
    let text = match fs::read_to_string(&args.file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).context(args.file.display().to_string()),
    };
    let seen = Seen::new(&tally.cases);
    let found = deviations(&tally, args);
    let updated =
        update(&text, &seen, &found, report::today()).with_context(|| args.file.display().to_string())?;
    for change in &updated.changes {
        eprintln!("{}", told(change));
    }
    if updated.changes.is_empty() {
        eprintln!("nothing to change");
    }
    if args.dry_run {
        console::print(&updated.text)?;
    } else if updated.text != text {
        fs::write(&args.file, &updated.text).with_context(|| args.file.display().to_string())?;
    }
    Ok(Exit::Ok)
}

fn deviations(tally: &Tally, args: &UpdateArgs) -> Vec<Deviation> {
    let reason = |text: String| args.reason.clone().unwrap_or(text);
    let mut found = Vec::new();
    for cause in tally.causes() {
        for miss in cause.misses.iter().filter(|miss| counts(miss.check.level, args.strict)) {
            let Some(kind) = Kind::of(miss.check.outcome) else { continue };
            found.push(Deviation {
                key: miss.case.key.clone(),
                check: miss.check.name.clone(),
                kind,
                reason: reason(format!("{}: {}", cause.name, cause.misses[0].case.why)),
            });
        }
    }
    if args.not_run {
        for (case, check) in tally.checks().filter(|(_, check)| check.outcome == Outcome::NotApplicable) {
            found.push(Deviation {
                key: case.key.clone(),
                check: check.name.clone(),
                kind: Kind::NotRun,
                reason: reason(check.note.clone()),
            });
        }
    }
    found
}

fn told(change: &Change) -> String {
    match change {
        Change::Added(patterns) => format!("added: {}", patterns.join(", ")),
        Change::Narrowed { from, to } => format!("narrowed: {from} to {}", to.join(", ")),
        Change::Removed(pattern) => format!("removed: {pattern}"),
        Change::Expired(pattern) => {
            format!("left alone: {pattern} has reached its date; decide what becomes of it")
        }
    }
}
