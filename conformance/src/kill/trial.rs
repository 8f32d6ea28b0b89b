//! What became of one mutant.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::mutant::{Group, Mutant};
use crate::case::{Level, Source};
use crate::event::{CaseEvent, Event};

/// A check that a mutant misses and that the control holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miss {
    /// `case-id@spec#name`.
    pub check: String,
    /// Whether it speaks for a requirement that the mutant breaks.
    pub own: bool,
}

/// How a mutant was caught.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caught {
    /// The first check of a requirement that it breaks; without one, the first that it misses at all.
    pub first: Option<Miss>,
    /// How many checks it misses.
    pub missed: usize,
    /// How many of these speak for requirements that it does not break.
    pub by_luck: usize,
    /// Requirements that it is said to break and that no missed check speaks for.
    pub unproven: Vec<String>,
    /// Ids of the golden vectors that it misses with their full weight, MUST.
    pub vectors: BTreeSet<String>,
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Killed by checks of every requirement that it breaks.
    Killed(Caught),
    /// Caught, but not by checks of all that it breaks: by luck.
    Lucky(Caught),
    /// Nothing is missed.
    Survived,
    /// A probe ended the run, as it should.
    Stopped,
    /// A probe should have ended the run, and none did.
    Unstopped,
    /// The switchboard was built without it.
    NotBuilt,
}

/// One mutant with what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Its name.
    pub mutant: String,
    /// Where it comes from.
    pub group: Group,
    /// What is wrong with it.
    pub wrong: String,
    /// The requirements that it breaks.
    pub breaks: Vec<String>,
    /// What became of it.
    pub standing: Standing,
}

impl Trial {
    /// Whether it ended as it must. One that was not built is nobody's fault.
    pub fn is_good(&self) -> bool {
        matches!(self.standing, Standing::Killed(_) | Standing::Stopped | Standing::NotBuilt)
    }

    /// How it was caught, when checks caught it.
    pub fn caught(&self) -> Option<&Caught> {
        match &self.standing {
            Standing::Killed(caught) | Standing::Lucky(caught) => Some(caught),
            _ => None,
        }
    }

    /// What is wrong with the verdict, in a sentence; none when it is good.
    pub fn complaint(&self) -> Option<String> {
        let name = &self.mutant;
        match &self.standing {
            Standing::Killed(_) | Standing::Stopped | Standing::NotBuilt => None,
            Standing::Survived => Some(format!("{name} survives: nothing is missed")),
            Standing::Unstopped => Some(format!("{name} survives: no probe stops it")),
            Standing::Lucky(caught) => Some(format!(
                "{name}: nothing is missed for {}; {} missed, {} first",
                caught.unproven.join(", "),
                caught.missed,
                caught.first.as_ref().map_or("", |miss| miss.check.as_str()),
            )),
        }
    }
}

impl Caught {
    /// Puts the events of a run together. What the control misses too is left out.
    pub(super) fn of(mutant: &Mutant, events: &[Event], control: &BTreeSet<String>) -> Self {
        let mut caught = Self::default();
        let mut proven = BTreeSet::new();
        for case in events.iter().filter_map(case_of) {
            for (name, check) in missed(case).filter(|(name, _)| !control.contains(name)) {
                let broken = || check.requirements.iter().filter(|id| mutant.breaks().contains(id));
                let own = broken().next().is_some();
                proven.extend(broken());
                caught.missed += 1;
                caught.by_luck += usize::from(!own);
                if caught.first.as_ref().is_none_or(|first| own && !first.own) {
                    caught.first = Some(Miss { check: name, own });
                }
                if check.level == Level::Must && matches!(case.source, Source::Vector { .. }) {
                    caught.vectors.insert(case.id.clone());
                }
            }
        }
        let unproven = mutant.breaks().iter().filter(|id| !proven.contains(id));
        caught.unproven = unproven.cloned().collect();
        caught
    }

    /// The standing of a mutant that was asked.
    pub(super) fn standing(self) -> Standing {
        match (self.missed, self.unproven.is_empty()) {
            (0, _) => Standing::Survived,
            (_, true) => Standing::Killed(self),
            (_, false) => Standing::Lucky(self),
        }
    }
}

pub(super) fn case_of(event: &Event) -> Option<&CaseEvent> {
    match event {
        Event::Case(case) => Some(case),
        _ => None,
    }
}

/// The missed checks of a case, by their full names.
pub(super) fn missed(case: &CaseEvent) -> impl Iterator<Item = (String, &crate::verdict::Check)> {
    let missed = case.checks.iter().filter(|check| check.missed());
    missed.map(|check| (format!("{}#{}", case.key, check.name), check))
}
