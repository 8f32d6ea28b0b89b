//! A case in the making.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::random::Random;
use super::share::Share;
use crate::case::{
    Case, Dtype, EncodedExpect, Expect, ExpectPart, Joined, Level, MEANING, Part, PartContent, PartData,
    PatchedRange, Relation, Source, Spec, Step, Tamper,
};

/// Both dialects.
pub(super) const BOTH: &[Spec] = &[Spec::V02, Spec::V04];
/// Only the dialect that has field 15.
pub(super) const V04: &[Spec] = &[Spec::V04];

/// A property: many cases that say the same thing about different values.
pub(super) struct Property {
    /// Second part of the id.
    pub(super) name: &'static str,
    /// How many cases.
    pub(super) share: Share,
    /// Dialects that it holds in.
    pub(super) specs: &'static [Spec],
    /// Requirements that it tests; `make` may replace them.
    pub(super) requirements: &'static [&'static str],
    /// Why it exists.
    pub(super) why: &'static str,
    /// What is wrong in an implementation that fails.
    pub(super) bug: &'static str,
    /// Fills in a draft.
    pub(super) make: fn(&mut Random, &mut Draft),
}

/// A case in the making.
pub(super) struct Draft {
    /// The dialect.
    pub(super) spec: Spec,
    case: Case,
}

impl Draft {
    pub(super) fn new(property: &Property, spec: Spec, seed: u64, index: u32) -> Self {
        let case = Case {
            id: format!("gen/{}/{index}", property.name),
            spec,
            requirements: owned(property.requirements),
            why: property.why.to_owned(),
            bug: Some(property.bug.to_owned()),
            level: None,
            ambiguity: None,
            requires: Vec::new(),
            steps: Vec::new(),
            relation: None,
            timeout_ms: None,
            source: Source::Generated { seed, index },
            patched: Vec::new(),
        };
        Self { spec, case }
    }

    pub(super) fn finish(self) -> Case {
        self.case
    }

    /// Index of the case in its property.
    pub(super) fn index(&self) -> usize {
        match self.case.source {
            Source::Generated { index, .. } => index as usize,
            Source::Vector { .. } | Source::Counterexample => 0,
        }
    }

    /// Tests these requirements in place of the property's.
    pub(super) fn requirements(&mut self, ids: &[&str]) {
        self.case.requirements = owned(ids);
    }

    /// Needs this feature.
    pub(super) fn requires(&mut self, feature: &str) {
        if !self.case.requires.iter().any(|f| f == feature) {
            self.case.requires.push(feature.to_owned());
        }
    }

    /// Weighs this much, as the ambiguity says.
    pub(super) fn settled(&mut self, ambiguity: &str, level: Level) {
        self.case.ambiguity = Some(ambiguity.to_owned());
        self.case.level = Some(level);
    }

    /// The ambiguity settles what is accepted, not the weight.
    pub(super) fn settled_here(&mut self, ambiguity: &str) {
        self.case.ambiguity = Some(ambiguity.to_owned());
    }

    /// What the case says of itself in place of the property's words.
    pub(super) fn why(&mut self, why: impl Into<String>) {
        self.case.why = why.into();
    }

    /// What the case says of itself so far.
    pub(super) fn why_now(&self) -> &str {
        &self.case.why
    }

    /// Name of what is wrong in an implementation that fails, in place of the property's.
    pub(super) fn bug(&mut self, bug: &str) {
        self.case.bug = Some(bug.to_owned());
    }

    pub(super) fn relation(&mut self, at: &str, equal: Vec<Vec<usize>>, distinct: bool) {
        self.case.relation =
            Some(Relation { at: at.to_owned(), equal, distinct, non_increasing: false, joined: None });
    }

    /// All steps' answers mean the same.
    pub(super) fn all_mean_the_same(&mut self) {
        let all = (0..self.case.steps.len()).collect();
        self.relation(MEANING, vec![all], false);
    }

    /// The messages of these steps, in a row, are those of the last one.
    pub(super) fn last_joins(&mut self, pieces: Vec<usize>) {
        let joined = Joined { pieces, whole: self.case.steps.len().saturating_sub(1) };
        self.relation(MEANING, Vec::new(), false);
        if let Some(relation) = &mut self.case.relation {
            relation.joined = Some(joined);
        }
    }

    /// Marks bytes of the last step's part that were changed on purpose.
    pub(super) fn patched(&mut self, part: &str, start: usize, end: usize) {
        let step = self.case.steps.len().saturating_sub(1);
        self.case.patched.push(PatchedRange { step, part: part.to_owned(), start, end });
    }

    pub(super) fn timeout_ms(&mut self, limit: u64) {
        self.case.timeout_ms = Some(limit);
    }

    pub(super) fn step(&mut self, op: &str, args: Value, parts: Vec<Part>, expect: Expect) {
        let args = match args {
            Value::Object(args) => args,
            _ => Map::new(),
        };
        self.case.steps.push(Step {
            op: op.to_owned(),
            args,
            parts,
            expect,
            rss_growth_mib: None,
            files: None,
            tamper: Vec::new(),
        });
    }

    /// Does this to the files of the case before the last step's request is sent.
    pub(super) fn tamper(&mut self, tamper: Tamper) {
        if let Some(step) = self.case.steps.last_mut() {
            step.tamper.push(tamper);
        }
    }

    /// The last step may let memory grow by no more than this.
    pub(super) fn rss_growth_mib(&mut self, limit: u64) {
        if let Some(step) = self.case.steps.last_mut() {
            step.rss_growth_mib = Some(limit);
        }
    }
}

fn owned(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

/// A part of these bytes.
pub(super) fn part(name: &str, bytes: impl Into<Arc<[u8]>>) -> Part {
    Part { name: name.to_owned(), dtype: None, shape: None, data: PartData::Bytes(bytes.into()) }
}

/// A part of an earlier step's answer.
pub(super) fn part_of(name: &str, step: usize) -> Part {
    Part {
        name: name.to_owned(),
        dtype: None,
        shape: None,
        data: PartData::FromStep { step, part: name.to_owned() },
    }
}

/// A tensor part.
pub(super) fn tensor(
    name: impl Into<String>,
    dtype: Dtype,
    shape: &[u64],
    bytes: impl Into<Arc<[u8]>>,
) -> Part {
    Part {
        name: name.into(),
        dtype: Some(dtype),
        shape: Some(shape.to_vec()),
        data: PartData::Bytes(bytes.into()),
    }
}

/// `ok` with this content and these parts, to the byte.
pub(super) fn ok(content: Value, parts: Vec<(String, Arc<[u8]>)>) -> Expect {
    let ok = match content {
        Value::Object(ok) => ok,
        _ => Map::new(),
    };
    let parts =
        parts.into_iter().map(|(name, bytes)| ExpectPart { name, content: PartContent::Bytes(bytes) });
    Expect::Ok { ok, should: Map::new(), parts: parts.collect() }
}

/// `ok` with a part that holds this JSON.
pub(super) fn ok_json(name: &str, content: Value) -> Expect {
    let parts = vec![ExpectPart { name: name.to_owned(), content: PartContent::Json(content) }];
    Expect::Ok { ok: Map::new(), should: Map::new(), parts }
}

/// `err`, best with one of these codes.
pub(super) fn reject(codes: &[&str]) -> Expect {
    Expect::Reject(owned(codes))
}

/// `ok` with a message that the dissector judges.
pub(super) fn encoded(expect: EncodedExpect) -> Expect {
    Expect::Encoded(Box::new(expect))
}
