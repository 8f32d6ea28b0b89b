//! Missed checks → causes: one defect of an implementation often misses dozens of checks.

use std::collections::{BTreeMap, HashMap};

use super::{Tally, counts};
use crate::{
    case::{Level, Source},
    event::{CaseEvent, Counterexample},
    verdict::{Check, Outcome},
};

/// What probably is one defect, and all the checks that it missed.
#[derive(Clone, Debug)]
pub struct Cause<'a> {
    /// Name of the bug that the cases catch, or the id of the requirement where they name none.
    pub name: &'a str,
    /// Weight of the weightiest check.
    pub level: Level,
    /// Requirements that are broken by it, weightiest first as the checks name them.
    pub requirements: Vec<&'a str>,
    /// The missed checks: those that fail before those that warn, short cases before long ones.
    pub misses: Vec<Miss<'a>>,
}

/// A missed check and its case.
#[derive(Clone, Copy, Debug)]
pub struct Miss<'a> {
    /// The case.
    pub case: &'a CaseEvent,
    /// The check.
    pub check: &'a Check,
}

impl Miss<'_> {
    /// `case-id@spec#check`.
    pub fn name(&self) -> String {
        format!("{}#{}", self.case.key, self.check.name)
    }
}

impl Cause<'_> {
    /// How many cases it shows in.
    pub fn cases(&self) -> usize {
        let mut keys: Vec<&str> = self.misses.iter().map(|miss| miss.case.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    }

    /// How many of its checks fail; the others only warn.
    pub fn failures(&self, strict: bool) -> usize {
        self.misses.iter().filter(|miss| counts(miss.check.level, strict)).count()
    }
}

impl Tally {
    /// The smallest case that shows this cause: of those that were made small, the one with the fewest bytes that needs
    /// nothing before it.
    pub fn counterexample(&self, cause: &Cause<'_>) -> Option<&Counterexample> {
        let of_cause = |found: &&Counterexample| {
            cause.misses.iter().any(|miss| miss.case.key == found.key && miss.check.name == found.check)
        };
        let all = self.counterexamples.iter().filter(of_cause);
        all.filter(|found| found.missed().is_some())
            .min_by_key(|found| (found.needs.len(), found.bytes_after))
    }

    /// The causes of what was missed, by weight and then by how much they broke. Misses of MAY are no causes.
    ///
    /// A golden vector names the bug that it catches. A generated case only knows the property that broke, so it joins
    /// the vectors that broke the same requirement, where there are any.
    pub fn causes(&self) -> Vec<Cause<'_>> {
        let missed = || self.checks().filter(|(_, check)| check.missed() && check.level > Level::May);
        let mut groups: BTreeMap<&str, Vec<Miss<'_>>> = BTreeMap::new();
        let mut known: HashMap<(&str, Level), &str> = HashMap::new();
        for (case, check) in missed().filter(|(case, _)| !is_generated(case)) {
            let name = name_of(case, check);
            if let Some(id) = check.requirements.first() {
                known.entry((id, check.level)).or_insert(name);
            }
            groups.entry(name).or_default().push(Miss { case, check });
        }
        for (case, check) in missed().filter(|(case, _)| is_generated(case)) {
            let of_vectors = check.requirements.iter().find_map(|id| known.get(&(id.as_str(), check.level)));
            let name = of_vectors.copied().unwrap_or_else(|| name_of(case, check));
            groups.entry(name).or_default().push(Miss { case, check });
        }
        let mut causes: Vec<Cause<'_>> =
            groups.into_iter().map(|(name, misses)| cause(name, misses)).collect();
        causes.sort_by(|a, b| {
            let weight = b.level.cmp(&a.level).then(b.failures(false).cmp(&a.failures(false)));
            weight.then(b.misses.len().cmp(&a.misses.len())).then(a.name.cmp(b.name))
        });
        causes
    }
}

fn is_generated(case: &CaseEvent) -> bool {
    matches!(case.source, Source::Generated { .. })
}

fn cause<'a>(name: &'a str, mut misses: Vec<Miss<'a>>) -> Cause<'a> {
    misses.sort_by_key(|miss| {
        let size: usize = miss.case.steps.iter().flat_map(|step| &step.parts).map(|part| part.len).sum();
        // A refusal that did not come says more than a crash behind it, a vector more than what was made at random, and a
        // small message more than a large one.
        let kind = (miss.check.outcome != Outcome::Fail, is_generated(miss.case));
        (std::cmp::Reverse(miss.check.level), kind, size)
    });
    let mut requirements = Vec::new();
    for id in misses.iter().flat_map(|miss| &miss.check.requirements) {
        if !requirements.contains(&id.as_str()) {
            requirements.push(id.as_str());
        }
    }
    let level = misses.iter().map(|miss| miss.check.level).max().unwrap_or(Level::May);
    Cause { name, level, requirements, misses }
}

/// A check that speaks for other requirements than its case (an invariant of every message, say) has a cause of its own.
fn name_of<'a>(case: &'a CaseEvent, check: &'a Check) -> &'a str {
    let own = check.requirements.iter().any(|id| case.requirements.contains(id));
    match &case.bug {
        Some(bug) if own || check.requirements.is_empty() => bug,
        _ => {
            let ids = check.requirements.iter().chain(&case.requirements);
            ids.map(String::as_str).next().unwrap_or(&case.id)
        }
    }
}
