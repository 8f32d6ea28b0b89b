//! Which requirement is tested by what: golden vectors, generated cases, or nothing for a reason.
//!
//! A requirement counts as tested when a case of the suite breaks if it is not kept, whether or not the adapter at hand
//! declares the operations that the case needs. So the table is the same in every build and for every implementation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::case::{Case, Expect, Source, Spec};
use crate::check;
use crate::requirement::Catalogue;
use crate::vector::{self, RecipesError};

/// Reasons, by requirement id.
const EXCLUDED: &str = include_str!("../../vectors/recipes/excluded.yaml");

/// Seed of the generated cases that are looked at: that of a run which names none.
const SEED: u64 = 1;

/// How many cases of a property are looked at: each has shown all of its requirements by then, and the table does not wait
/// for thousands of models to be drawn.
const LOOKED_AT: u32 = 16;

/// What tests one requirement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tested {
    /// Golden vectors that want an answer.
    pub accepts: BTreeSet<String>,
    /// Golden vectors that want a refusal.
    pub refuses: BTreeSet<String>,
    /// Properties, each of which generates cases; true for those of which a case wants a refusal.
    pub properties: BTreeMap<String, bool>,
    /// Operations that every case of it asks.
    pub always: BTreeSet<String>,
    /// Operations that some case of it asks.
    pub sometimes: BTreeSet<String>,
}

impl Tested {
    /// Whether anything tests it.
    pub fn is_tested(&self) -> bool {
        !(self.accepts.is_empty() && self.refuses.is_empty() && self.properties.is_empty())
    }

    /// Whether a case wants a refusal.
    pub fn wants_refusal(&self) -> bool {
        !self.refuses.is_empty() || self.properties.values().any(|refusal| *refusal)
    }

    /// Which operations an adapter must declare to be asked: `needs think`, or `needs one of decode, inspect` where no
    /// operation is part of every case.
    pub fn needs(&self) -> String {
        let list = |ops: &BTreeSet<String>| ops.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match (self.always.is_empty(), self.sometimes.is_empty()) {
            (false, _) => format!("needs {}", list(&self.always)),
            (true, false) => format!("needs one of {}", list(&self.sometimes)),
            (true, true) => String::new(),
        }
    }

    fn add(&mut self, case: &Case) {
        let refusal = case.steps.iter().any(|step| wants_refusal(&step.expect));
        let ops: BTreeSet<String> = case.steps.iter().map(|step| step.op.clone()).collect();
        self.always = match self.is_tested() {
            true => self.always.intersection(&ops).cloned().collect(),
            false => ops.clone(),
        };
        self.sometimes.extend(ops);
        match case.source {
            Source::Vector { .. } if refusal => {
                self.refuses.insert(case.id.clone());
            }
            Source::Vector { .. } => {
                self.accepts.insert(case.id.clone());
            }
            Source::Generated { .. } => {
                let name = case.id.rsplit_once('/').map_or(case.id.as_str(), |(name, _)| name);
                *self.properties.entry(name.to_owned()).or_default() |= refusal;
            }
            // Of whoever keeps them, not of the suite.
            Source::Counterexample => {}
        }
    }
}

/// Every requirement of the catalogue, with what tests it or the reason why nothing does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// All requirements, tested or not.
    pub tested: BTreeMap<String, Tested>,
    /// Those that nothing tests, with the reason.
    pub excluded: BTreeMap<String, String>,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum CoverageError {
    /// The reasons are no mapping of ids to texts.
    #[error("excluded.yaml: {0}; it is a mapping of requirement ids to reasons")]
    Excluded(#[from] serde_yaml::Error),
    /// The golden vectors can't be read.
    #[error(transparent)]
    Vectors(#[from] RecipesError),
}

impl Coverage {
    /// Of the suite: its golden vectors and its properties.
    ///
    /// # Errors
    /// [`CoverageError`] when what this binary carries can't be read.
    pub fn embedded() -> Result<Self, CoverageError> {
        let mut cases = vector::cases()?;
        cases.extend([Spec::V02, Spec::V04].into_iter().flat_map(|spec| check::first(spec, SEED, LOOKED_AT)));
        Self::of(&cases, EXCLUDED)
    }

    /// Of these cases. `excluded` is a YAML mapping of requirement id to reason.
    ///
    /// # Errors
    /// [`CoverageError::Excluded`] when `excluded` is no such mapping.
    pub fn of(cases: &[Case], excluded: &str) -> Result<Self, CoverageError> {
        let known = Catalogue::embedded().requirements().iter();
        let mut tested: BTreeMap<String, Tested> =
            known.map(|requirement| (requirement.id.clone(), Tested::default())).collect();
        for case in cases {
            for id in &case.requirements {
                tested.entry(id.clone()).or_default().add(case);
            }
        }
        let excluded: BTreeMap<String, String> =
            match excluded.lines().all(|line| line.trim().is_empty() || line.starts_with('#')) {
                true => BTreeMap::new(),
                false => serde_yaml::from_str(excluded)?,
            };
        Ok(Self { tested, excluded })
    }

    /// Why nothing tests a requirement, where that is so.
    pub fn reason(&self, id: &str) -> Option<&str> {
        let untested = self.tested.get(id).is_none_or(|tested| !tested.is_tested());
        self.excluded.get(id).filter(|_| untested).map(String::as_str)
    }

    /// The count of those of them that are asked for.
    pub fn count(&self, mut asked: impl FnMut(&str) -> bool) -> Count {
        let mut count = Count::default();
        for (id, tested) in self.tested.iter().filter(|(id, _)| asked(id)) {
            count.requirements += 1;
            count.tested += usize::from(tested.is_tested());
            count.excluded += usize::from(self.reason(id).is_some());
        }
        count
    }

    /// What is not as it should be: requirements without a test or a reason, refusals that no case asks for, and reasons
    /// that are missing or stale.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for (id, tested) in &self.tested {
            let Some(known) = Catalogue::embedded().get(id) else {
                gaps.push(format!("{id} is tested, but stands in no catalogue of requirements"));
                continue;
            };
            let excluded = self.excluded.contains_key(id);
            if !tested.is_tested() && !excluded {
                gaps.push(format!("{id} has neither a test nor a reason in excluded.yaml"));
            }
            if tested.is_tested() && !known.errors.is_empty() && !tested.wants_refusal() && !excluded {
                gaps.push(format!("{id} names an error class, but no case asks for a refusal"));
            }
        }
        for (id, reason) in &self.excluded {
            let refusals = Catalogue::embedded().get(id).is_some_and(|known| !known.errors.is_empty());
            match self.tested.get(id) {
                _ if reason.trim().is_empty() => gaps.push(format!("{id} is excluded without a reason")),
                None => gaps.push(format!("{id} is excluded, but is no requirement")),
                // A reason may also say why nobody is asked to refuse what is otherwise tested.
                Some(tested) if tested.is_tested() && (tested.wants_refusal() || !refusals) => {
                    gaps.push(format!("{id} is excluded, but cases test it"));
                }
                Some(_) => {}
            }
        }
        gaps
    }
}

/// How many requirements are accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All.
    pub requirements: usize,
    /// With a test.
    pub tested: usize,
    /// Without one, with a reason.
    pub excluded: usize,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requirements, tested, excluded } = self;
        let accounted = tested + excluded;
        write!(f, "{accounted} of {requirements} accounted for: {tested} tested, {excluded} excluded")
    }
}

fn wants_refusal(expect: &Expect) -> bool {
    match expect {
        Expect::Reject(_) | Expect::Refused { .. } => true,
        Expect::Either(branches) => branches.iter().any(|(_, branch)| wants_refusal(branch)),
        Expect::Ok { ok, .. } => ok.values().any(holds_error),
        Expect::Encoded(_) | Expect::Alive => false,
    }
}

/// A script answers step by step; a refusal is one of its events.
fn holds_error(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_error),
        Value::Object(map) => map.contains_key("error") || map.values().any(holds_error),
        _ => false,
    }
}
