//! Many runs on one page: implementations × areas, implementations × requirements, release to release, and who
//! understands whom.
//!
//! A matrix is a pure function of the [runs](Entry::of) and of a [cross-reading](reading::CrossReading), where there is
//! one: the same recordings make the same bytes.

mod change;
mod entry;
mod example;
pub mod html;
pub mod markdown;
pub mod reading;
pub mod version;

use std::collections::{BTreeMap, BTreeSet};

pub use self::change::{Move, Step, steps};
pub use self::entry::{Cell, Entry, Outcome, Verdicts};
pub use self::example::Example;
use self::reading::CrossReading;
use crate::event::RequirementBrief;
use crate::requirement::{Catalogue, area_of};
use crate::tally::{Status, Tally};

/// Everything that the page shows.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The implementations, in the order of the page.
    pub entries: Vec<Entry>,
    /// The requirements that any run knows of, in the order of the catalogue.
    pub requirements: Vec<RequirementBrief>,
    /// Who understands whom.
    pub readings: Option<CrossReading>,
}

/// Collects runs, one at a time, so that their recordings need not all be in memory.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    entries: Vec<Entry>,
    briefs: BTreeMap<String, RequirementBrief>,
}

impl Collection {
    /// Adds a run.
    pub fn add(&mut self, tally: &Tally) {
        for requirement in &tally.requirements {
            let brief = &requirement.brief;
            self.briefs.entry(brief.id.clone()).or_insert_with(|| brief.clone());
        }
        self.entries.push(Entry::of(tally));
    }

    /// Adds an implementation that could not be run.
    pub fn add_absent(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Puts the implementations in their order: those with one release as they came, before and behind the one with the
    /// most, whose releases stand from the oldest on.
    pub fn finish(self, readings: Option<CrossReading>) -> Matrix {
        let Self { mut entries, briefs } = self;
        let mut families: Vec<&str> = Vec::new();
        for entry in &entries {
            if !families.contains(&entry.name.as_str()) {
                families.push(&entry.name);
            }
        }
        let rank: BTreeMap<String, usize> =
            families.iter().enumerate().map(|(rank, name)| ((*name).to_owned(), rank)).collect();
        entries.sort_by(|a, b| {
            rank[&a.name].cmp(&rank[&b.name]).then_with(|| version::compare(&a.version, &b.version))
        });
        name_apart(&mut entries);
        let in_order = Catalogue::embedded().requirements().iter().map(|requirement| &requirement.id);
        let known: Vec<&String> = in_order.filter(|id| briefs.contains_key(*id)).collect();
        // Of another suite's recordings there may be more.
        let others = briefs.keys().filter(|id| !known.contains(id));
        let requirements = known.iter().copied().chain(others).map(|id| briefs[id].clone()).collect();
        Matrix { entries, requirements, readings: readings.filter(CrossReading::is_sound) }
    }
}

/// Numbers those that would be called alike.
fn name_apart(entries: &mut [Entry]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for entry in entries {
        let times = seen.entry(entry.label.clone()).or_insert(0);
        *times += 1;
        if *times > 1 {
            entry.label = format!("{} (run {times})", entry.label);
        }
    }
}

impl Matrix {
    /// Codes of the areas that any run knows of, in the order of the catalogue, with their titles.
    pub fn areas(&self) -> Vec<(String, String)> {
        let present: BTreeSet<&str> = self.requirements.iter().map(|brief| area_of(&brief.id)).collect();
        let areas = Catalogue::embedded().areas().iter();
        areas
            .filter(|area| present.contains(area.code.as_str()))
            .map(|area| (area.code.clone(), area.title.clone()))
            .collect()
    }

    /// Whether the implementations that were asked came to different ends.
    pub fn differs(&self, id: &str) -> bool {
        let statuses: BTreeSet<Status> = self
            .entries
            .iter()
            .filter_map(|entry| entry.cell(id))
            // What was held and what was recorded differ for nobody.
            .map(|cell| if cell.status == Status::Info { Status::Pass } else { cell.status })
            .filter(|status| *status != Status::NotRun)
            .collect();
        statuses.len() > 1
    }

    /// Whether any implementation misses it.
    pub fn is_missed(&self, id: &str) -> bool {
        let missed = |entry: &Entry| {
            entry.cell(id).is_some_and(|cell| matches!(cell.status, Status::Fail | Status::Warn))
        };
        self.entries.iter().any(missed)
    }

    /// The requirements, those first that the implementations differ in, then those that some miss, then the others.
    pub fn by_interest(&self) -> Vec<&RequirementBrief> {
        let rank = |brief: &&RequirementBrief| match (self.differs(&brief.id), self.is_missed(&brief.id)) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        let mut sorted: Vec<&RequirementBrief> = self.requirements.iter().collect();
        sorted.sort_by_key(rank);
        sorted
    }

    /// Digests of the golden vectors and seeds of the runs. More than one of either: the columns can't be compared freely.
    pub fn suites(&self) -> BTreeSet<(String, String, u64)> {
        let judged = self.entries.iter().filter_map(Entry::verdicts);
        judged.map(|run| (run.suite.clone(), run.vectors.clone(), run.seed)).collect()
    }
}

#[cfg(test)]
mod tests;
