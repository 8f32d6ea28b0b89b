//! Failing generated cases → counterexamples, through the pipe.
//!
//! After the cases of a run, in one thread and one order, so that the same failures give the same counterexamples. Every
//! search has its own child, and every bound is a number of requests or of children, never a time.

use std::sync::PoisonError;

use super::attempt::{Attempt, attempt};
use super::failures::{Failure, Kind, Missed, is_lost};
use super::joined::{joined, only, stands_apart};
use super::record::Recorder;
use super::starter::{Child, Starter};
use super::{Dumps, RunOptions};
use crate::adapter::Hello;
use crate::case::{Case, Part, PartData, Source, Step};
use crate::check::{choices, from_choices};
use crate::event::{Counterexample, Earlier};
use crate::judge;
use crate::requirement::Catalogue;
use crate::shrink::{fewest, minimise};
use crate::vector::recipe_of;

/// Most counterexamples of a run. Whoever breaks more kinds of things reads no more of them, and a child that answers
/// slowly would hold up the report.
pub const COUNTEREXAMPLES: usize = 20;

/// Most requests of one search among choices: most settle within a hundred or two.
const RUNS: usize = 500;

/// The same where every request needs a fresh child: what an earlier one left behind must not decide.
const FRESH_RUNS: usize = 300;

/// Most children that one failure may cost by dying or falling silent. A hang costs its time limit each.
const LOSSES: usize = 40;

/// Most cases that are asked again before one that fails only after others: the last ones of its child.
const HISTORY: usize = 5000;

/// Most earlier cases that are made small themselves. More than two rarely matter.
const EARLIER: usize = 2;

/// Time limit of a step during a search, in milliseconds: half of what a case has, since a hang is met again and again.
/// The small case is asked once more with its own limit.
const QUICK_MS: u64 = 1000;

/// What a search goes on with.
pub(super) struct Shrinker<'a> {
    cases: &'a [Case],
    hello: &'a Hello,
    starter: &'a Starter<'a>,
    options: &'a RunOptions<'a>,
    child: Option<Child>,
    runs: usize,
    losses: usize,
}

/// Where a candidate is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    /// In the child of the search.
    Company,
    /// In a child that was asked nothing before.
    Fresh,
}

impl<'a> Shrinker<'a> {
    pub(super) fn new(
        cases: &'a [Case],
        hello: &'a Hello,
        starter: &'a Starter<'a>,
        options: &'a RunOptions<'a>,
    ) -> Self {
        Self { cases, hello, starter, options, child: None, runs: 0, losses: 0 }
    }

    /// The smallest case that misses the same, or `None` when the failure does not come about again.
    pub(super) fn counterexample(&mut self, failure: &Failure) -> Option<Counterexample> {
        let case = &self.cases[failure.case];
        let missed = &failure.missed;
        (self.runs, self.losses) = (0, 0);
        let alone = missed.outcome != Kind::Unsteady && self.fails(&[], case, missed, In::Fresh);
        let before = if alone { Vec::new() } else { self.history(failure)? };
        let place = if before.is_empty() { In::Company } else { In::Fresh };
        let (mut small, mut settled) = self.smaller(&before, case, missed, place);
        if place == In::Company && !self.fails(&[], &small, missed, In::Fresh) {
            // What the search left behind in the child helped it along. Slower, and without company:
            (small, settled) = self.smaller(&before, case, missed, In::Fresh);
        }
        let (minimal, needs) = if before.is_empty() {
            self.fewer_steps(small, missed)
        } else {
            self.with_earlier(before, &small, missed)?
        };
        let attempt = self.last_word(&minimal, missed)?;
        let stderr = self.child.as_ref().map(|child| child.instance.stderr_tail()).unwrap_or_default();
        let recorder = Recorder::showing(self.options, Dumps::All);
        self.close();
        Some(Counterexample {
            key: case.key(),
            check: missed.check.clone(),
            outcome: missed.outcome.outcome(),
            requirements: missed.requirements.clone(),
            bytes_before: size(case),
            bytes_after: size(&minimal),
            runs: self.runs,
            settled,
            needs,
            minimal: Box::new(recorder.judged(&minimal, &attempt, || stderr)),
            recipe: recipe_of(&minimal).ok(),
        })
    }

    /// Ends the child of the last search.
    pub(super) fn close(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.instance.close();
        }
    }

    /// The fewest of the cases that its child was asked before, after which the case fails in a fresh one.
    fn history(&mut self, failure: &Failure) -> Option<Vec<Case>> {
        let (asked, count) = failure.before.as_ref()?;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner)[..*count].to_vec();
        let all = self.cases;
        let indices = asked.get(asked.len().saturating_sub(HISTORY)..).unwrap_or_default();
        let before: Vec<&Case> = indices.iter().filter_map(|&index| all.get(index as usize)).collect();
        let (case, missed) = (&all[failure.case], &failure.missed);
        if before.is_empty() || !self.fails(&before, case, missed, In::Fresh) {
            return None;
        }
        let (left, _) = fewest(before, FRESH_RUNS, |rest| self.fails(rest, case, missed, In::Fresh));
        Some(left.into_iter().cloned().collect())
    }

    /// The same property's case from the fewest and smallest choices that still fails, and whether the search came to its
    /// end.
    fn smaller(&mut self, before: &[Case], case: &Case, missed: &Missed, place: In) -> (Case, bool) {
        let mut best = case.clone();
        let Source::Generated { seed, .. } = case.source else { return (best, true) };
        let Some(choices) = choices(&case.id, case.spec, seed) else { return (best, true) };
        let before: Vec<&Case> = before.iter().collect();
        let budget = if place == In::Fresh { FRESH_RUNS } else { RUNS };
        let done = minimise(choices, budget, |choices| {
            let Some(candidate) = from_choices(&case.id, case.spec, seed, choices) else { return false };
            // Other choices, the same case: it is known to fail.
            if candidate == best {
                return true;
            }
            let fails = self.fails(&before, &candidate, missed, place);
            if fails {
                best = candidate;
            }
            fails
        });
        (best, done.settled && self.losses < LOSSES)
    }

    /// The case without the steps that it fails without, and those that it needs besides the one that fails.
    fn fewer_steps(&mut self, case: Case, missed: &Missed) -> (Case, Vec<Earlier>) {
        if case.steps.len() < 2 || !stands_apart(&case) {
            return (case, Vec::new());
        }
        let Some(failing) = self.failing_step(&case, missed) else { return (case, Vec::new()) };
        let others: Vec<usize> = (0..case.steps.len()).filter(|step| *step != failing).collect();
        let with = |rest: &[usize]| {
            let mut steps = rest.to_vec();
            steps.push(failing);
            steps.sort_unstable();
            only(&case, &steps)
        };
        let (rest, _) = fewest(others, FRESH_RUNS, |rest| self.fails(&[], &with(rest), missed, In::Fresh));
        let small = with(&rest);
        let earlier =
            |(step, of): (usize, &usize)| Earlier { step, op: case.steps[*of].op.clone(), key: None };
        let needs = rest.iter().filter(|step| **step < failing).enumerate().map(earlier).collect();
        (small, needs)
    }

    /// The case with what must be asked before it as its first steps, made small as well.
    fn with_earlier(
        &mut self,
        mut before: Vec<Case>,
        case: &Case,
        missed: &Missed,
    ) -> Option<(Case, Vec<Earlier>)> {
        for at in 0..before.len().min(EARLIER) {
            let one = before[at].clone();
            let Source::Generated { seed, .. } = one.source else { continue };
            let Some(choices) = choices(&one.id, one.spec, seed) else { continue };
            minimise(choices, FRESH_RUNS, |choices| {
                let Some(candidate) = from_choices(&one.id, one.spec, seed, choices) else { return false };
                if candidate == before[at] {
                    return true;
                }
                let mut others: Vec<&Case> = before.iter().collect();
                others[at] = &candidate;
                let fails = self.fails(&others, case, missed, In::Fresh);
                if fails {
                    before[at] = candidate;
                }
                fails
            });
        }
        let whole = joined(&before, case)?;
        let mut needs = Vec::new();
        for one in &before {
            needs.extend(one.steps.iter().map(|step| (step.op.clone(), one.key())));
        }
        let earlier = |(step, (op, key))| Earlier { step, op, key: Some(key) };
        Some((whole, needs.into_iter().enumerate().map(earlier).collect()))
    }

    /// Asks the small case once more in a fresh child, with its own time limit. What does not fail then is no counterexample.
    fn last_word(&mut self, case: &Case, missed: &Missed) -> Option<Attempt> {
        let attempt = self.ask(&[], case, In::Fresh)?;
        misses(case, &attempt, missed).then_some(attempt)
    }

    fn failing_step(&mut self, case: &Case, missed: &Missed) -> Option<usize> {
        let attempt = self.ask(&[], case, In::Fresh)?;
        let checks = judge::judge(case, &attempt.observed, Catalogue::embedded());
        let check = checks.iter().find(|check| check.name == missed.check && check.missed());
        Some(check.map_or_else(|| attempt.observed.len().saturating_sub(1), |check| check.step))
    }

    /// Whether a case misses the same when these were asked before.
    fn fails(&mut self, before: &[&Case], case: &Case, missed: &Missed, place: In) -> bool {
        let stopped = self.options.shrink.as_ref().is_none_or(|shrinking| shrinking.stop.raised());
        if stopped || self.losses >= LOSSES || self.hello.reason_to_skip(case).is_some() {
            return false;
        }
        let quick = Case {
            timeout_ms: Some(case.timeout_ms.map_or(QUICK_MS, |own| own.min(QUICK_MS))),
            ..case.clone()
        };
        self.ask(before, &quick, place).is_some_and(|attempt| misses(case, &attempt, missed))
    }

    /// Asks a case. `None` when its child could not be started, or was lost before it.
    fn ask(&mut self, before: &[&Case], case: &Case, place: In) -> Option<Attempt> {
        self.runs += 1;
        let used = self.child.as_ref().is_some_and(|child| child.answered > 0);
        if used && place == In::Fresh {
            self.close();
        }
        let mut child = match self.child.take() {
            Some(child) => child,
            None => self.starter.start().ok()?.0,
        };
        child.answered += 1;
        for one in before {
            if attempt(one, &mut child, self.options).lost().is_some() {
                child.instance.close();
                self.losses += 1;
                return None;
            }
        }
        let attempt = attempt(case, &mut child, self.options);
        match attempt.lost() {
            None => self.child = Some(child),
            Some(_) => {
                child.instance.close();
                self.losses += 1;
            }
        }
        Some(attempt)
    }
}

/// Whether a case misses the same check of the same requirement in the same way.
fn misses(case: &Case, attempt: &Attempt, missed: &Missed) -> bool {
    if is_lost(missed.outcome, attempt.lost()) {
        return true;
    }
    let checks = judge::judge(case, &attempt.observed, Catalogue::embedded());
    checks.iter().any(|check| {
        check.name == missed.check
            && check.missed()
            && check.outcome == missed.outcome.outcome()
            && check.requirements.iter().any(|id| missed.requirements.contains(id))
    })
}

/// Bytes that a case sends: its parts, and its arguments as text.
fn size(case: &Case) -> usize {
    let bytes = |part: &Part| match &part.data {
        PartData::Bytes(bytes) => bytes.len(),
        PartData::FromStep { .. } => 0,
    };
    let step = |step: &Step| {
        let args = if step.args.is_empty() {
            0
        } else {
            serde_json::to_string(&step.args).map_or(0, |text| text.len())
        };
        args + step.parts.iter().map(bytes).sum::<usize>()
    };
    case.steps.iter().map(step).sum()
}
