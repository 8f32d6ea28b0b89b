//! YAML → what a run is: models, tasks, layouts, arms, decoding, seed. Everything that is not said is written out, so that a
//! run's record says all of it.

mod decoding;
mod difference;
mod error;
mod parts;
mod shipped;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use avp::model::Device;
use avp::session::canonical;
use avp::session::json::{Json, JsonLimits};
use avp::wire::DataType;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::arm::{self, Arm};
use crate::relay::Layout;

pub use decoding::{Decoding, DecodingPatch};
pub use difference::{Difference, differences};
pub(crate) use error::nearest;
pub use error::{Error, Result};
pub use parts::{ItemLimits, Models, TaskFile, TaskKind};

pub use shipped::RUNS;

/// Largest run file. The shipped ones have some hundred bytes.
const MAX_BYTES: usize = 1 << 20;
/// Repetitions of every item under every arm at most: more is a slip of the finger.
const MAX_REPLICATES: u32 = 10_000;

/// What a run is. From [`RunFile::from_yaml`], every field has its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFile {
    /// The run's name.
    pub name: String,
    /// Model arguments by the names that the run has for them.
    pub models: Models,
    /// The model that answers in every arm, and reads in all but those across models; the first one.
    #[serde(default)]
    pub answerer: String,
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    #[serde(default = "parts::auto")]
    pub device: String,
    /// `auto`, `f32`, `f16` or `bf16`.
    #[serde(default = "parts::auto")]
    pub dtype: String,
    /// Threads of the tensor library; 0 for one a core.
    #[serde(default)]
    pub threads: usize,
    /// Whether matrices stay in a GGUF file's own blocks.
    #[serde(default)]
    pub quantised: bool,
    /// What is asked.
    pub tasks: Vec<TaskFile>,
    /// Whether the last prompt repeats what the first agent read.
    #[serde(default = "parts::layouts")]
    pub layouts: Vec<Layout>,
    /// Arms by id; one without its number stands for one a number of the lists below, `all` for every arm.
    #[serde(default = "parts::all")]
    pub arms: Vec<String>,
    /// Latent steps of arms that take some and do not say how many.
    #[serde(default = "parts::latent_steps")]
    pub latent_steps: Vec<u32>,
    /// Vectors of arms across models that do not say how many.
    #[serde(default = "parts::rosetta_vectors")]
    pub rosetta_vectors: Vec<u32>,
    /// Latent steps of the first agent in arms across models.
    #[serde(default)]
    pub rosetta_steps: u32,
    /// How text is written in every task that does not say otherwise; a settled run file has it in each task.
    #[serde(default, skip_serializing_if = "parts::says_nothing")]
    pub decoding: DecodingPatch,
    /// What random numbers depend on, besides the item, the arm, the agent and the replicate.
    #[serde(default = "parts::one")]
    pub seed: u64,
    /// How often every item is run under every arm.
    #[serde(default = "parts::once")]
    pub replicates: u32,
    /// How much of the tasks is run.
    #[serde(default)]
    pub limits: ItemLimits,
}

/// The text of a file, a byte more than [`MAX_BYTES`] at most: what is longer is refused, not read.
fn read_at_most(path: &str) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

impl RunFile {
    /// Reads a run file and writes out what it leaves open.
    ///
    /// # Errors
    /// [`Error`] for what is no run file, with the key, the line and the nearest key that there is.
    pub fn from_yaml(text: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(Error::new("run file", format!("at most {MAX_BYTES} bytes, found {}", text.len())));
        }
        let read: Self = serde_yaml::from_str(text).map_err(|error| error::of_yaml(&error))?;
        read.settled()
    }

    /// A shipped run file by its name, or one from a path.
    ///
    /// # Errors
    /// As [`Self::from_yaml`], and when there is neither.
    pub fn open(argument: &str) -> Result<Self> {
        if let Some((_, text)) = RUNS.iter().find(|(name, _)| *name == argument) {
            return Self::from_yaml(text);
        }
        let text = read_at_most(argument).map_err(|error| {
            let names = RUNS.map(|(name, _)| name).join(", ");
            Error::new("run file", format!("{argument}: {error}; the shipped ones are {names}"))
        })?;
        let mut file = Self::from_yaml(&text)?;
        let folder = Path::new(argument).parent().unwrap_or_else(|| Path::new(""));
        for task in &mut file.tasks {
            task.look_in(folder);
        }
        Ok(file)
    }

    /// The same for the first `items` of each task, as the file's `limits.items`.
    #[must_use]
    pub fn limited(mut self, items: Option<u64>) -> Self {
        self.limits.items = items.or(self.limits.items);
        self
    }

    fn settled(mut self) -> Result<Self> {
        let wrong = |key: &str, what: String| Err(Error::new(key, what));
        if self.name.is_empty() || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        {
            return wrong("name", format!("letters, digits, - _ and ., found {:?}", self.name));
        }
        let Some((first, _)) = self.models.0.first() else {
            return wrong("models", "at least one model".to_owned());
        };
        if self.answerer.is_empty() {
            self.answerer.clone_from(first);
        }
        if self.models.get(&self.answerer).is_none() {
            return wrong("answerer", format!("one of the models, found {:?}", self.answerer));
        }
        self.device()?;
        self.dtype()?;
        if self.tasks.is_empty() {
            return wrong("tasks", "at least one task".to_owned());
        }
        let mut names = BTreeSet::new();
        for task in &mut self.tasks {
            task.settle(self.decoding)?;
            if !names.insert(task.name.clone()) {
                return wrong(
                    "tasks.name",
                    format!("another name for each task, found {:?} twice", task.name),
                );
            }
        }
        if self.layouts.is_empty() || self.layouts.iter().collect::<BTreeSet<_>>().len() < self.layouts.len()
        {
            return wrong("layouts", "repeated, withheld, or both".to_owned());
        }
        if self.replicates == 0 || self.replicates > MAX_REPLICATES {
            return wrong("replicates", format!("1 to {MAX_REPLICATES}, found {}", self.replicates));
        }
        if self.limits.items == Some(0) {
            return wrong("limits.items", "1 or more, or nothing for all".to_owned());
        }
        self.decoding = DecodingPatch::default();
        let arms = self.expanded()?;
        self.arms = arms.iter().map(Arm::id).collect();
        Ok(self)
    }

    fn expanded(&self) -> Result<Vec<Arm>> {
        let others: Vec<_> = self.others().collect();
        let defaults =
            arm::Defaults { steps: &self.latent_steps, vectors: &self.rosetta_vectors, others: &others };
        let mut arms = Vec::new();
        for written in &self.arms {
            for arm in defaults.expand(written).map_err(|what| Error::new("arms", what))? {
                if !arms.contains(&arm) {
                    arms.push(arm);
                }
            }
        }
        if arms.is_empty() {
            return Err(Error::new("arms", "at least one arm".to_owned()));
        }
        Ok(arms)
    }

    /// The arms, in the order in which they are reported.
    ///
    /// # Errors
    /// None for a file that was read by [`Self::from_yaml`].
    pub fn arms(&self) -> Result<Vec<Arm>> {
        self.expanded()
    }

    /// Names of the models that do not answer.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        self.models.0.iter().map(|(name, _)| name.as_str()).filter(|name| *name != self.answerer)
    }

    /// Where the models run.
    ///
    /// # Errors
    /// For no such device.
    pub fn device(&self) -> Result<Device> {
        self.device.parse().map_err(|error: avp::Error| Error::new("device", error.to_string()))
    }

    /// Their element type; `None` for what fits the device.
    ///
    /// # Errors
    /// For no such type.
    pub fn dtype(&self) -> Result<Option<DataType>> {
        match self.dtype.as_str() {
            "auto" => Ok(None),
            "f32" => Ok(Some(DataType::Float32)),
            "f16" => Ok(Some(DataType::Float16)),
            "bf16" => Ok(Some(DataType::BFloat16)),
            other => Err(Error::new("dtype", format!("auto, f32, f16 or bf16, found {other:?}"))),
        }
    }

    /// The whole of it as JSON.
    ///
    /// # Errors
    /// None that a run file could cause.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).map_err(|error| Error::new("run file", error.to_string()))
    }
}

/// SHA-256 of JSON in its canonical text, in hex: what a folder belongs to.
///
/// # Errors
/// None for a run file's JSON.
pub fn sha256(run: &serde_json::Value) -> Result<String> {
    let text = run.to_string();
    let failed = |error: avp::Error| Error::new("run file", error.to_string());
    let json = Json::parse(&text, &JsonLimits::CONFIG).map_err(failed)?;
    let mut bytes = Vec::new();
    canonical::write(&json, &mut bytes).map_err(failed)?;
    Ok(hex(&Sha256::digest(bytes)))
}

/// Bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
