//! The parts of a run file, and what they are when nothing is said.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::decoding::{Decoding, DecodingPatch};
use super::error::{Error, Result, nearest};
use crate::relay::{Layout, Split};
use crate::task::Descriptor;

/// Generated items of a task at most: all of them are kept in memory.
const MAX_COUNT: u64 = 1_000_000;

pub(super) fn auto() -> String {
    "auto".to_owned()
}

pub(super) fn layouts() -> Vec<Layout> {
    vec![Layout::Repeated, Layout::Withheld]
}

pub(super) fn all() -> Vec<String> {
    vec!["all".to_owned()]
}

pub(super) fn latent_steps() -> Vec<u32> {
    vec![10]
}

pub(super) fn rosetta_vectors() -> Vec<u32> {
    vec![1, 4]
}

pub(super) fn one() -> u64 {
    1
}

pub(super) fn says_nothing(patch: &DecodingPatch) -> bool {
    *patch == DecodingPatch::default()
}

pub(super) fn once() -> u32 {
    1
}

/// Names and model arguments, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Models(pub Vec<(String, String)>);

impl Models {
    /// The argument of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, argument)| argument.as_str())
    }
}

impl Serialize for Models {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, argument) in &self.0 {
            map.serialize_entry(name, argument)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Models {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Models;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names with model arguments, such as `a: pocket-a`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Models, A::Error> {
                let mut models = Models::default();
                while let Some((name, argument)) = map.next_entry::<String, String>()? {
                    if models.get(&name).is_some() || name.is_empty() || name.contains([':', '@']) {
                        let what = format!("another name for each model, without : and @, found {name:?}");
                        return Err(serde::de::Error::custom(what));
                    }
                    models.0.push((name, argument));
                }
                Ok(models)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// Where a task's items come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// The relay task of this project.
    Relay,
    /// Any text with questions: JSON lines of id, context, question and answer.
    Text,
    /// A task of a shipped descriptor, by its name.
    Described(Box<str>),
    /// A task of a descriptor in the run file, with items in the form of [`Self::Text`].
    Custom,
}

impl TaskKind {
    /// As run files have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Relay => "relay",
            Self::Text => "text",
            Self::Described(name) => name,
            Self::Custom => "custom",
        }
    }
}

impl Serialize for TaskKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TaskKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(match name.as_str() {
            "relay" => Self::Relay,
            "text" => Self::Text,
            "custom" => Self::Custom,
            _ => {
                let known = Descriptor::names().map_err(serde::de::Error::custom)?;
                if !known.contains(&name) {
                    let all = ["relay", "text", "custom"].into_iter().chain(known.iter().map(String::as_str));
                    let meant = nearest(&name, all).map(|name| format!("; did you mean {name}?"));
                    return Err(serde::de::Error::custom(format!(
                        "{name:?} is no task{}; `avp-bench list tasks` shows them",
                        meant.unwrap_or_default()
                    )));
                }
                Self::Described(name.into())
            }
        })
    }
}

/// One task of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFile {
    /// Where the items come from.
    pub kind: TaskKind,
    /// The name in traces; the kind.
    #[serde(default)]
    pub name: String,
    /// Relay: the bundled test items, rather than ones of the split and seed below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundled: Option<bool>,
    /// Relay: which part of the item space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Relay: another seed, other items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Relay: how many, from the first; of bundled items all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Text and custom: the JSON lines, from the run file's folder on; `sample` for those that come with the program (text).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Custom: roles, prompts, topology and scorer, as the shipped descriptors have them; `data` is of no use in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Box<Descriptor>>,
    /// How text is written in this task; what is not said is as in the run file, and then as the task has it.
    #[serde(default)]
    pub decoding: DecodingPatch,
    /// The folder of the run file.
    #[serde(skip)]
    folder: PathBuf,
}

impl TaskFile {
    pub(super) fn look_in(&mut self, folder: &Path) {
        folder.clone_into(&mut self.folder);
    }

    /// Where the JSON lines are.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|file| self.folder.join(file))
    }

    /// How text is written.
    #[must_use]
    pub fn decoding(&self) -> Decoding {
        self.decoding.settled()
    }

    /// Writes out what is left open; `run` is what the run file says for all of its tasks.
    pub(super) fn settle(&mut self, run: DecodingPatch) -> Result<()> {
        let refused = |key: &str, what: &str| Err(Error::new(&format!("tasks.{key}"), what));
        let relays = [
            ("bundled", self.bundled.is_some()),
            ("split", self.split.is_some()),
            ("seed", self.seed.is_some()),
            ("count", self.count.is_some()),
        ];
        if self.kind != TaskKind::Relay
            && let Some((key, _)) = relays.into_iter().find(|(_, said)| *said)
        {
            return refused(key, "belongs to the kind relay; limits.items limits every task");
        }
        if !matches!(self.kind, TaskKind::Text | TaskKind::Custom) && self.file.is_some() {
            return refused("file", "belongs to the kinds text and custom");
        }
        if self.kind != TaskKind::Custom && self.descriptor.is_some() {
            return refused("descriptor", "belongs to the kind custom");
        }
        let mut base = DecodingPatch::default();
        match &self.kind {
            TaskKind::Relay => {
                let plain = self.split.is_none() && self.seed.is_none();
                let bundled = *self.bundled.get_or_insert(plain);
                if bundled && (self.split.is_some() || self.seed.is_some()) {
                    return refused("bundled", "has its own split and seed");
                }
                if !bundled {
                    self.split.get_or_insert(Split::Test);
                    self.seed.get_or_insert(1);
                }
                let whole = crate::relay::bundled().map_or(0, |items| items.len() as u64);
                let count = *self.count.get_or_insert(whole);
                if count == 0 || count > MAX_COUNT || (bundled && count > whole) {
                    return refused("count", &format!("1 to {}", if bundled { whole } else { MAX_COUNT }));
                }
            }
            TaskKind::Text | TaskKind::Custom if self.file.is_none() => {
                return refused("file", "JSON lines of id, context, question and answer");
            }
            TaskKind::Text => {}
            TaskKind::Custom => match &self.descriptor {
                Some(descriptor) => {
                    descriptor.check_custom().map_err(|what| Error::new("tasks.descriptor", what))?;
                    base = descriptor.decoding;
                    if self.name.is_empty() {
                        self.name.clone_from(&descriptor.name);
                    }
                }
                None => {
                    return refused("descriptor", "the agents of a task of your own, as in the shipped ones");
                }
            },
            TaskKind::Described(name) => {
                base = Descriptor::shipped(name).map_err(|what| Error::new("tasks.kind", what))?.decoding;
            }
        }
        if self.name.is_empty() {
            self.name = self.kind.as_str().to_owned();
        }
        let decoding = self.decoding.over(run).over(base).settled();
        decoding.check()?;
        self.decoding = decoding.into();
        Ok(())
    }
}

/// How much of the tasks is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ItemLimits {
    /// Items of each task at most, drawn by a hash of the run's seed and the item's id, or the first ones where a task follows a
    /// published benchmark; nothing for all.
    pub items: Option<u64>,
}
