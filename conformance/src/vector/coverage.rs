//! Which vectors test which requirement.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::case::{Case, Expect};
use crate::requirement::{Catalogue, area_of};

use super::embedded;

/// Areas whose every requirement has a vector, or a reason why not.
pub const COVERED_AREAS: &[&str] = &[
    "HDR", "META", "ENUM", "PAY", "CMP", "KV", "HASH", "HS", "SES", "RLN", "PRJ", "VAL", "QG", "MAP", "JSON",
    "HTTP", "SEC",
];

/// Ids of the vectors that test one requirement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tested {
    /// Those that want an answer.
    pub positive: BTreeSet<String>,
    /// Those that want a refusal.
    pub negative: BTreeSet<String>,
}

/// Vectors by requirement: for those of [`COVERED_AREAS`], and for those of other areas as far as vectors or reasons name
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Every such requirement, tested or not.
    pub tested: BTreeMap<String, Tested>,
    /// Requirements that no vector tests, with the reason.
    pub excluded: BTreeMap<String, String>,
}

impl Coverage {
    /// What these cases test. `excluded` is a YAML mapping of requirement id to reason.
    ///
    /// # Errors
    /// The YAML's error when `excluded` is no such mapping.
    pub fn of(cases: &[Case], excluded: &str) -> Result<Self, serde_yaml::Error> {
        let wanted =
            Catalogue::embedded().requirements().iter().filter(|known| COVERED_AREAS.contains(&known.area()));
        let mut tested: BTreeMap<String, Tested> =
            wanted.map(|known| (known.id.clone(), Tested::default())).collect();
        for case in cases {
            let refusal = case.steps.iter().any(|step| wants_refusal(&step.expect));
            for id in &case.requirements {
                let entry = tested.entry(id.clone()).or_default();
                let side = if refusal { &mut entry.negative } else { &mut entry.positive };
                side.insert(case.id.clone());
            }
        }
        let excluded: BTreeMap<String, String> =
            match excluded.lines().all(|line| line.trim().is_empty() || line.starts_with('#')) {
                true => BTreeMap::new(),
                false => serde_yaml::from_str(excluded)?,
            };
        for id in excluded.keys().filter(|id| Catalogue::embedded().get(id).is_some()) {
            tested.entry(id.clone()).or_default();
        }
        Ok(Self { tested, excluded })
    }

    /// Coverage of the vectors that this binary carries.
    ///
    /// # Errors
    /// As [`Coverage::of`].
    pub fn embedded(cases: &[Case]) -> Result<Self, serde_yaml::Error> {
        Self::of(cases, embedded::EXCLUDED)
    }

    /// What is not as it should be: requirements without a vector or a reason, refusals that no vector asks for, and
    /// reasons that are stale.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for (id, tested) in &self.tested {
            let untested = tested.positive.is_empty() && tested.negative.is_empty();
            if untested && !self.excluded.contains_key(id) {
                gaps.push(format!("{id} has neither a vector nor a reason in excluded.yaml"));
            }
            let refused = Catalogue::embedded().get(id).is_some_and(|known| !known.errors.is_empty());
            if refused && !untested && tested.negative.is_empty() && !self.excluded.contains_key(id) {
                gaps.push(format!("{id} names an error class, but no vector asks for a refusal"));
            }
        }
        for (id, reason) in &self.excluded {
            match self.tested.get(id) {
                _ if reason.trim().is_empty() => gaps.push(format!("{id} is excluded without a reason")),
                None => gaps.push(format!("{id} is excluded, but is no requirement of {}", area_of(id))),
                Some(tested) if !tested.positive.is_empty() && !tested.negative.is_empty() => {
                    gaps.push(format!("{id} is excluded, but vectors test it"));
                }
                Some(_) => {}
            }
        }
        gaps
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
