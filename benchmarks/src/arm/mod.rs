//! Ways from what the first agent reads to the last agent's answer.

mod catalogue;
mod expand;

use std::fmt;

use crate::record::ArmRecord;
use crate::task::Topology;

pub use catalogue::{CATALOGUE, Entry};
pub use expand::Defaults;

/// A way from what the first agent reads to the last agent's answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Arm {
    /// One agent reads everything.
    Direct,
    /// One agent is given the last agent's prompt with what the first one reads in it.
    PromptMatched,
    /// The last prompt behind the first agent's cache.
    Cache(Cache),
    /// The last prompt alone.
    NoContext,
    /// The first agent's note, as text. Another model's, where one is named.
    Text(Option<Other>),
    /// The last prompt behind vectors made of another model's hidden states, or behind as many others.
    Rosetta(Rosetta),
    /// The first prompt's tokens and the last prompt's in one pass, held against the cache without latent steps.
    Oracle,
}

/// A cache of the answering model that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cache {
    /// Latent steps behind the first prompt.
    pub steps: u32,
    /// What is handed over of it.
    pub kind: CacheKind,
}

/// What is handed over of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheKind {
    /// All.
    Whole,
    /// The positions of latent steps alone.
    LatentOnly,
    /// That of another item with as many tokens.
    Foreign,
    /// Of each agent's cache what it added, without what it was given.
    Sequential,
    /// All, of agents that read one after another where the task has them read each for itself.
    Chained,
    /// All positions in another order.
    Shuffled,
    /// Normal numbers with mean and deviation of each layer and head.
    Noise,
    /// Zeros.
    Zero,
}

/// Vectors in place of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rosetta {
    /// How many.
    pub vectors: u32,
    /// What they are.
    pub kind: RosettaKind,
    /// Whose states.
    pub other: Other,
}

/// What stands in the place of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RosettaKind {
    /// Projected hidden states.
    Projected,
    /// The mean input embedding.
    Mean,
    /// Random directions of an embedding's mean length.
    Random,
    /// Projected hidden states of another item with as many tokens.
    Foreign,
}

/// Another model than the one that answers, by its name in the run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Other {
    /// Its name.
    pub name: String,
    /// Whether it is the only one, so that ids need not name it.
    pub only: bool,
}

impl Other {
    fn suffix(&self) -> String {
        if self.only { String::new() } else { format!(":{}", self.name) }
    }
}

impl CacheKind {
    /// The id without steps.
    fn word(self) -> &'static str {
        match self {
            Self::Whole => "latent",
            Self::LatentOnly => "latent-only",
            Self::Foreign => "foreign",
            Self::Sequential => "sequential",
            Self::Chained => "chained",
            Self::Shuffled => "shuffled",
            Self::Noise => "noise",
            Self::Zero => "zero",
        }
    }
}

impl RosettaKind {
    /// The id without vectors.
    fn word(self) -> &'static str {
        match self {
            Self::Projected => "rosetta",
            Self::Mean => "rosetta-mean",
            Self::Random => "rosetta-random",
            Self::Foreign => "rosetta-foreign",
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())
    }
}

impl Arm {
    /// Whether it needs an item with another context.
    #[must_use]
    pub fn takes_another_context(&self) -> bool {
        matches!(
            self,
            Self::Cache(Cache { kind: CacheKind::Foreign, .. })
                | Self::Rosetta(Rosetta { kind: RosettaKind::Foreign, .. })
        )
    }

    /// What it needs of a task, where not every task has that: agents before the last one that read one after another, or
    /// each for itself.
    #[must_use]
    pub fn needs(&self) -> Option<Topology> {
        match self {
            Self::Cache(Cache { kind: CacheKind::Sequential, .. }) => Some(Topology::Chain),
            Self::Cache(Cache { kind: CacheKind::Chained, .. }) => Some(Topology::FanOut),
            _ => None,
        }
    }

    /// As run files and traces have it.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Direct => "direct".to_owned(),
            Self::PromptMatched => "prompt-matched".to_owned(),
            Self::NoContext => "no-context".to_owned(),
            Self::Oracle => "oracle".to_owned(),
            Self::Cache(Cache { steps: 0, kind: CacheKind::Whole }) => "prefix".to_owned(),
            Self::Cache(Cache { steps, kind }) => format!("{}@{steps}", kind.word()),
            Self::Text(None) => "text".to_owned(),
            Self::Text(Some(other)) => format!("text-cross{}", other.suffix()),
            Self::Rosetta(Rosetta { vectors, kind, other }) => {
                format!("{}@{vectors}{}", kind.word(), other.suffix())
            }
        }
    }

    /// Latent steps that the answering model's reader takes, where it hands over a cache.
    #[must_use]
    pub fn latent_steps(&self) -> Option<u32> {
        match self {
            Self::Cache(cache) => Some(cache.steps),
            _ => None,
        }
    }

    /// As reports name it.
    #[must_use]
    pub fn record(&self) -> ArmRecord {
        let entry = catalogue::entry(self);
        let about = entry.about.to_owned();
        ArmRecord {
            id: self.id(),
            label: self.label(),
            kind: entry.kind,
            latent_steps: self.latent_steps(),
            about,
        }
    }

    fn label(&self) -> String {
        let entry = catalogue::entry(self);
        let many = |count: u32, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        match self {
            Self::Cache(Cache { steps: 0, .. }) => entry.label.to_owned(),
            Self::Cache(Cache { steps, .. }) => format!("{}, {}", entry.label, many(*steps, "step")),
            Self::Rosetta(Rosetta { vectors, other, .. }) => {
                format!("{}, {} of {}", entry.label, many(*vectors, "vector"), other.name)
            }
            Self::Text(Some(other)) => format!("{} by {}", entry.label, other.name),
            _ => entry.label.to_owned(),
        }
    }
}
