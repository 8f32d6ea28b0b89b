//! `replay EVENTS`: what was missed then, asked again now.

use std::ffi::OsStr;
use std::path::PathBuf;

use avp_conformance::{
    case::{Case, Source, Spec},
    check,
    event::{CaseEvent, Dissector, Event},
    gate::Exit,
    schedule::{self, RunOptions, StopFlag},
    tally::counts,
    verdict::Outcome,
};
use clap::Args;

use super::{
    Ended,
    console::{self, ColorArgs},
    counterexamples, report, run, suite,
    target::TargetArgs,
};

/// What to repeat.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance run --events run.ndjson -- ./mine
  avp-conformance replay run.ndjson
  avp-conformance replay run.ndjson -- ./mine-fixed
  avp-conformance replay counterexamples -- ./mine-fixed

Each case ends as FIXED, FAILED or ERROR (it could not be asked again). The exit code is 0 when all are fixed, 1 when one
fails, 5 when one could not be asked.
")]
pub(super) struct ReplayArgs {
    /// Events that `run --events FILE` recorded, or a folder or file of counterexamples
    #[arg(value_name = "EVENTS")]
    events: PathBuf,
    /// Repeat cases that only warned too
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    color: ColorArgs,
}

/// How a repetition ended.
enum Ending {
    Fixed,
    Failed(String),
    Error(String),
}

/// Runs it.
pub(super) fn replay(args: &ReplayArgs) -> anyhow::Result<Exit> {
    if args.events.is_dir() || args.events.extension() == Some(OsStr::new("json")) {
        return kept(args);
    }
    let tally = report::tally(report::read(&args.events)?)?;
    let missed: Vec<&CaseEvent> = tally.cases.iter().filter(|case| missed(case, args.strict)).collect();
    if missed.is_empty() {
        return Err(Ended::new(Exit::Incomplete, "nothing was missed in these events").into());
    }
    let target = if args.target.is_default() {
        TargetArgs::from_recorded(&tally.start.repeat, &args.target.places)?.resolve()?
    } else {
        args.target.resolve()?
    };
    let vectors = suite::vectors()?;
    let found: Vec<(&CaseEvent, Option<Case>)> =
        missed.iter().map(|event| (*event, again(event, &vectors))).collect();
    let cases: Vec<Case> = found.iter().filter_map(|(_, case)| case.clone()).collect();
    let mut events: Vec<Event> = Vec::new();
    if !cases.is_empty() {
        let stop = StopFlag::default();
        run::stop_on_signal(&stop)?;
        let mut options = RunOptions::new(tally.start.seed);
        options.specs = tally.start.specs.clone();
        options.repeat.clone_from(&target.repeat);
        options.selection = vec![format!("replay of {}", args.events.display())];
        options.annotate = &Dissector;
        options.stop = stop;
        schedule::run(cases, target.launcher.as_ref(), &options, &mut events)
            .map_err(|error| run::no_verdict(Some(error), &target))?;
    }
    let endings: Vec<(&str, Ending)> = found
        .iter()
        .map(|(then, case)| (then.key.as_str(), ending(then, case.as_ref(), &events, args.strict)))
        .collect();
    tell(&endings, args)
}

/// Counterexamples, asked again.
fn kept(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let cases = counterexamples::cases(&args.events)?;
    if cases.is_empty() {
        let told = format!("there is no counterexample in {}", args.events.display());
        return Err(Ended::new(Exit::Incomplete, told).into());
    }
    let target = args.target.resolve()?;
    let stop = StopFlag::default();
    run::stop_on_signal(&stop)?;
    let mut options = RunOptions::new(suite::DEFAULT_SEED);
    options.specs = vec![Spec::V02, Spec::V04];
    options.repeat.clone_from(&target.repeat);
    options.selection = vec![format!("replay of {}", args.events.display())];
    options.stop = stop;
    let mut events: Vec<Event> = Vec::new();
    schedule::run(cases.clone(), target.launcher.as_ref(), &options, &mut events)
        .map_err(|error| run::no_verdict(Some(error), &target))?;
    let keys: Vec<String> = cases.iter().map(Case::key).collect();
    let endings: Vec<(&str, Ending)> =
        keys.iter().map(|key| (key.as_str(), ending_of(key, &events, args.strict))).collect();
    tell(&endings, args)
}

fn missed(case: &CaseEvent, strict: bool) -> bool {
    case.checks.iter().any(|check| check.missed() && counts(check.level, strict))
}

/// The same case as this suite has it.
fn again(event: &CaseEvent, vectors: &[Case]) -> Option<Case> {
    match &event.source {
        Source::Generated { seed, .. } => check::generated_case(&event.id, event.spec, *seed),
        Source::Vector { .. } => vectors.iter().find(|case| case.key() == event.key).cloned(),
        // It lies in a file, which is replayed by its name.
        Source::Counterexample => None,
    }
}

fn ending(then: &CaseEvent, case: Option<&Case>, events: &[Event], strict: bool) -> Ending {
    let Some(case) = case else { return Ending::Error("this suite has no such case".to_owned()) };
    if let (Source::Vector { rev: then }, Source::Vector { rev: now }) = (&then.source, &case.source)
        && then != now
    {
        return Ending::Error(format!("the vector was revised since (revision {then}, now {now})"));
    }
    ending_of(&then.key, events, strict)
}

fn ending_of(key: &str, events: &[Event], strict: bool) -> Ending {
    let now = events.iter().find_map(|event| match event {
        Event::Case(now) if now.key == key => Some(now),
        _ => None,
    });
    let Some(now) = now else { return Ending::Error("the run ended before it".to_owned()) };
    if let Some(check) = now.checks.iter().find(|check| check.missed() && counts(check.level, strict)) {
        return Ending::Failed(format!("#{} {}", check.name, check.note));
    }
    if now.checks.iter().all(|check| check.outcome == Outcome::NotApplicable) {
        return Ending::Error(now.checks.first().map(|check| check.note.clone()).unwrap_or_default());
    }
    Ending::Fixed
}

fn tell(endings: &[(&str, Ending)], args: &ReplayArgs) -> anyhow::Result<Exit> {
    let layout = console::layout(args.color.color);
    let mut text = String::new();
    let (mut fixed, mut failed, mut errors) = (0, 0, 0);
    for (key, ending) in endings {
        let (word, code, rest) = match ending {
            Ending::Fixed => ("FIXED", "1;32", String::new()),
            Ending::Failed(why) => ("FAILED", "1;31", format!("  {why}")),
            Ending::Error(why) => ("ERROR", "33", format!("  {why}")),
        };
        *match ending {
            Ending::Fixed => &mut fixed,
            Ending::Failed(_) => &mut failed,
            Ending::Error(_) => &mut errors,
        } += 1;
        let padded = format!("{word:6}");
        let word = if layout.color { format!("\x1b[{code}m{padded}\x1b[0m") } else { padded };
        text.push_str(&format!("{word}  {key}{rest}\n"));
    }
    text.push_str(&format!("\n{fixed} fixed, {failed} failed, {errors} could not be asked\n"));
    console::print(&text)?;
    Ok(match (failed, errors) {
        (0, 0) => Exit::Ok,
        (0, _) => Exit::Incomplete,
        _ => Exit::Failed,
    })
}
