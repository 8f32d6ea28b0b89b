//! Disagreements by cause.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Found, Parting};
use crate::adapter::Blob;
use crate::case::{Case, Part, PartData, Step};
use crate::dissect;
use crate::event::{NoAnnotations, PartDump};
use crate::requirement::Catalogue;

/// Most causes that are kept apart. Two implementations of one protocol that differ in more ways than this are of
/// different protocols; what lies beyond is counted.
pub const MAX_GROUPS: usize = 200;

/// Who is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// A does not do what is required, B does.
    WrongA,
    /// B does not do what is required, A does.
    WrongB,
    /// Neither does, in different ways.
    BothWrong,
    /// Both do what is required, and mean different things.
    Silent,
}

impl Sort {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::WrongA => "A is wrong",
            Self::WrongB => "B is wrong",
            Self::BothWrong => "both are wrong",
            Self::Silent => "the requirements are silent",
        }
    }
}

/// What makes two disagreements one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Signature {
    pub(super) sort: Sort,
    op: String,
    at: String,
    cause: String,
}

impl Signature {
    /// Whether one of them does not answer in time.
    pub(super) fn hangs(&self) -> bool {
        self.at.contains("hangs")
    }

    /// A place in an answer is a cause of its own, whichever property came upon it. That one refuses and the other does
    /// not has as many causes as requirements: `missed` are those of the check that tells.
    pub(super) fn new(
        case: &Case,
        parting: &Parting,
        sort: Sort,
        missed: &[String],
        ambiguity: Option<&str>,
    ) -> Self {
        let op = case.steps.get(parting.step).map_or("", |step| step.op.as_str());
        let cause = match sort {
            Sort::Silent => ambiguity.unwrap_or_default().to_owned(),
            _ if parting.at.starts_with('/') || parting.at.starts_with("part:") => String::new(),
            _ => missed.join(" "),
        };
        let kinds = if parting.at.is_empty() || parting.at == "class" {
            format!(" {} / {}", told(&parting.a), told(&parting.b))
        } else {
            String::new()
        };
        Self { sort, op: op.to_owned(), at: format!("{}{kinds}", place(&parting.at)), cause }
    }
}

fn told(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A place without the numbers of messages, items and rows in it.
pub(super) fn place(at: &str) -> String {
    let word = |word: &str| {
        if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            "N".to_owned()
        } else {
            word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()
        }
    };
    at.split('/').map(word).collect::<Vec<_>>().join("/")
}

/// Disagreements of one cause.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// Who is wrong.
    pub sort: Sort,
    /// What is wrong there: the bug that the case looks for; where the requirements are silent, the entry of the
    /// ambiguity list, or that no requirement decides this.
    pub cause: String,
    /// Operation.
    pub op: String,
    /// What differs: see [`Parting::at`].
    pub at: String,
    /// Requirements that are missed.
    pub requirements: Vec<String>,
    /// Entry of the ambiguity list, where the requirements are silent and one bears on it.
    pub ambiguity: Option<String>,
    /// How many cases.
    pub cases: usize,
    /// The smallest of them.
    pub example: Example,
}

/// A case whose answers part.
#[derive(Clone, Debug)]
pub struct Example {
    /// The case; a generated one made as small as it gets.
    pub case: Case,
    /// Where the answers part.
    pub parting: Parting,
    /// How often both were asked to make it smaller; 0 for a golden vector.
    pub runs: usize,
}

impl Serialize for Example {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let step = self.case.steps.get(self.parting.step);
        let part = |part: &Part| match &part.data {
            PartData::Bytes(bytes) => {
                let dtype = part.dtype.map(|dtype| dtype.as_str().to_owned());
                let (name, shape, bytes) = (part.name.clone(), part.shape.clone(), bytes.clone());
                let op = step.map_or("", |step| step.op.as_str());
                json!(PartDump::new(op, &Blob { name, dtype, shape, bytes }, self.case.spec, &NoAnnotations))
            }
            PartData::FromStep { step, part: name } => json!({"name": name, "from_step": step}),
        };
        let document = json!({
            "case": self.case.key(),
            "source": self.case.source,
            "why": self.case.why,
            "step": self.parting.step,
            "args": step.map_or_else(Map::new, |step| step.args.clone()),
            "parts": step.map_or_else(Vec::new, |step| step.parts.iter().map(part).collect()),
            "at": self.parting.at,
            "a": self.parting.a,
            "b": self.parting.b,
            "shrink_runs": self.runs,
        });
        document.serialize(serializer)
    }
}

/// Groups in the making.
#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<(Signature, Group)>,
    index: HashMap<Signature, usize>,
    beyond: usize,
}

impl Groups {
    /// Adds a disagreement; of each cause the smallest case is kept.
    pub(super) fn add(&mut self, case: Case, found: Found) {
        let Found { signature, parting, requirements, ambiguity } = found;
        let example = Example { case, parting, runs: 0 };
        if let Some(at) = self.index.get(&signature) {
            let group = &mut self.groups[*at].1;
            group.cases += 1;
            for id in requirements {
                if !group.requirements.contains(&id) {
                    group.requirements.push(id);
                }
            }
            if size(&example.case) < size(&group.example.case) {
                group.example = example;
            }
            return;
        }
        if self.groups.len() == MAX_GROUPS {
            self.beyond += 1;
            return;
        }
        self.index.insert(signature.clone(), self.groups.len());
        let Signature { sort, op, at, .. } = signature.clone();
        let case = &example.case;
        let cause = match (sort, &ambiguity) {
            (Sort::Silent, Some(ambiguity)) => ambiguity.clone(),
            (Sort::Silent, None) => "no requirement decides this".to_owned(),
            _ => case.bug.clone().unwrap_or_else(|| case.requirements.first().cloned().unwrap_or_default()),
        };
        let group = Group { sort, cause, op, at, requirements, ambiguity, cases: 1, example };
        self.groups.push((signature, group));
    }

    /// The groups with what makes them one, to find smaller examples.
    pub(super) fn each(&mut self) -> impl Iterator<Item = (&Signature, &mut Group)> {
        self.groups.iter_mut().map(|(signature, group)| (&*signature, group))
    }

    pub(super) fn into_sorted(self) -> (Vec<Group>, usize) {
        let mut groups: Vec<Group> = self.groups.into_iter().map(|(_, group)| group).collect();
        groups.sort_by(|a, b| {
            let rank = |group: &Group| (group.sort, std::cmp::Reverse(group.cases));
            rank(a).cmp(&rank(b)).then_with(|| (&a.op, &a.at, &a.cause).cmp(&(&b.op, &b.at, &b.cause)))
        });
        (groups, self.beyond)
    }
}

/// How much a case sends, for choosing the smallest: requests, then bytes and text.
fn size(case: &Case) -> (usize, usize) {
    let step = |step: &Step| {
        let parts = step.parts.iter().map(|part| match &part.data {
            PartData::Bytes(bytes) => bytes.len(),
            PartData::FromStep { .. } => 0,
        });
        parts.sum::<usize>() + step.args.iter().map(|(key, value)| key.len() + estimate(value)).sum::<usize>()
    };
    (case.steps.len(), case.steps.iter().map(step).sum())
}

/// Roughly how long a value is as text.
fn estimate(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(estimate).sum::<usize>() + 2,
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + estimate(value)).sum::<usize>() + 2,
    }
}

/// The entry of the ambiguity list that a disagreement goes back to: the case names it, or the dissector finds in the
/// message something that readers differ in and the catalogue names it.
pub(super) fn ambiguity(case: &Case, parting: &Parting) -> Option<String> {
    if case.ambiguity.is_some() {
        return case.ambiguity.clone();
    }
    let step = case.steps.get(parting.step)?;
    let sent = step.parts.iter().find_map(|part| match (&part.data, part.name.as_str()) {
        (PartData::Bytes(bytes), "message") => Some(dissect::message(bytes, case.spec).warnings),
        (PartData::Bytes(bytes), "kv") => Some(dissect::kv(bytes).warnings),
        _ => None,
    })?;
    let contested = sent.iter().find(|warning| warning.contested)?;
    Catalogue::embedded().get(contested.requirement)?.ambiguities.first().cloned()
}
