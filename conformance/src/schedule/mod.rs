//! Cases → instances → events: workers, windows, time limits, restarts.
//!
//! One thread a child. A unit of work is a handful of single-step cases that share a window, or one case that wants the
//! child for itself. Whatever is lost among others is asked again, alone, in a fresh child: only that counts.

mod asker;
mod attempt;
mod character;
mod failures;
mod joined;
mod options;
mod plan;
mod probe;
mod record;
mod shrinking;
mod starter;
mod tamper;
mod worker;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub use self::asker::Asker;
pub use self::attempt::AT_ONCE;
use self::failures::{Failure, Failures};
pub use self::options::{
    CASE_LIMIT, DEATHS_IN_A_ROW, Dumps, HELLO_LIMIT, Known, ProbePolicy, RunError, RunOptions, Shrinking,
    Sink, StopFlag,
};
use self::plan::Plan;
use self::probe::{Probed, probe};
use self::record::Recorder;
pub use self::shrinking::COUNTEREXAMPLES;
use self::shrinking::Shrinker;
use self::starter::{Child, Starter};
use self::worker::{Halt, Shared, Worker};

use crate::adapter::{Hello, Launcher};
use crate::case::{Case, Spec};
use crate::event::{EVENTS_VERSION, Event, Probe, RequirementBrief, RunStart, Summary};
use crate::requirement::Catalogue;

/// For fewer cases with servers and clients no worker of their own is worth its child.
const FEW_PEERS: usize = 16;

/// Units whose events wait to be written. Enough that workers do not wait for the disk, few enough that dumps do not pile
/// up.
const EVENT_QUEUE: usize = 32;

/// Runs the cases and judges what comes back.
///
/// Every selected case ends in one [`Event::Case`]; the last event is [`Event::Summary`], or [`Event::Interrupted`]
/// when the stop flag was raised.
///
/// # Errors
/// [`RunError`] when nothing can be said about the implementation as a whole. The events sent so far stand.
pub fn run(
    cases: Vec<Case>,
    launcher: &dyn Launcher,
    options: &RunOptions<'_>,
    sink: &mut dyn Sink,
) -> Result<Summary, RunError> {
    if cases.is_empty() {
        return Err(RunError::Nothing("no case is selected".into()));
    }
    let started = Instant::now();
    let starter = Starter::new(launcher, options);
    let (mut first, hello) = starter.start()?;
    let specs = if options.specs.is_empty() { hello.specs.clone() } else { options.specs.clone() };
    let (cases, undeclared) = in_dialects(cases, &specs);
    if cases.is_empty() {
        let specs: Vec<_> = specs.iter().map(|spec| spec.as_str()).collect();
        let what = format!("no selected case is in a dialect that is run ({})", specs.join(", "));
        return Err(RunError::Nothing(what));
    }
    let start = run_start(&cases, launcher, &hello, specs, undeclared, options);
    sink.event(&Event::RunStart(Box::new(start)))?;

    let Probed { probes, why } = probe(&mut first, &hello, options);
    for probe in &probes {
        sink.event(&Event::Probe(probe.clone()))?;
    }
    let lied = probes.iter().any(|probe: &Probe| probe.passed == Some(false));
    let mut summary = Summary { selected: cases.len(), ..Summary::default() };
    if lied && options.probes == ProbePolicy::Stop {
        let error = RunError::Dishonest(why);
        summary.stopped = error.to_string();
        summary.children = starter.children();
        sink.event(&Event::Summary(summary))?;
        return Err(error);
    }

    let plan = Plan::new(&cases, &hello, options);
    let recorder = Recorder::new(options);
    for (index, why) in &plan.not_applicable {
        let event = recorder.not_applicable(&cases[*index], why);
        summary.add(&event);
        sink.event(&Event::Case(Box::new(event)))?;
    }
    let halt = Halt::new(options.stop.clone());
    let failures = Failures::default();
    let shared = Shared {
        cases: &cases,
        hello: &hello,
        starter: &starter,
        recorder: &recorder,
        halt: &halt,
        failures: &failures,
        options,
    };
    let mut outcome = work(&shared, &plan, first, &mut summary, sink);
    summary.children = starter.children();
    summary.duration_ms = record::milliseconds(started.elapsed());
    if outcome.is_ok() && !halt.failed() {
        outcome = shrink(&shared, sink).map_err(RunError::Sink);
    }
    let failed = halt.into_error();
    finish(summary, outcome, failed, options, sink)
}

/// Makes the failing generated cases small, the first of each kind.
fn shrink(shared: &Shared<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    let Some(shrinking) = &shared.options.shrink else { return Ok(()) };
    let mut shrinker = Shrinker::new(shared.cases, shared.hello, shared.starter, shared.options);
    let known = |failure: &Failure| {
        let key = shared.cases[failure.case].key();
        shrinking.known.is_some_and(|known| known(&key, &failure.missed.check))
    };
    let failures = shared.failures.in_order();
    for failure in failures.iter().filter(|failure| !known(failure)).take(COUNTEREXAMPLES) {
        if shrinking.stop.raised() {
            break;
        }
        if let Some(found) = shrinker.counterexample(failure) {
            sink.event(&Event::Counterexample(Box::new(found)))?;
        }
    }
    shrinker.close();
    Ok(())
}

/// Lets the workers work and passes their events on.
fn work(
    shared: &Shared<'_>,
    plan: &Plan,
    first: Child,
    summary: &mut Summary,
    sink: &mut dyn Sink,
) -> Result<(), RunError> {
    let halt = shared.halt;
    let units = &plan.units;
    // Those of the cases with servers and clients, and of the rest.
    let (peers, rest) = (AtomicUsize::new(0), AtomicUsize::new(plan.peers));
    let (sender, events) = mpsc::sync_channel(EVENT_QUEUE);
    thread::scope(|scope| {
        let mut child = Some(first);
        let (all, patient) = workers(shared.options, shared.hello, plan);
        for number in 0..all {
            let sender = sender.clone();
            let mut worker = Worker::new(shared, sender, child.take());
            // The patient ones are there to wait. Beside them nobody who could work begins by waiting.
            let queues = match patient {
                0 => vec![(&peers, plan.peers), (&rest, units.len())],
                _ if number < patient => vec![(&peers, plan.peers)],
                _ => vec![(&rest, units.len()), (&peers, plan.peers)],
            };
            scope.spawn(move || {
                for (next, end) in queues {
                    while !halt.halted()
                        && let Some(unit) = units[..end].get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        worker.run(unit);
                    }
                }
                worker.close();
            });
        }
        drop(sender);
        let mut kept = Ok(());
        for event in events.into_iter().flatten() {
            if let Event::Case(case) = &event {
                summary.add(case);
            }
            if kept.is_ok() {
                kept = sink.keep(event).map_err(RunError::Sink);
                if kept.is_err() {
                    halt.halt();
                }
            }
        }
        kept
    })
}

/// Says the last word.
fn finish(
    mut summary: Summary,
    outcome: Result<(), RunError>,
    failed: Option<RunError>,
    options: &RunOptions<'_>,
    sink: &mut dyn Sink,
) -> Result<Summary, RunError> {
    outcome?;
    summary.complete = summary.cases == summary.selected;
    if let Some(error) = failed {
        summary.stopped = error.to_string();
        sink.event(&Event::Summary(summary))?;
        return Err(error);
    }
    if options.stop.raised() && !summary.complete {
        summary.stopped = "stopped by hand".into();
        sink.event(&Event::Interrupted(summary.clone()))?;
    } else {
        sink.event(&Event::Summary(summary.clone()))?;
    }
    Ok(summary)
}

/// How many workers there are, and how many of them only have cases with servers and clients: these wait more than they
/// work, so that there is room for more of them than there are cores.
fn workers(options: &RunOptions<'_>, hello: &Hello, plan: &Plan) -> (usize, usize) {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let wanted = if options.workers == 0 { cores() } else { options.workers };
    let allowed = if hello.instances == 0 { usize::MAX } else { hello.instances };
    // One at least, which closes the first child.
    let busy = wanted.min(allowed).min(plan.units.len()).max(1);
    // Who asks for so many workers gets no others.
    let patient = if options.workers == 0 { busy.min(plan.peers / FEW_PEERS) } else { 0 };
    let patient = patient.min(allowed - busy.min(allowed));
    (busy + patient, patient)
}

fn in_dialects(cases: Vec<Case>, specs: &[Spec]) -> (Vec<Case>, usize) {
    let all = cases.len();
    let kept: Vec<Case> = cases.into_iter().filter(|case| specs.contains(&case.spec)).collect();
    let undeclared = all - kept.len();
    (kept, undeclared)
}

/// What a record says of requirements: those that `cases` test, in the order of the catalogue, and those of `scope` that a
/// narrowed selection leaves out.
pub fn scope_of(cases: &[Case], specs: &[Spec], scope: &[String]) -> (Vec<RequirementBrief>, Vec<String>) {
    let catalogue = Catalogue::embedded();
    let tested: std::collections::HashSet<&str> =
        cases.iter().flat_map(|case| &case.requirements).map(String::as_str).collect();
    let in_order = catalogue.requirements().iter();
    let requirements = in_order
        .filter(|requirement| tested.contains(requirement.id.as_str()))
        .map(|requirement| RequirementBrief {
            id: requirement.id.clone(),
            level: requirement.effective_level(),
            basis: requirement.basis,
            sentence: requirement.sentence.clone(),
            source: requirement.source.clone(),
        })
        .collect();
    // A requirement of another dialect alone is not left out; it has nothing to say here.
    let speaks = |id: &str| {
        catalogue
            .get(id)
            .is_none_or(|requirement| requirement.dialects.iter().any(|spec| specs.contains(spec)))
    };
    let left_out = |id: &&String| !tested.contains(id.as_str()) && speaks(id);
    (requirements, scope.iter().filter(left_out).cloned().collect())
}

fn run_start(
    cases: &[Case],
    launcher: &dyn Launcher,
    hello: &Hello,
    specs: Vec<Spec>,
    undeclared: usize,
    options: &RunOptions<'_>,
) -> RunStart {
    let (requirements, unselected) = scope_of(cases, &specs, &options.scope);
    RunStart {
        version: EVENTS_VERSION,
        suite: env!("CARGO_PKG_VERSION").into(),
        vectors: options.vectors.clone(),
        started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        adapter: launcher.describe(),
        repeat: options.repeat.clone(),
        hello: hello.clone(),
        seed: options.seed,
        selection: options.selection.clone(),
        specs,
        cases: cases.len(),
        undeclared,
        requirements,
        unselected,
    }
}
