//! One run of all cases that were asked for → how each test ends.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{
    adapter::Launcher,
    baseline::{Applied, Baseline, Seen, Standing},
    case::Case,
    event::{CaseEvent, Event, RunStart, Summary},
    report::{Subject, text},
    schedule::{self, RunError, RunOptions},
    tally::{Tally, counts},
    verdict::{Check, Outcome},
};

/// What is run.
pub(super) struct Plan {
    pub(super) launcher: Arc<dyn Launcher>,
    pub(super) cases: Vec<Case>,
    pub(super) seed: u64,
    pub(super) workers: usize,
    pub(super) strict: bool,
    pub(super) baseline: Option<Baseline>,
}

/// How a test ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Passed,
    Ignored(String),
    Failed(String),
}

/// Runs all cases. An error when nothing can be said about any of them.
pub(super) fn outcomes(plan: &Plan) -> Result<HashMap<String, Ended>, String> {
    let mut options = RunOptions::new(plan.seed);
    options.workers = plan.workers;
    let mut events: Vec<Event> = Vec::new();
    match schedule::run(plan.cases.clone(), plan.launcher.as_ref(), &options, &mut events) {
        Ok(_) => {}
        // Every case that was asked is in a dialect that is not declared: each says so.
        Err(RunError::Nothing(_)) => return Ok(HashMap::new()),
        Err(RunError::Unusable { what, stderr }) => {
            return Err(format!("the adapter can't be used: {what}\n{stderr}"));
        }
        Err(error) => return Err(error.to_string()),
    }
    let tally = Tally::new(events).map_err(|error| error.to_string())?;
    let seen = Seen::new(&tally.cases);
    let today = chrono::Utc::now().date_naive();
    let applied = plan.baseline.as_ref().map(|baseline| baseline.apply(&seen, today));
    let judge =
        |case: &CaseEvent| (case.key.clone(), ended(&tally.start, case, applied.as_ref(), plan.strict));
    Ok(tally.cases.iter().map(judge).collect())
}

fn ended(start: &RunStart, case: &CaseEvent, applied: Option<&Applied<'_>>, strict: bool) -> Ended {
    let reason = |check: &Check| match applied.map(|applied| applied.standing(&case.key, &check.name)) {
        Some(Standing::Expected(entry)) => Some(entry.reason.clone()),
        _ => None,
    };
    let failed: Vec<&Check> =
        case.checks.iter().filter(|check| check.missed() && counts(check.level, strict)).collect();
    if failed.iter().any(|check| reason(check).is_none()) {
        return Ended::Failed(told(start, case, strict));
    }
    if let Some(why) = failed.first().and_then(|check| reason(check)) {
        return Ended::Ignored(format!("expected: {why}"));
    }
    match case.checks.iter().find(|check| check.outcome == Outcome::NotApplicable) {
        Some(check) if !case.ran() => Ended::Ignored(check.note.clone()),
        _ => Ended::Passed,
    }
}

/// The failure as the text report has it, with the command that repeats this test.
fn told(start: &RunStart, case: &CaseEvent, strict: bool) -> String {
    let mut summary = Summary { complete: true, selected: 1, ..Summary::default() };
    summary.add(case);
    let events = [
        Event::RunStart(Box::new(start.clone())),
        Event::Case(Box::new(case.clone())),
        Event::Summary(summary),
    ];
    match Tally::new(events) {
        Ok(tally) => {
            let subject = Subject { strict, ..Subject::new(&tally) };
            text::failures(&subject, &text::Layout::default(), &repeat(&case.key))
        }
        Err(error) => error.to_string(),
    }
}

fn repeat(key: &str) -> String {
    let program = std::env::args_os().next().map(std::path::PathBuf::from);
    let stem = program.as_deref().and_then(|program| program.file_stem()).map(|stem| stem.to_string_lossy());
    // Cargo puts a hash behind the name of a target.
    let target = stem.as_deref().and_then(|stem| stem.rsplit_once('-')).map_or("avp", |(name, _)| name);
    format!("cargo test --test {target} -- --exact '{key}'")
}
