//! What is asked of an implementation and what is expected of its answer, whatever the case was made from: a golden
//! vector, a generated property, a counterexample.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A wire dialect of the protocol. Version byte 1 has carried both (ambiguity A-001).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Spec {
    /// Releases 0.2.x.
    #[serde(rename = "0.2")]
    V02,
    /// Releases 0.3.0 and later.
    #[serde(rename = "0.4")]
    V04,
}

impl Spec {
    /// `"0.2"` or `"0.4"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V02 => "0.2",
            Self::V04 => "0.4",
        }
    }
}

/// How much a requirement weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Recorded, never counted.
    May,
    /// A miss warns; it fails under `--strict`.
    Should,
    /// A miss fails.
    Must,
}

/// Element type of a tensor part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Dtype {
    F32,
    F16,
    Bf16,
    I8,
    U8,
    U32,
    /// Only for KV encoders that must refuse it (AVP-KV-014).
    F64,
}

impl Dtype {
    /// As the adapter protocol writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::U32 => "u32",
            Self::F64 => "f64",
        }
    }

    /// Bytes an element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::I8 | Self::U8 => 1,
        }
    }
}

/// Bytes that travel in a frame's blob.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Name, e.g. `message`, `payload`, `k0`.
    pub name: String,
    /// Element type, for tensors.
    pub dtype: Option<Dtype>,
    /// Dimensions, for tensors.
    pub shape: Option<Vec<u64>>,
    /// Where the bytes come from.
    pub data: PartData,
}

/// Where a part's bytes come from.
#[derive(Clone, Debug, PartialEq)]
pub enum PartData {
    /// Known beforehand.
    Bytes(Arc<[u8]>),
    /// A part of an earlier step's answer.
    FromStep {
        /// Index of that step.
        step: usize,
        /// Name of the part there.
        part: String,
    },
}

/// One request and what is expected of its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Operation of ACP/1.
    pub op: String,
    /// Its arguments. An object `{"$from": {"step": 0, "at": "/session_id"}}` anywhere stands for a value of an earlier
    /// answer.
    pub args: Map<String, Value>,
    /// Parts that go with it.
    pub parts: Vec<Part>,
    /// What is expected.
    pub expect: Expect,
    /// Most that the child's peak memory may grow, in MiB.
    pub rss_growth_mib: Option<u64>,
    /// Patterns of what lies in the case's own folder afterwards: each fits a file, and each file fits one.
    pub files: Option<Vec<String>>,
    /// What is done to the files in the case's own folder before the request is sent.
    pub tamper: Vec<Tamper>,
}

/// Something done to files in a case's own folder. What an implementation keeps there is its own business, so files are
/// damaged without a look at their form.
#[derive(Clone, Debug, PartialEq)]
pub enum Tamper {
    /// A file is made, and the folders above it.
    Write {
        /// Its path in the folder, plain names with `/` between them.
        path: String,
        /// Its bytes.
        bytes: Arc<[u8]>,
    },
    /// In the name of every file one text becomes another.
    Rename {
        /// What stands there.
        from: String,
        /// What takes its place.
        to: String,
    },
    /// Every file keeps so many of its first bytes.
    Keep(u64),
    /// Every file loses so many of its last bytes.
    Lose(u64),
    /// Every file becomes these bytes.
    Fill(Arc<[u8]>),
}

/// Stands in `args` for the path of a name in a folder that the case has for itself: `{"$scratch": "cache"}`.
pub const SCRATCH: &str = "$scratch";

impl Step {
    /// Whether the step works on files in the case's own folder.
    pub fn uses_scratch(&self) -> bool {
        fn named(value: &Value) -> bool {
            match value {
                Value::Array(items) => items.iter().any(named),
                Value::Object(map) => map.contains_key(SCRATCH) || map.values().any(named),
                _ => false,
            }
        }
        self.files.is_some() || !self.tamper.is_empty() || self.args.values().any(named)
    }
}

/// What is expected of an answer. `vectors/README.md` is the full description.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// `ok` with this content. Values may hold matchers (`$re`, `$any`, …).
    Ok {
        /// Keys that must be equal; a key that ends in `?` only when present.
        ok: Map<String, Value>,
        /// Keys that weigh as SHOULD.
        should: Map<String, Value>,
        /// Parts that must be equal.
        parts: Vec<ExpectPart>,
    },
    /// `err`, best with one of these codes.
    Reject(Vec<String>),
    /// The same for an error that a client raises over the status of an answer, which it carries.
    Refused {
        /// The codes.
        codes: Vec<String>,
        /// The status.
        status: u16,
    },
    /// `ok` with a part `message` that the dissector judges.
    Encoded(Box<EncodedExpect>),
    /// Any of these; which one is recorded.
    Either(Vec<(String, Self)>),
    /// Anything but a crash, a hang or a fault.
    Alive,
}

/// An expected part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectPart {
    /// Name of the part.
    pub name: String,
    /// What it holds.
    pub content: PartContent,
}

/// What an answered part must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum PartContent {
    /// Exactly these bytes.
    Bytes(Arc<[u8]>),
    /// JSON text that equals this (matchers allowed).
    Json(Value),
    /// The same bytes as a part of an earlier step, sent (`sent: true`) or answered.
    SameAs {
        /// Index of that step.
        step: usize,
        /// Name of the part there.
        part: String,
        /// Whether the part of the request is meant rather than of the answer.
        sent: bool,
    },
    /// A tensor near to this one.
    Close(CloseTensor),
    /// A tensor near to one that an earlier step answered.
    Near {
        /// Index of that step.
        step: usize,
        /// Name of the part there.
        part: String,
        /// How near.
        within: Within,
    },
    /// A message that the dissector reads as a cache near to this one.
    Cache(Box<CloseCache>),
}

/// A context message with a cache.
#[derive(Clone, Debug, PartialEq)]
pub struct CloseCache {
    /// What the message says: `model_hash`, `num_steps`, `seq_len`, … as `context_from_bytes` answers them.
    pub content: Map<String, Value>,
    /// K and V of every layer, in the order of the payload: [kv_heads, seq, head_dim].
    pub tensors: Vec<CloseTensor>,
}

/// A tensor that an answered one must be near to.
#[derive(Clone, Debug, PartialEq)]
pub struct CloseTensor {
    /// Dimensions, outermost first.
    pub shape: Vec<u64>,
    /// Its values as float32, little-endian, row-major.
    pub values: Arc<[u8]>,
    /// Shape and values (float32) of a matrix that both are multiplied with, from the left, before they are compared.
    pub through: Option<(Vec<u64>, Arc<[u8]>)>,
    /// How near.
    pub within: Within,
}

/// How near a tensor must be. At least one is given; all that are given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Within {
    /// Most of the length of the difference over the length of the whole (Frobenius).
    pub frobenius: Option<f64>,
    /// The same for every row, which is what the last dimension spans.
    pub rows: Option<f64>,
    /// Least cosine of every row to the expected one.
    pub cosine: Option<f64>,
    /// Most that the length of a row may differ, over the expected length.
    pub norms: Option<f64>,
}

impl Within {
    /// Names, as recipes and manifests write them.
    pub const NAMES: [&str; 4] = ["frobenius", "rows", "cosine", "norms"];

    /// What is given, by name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let values = [self.frobenius, self.rows, self.cosine, self.norms];
        Self::NAMES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
    }
}

/// What an encoder's message must be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodedExpect {
    /// Metadata in full after proto3 defaults; `None` leaves it unjudged.
    pub metadata: Option<Map<String, Value>>,
    /// Uncompressed payload.
    pub payload: Option<Arc<[u8]>>,
    /// Whether the payload section is compressed.
    pub compressed: Option<bool>,
    /// Flags byte, exact.
    pub flags: Option<u8>,
    /// The whole message equals one of these.
    pub bytes: Vec<Arc<[u8]>>,
    /// The metadata section equals one of these.
    pub metadata_bytes: Vec<Arc<[u8]>>,
    /// Field number and its exact bytes (tag included) that must stand in the metadata.
    pub has_field: Vec<(u32, Vec<u8>)>,
    /// Field numbers that must not.
    pub lacks_field: Vec<u32>,
    /// Length of the payload section as it stands in the message.
    pub section_len: Option<SectionLen>,
}

/// Bounds of a length in bytes, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SectionLen {
    /// Least length.
    pub min: Option<u64>,
    /// Greatest length.
    pub max: Option<u64>,
}

/// What must hold between the answers of several steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// JSON pointer into `ok`, or `part:NAME`, or `len:NAME` for the length of a part in bytes, or [`MEANING`].
    pub at: String,
    /// Groups of step indices: equal inside a group, different between groups. Empty when all are distinct.
    pub equal: Vec<Vec<usize>>,
    /// All steps' values differ.
    pub distinct: bool,
    /// The values, which are numbers, do not grow from step to step.
    pub non_increasing: bool,
    /// The messages of some steps in a row are those of another one. Only of [`MEANING`].
    pub joined: Option<Joined>,
}

/// What the messages of an answer say, whatever form they came in: [`crate::judge::meaning()`]. A place of a [`Relation`].
pub const MEANING: &str = "meaning";

/// Several steps whose messages, in a row, are those of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// These, in order.
    pub pieces: Vec<usize>,
    /// Together they say what this one says.
    pub whole: usize,
}

/// Where a case comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Source {
    /// A recipe under `vectors/`.
    Vector {
        /// Revision in `ids.lock`.
        rev: u32,
    },
    /// A generated property.
    Generated {
        /// Seed of the run.
        seed: u64,
        /// Index of the case in its property.
        index: u32,
    },
    /// A failing case of an earlier run, made small and kept.
    Counterexample,
}

/// Byte range of a part that a recipe patched, to be marked in reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchedRange {
    /// Step index.
    pub step: usize,
    /// Part name.
    pub part: String,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// One case, for one dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// `area/slug`, or `gen/property` for generated ones. The same under every dialect.
    pub id: String,
    /// The dialect it is run in.
    pub spec: Spec,
    /// Requirement ids that it tests.
    pub requirements: Vec<String>,
    /// Why the case exists.
    pub why: String,
    /// Name of the bug that it catches.
    pub bug: Option<String>,
    /// Replaces the requirements' own level (settled by `ambiguity`).
    pub level: Option<Level>,
    /// Entry of the ambiguity list that settles the verdict.
    pub ambiguity: Option<String>,
    /// Features that the adapter must not have declared false; with `!` in front, ones that it must not have.
    pub requires: Vec<String>,
    /// Requests, in order, in one child.
    pub steps: Vec<Step>,
    /// What must hold between the answers.
    pub relation: Option<Relation>,
    /// In place of the default time limit.
    pub timeout_ms: Option<u64>,
    /// Where it comes from.
    pub source: Source,
    /// What the recipe patched.
    pub patched: Vec<PatchedRange>,
}

impl Case {
    /// `id@spec`, unique in a run.
    pub fn key(&self) -> String {
        format!("{}@{}", self.id, self.spec.as_str())
    }
}
