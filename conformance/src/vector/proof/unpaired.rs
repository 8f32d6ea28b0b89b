//! Refusals without an accepted twin, and why they have none.
//!
//! The list is held against the proof: an entry that fits nothing, or a vector that is proven after all, is as wrong as a
//! vector that is neither proven nor listed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::glob::Glob;

/// Some vectors that have no twin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unpaired {
    /// Patterns over ids.
    pub vectors: Vec<String>,
    /// Why there is no accepted request that differs in one place.
    pub because: String,
}

/// The list of vectors that have no twin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnpairedList(pub Vec<Unpaired>);

impl UnpairedList {
    /// Reads a list.
    ///
    /// # Errors
    /// The YAML's.
    pub fn parse(text: &str) -> Result<Self, serde_yaml::Error> {
        let list: Option<Vec<Unpaired>> = serde_yaml::from_str(text)?;
        Ok(Self(list.unwrap_or_default()))
    }

    /// Whether an id is listed.
    pub fn lists(&self, id: &str) -> bool {
        self.0.iter().flat_map(|entry| &entry.vectors).any(|pattern| Glob::new(pattern.as_str()).matches(id))
    }

    /// What is wrong with the list, given all ids that have refusals of one fault: true for those of which one is not
    /// proven.
    pub(super) fn wrong(&self, open: &BTreeMap<&str, bool>) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut listed: BTreeSet<&str> = BTreeSet::new();
        for entry in &self.0 {
            if entry.because.trim().is_empty() {
                wrong
                    .push(format!("{} without a reason; say why there is no twin", entry.vectors.join(", ")));
            }
            for pattern in &entry.vectors {
                let glob = Glob::new(pattern.as_str());
                let fitting: Vec<&str> = open.keys().copied().filter(|id| glob.matches(id)).collect();
                if fitting.is_empty() {
                    wrong.push(format!(
                        "{pattern} fits no vector that is to be refused for one fault; take it out"
                    ));
                }
                for id in fitting {
                    if !open[id] {
                        wrong.push(format!("{id} is listed under {pattern} and has a proof; take it out"));
                    }
                    if !listed.insert(id) {
                        wrong.push(format!("{id} is listed twice; leave one of the entries"));
                    }
                }
            }
        }
        wrong
    }
}
