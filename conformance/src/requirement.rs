//! The requirements of the protocol, by id.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::case::{Level, Spec};

/// The catalogue that this suite was built with.
const CATALOGUE: &str = include_str!("../../vectors/requirements.yaml");

/// The one proposal of ours that keeps its MUST: it protects whoever reads a message, not an opinion.
const UNCAPPED: &str = "AVP-SEC-012";

static EMBEDDED: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::parse(CATALOGUE).expect("a test reads the embedded catalogue"));

/// Where a requirement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// A published text says so.
    Stated,
    /// The reference SDK behaves so and peers rely on it.
    InferredFromSdk,
    /// Proposed by this project: a miss warns at most.
    ProposedExtension,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// E.g. `AVP-HDR-002`.
    pub id: String,
    /// Weight as written, before caps.
    pub level: Level,
    /// Where it stands.
    pub basis: Basis,
    /// The sentence.
    pub sentence: String,
    /// Source, as the catalogue cites it.
    pub source: String,
    /// Dialects that it holds in.
    pub dialects: Vec<Spec>,
    /// Entries of the ambiguity list that bear on it.
    pub ambiguities: Vec<String>,
    /// Error classes of a refusal.
    pub errors: Vec<String>,
    /// Operations that its test names, as written there.
    pub ops: String,
    /// How a published SDK fares, where that was measured.
    pub measured: Option<String>,
}

impl Requirement {
    /// Weight after caps: what this project only proposes warns at most, except where memory safety is at stake.
    pub fn effective_level(&self) -> Level {
        if self.basis == Basis::ProposedExtension && self.id != UNCAPPED {
            self.level.min(Level::Should)
        } else {
            self.level
        }
    }

    /// Code of the area, e.g. `HDR`.
    pub fn area(&self) -> &str {
        area_of(&self.id)
    }
}

/// Code of the area of a requirement id: `HDR` of `AVP-HDR-002`.
pub fn area_of(id: &str) -> &str {
    id.split('-').nth(1).unwrap_or_default()
}

/// A group of requirements.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Area {
    /// E.g. `HDR`.
    pub code: String,
    /// For people.
    pub title: String,
    /// How many requirements it has.
    pub count: usize,
}

/// All requirements.
#[derive(Clone, Debug)]
pub struct Catalogue {
    areas: Vec<Area>,
    requirements: Vec<Requirement>,
    by_id: HashMap<String, usize>,
    error_classes: Vec<String>,
}

/// Why a catalogue could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It does not have the form of one.
    #[error("catalogue of requirements: {0}")]
    Form(#[from] serde_yaml::Error),
    /// An id stands twice.
    #[error("catalogue of requirements: {0} stands twice")]
    Twice(String),
    /// An area announces another number of requirements than it has.
    #[error("catalogue of requirements: area {code} announces {announced} and has {found}")]
    Count {
        /// The area.
        code: String,
        /// Its `count`.
        announced: usize,
        /// How many there are.
        found: usize,
    },
}

impl Catalogue {
    /// The catalogue that this suite was built with.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads a catalogue.
    ///
    /// # Errors
    /// [`CatalogueError`] when it is malformed or contradicts itself.
    pub fn parse(yaml: &str) -> Result<Self, CatalogueError> {
        let file: File = serde_yaml::from_str(yaml)?;
        let requirements: Vec<Requirement> = file.requirements.into_iter().map(Requirement::from).collect();
        let mut by_id = HashMap::with_capacity(requirements.len());
        for (index, requirement) in requirements.iter().enumerate() {
            if by_id.insert(requirement.id.clone(), index).is_some() {
                return Err(CatalogueError::Twice(requirement.id.clone()));
            }
        }
        for area in &file.areas {
            let found = requirements.iter().filter(|requirement| requirement.area() == area.code).count();
            if found != area.count {
                return Err(CatalogueError::Count { code: area.code.clone(), announced: area.count, found });
            }
        }
        Ok(Self { areas: file.areas, requirements, by_id, error_classes: file.error_classes })
    }

    /// One requirement.
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        self.by_id.get(id).map(|index| &self.requirements[*index])
    }

    /// All of them, in the order of the catalogue.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// The areas, in order.
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// One area.
    pub fn area(&self, code: &str) -> Option<&Area> {
        self.areas.iter().find(|area| area.code == code)
    }

    /// The error classes that an adapter may answer.
    pub fn error_classes(&self) -> &[String] {
        &self.error_classes
    }

    /// Weight of a check that speaks for `ids`: the weightiest of them after caps. Unknown ids weigh nothing.
    pub fn level_of<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Level {
        ids.into_iter()
            .filter_map(|id| self.get(id))
            .map(Requirement::effective_level)
            .max()
            .unwrap_or(Level::May)
    }
}

#[derive(Deserialize)]
struct File {
    error_classes: Vec<String>,
    areas: Vec<Area>,
    requirements: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    level: Level,
    basis: Basis,
    requirement: String,
    source: String,
    dialects: Vec<Dialect>,
    #[serde(default)]
    ambiguities: Vec<String>,
    #[serde(default)]
    error: Vec<String>,
    test: Test,
    sdk_0_6_2: Option<String>,
}

#[derive(Deserialize)]
struct Test {
    op: String,
}

/// The catalogue writes dialects with a `v` in front.
#[derive(Deserialize)]
enum Dialect {
    #[serde(rename = "v0.2")]
    V02,
    #[serde(rename = "v0.4")]
    V04,
}

impl From<Entry> for Requirement {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            level: entry.level,
            basis: entry.basis,
            sentence: entry.requirement,
            source: entry.source,
            dialects: entry
                .dialects
                .into_iter()
                .map(|dialect| match dialect {
                    Dialect::V02 => Spec::V02,
                    Dialect::V04 => Spec::V04,
                })
                .collect(),
            ambiguities: entry.ambiguities,
            errors: entry.error,
            ops: entry.test.op,
            measured: entry.sdk_0_6_2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_catalogue_holds_together() {
        let catalogue = Catalogue::parse(CATALOGUE).unwrap();
        assert_eq!(catalogue.requirements().len(), 421);
        assert_eq!(catalogue.areas().len(), 22);
        for requirement in catalogue.requirements() {
            assert!(catalogue.area(requirement.area()).is_some(), "{}", requirement.id);
            assert!(!requirement.dialects.is_empty(), "{}", requirement.id);
            for class in &requirement.errors {
                assert!(catalogue.error_classes().contains(class), "{}: {class}", requirement.id);
            }
        }
    }

    #[test]
    fn proposals_warn_at_most_but_for_memory_safety() {
        let catalogue = Catalogue::embedded();
        let level = |id: &str| catalogue.get(id).unwrap().effective_level();
        assert_eq!(level("AVP-HDR-002"), Level::Must);
        assert_eq!(level("AVP-SEC-012"), Level::Must);
        let capped = catalogue.requirements().iter().filter(|requirement| {
            requirement.basis == Basis::ProposedExtension && requirement.id != UNCAPPED
        });
        for requirement in capped {
            assert!(requirement.effective_level() <= Level::Should, "{}", requirement.id);
        }
        assert_eq!(catalogue.level_of(["AVP-HDR-003", "AVP-HDR-002"]), Level::Must);
        assert_eq!(catalogue.level_of(["AVP-NOT-001"]), Level::May);
    }

    #[test]
    fn contradictions_are_errors() {
        let head = "error_classes: []\nareas: [{code: HDR, title: t, count: 1}]\nrequirements:\n";
        let entry = "- {id: AVP-HDR-001, level: MUST, basis: stated, requirement: r, source: s, dialects: [v0.4], test: {op: encode}}\n";
        assert!(Catalogue::parse(&format!("{head}{entry}")).is_ok());
        assert!(matches!(Catalogue::parse(&format!("{head}{entry}{entry}")), Err(CatalogueError::Twice(_))));
        assert!(matches!(
            Catalogue::parse(&format!("{head}{}", entry.replace("HDR", "KV"))),
            Err(CatalogueError::Count { announced: 1, found: 0, .. })
        ));
    }
}
