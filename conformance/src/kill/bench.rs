//! Mutants → runs → what became of each.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::KillError;
use super::mutant::{Fate, Group, Mutant};
use super::switchboard::Switchboard;
use super::trial::{Caught, Standing, Trial, case_of, missed};
use crate::case::{Case, Spec};
use crate::check;
use crate::event::{Event, NoAnnotations};
use crate::schedule::{ProbePolicy, RunError, RunOptions, run};
use crate::vector;

/// The one case of the binding that both dialects have and that differs between them: the others are asked in the newer one
/// where it has them, and in the older one where it has not.
const OLD_PATH: &str = "http/old-path";

/// Servers and clients wait most of their time, on machines that are busy: a timeout must mean what a case is about. Not
/// more: a switch that waits for ever waits this much longer.
const BINDING_TIMEOUT_SCALE: f64 = 2.0;

/// Seed of the cases that are made rather than written.
const SEED: u64 = 7;

/// Generated cases that are made of each property, of which some are asked.
const OF_EACH_PROPERTY: u32 = 24;

/// Of each property that holds an implementation's answers against each other, so many are asked: no recipe does that.
const OF_A_RELATION: u32 = 6;

/// A mutant of which the switchboard says nothing once it has models: what works without an engine is asked of those that
/// have none.
const WITHOUT_ENGINE: &str = "api-hash-needs-an-engine";

/// Cases, and the programs that they are asked of.
#[derive(Debug)]
pub struct Bench {
    switchboard: Switchboard,
    cases: Vec<Case>,
    binding: Vec<Case>,
    /// Checks that the right implementation misses.
    control: BTreeSet<String>,
}

impl Bench {
    /// Prepares what these mutants are asked, and asks the control the same.
    ///
    /// # Errors
    /// [`KillError`] when the switchboard does not have one of them, or the control can't be run.
    pub fn new(switchboard: Switchboard, mutants: &[Mutant]) -> Result<Self, KillError> {
        let strange = |mutant: &&Mutant| mutant.group == Group::Core && !switchboard.has(mutant);
        if let Some(mutant) = mutants.iter().find(strange) {
            let program = switchboard.program().to_owned();
            return Err(KillError::Unknown { program, mutant: mutant.name.clone() });
        }
        let mut cases = vector::cases()?;
        let of_the_binding = |case: &&Case| case.id.starts_with("http/") || case.id.starts_with("sec/");
        let newer: BTreeSet<&str> =
            cases.iter().filter(|case| case.spec == Spec::V04).map(|case| case.id.as_str()).collect();
        let in_one_dialect =
            |case: &&Case| case.spec == Spec::V04 || case.id == OLD_PATH || !newer.contains(case.id.as_str());
        let binding: Vec<Case> =
            cases.iter().filter(of_the_binding).filter(in_one_dialect).cloned().collect();
        // Models, and what stands in for them, are in no recipe.
        let made = check::first(Spec::V04, SEED, OF_EACH_PROPERTY);
        cases.extend(made.filter(|case| case.id.starts_with("gen/model-") || first_of_a_relation(&case.id)));
        let mut bench = Self { switchboard, cases, binding, control: BTreeSet::new() };
        bench.ask_the_control(mutants)?;
        Ok(bench)
    }

    /// The switchboard.
    pub fn switchboard(&self) -> &Switchboard {
        &self.switchboard
    }

    /// What the right implementation misses: these checks count against no mutant.
    pub fn control(&self) -> &BTreeSet<String> {
        &self.control
    }

    fn ask_the_control(&mut self, mutants: &[Mutant]) -> Result<(), KillError> {
        let built: Vec<&Mutant> = mutants.iter().filter(|mutant| self.switchboard.has(mutant)).collect();
        for group in [Group::Core, Group::Binding] {
            let of =
                built.iter().filter(|mutant| (mutant.group == Group::Binding) == (group == Group::Binding));
            let asked: BTreeSet<String> =
                of.flat_map(|mutant| self.cases_for(mutant)).map(Case::key).collect();
            let all = if group == Group::Binding { &self.binding } else { &self.cases };
            let cases: Vec<Case> = all.iter().filter(|case| asked.contains(&case.key())).cloned().collect();
            if cases.is_empty() {
                continue;
            }
            let (outcome, events) = self.judge(group, None, cases, ProbePolicy::Stop);
            outcome.map_err(|error| KillError::Run { mutant: "the control".to_owned(), error })?;
            let missed = events.iter().filter_map(case_of).flat_map(missed);
            self.control.extend(missed.map(|(name, _)| name));
        }
        Ok(())
    }

    /// What a mutant is asked: the operations that it meddles with, or, of the binding, the requirements that it breaks.
    fn cases_for<'a>(&'a self, mutant: &'a Mutant) -> impl Iterator<Item = &'a Case> {
        let binding = mutant.group == Group::Binding;
        let all = if binding { &self.binding } else { &self.cases };
        let ops = mutant.ops();
        all.iter().filter(move |case| match binding {
            true => case.requirements.iter().any(|id| mutant.breaks().contains(id)),
            false => case.steps.iter().any(|step| ops.contains(&step.op.as_str())),
        })
    }

    fn judge(
        &self,
        group: Group,
        mutant: Option<&Mutant>,
        cases: Vec<Case>,
        probes: ProbePolicy,
    ) -> (Result<(), RunError>, Vec<Event>) {
        let mut options = RunOptions::new(SEED);
        // Mutants run side by side; the control runs alone.
        options.workers = usize::from(mutant.is_some());
        // The first check that is missed is the first of the suite, not of a shuffle.
        options.in_order = true;
        options.probes = probes;
        options.annotate = &NoAnnotations;
        if group == Group::Binding {
            options.timeout_scale = BINDING_TIMEOUT_SCALE;
        }
        let mut events = Vec::new();
        let launcher = self.switchboard.launcher(group, mutant);
        let outcome = run(cases, &launcher, &options, &mut events).map(|_| ());
        (outcome, events)
    }

    /// Asks one mutant.
    ///
    /// # Errors
    /// [`KillError::Run`] when the run ended without saying anything.
    pub fn try_out(&self, mutant: &Mutant) -> Result<Trial, KillError> {
        let standing = self.standing(mutant)?;
        Ok(Trial {
            mutant: mutant.name.clone(),
            group: mutant.group,
            wrong: self.switchboard.wrong(mutant),
            breaks: mutant.breaks().to_vec(),
            standing,
        })
    }

    fn standing(&self, mutant: &Mutant) -> Result<Standing, KillError> {
        let moot = mutant.name == WITHOUT_ENGINE && self.switchboard.has_models();
        if moot || !self.switchboard.has(mutant) {
            return Ok(Standing::NotBuilt);
        }
        // A probe may be the first to see a broken decoder; it is the checks that are tried here.
        let stopped = matches!(mutant.fate, Fate::Stopped(_));
        let probes = if stopped { ProbePolicy::Stop } else { ProbePolicy::Record };
        let cases = self.cases_for(mutant).cloned().collect();
        let (outcome, events) = self.judge(mutant.group, Some(mutant), cases, probes);
        match (stopped, outcome) {
            (true, Err(RunError::Dishonest(_))) => Ok(Standing::Stopped),
            (true, _) => Ok(Standing::Unstopped),
            (false, Ok(())) => Ok(Caught::of(mutant, &events, &self.control).standing()),
            (false, Err(error)) => Err(KillError::Run { mutant: mutant.name.clone(), error }),
        }
    }
}

/// Whether a generated case is among the first of those that hold answers against each other.
fn first_of_a_relation(id: &str) -> bool {
    let index = id.rsplit('/').next().and_then(|index| index.parse().ok());
    id.starts_with("gen/same-") && index.is_some_and(|index: u32| index < OF_A_RELATION)
}

/// Asks all of them, so many at a time, and tells of each as it is done. They come back in the order given.
///
/// # Errors
/// The first [`KillError`]; mutants that are under way are finished.
pub fn try_all(
    bench: &Bench,
    mutants: &[Mutant],
    jobs: usize,
    tell: &(dyn Fn(&Trial) + Sync),
) -> Result<Vec<Trial>, KillError> {
    let queue = Mutex::new(mutants.iter().enumerate());
    let done = Mutex::new(Vec::with_capacity(mutants.len()));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((index, mutant)) = next() {
            let trial = bench.try_out(mutant);
            if let Ok(trial) = &trial {
                tell(trial);
            }
            let failed = trial.is_err();
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, trial));
            if failed {
                break;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, mutants.len().max(1)) {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, trial)| trial).collect()
}
