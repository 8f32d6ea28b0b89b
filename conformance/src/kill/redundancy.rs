//! Golden vectors that catch nobody.
//!
//! A vector of weight MUST earns its place by a mutant that misses it: one of its MUST checks fails there and holds for the
//! control. Vectors that kill nobody are listed in `vectors/redundant.yaml`, with the vector that stands for them or the
//! reason why they stay. The list is held against the matrix: an entry whose vector kills is as wrong as a vector that
//! neither kills nor is listed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::trial::Trial;
use crate::case::{Case, Level, Source};
use crate::glob::Glob;
use crate::requirement::Catalogue;
use crate::select::level_of;

/// The list.
const LIST: &str = include_str!("../../../vectors/redundant.yaml");

/// Vectors that kill nobody, and why they stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redundant {
    /// Patterns over ids.
    pub vectors: Vec<String>,
    /// A vector that kills, and catches what these would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// Why they stay.
    pub because: String,
}

/// The list of vectors that kill nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redundancy(pub Vec<Redundant>);

/// Ids of the golden vectors that weigh MUST, in whichever dialect.
pub fn must_vectors(cases: &[Case]) -> BTreeSet<String> {
    let catalogue = Catalogue::embedded();
    let must = |case: &&Case| {
        matches!(case.source, Source::Vector { .. }) && level_of(case, catalogue) == Level::Must
    };
    cases.iter().filter(must).map(|case| case.id.clone()).collect()
}

/// Of each vector that kills, how many mutants it kills.
///
/// Language models are in no recipe, so no vector depends on a mutant of models; the one mutant that is
/// asked where there are no models alone must not be the only one to kill a vector, or the builds would disagree.
pub fn kills(trials: &[Trial]) -> BTreeMap<&str, usize> {
    let mut kills = BTreeMap::new();
    for id in trials.iter().filter_map(Trial::caught).flat_map(|caught| &caught.vectors) {
        *kills.entry(id.as_str()).or_insert(0) += 1;
    }
    kills
}

impl Redundancy {
    /// The list that this binary carries.
    ///
    /// # Errors
    /// The YAML's; a test reads it.
    pub fn embedded() -> Result<Self, serde_yaml::Error> {
        Self::parse(LIST)
    }

    /// Reads a list.
    ///
    /// # Errors
    /// The YAML's.
    pub fn parse(text: &str) -> Result<Self, serde_yaml::Error> {
        Ok(Self(serde_yaml::from_str(text)?))
    }

    /// What is wrong with the list by itself, whoever kills: entries that fit nothing, vectors that two entries fit, a
    /// vector that stands for others and is listed itself.
    pub fn stale(&self, must: &BTreeSet<String>) -> Vec<String> {
        let mut wrong = Vec::new();
        let listed = self.listed(must);
        for entry in &self.0 {
            if entry.because.trim().is_empty() {
                wrong.push(format!("{} without a reason", entry.vectors.join(", ")));
            }
            for pattern in &entry.vectors {
                let glob = Glob::new(pattern.as_str());
                if !must.iter().any(|id| glob.matches(id)) {
                    wrong.push(format!("{pattern} fits no vector of weight MUST"));
                }
            }
            for like in entry.like.iter().filter(|like| !must.contains(*like) || listed.contains_key(*like)) {
                wrong.push(format!(
                    "{like} stands for others and is listed itself, or is no vector of weight MUST"
                ));
            }
        }
        let twice = listed.iter().filter(|(_, times)| **times > 1);
        wrong.extend(twice.map(|(id, times)| format!("{id} is listed {times} times")));
        wrong
    }

    /// What is wrong with the list, given who kills.
    pub fn wrong(&self, must: &BTreeSet<String>, kills: &BTreeMap<&str, usize>) -> Vec<String> {
        let mut wrong = self.stale(must);
        let listed = self.listed(must);
        let dead = |id: &&String| !kills.contains_key(id.as_str());
        let missing = must.iter().filter(dead).filter(|id| !listed.contains_key(*id));
        wrong.extend(missing.map(|id| format!("{id} kills no mutant and is not listed")));
        let alive = listed.keys().filter(|id| kills.contains_key(id.as_str()));
        wrong.extend(alive.map(|id| format!("{id} is listed and kills {}", kills[id.as_str()])));
        let likes = self.0.iter().filter_map(|entry| entry.like.as_ref());
        let idle: BTreeSet<&String> = likes.filter(|like| !kills.contains_key(like.as_str())).collect();
        wrong.extend(idle.into_iter().map(|like| format!("{like} stands for others and kills no mutant")));
        wrong
    }

    /// The entries that are missing, as they could stand in the list, with the nearest vector that kills. The reason is a
    /// person's to write.
    pub fn proposal(&self, must: &BTreeSet<String>, kills: &BTreeMap<&str, usize>) -> Vec<Redundant> {
        let listed = self.listed(must);
        let missing: Vec<&String> =
            must.iter().filter(|id| !kills.contains_key(id.as_str()) && !listed.contains_key(*id)).collect();
        let mut groups: BTreeMap<(String, Option<String>), Vec<String>> = BTreeMap::new();
        for id in missing {
            let recipe: Vec<&str> = id.split('/').take(2).collect();
            let like = nearest(id, kills.keys().copied().filter(|id| must.contains(*id)));
            groups.entry((recipe.join("/"), like)).or_default().push(id.clone());
        }
        let entry = |((_, like), vectors): ((String, Option<String>), Vec<String>)| Redundant {
            vectors: folded(vectors, must),
            like,
            because: String::new(),
        };
        groups.into_iter().map(entry).collect()
    }

    /// Vectors that the list names, with how often.
    fn listed(&self, must: &BTreeSet<String>) -> BTreeMap<String, usize> {
        let mut listed = BTreeMap::new();
        for pattern in self.0.iter().flat_map(|entry| &entry.vectors) {
            let glob = Glob::new(pattern.as_str());
            for id in must.iter().filter(|id| glob.matches(id)) {
                *listed.entry(id.clone()).or_insert(0) += 1;
            }
        }
        listed
    }
}

/// The variant of the same recipe that has the longest beginning in common.
fn nearest<'a>(id: &str, kill: impl Iterator<Item = &'a str>) -> Option<String> {
    let recipe = id.match_indices('/').nth(1).map_or(id, |(at, _)| &id[..at]);
    let common = |other: &str| id.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let siblings = kill.filter(|other| other.strip_prefix(recipe).is_some_and(|rest| rest.starts_with('/')));
    siblings.max_by_key(|other| common(other)).map(str::to_owned)
}

/// One pattern in place of all variants of a recipe, when these are all that there are.
fn folded(vectors: Vec<String>, must: &BTreeSet<String>) -> Vec<String> {
    let Some((parent, _)) = vectors.first().and_then(|id| id.rsplit_once('/')) else { return vectors };
    let pattern = format!("{parent}/*");
    let glob = Glob::new(pattern.as_str());
    let all: Vec<&String> = must.iter().filter(|id| glob.matches(id)).collect();
    if vectors.len() > 1 && all.iter().copied().eq(vectors.iter()) { vec![pattern] } else { vectors }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    const MUST: [&str; 4] = ["kv/a/1", "kv/a/2", "kv/b/1", "kv/b/2"];

    fn list(vectors: &[&str], like: Option<&str>) -> Redundancy {
        let vectors = vectors.iter().map(|id| (*id).to_owned()).collect();
        Redundancy(vec![Redundant { vectors, like: like.map(str::to_owned), because: "so".into() }])
    }

    #[test]
    fn the_list_of_this_build_is_not_stale() {
        let must = must_vectors(&vector::cases().unwrap());
        assert_eq!(Redundancy::embedded().unwrap().stale(&must), Vec::<String>::new());
    }

    #[test]
    fn a_vector_kills_or_is_listed() {
        let must = set(&MUST);
        let kills = BTreeMap::from([("kv/a/1", 3), ("kv/b/1", 1)]);
        assert_eq!(list(&["kv/a/2", "kv/b/2"], Some("kv/a/1")).wrong(&must, &kills), Vec::<String>::new());
        let wrong = list(&["kv/a/*"], None).wrong(&must, &kills);
        assert_eq!(wrong, ["kv/b/2 kills no mutant and is not listed", "kv/a/1 is listed and kills 3"]);
        let wrong = list(&["kv/a/2", "kv/b/2", "kv/c"], Some("kv/b/2")).wrong(&must, &kills).join("\n");
        assert!(wrong.contains("kv/c fits no vector") && wrong.contains("is listed itself"), "{wrong}");
        assert!(wrong.contains("stands for others and kills no mutant"), "{wrong}");
        let wrong = list(&["kv/a/2", "kv/a/2", "kv/b/2"], None).stale(&must);
        assert_eq!(wrong, ["kv/a/2 is listed 2 times"]);
    }

    #[test]
    fn what_is_missing_is_proposed_with_its_nearest_sibling() {
        let must = set(&MUST);
        let kills = BTreeMap::from([("kv/a/1", 3)]);
        let made = Redundancy(Vec::new()).proposal(&must, &kills);
        assert_eq!(made.len(), 2);
        assert_eq!(
            (made[0].vectors.clone(), made[0].like.as_deref()),
            (vec!["kv/a/2".to_owned()], Some("kv/a/1"))
        );
        assert_eq!((made[1].vectors.clone(), made[1].like.clone()), (vec!["kv/b/*".to_owned()], None));
    }
}
