//! `run`: cases → an implementation → verdicts.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use avp_conformance::{
    baseline::Baseline,
    case::{Case, Source, Spec},
    check::{self, CASES_PER_AREA},
    event::{Dissector, Event},
    gate::Exit,
    http::is_peer_op,
    report::Subject,
    schedule::{self, Dumps, ProbePolicy, RunError, RunOptions, Shrinking, StopFlag},
    select::Selection,
    tally::Profile,
};
use clap::Args;

use super::{
    Ended,
    console::{self, ColorArgs},
    counterexamples, fuzz,
    github::Workflow,
    record::Recorder,
    report::{self, Destination, Form},
    selection::{self, SelectionArgs},
    suite::{self, MOST_PER_AREA},
    target::{Target, TargetArgs},
};

/// Everything a run can be told.
#[derive(Args, Default)]
#[command(after_help = "\
Examples:
  avp-conformance run                                            the built-in reference
  avp-conformance run --adapter avp-python@0.6.2                 an adapter of the project
  avp-conformance run -- python3 adapter.py                      your own
  avp-conformance run --url https://agents.example.org            a server that runs, without an adapter
  avp-conformance run --url http://127.0.0.1:8000 --insecure-loopback --token-file token
  avp-conformance run --cases 20000 --seed random                ten times as many generated cases, and others
  avp-conformance run --fuzz 5m --counterexamples found -- ./mine  cases of fresh seeds; what fails is kept, made small
  avp-conformance run --area HDR,KV --id 'hdr/magic/**' -- ./mine  some of it
  avp-conformance run --report html=report.html --report sarif=avp.sarif --report junit=junit.xml -- ./mine
")]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    #[command(flatten)]
    pub(super) how: HowArgs,
    /// A missed SHOULD fails
    #[arg(long, help_heading = "Verdict")]
    pub(super) strict: bool,
    /// Known deviations [default: what the adapter's description names]
    #[arg(long, value_name = "FILE", help_heading = "Verdict")]
    pub(super) baseline: Option<PathBuf>,
    /// Leave the adapter's own baseline aside
    #[arg(long, conflicts_with = "baseline", help_heading = "Verdict")]
    pub(super) no_baseline: bool,
    /// Print the report as one JSON document
    #[arg(long, help_heading = "Reports")]
    pub(super) json: bool,
    /// Write a report to a file: html=FILE, json=FILE, junit=FILE, sarif=FILE, badge=FILE, md=FILE, text=FILE
    #[arg(long = "report", value_name = "FORM=FILE", help_heading = "Reports")]
    pub(super) reports: Vec<Destination>,
    /// Keep counterexamples in this folder, and ask those that are there first [default: counterexamples, where it is]
    #[arg(long, value_name = "DIR", help_heading = "Counterexamples")]
    pub(super) counterexamples: Option<PathBuf>,
    /// Leave failing generated cases as they are
    #[arg(long, help_heading = "Counterexamples")]
    pub(super) no_shrink: bool,
    /// Go on with generated cases of further seeds for this long: 60s, 5m, 2h. Ctrl-C ends it early
    #[arg(long, value_name = "TIME", value_parser = fuzz::duration, conflicts_with = "vectors_only", help_heading = "Counterexamples")]
    pub(super) fuzz: Option<Duration>,
    /// Record the events of the run, for `report`, `replay`, `merge` and `baseline`
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(super) events: Option<PathBuf>,
    /// In a GitHub workflow: no summary of the step, no annotations
    #[arg(long, help_heading = "Reports")]
    pub(super) no_github: bool,
    /// Leave out times and the number of children: two runs of one seed, whole or in parts that are merged, give the same
    /// bytes in every report
    #[arg(long, help_heading = "Reports")]
    pub(super) no_times: bool,
    /// Tell warnings in full too
    #[arg(long, short, help_heading = "Reports")]
    pub(super) verbose: bool,
    #[command(flatten)]
    pub(super) color: ColorArgs,
}

/// How cases are asked.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "How")]
pub(super) struct HowArgs {
    /// Decides the order and the generated cases: a number, or `random`
    #[arg(long, value_name = "SEED", default_value_t = suite::DEFAULT_SEED, value_parser = seed)]
    pub(super) seed: u64,
    /// Generated cases an area, in both dialects together (HTTP has an eighth); more are the same ones and further ones
    #[arg(long, value_name = "N", default_value_t = CASES_PER_AREA, value_parser = clap::value_parser!(u32).range(..=MOST_PER_AREA))]
    pub(super) cases: u32,
    /// Only the golden vectors: the same as --cases 0
    #[arg(long, conflicts_with = "cases")]
    pub(super) vectors_only: bool,
    /// Most children at a time [default: one a core, if the adapter allows it]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(super) workers: usize,
    /// Multiplies every time limit, for slow machines
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    pub(super) timeout_scale: f64,
    /// End the run after so many failed cases
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_fail: Option<u64>,
    /// Go on although the adapter failed an honesty probe
    #[arg(long)]
    pub(super) force: bool,
}

impl Default for HowArgs {
    fn default() -> Self {
        Self {
            seed: suite::DEFAULT_SEED,
            cases: CASES_PER_AREA,
            vectors_only: false,
            workers: 0,
            timeout_scale: 1.0,
            max_fail: None,
            force: false,
        }
    }
}

impl HowArgs {
    /// Generated cases an area.
    pub(super) fn per_area(&self) -> u32 {
        if self.vectors_only { 0 } else { self.cases }
    }

    /// The same for a run. `selection` is how its cases were selected.
    pub(super) fn options<'a>(&self, mut selection: Vec<String>, stop: StopFlag) -> RunOptions<'a> {
        match self.per_area() {
            0 => selection.push("--vectors-only".to_owned()),
            CASES_PER_AREA => {}
            cases => selection.push(format!("--cases {cases}")),
        }
        let mut options = RunOptions::new(self.seed);
        options.workers = self.workers;
        options.timeout_scale = self.timeout_scale;
        options.probes = if self.force { ProbePolicy::Record } else { ProbePolicy::Stop };
        options.dumps = Dumps::Missed;
        options.selection = selection;
        options.annotate = &Dissector;
        options.stop = stop;
        options
    }
}

impl RunArgs {
    /// What happens without a subcommand.
    pub(super) fn default_run() -> Self {
        Self::default()
    }
}

/// Runs it.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let target = args.target.resolve()?;
    let profile = profile(args, &target)?;
    let baseline = baseline(args, &target)?;
    let seed = match args.fuzz {
        // Fresh, unless one was asked for.
        Some(_) if args.how.seed == suite::DEFAULT_SEED => avp_conformance::adapter::fresh_id(),
        _ => args.how.seed,
    };
    let folder = counterexamples::folder(args.counterexamples.as_deref());
    let mut all = folder.as_deref().map_or(Ok(Vec::new()), counterexamples::cases)?;
    all.extend(suite::cases(seed, args.how.per_area(), &args.selection.id)?);
    let keys: Vec<String> = all.iter().map(Case::key).collect();
    if let Some(problem) = baseline
        .as_ref()
        .and_then(|baseline| baseline.unmatched_cases(keys.iter().map(String::as_str)).into_iter().next())
    {
        return Err(Ended::new(Exit::Usage, format!("baseline: {problem}")).into());
    }
    let digest = suite::digest(&all);
    if args.target.url.is_some() {
        // An address has no decoder that could be asked: what is generated for one is no gap in the verdict on a server.
        all.retain(|case| {
            !matches!(case.source, Source::Generated { .. })
                || case.steps.iter().any(|step| is_peer_op(&step.op))
        });
    }
    let scope = scope(&all);
    let selection = args.selection.selection(profile);
    let cases = selection::apply(&selection, all)?;

    let stop = StopFlag::default();
    stop_on_signal(&stop)?;
    let progress = std::io::stderr().is_terminal();
    let max_fail = args.how.max_fail.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    let mut recorder = Recorder::new(args.events.as_deref(), progress, args.strict, max_fail, stop.clone())?
        .without_times(args.no_times);
    let mut options = options(args, &target, &selection, stop.clone());
    options.seed = seed;
    options.scope = scope;
    options.vectors = digest;
    // What is listed as known is not worth a search in every run.
    let known = |key: &str, check: &str| {
        baseline.as_ref().is_some_and(|known| known.entries.iter().any(|entry| entry.fits(key, check)))
    };
    options.shrink = (!args.no_shrink).then_some(Shrinking { stop, known: Some(&known) });
    let launcher = target.launcher.as_ref();
    let outcome = match args.fuzz {
        None => schedule::run(cases, launcher, &options, &mut recorder),
        Some(time) => {
            eprintln!("seed {seed} and those behind it, for {} s", time.as_secs());
            let more = |seed| {
                let generated = [Spec::V02, Spec::V04].into_iter();
                let all = generated.flat_map(|spec| check::generated(spec, seed, args.how.per_area()));
                selection::apply(&selection, all.collect())
            };
            fuzz::run(cases, launcher, &options, time, more, &mut recorder)?
        }
    };
    let events = recorder.into_events();
    if events.is_empty() {
        return Err(no_verdict(outcome.err(), &target));
    }

    if let Some(folder) = &folder {
        counterexamples::keep(folder, &events, &implementation(&events))?;
    }

    let tally = report::tally(events)?;
    let applied = baseline.as_ref().map(|baseline| report::apply(baseline, &tally, keys));
    let subject = Subject { tally: &tally, baseline: applied.as_ref(), strict: args.strict, profile };
    report::write(&subject, &args.reports)?;
    let form = if args.json { Form::Json } else { Form::Text };
    let layout = console::layout(args.color.color);
    let text = report::render(&subject, form, &layout, args.verbose)?;
    let workflow = Workflow::find(!args.no_github, &args.reports);
    workflow.print(args.json, || console::print(&text))?;
    workflow.tell(&subject, args.json)?;
    let exit = match outcome {
        Ok(_) => Ok(report::finish(&subject)),
        Err(error) => Err(no_verdict(Some(error), &target)),
    };
    // The process ends next. Giving a million small pieces of memory back one by one would take longer than the report.
    std::mem::forget(tally);
    exit
}

fn profile(args: &RunArgs, target: &Target) -> anyhow::Result<&'static Profile> {
    match (args.selection.profile, &target.profile) {
        (Some(profile), _) => Ok(profile),
        (None, Some(name)) => selection::profile(name).map_err(|error| Ended::new(Exit::Usage, error).into()),
        (None, None) => Ok(selection::default_profile()),
    }
}

fn baseline(args: &RunArgs, target: &Target) -> anyhow::Result<Option<Baseline>> {
    let path = match (&args.baseline, &target.baseline) {
        _ if args.no_baseline => return Ok(None),
        (Some(path), _) | (None, Some(path)) => path,
        (None, None) => return Ok(None),
    };
    if args.baseline.is_none() && !path.is_file() {
        let told =
            format!("the adapter's description names a baseline that is not there: {}", path.display());
        let hint = format!(
            "run with --no-baseline --events run.ndjson, then avp-conformance baseline update {} run.ndjson",
            path.display()
        );
        return Err(Ended::new(Exit::Usage, told).hint(hint).into());
    }
    report::read_baseline(path).map(Some)
}

/// What was judged, for people.
fn implementation(events: &[Event]) -> String {
    match events.first() {
        Some(Event::RunStart(start)) => format!("{} {}", start.hello.name, start.hello.version),
        _ => String::new(),
    }
}

/// Requirements that a run of everything tests.
pub(super) fn scope(cases: &[Case]) -> Vec<String> {
    let ids: BTreeSet<&String> = cases.iter().flat_map(|case| &case.requirements).collect();
    ids.into_iter().cloned().collect()
}

fn options<'a>(args: &RunArgs, target: &Target, selection: &Selection, stop: StopFlag) -> RunOptions<'a> {
    let mut options = args.how.options(selection.describe(), stop);
    options.specs = args.selection.spec.clone();
    options.repeat = target.repeat.clone();
    options
}

/// A first signal ends the run with a report, a second one ends the process.
pub(super) fn stop_on_signal(stop: &StopFlag) -> anyhow::Result<()> {
    let stop = stop.clone();
    ctrlc::set_handler(move || {
        if stop.raised() {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        stop.raise();
    })?;
    Ok(())
}

/// Why there is no verdict on the implementation as a whole.
pub(super) fn no_verdict(error: Option<RunError>, target: &Target) -> anyhow::Error {
    let Some(error) = error else {
        return Ended::new(Exit::Integrity, "the run left no events").into();
    };
    let mut told = error.to_string();
    let exit = match &error {
        RunError::Nothing(_) => Exit::Incomplete,
        RunError::Unusable { stderr, .. } => {
            for line in stderr.lines().rev().take(10).collect::<Vec<_>>().into_iter().rev() {
                told.push_str(&format!("\n  stderr: {line}"));
            }
            Exit::Unusable
        }
        RunError::Dishonest(_) | RunError::Deaths { .. } => Exit::Unusable,
        RunError::Sink(_) => Exit::Usage,
    };
    let ended = Ended::new(exit, told);
    if exit == Exit::Unusable && !target.repeat.starts_with("--url") {
        let repeat = if target.repeat.is_empty() { String::new() } else { format!(" {}", target.repeat) };
        return ended.hint(format!("avp-conformance doctor{repeat}")).into();
    }
    ended.into()
}

/// A number, or a fresh one that the report tells.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    if text == "random" {
        return Ok(avp_conformance::adapter::fresh_id());
    }
    text.parse().map_err(|_| "a seed is a number from 0 to 2^64-1, or `random`".to_owned())
}

pub(super) fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (0.01..=1000.0).contains(&factor) => Ok(factor),
        _ => Err("a factor from 0.01 to 1000".to_owned()),
    }
}
