//! What came of a case → its event.

use std::time::Duration;

use super::attempt::Attempt;
use super::{Dumps, RunOptions};
use crate::adapter::{Lost, Request};
use crate::case::Case;
use crate::event::{Annotate, AnswerDump, CaseEvent, StepDump};
use crate::judge::{self, Observed, Reply};
use crate::requirement::Catalogue;
use crate::verdict::{Check, Outcome};

/// Most of stderr that a case's event carries, from its end: what belongs to the case stands last.
const STDERR_SHOWN: usize = 4096;

/// Most steps of a case whose bytes an event carries: a case that repeats a step a thousand times shows the first ones
/// and those that were missed.
const STEPS_SHOWN: usize = 16;

/// Judges cases and writes their events.
pub(super) struct Recorder<'a> {
    annotate: &'a dyn Annotate,
    dumps: Dumps,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(options: &RunOptions<'a>) -> Self {
        Self { annotate: options.annotate, dumps: options.dumps }
    }

    /// The same, with these dumps.
    pub(super) fn showing(options: &RunOptions<'a>, dumps: Dumps) -> Self {
        Self { dumps, ..Self::new(options) }
    }

    /// The event of a case that is not asked.
    pub(super) fn not_applicable(&self, case: &Case, why: &str) -> CaseEvent {
        event(case, judge::not_applicable(case, why, Catalogue::embedded()))
    }

    /// The event of a case that was.
    pub(super) fn judged(
        &self,
        case: &Case,
        attempt: &Attempt,
        stderr: impl FnOnce() -> String,
    ) -> CaseEvent {
        let checks = judge::judge(case, &attempt.observed, Catalogue::embedded());
        let mut event = event(case, checks);
        event.duration_ms = milliseconds(attempt.took);
        event.ulp = judge::ulp_errors(case, &attempt.observed);
        if event.missed() {
            event.stderr = tail(&stderr());
        }
        if event.missed() || self.dumps == Dumps::All {
            self.add_dumps(&mut event, case, attempt);
        }
        event
    }

    /// Adds the check that a child which died while it had the case fails, although the case passes alone.
    pub(super) fn add_unsteady(
        &self,
        event: &mut CaseEvent,
        case: &Case,
        attempt: &Attempt,
        lost: &Lost,
        in_flight: usize,
        stderr: &str,
    ) {
        event.checks.push(judge::unsteady(case, lost, in_flight, Catalogue::embedded()));
        event.stderr = tail(stderr);
        self.add_dumps(event, case, attempt);
    }

    fn add_dumps(&self, event: &mut CaseEvent, case: &Case, attempt: &Attempt) {
        event.steps = self.steps(case, &attempt.observed, &event.checks);
        event.patched = case.patched.clone();
    }

    fn steps(&self, case: &Case, observed: &[Observed], checks: &[Check]) -> Vec<StepDump> {
        let missed = |step: usize| checks.iter().any(|check| check.step == step && check.missed());
        let shown = observed.iter().enumerate().filter(|(step, _)| *step < STEPS_SHOWN || missed(*step));
        shown.map(|(step, seen)| self.step(case, step, seen)).collect()
    }

    fn step(&self, case: &Case, step: usize, seen: &Observed) -> StepDump {
        let asked = &case.steps[step];
        let answer = match &seen.reply {
            Reply::Answered(answer) => AnswerDump::new(&asked.op, answer, case.spec, self.annotate),
            Reply::Lost(lost) => AnswerDump::lost(lost),
            Reply::NotSent(why) => AnswerDump::NotSent { why: why.clone() },
        };
        let nothing = || Request {
            op: asked.op.clone(),
            spec: case.spec.as_str(),
            args: asked.args.clone(),
            parts: Vec::new(),
        };
        let mut dump = match &seen.request {
            Some(request) => StepDump::new(request, answer, seen.rss_growth, case.spec, self.annotate),
            None => StepDump::new(&nothing(), answer, None, case.spec, self.annotate),
        };
        dump.step = step;
        dump
    }
}

fn event(case: &Case, mut checks: Vec<Check>) -> CaseEvent {
    if checks.is_empty() {
        // A case without steps expects nothing; saying so keeps it from passing by silence.
        let why = "the case has no steps";
        checks = judge::not_applicable(case, why, Catalogue::embedded());
        checks.iter_mut().for_each(|check| check.outcome = Outcome::NotApplicable);
    }
    CaseEvent {
        key: case.key(),
        id: case.id.clone(),
        spec: case.spec,
        requirements: case.requirements.clone(),
        why: case.why.clone(),
        bug: case.bug.clone(),
        ambiguity: case.ambiguity.clone(),
        source: case.source.clone(),
        ops: ops(case),
        checks,
        duration_ms: 0.0,
        first_try: None,
        steps: Vec::new(),
        patched: Vec::new(),
        stderr: String::new(),
        ulp: Vec::new(),
    }
}

/// The operations of a case in order, a repeated one once.
fn ops(case: &Case) -> Vec<String> {
    let mut ops: Vec<String> = case.steps.iter().map(|step| step.op.clone()).collect();
    ops.dedup();
    ops
}

/// With three digits behind the point.
pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// The last of a text, from the beginning of a line where there is one.
pub(super) fn tail(text: &str) -> String {
    let from = text.len().saturating_sub(STDERR_SHOWN);
    if from == 0 {
        return text.to_owned();
    }
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let rest = &text[from..];
    rest.split_once('\n').map_or(rest, |(_, lines)| lines).to_owned()
}
