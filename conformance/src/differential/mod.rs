//! Two implementations, the same questions: where do their answers mean something else, and who is wrong?
//!
//! Generated cases and golden vectors go to both. Answers are compared by what they mean, not by verdicts alone; what
//! parts is grouped by its cause and sorted with the suite's own judgement: A is wrong, B is wrong, both are, or the
//! requirements are silent.

mod compare;
mod group;
mod referee;

use std::collections::HashSet;
use std::thread;

use serde::Serialize;

pub use self::compare::{Parting, Side, compare};
pub use self::group::{Example, Group, MAX_GROUPS, Sort};
use self::group::{Groups, Signature};
use crate::adapter::{Hello, Launcher};
use crate::case::{Case, Source};
use crate::check;
use crate::judge::{self, Observed, Reply};
use crate::requirement::Catalogue;
use crate::schedule::{Asker, DEATHS_IN_A_ROW, RunError, RunOptions, StopFlag};
use crate::shrink::minimise;
use crate::verdict::Check;

/// Cases that both sides are asked before their answers are compared: enough that neither waits long for the other, few
/// enough that the longest answers of all of them fit into memory.
const CHUNK: usize = 16;

/// Most causes whose example is made smaller: a person who reads more than this reads none of them closely.
const SHRUNK: usize = 50;

/// Most questions to both for one smaller example. A message is small after some hundred; the last bytes of a long text
/// are not worth more.
const SHRINK_RUNS: usize = 300;

/// The same where one of them hangs: each question costs a time limit, and a fresh child after it.
const SHRINK_RUNS_OF_HANGS: usize = 12;

/// One of the two can't be asked, or not any more.
#[derive(Debug, thiserror::Error)]
#[error("implementation {side}: {error}")]
pub struct Unusable {
    /// `A` or `B`.
    pub side: char,
    /// What happened.
    #[source]
    pub error: RunError,
}

impl Unusable {
    fn a(error: RunError) -> Self {
        Self { side: 'A', error }
    }

    fn b(error: RunError) -> Self {
        Self { side: 'B', error }
    }
}

/// What both answered to a case, A first.
type Answers = (Vec<Observed>, Vec<Observed>);

/// What came of two implementations being asked the same.
#[derive(Clone, Debug, Serialize)]
pub struct Differences {
    /// What A says of itself.
    pub a: Hello,
    /// What B says of itself.
    pub b: Hello,
    /// Cases that both were asked.
    pub asked: usize,
    /// Of these, cases whose answers part.
    pub parted: usize,
    /// Cases that one of them does not take part in: an operation, a feature or a dialect is not declared.
    pub not_shared: usize,
    /// Disagreements by cause: those where somebody is wrong first, the most frequent first.
    pub groups: Vec<Group>,
    /// Disagreements of causes beyond [`MAX_GROUPS`], which are only counted.
    pub beyond: usize,
    /// A person stopped it; what was found until then stands.
    pub stopped: bool,
}

impl Differences {
    /// Whether somebody is wrong.
    pub fn somebody_is_wrong(&self) -> bool {
        self.beyond > 0 || self.groups.iter().any(|group| group.sort != Sort::Silent)
    }
}

/// Two implementations that are asked the same.
pub struct Pair<'a> {
    a: Asker<'a>,
    b: Asker<'a>,
    varying: Varying,
    /// Cases without an answer since the last answer, of each side.
    deaths: [usize; 2],
    stop: StopFlag,
}

/// Places of an operation's answer where an implementation differs from itself when it is asked again: ids, ports, times.
/// Nothing is to be learnt from what two of them say there.
#[derive(Default)]
struct Varying(HashSet<(String, String)>);

impl Varying {
    fn has(&self, op: &str, at: &str) -> bool {
        self.0.contains(&(op.to_owned(), group::place(at)))
    }
}

impl<'a> Pair<'a> {
    /// Starts a child of each.
    ///
    /// # Errors
    /// [`Unusable`], with the side that it is about.
    pub fn new(
        a: &'a dyn Launcher,
        b: &'a dyn Launcher,
        options: &'a RunOptions<'a>,
    ) -> Result<Self, Unusable> {
        let a = Asker::new(a, options).map_err(Unusable::a)?;
        let b = Asker::new(b, options).map_err(Unusable::b)?;
        Ok(Self { a, b, varying: Varying::default(), deaths: [0; 2], stop: options.stop.clone() })
    }

    /// Asks both all the cases. `progress` is told how many are done.
    ///
    /// # Errors
    /// [`Unusable`], with the side that it is about.
    pub fn differences(
        &mut self,
        cases: Vec<Case>,
        mut progress: impl FnMut(usize),
    ) -> Result<Differences, Unusable> {
        let mut groups = Groups::default();
        let (mut asked, mut parted) = (0, 0);
        let all = cases.len();
        let (hello_a, hello_b) = (self.a.hello().clone(), self.b.hello().clone());
        let mut cases = cases
            .into_iter()
            .filter(|case| hello_a.reason_to_skip(case).is_none() && hello_b.reason_to_skip(case).is_none());
        while !self.stop.raised() {
            let chunk: Vec<Case> = cases.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            let answers = self.ask(&chunk)?;
            for (case, (a, b)) in chunk.into_iter().zip(answers) {
                asked += 1;
                if let Some(found) = self.steadily(&case, &a, &b)? {
                    parted += 1;
                    groups.add(case, found);
                }
            }
            progress(asked);
        }
        self.shrink(&mut groups)?;
        let stopped = self.stop.raised();
        let not_shared = if stopped { 0 } else { all - asked };
        let (groups, beyond) = groups.into_sorted();
        Ok(Differences { a: hello_a, b: hello_b, asked, parted, not_shared, groups, beyond, stopped })
    }

    /// Where the answers part, but for places where either of them differs from itself.
    fn steadily(&mut self, case: &Case, a: &[Observed], b: &[Observed]) -> Result<Option<Found>, Unusable> {
        while let Some(found) = judged(case, a, b, &self.varying) {
            let again_a = self.a.ask(case).map_err(Unusable::a)?;
            let again_b = self.b.ask(case).map_err(Unusable::b)?;
            let op = case.steps.get(found.parting.step).map_or("", |step| step.op.as_str());
            let place = group::place(&found.parting.at);
            let varies = |first: &[Observed], again: &[Observed]| {
                let itself = judged(case, first, again, &self.varying);
                itself.is_some_and(|itself| group::place(&itself.parting.at) == place)
            };
            // The kind of an answer is no place: who answers now this way, now that has something to explain.
            if !found.parting.at.starts_with(['/', 'p']) || !varies(a, &again_a) && !varies(b, &again_b) {
                return Ok(Some(found));
            }
            self.varying.0.insert((op.to_owned(), place));
        }
        Ok(None)
    }

    /// Asks both some cases, side by side.
    fn ask(&mut self, cases: &[Case]) -> Result<Vec<Answers>, Unusable> {
        fn all(asker: &mut Asker<'_>, cases: &[Case]) -> Result<Vec<Vec<Observed>>, RunError> {
            cases.iter().map(|case| asker.ask(case)).collect()
        }
        let (a, b) = (&mut self.a, &mut self.b);
        let (answers_a, answers_b) = thread::scope(|scope| {
            let other = scope.spawn(|| all(b, cases));
            let answers = all(a, cases);
            (answers, other.join())
        });
        let answers_b = match answers_b {
            Ok(answers) => answers,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let (a, b) = (answers_a.map_err(Unusable::a)?, answers_b.map_err(Unusable::b)?);
        for (side, deaths, answers) in [('A', 0, &a), ('B', 1, &b)] {
            let deaths = &mut self.deaths[deaths];
            for observed in answers {
                let last = observed.last().map(|seen| &seen.reply);
                let Some(Reply::Lost(last)) = last else {
                    *deaths = 0;
                    continue;
                };
                *deaths += 1;
                if *deaths >= DEATHS_IN_A_ROW {
                    let error = RunError::Deaths { deaths: *deaths, last: last.clone() };
                    return Err(Unusable { side, error });
                }
            }
        }
        Ok(a.into_iter().zip(b).collect())
    }

    /// Makes the examples of generated cases smaller for as long as both part in the same way.
    fn shrink(&mut self, groups: &mut Groups) -> Result<(), Unusable> {
        for (signature, group) in groups.each().take(SHRUNK) {
            let (id, spec) = (group.example.case.id.clone(), group.example.case.spec);
            let Source::Generated { seed, .. } = group.example.case.source else { continue };
            let Some(choices) = check::choices(&id, spec, seed) else { continue };
            let hangs = signature.hangs() || group.example.case.timeout_ms.is_some();
            let budget = if hangs { SHRINK_RUNS_OF_HANGS } else { SHRINK_RUNS };
            let (mut smallest, mut failed) = (None, None);
            let done = minimise(choices, budget, |choices| {
                if failed.is_some() || self.stop.raised() {
                    return false;
                }
                let Some(case) = check::from_choices(&id, spec, seed, choices) else { return false };
                match self.parts_alike(&case, signature) {
                    Ok(Some(parting)) => {
                        smallest = Some((case, parting));
                        true
                    }
                    Ok(None) => false,
                    Err(error) => {
                        failed = Some(error);
                        false
                    }
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
            if let Some((case, parting)) = smallest {
                group.example = Example { case, parting, runs: done.runs };
            }
        }
        Ok(())
    }

    /// Where both part over a case, if it is in that way.
    fn parts_alike(&mut self, case: &Case, signature: &Signature) -> Result<Option<Parting>, Unusable> {
        if self.a.hello().reason_to_skip(case).is_some() || self.b.hello().reason_to_skip(case).is_some() {
            return Ok(None);
        }
        let a = self.a.ask(case).map_err(Unusable::a)?;
        let b = self.b.ask(case).map_err(Unusable::b)?;
        let found = judged(case, &a, &b, &self.varying);
        Ok(found.filter(|found| found.signature == *signature).map(|found| found.parting))
    }
}

/// A disagreement with its verdict.
#[derive(Clone, Debug)]
struct Found {
    signature: Signature,
    parting: Parting,
    requirements: Vec<String>,
    ambiguity: Option<String>,
}

/// Where the answers part, and who is wrong; `None` when they mean the same.
fn judged(case: &Case, a: &[Observed], b: &[Observed], varying: &Varying) -> Option<Found> {
    let catalogue = Catalogue::embedded();
    let (checks_a, checks_b) = (judge::judge(case, a, catalogue), judge::judge(case, b, catalogue));
    let (a, b) = (Side { observed: a, checks: &checks_a }, Side { observed: b, checks: &checks_b });
    let parting = compare(case, &a, &b, &|op, at| varying.has(op, at))?;
    let missed = |checks: &[Check]| checks.iter().any(Check::missed);
    let sort = match (missed(&checks_a), missed(&checks_b)) {
        (true, false) => Sort::WrongA,
        (false, true) => Sort::WrongB,
        (true, true) => Sort::BothWrong,
        (false, false) => referee::sort(case, parting.step, a.observed, b.observed).unwrap_or(Sort::Silent),
    };
    let mut requirements: Vec<String> = Vec::new();
    for check in checks_a.iter().chain(&checks_b).filter(|check| check.missed()) {
        for id in &check.requirements {
            if !requirements.contains(id) {
                requirements.push(id.clone());
            }
        }
    }
    if requirements.is_empty() && sort != Sort::Silent {
        requirements.clone_from(&case.requirements);
    }
    let ambiguity = if sort == Sort::Silent { group::ambiguity(case, &parting) } else { None };
    let first = checks_a.iter().chain(&checks_b).find(|check| check.missed());
    let missed = first.map(|check| check.requirements.as_slice()).unwrap_or_default();
    let signature = Signature::new(case, &parting, sort, missed, ambiguity.as_deref());
    Some(Found { signature, parting, requirements, ambiguity })
}

#[cfg(test)]
mod tests;
