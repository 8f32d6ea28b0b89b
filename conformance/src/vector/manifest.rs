//! Cases → the manifest that people with other tools read. `vectors/README.md` describes its form.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::case::{
    Case, CloseTensor, EncodedExpect, Expect, ExpectPart, Level, Part, PartContent, PartData, PatchedRange,
    Relation, Source, Spec, Step, Tamper,
};
use crate::requirement::Catalogue;

use super::digest::{Digest, hex_of};

/// Name and version of the manifest's form. A reader that knows another version must refuse it.
pub(crate) const FORMAT: &str = "avp-vectors/1";

/// Longest bytes that stand in the manifest itself. Longer ones lie in a file of their own, so that the manifest can
/// still be read by people.
const MAX_INLINE: usize = 1024;

/// Bytes that lie in files of their own, by digest.
pub(crate) type Blobs = BTreeMap<Digest, Arc<[u8]>>;

/// Writes manifests and collects the bytes that they refer to.
#[derive(Debug, Default)]
pub(crate) struct ManifestWriter {
    pub(crate) blobs: Blobs,
}

/// Path of a blob under `dist/`.
pub(crate) fn blob_path(digest: &Digest) -> String {
    let name = digest.to_string();
    format!("blob/{}/{name}.bin", &name[..2])
}

impl ManifestWriter {
    /// The manifest of one dialect: these cases, which must be sorted by id. One line a vector.
    pub(crate) fn manifest(&mut self, spec: Spec, cases: &[&Case]) -> String {
        let head = [("count", json!(cases.len())), ("format", json!(FORMAT)), ("spec", json!(spec.as_str()))];
        let mut text = String::from("{\n");
        for (key, value) in head {
            text.push_str(&format!("\"{key}\": {value},\n"));
        }
        text.push_str("\"vectors\": [");
        for (index, case) in cases.iter().enumerate() {
            text.push_str(if index == 0 { "\n" } else { ",\n" });
            text.push_str(&self.entry(case).to_string());
        }
        text.push_str("\n]\n}\n");
        text
    }

    fn entry(&mut self, case: &Case) -> Value {
        let level = case
            .level
            .unwrap_or_else(|| Catalogue::embedded().level_of(case.requirements.iter().map(String::as_str)));
        let rev = match case.source {
            Source::Vector { rev } => rev,
            Source::Generated { .. } | Source::Counterexample => 0,
        };
        object([
            ("id", Some(json!(case.id))),
            ("rev", Some(json!(rev))),
            ("requirements", Some(json!(case.requirements))),
            ("level", Some(level_name(level))),
            ("ambiguity", case.ambiguity.as_ref().map(|entry| json!(entry))),
            ("why", Some(json!(case.why))),
            ("bug", case.bug.as_ref().map(|bug| json!(bug))),
            ("requires", Some(json!(case.requires))),
            ("steps", Some(self.steps(&case.steps))),
            ("relation", case.relation.as_ref().map(relation)),
            ("timeout_ms", case.timeout_ms.map(|limit| json!(limit))),
            ("patched", Some(case.patched.iter().map(patched).collect())),
        ])
    }

    /// What goes to an implementation: the part of a vector whose change is a new revision.
    pub(crate) fn input(&mut self, steps: &[Step]) -> Digest {
        let mut all = Vec::new();
        for (step, count) in runs(steps) {
            let request = self.request(step).map(|(key, value)| (key, Some(value)));
            let more = [("repeat", Some(json!(count))), ("tamper", self.tamper(step))];
            all.push(object(request.into_iter().chain(more)));
        }
        Digest::of(Value::Array(all).to_string().as_bytes())
    }

    fn steps(&mut self, steps: &[Step]) -> Value {
        let mut all = Vec::new();
        for (step, count) in runs(steps) {
            let request = self.request(step);
            let expect = self.expect(&step.expect);
            let more = [
                ("expect", Some(expect)),
                ("repeat", (count > 1).then(|| json!(count))),
                ("rss_growth_mib", step.rss_growth_mib.map(|limit| json!(limit))),
                ("tamper", self.tamper(step)),
                ("files", step.files.as_ref().map(|files| json!(files))),
            ];
            all.push(object(request.into_iter().map(|(key, value)| (key, Some(value))).chain(more)));
        }
        Value::Array(all)
    }

    /// `args` keeps the order in which the recipe gives its members: it is part of the input.
    fn request(&mut self, step: &Step) -> [(&'static str, Value); 3] {
        let parts = step.parts.iter().map(|part| self.part(part)).collect();
        [("args", Value::Object(step.args.clone())), ("op", json!(step.op)), ("parts", Value::Array(parts))]
    }

    /// What is done to files before the request is sent; `None` for nothing.
    fn tamper(&mut self, step: &Step) -> Option<Value> {
        let mut all = Vec::new();
        for one in &step.tamper {
            all.push(match one {
                Tamper::Write { path, bytes } => json!({"bytes": self.bytes_object(bytes), "write": path}),
                Tamper::Rename { from, to } => json!({"rename": from, "to": to}),
                Tamper::Keep(count) => json!({"keep": count}),
                Tamper::Lose(count) => json!({"lose": count}),
                Tamper::Fill(bytes) => json!({"fill": self.bytes_object(bytes)}),
            });
        }
        (!all.is_empty()).then_some(Value::Array(all))
    }

    fn part(&mut self, part: &Part) -> Value {
        let mut entry = match &part.data {
            PartData::Bytes(bytes) => self.bytes(bytes),
            PartData::FromStep { step, part } => vec![("from", json!({"part": part, "step": step}))],
        };
        entry.push(("name", json!(part.name)));
        entry.extend(part.dtype.map(|dtype| ("dtype", json!(dtype))));
        entry.extend(part.shape.as_ref().map(|shape| ("shape", json!(shape))));
        object(entry.into_iter().map(|(key, value)| (key, Some(value))))
    }

    /// `hex`, or `sha256` and `len` of a blob.
    fn bytes(&mut self, bytes: &Arc<[u8]>) -> Vec<(&'static str, Value)> {
        if bytes.len() <= MAX_INLINE {
            return vec![("hex", json!(hex_of(bytes)))];
        }
        let digest = Digest::of(bytes);
        self.blobs.insert(digest, bytes.clone());
        vec![("sha256", json!(digest.to_string())), ("len", json!(bytes.len()))]
    }

    fn bytes_object(&mut self, bytes: &Arc<[u8]>) -> Value {
        object(self.bytes(bytes).into_iter().map(|(key, value)| (key, Some(value))))
    }

    fn expect(&mut self, expect: &Expect) -> Value {
        match expect {
            Expect::Ok { ok, should, parts } => {
                let parts: Vec<_> = parts.iter().map(|part| self.expected_part(part)).collect();
                object([
                    ("ok", Some(sorted(&Value::Object(ok.clone())))),
                    ("should", (!should.is_empty()).then(|| sorted(&Value::Object(should.clone())))),
                    ("parts", (!parts.is_empty()).then_some(Value::Array(parts))),
                ])
            }
            Expect::Reject(codes) => json!({"reject": codes}),
            Expect::Refused { codes, status } => json!({"reject": codes, "status": status}),
            Expect::Encoded(encoded) => json!({"encoded": self.encoded(encoded)}),
            Expect::Either(branches) => {
                let mut all = Vec::new();
                for (name, expect) in branches {
                    all.push(json!({"expect": self.expect(expect), "name": name}));
                }
                json!({"either": all})
            }
            Expect::Alive => json!({"alive": true}),
        }
    }

    fn expected_part(&mut self, part: &ExpectPart) -> Value {
        let mut entry = match &part.content {
            PartContent::Bytes(bytes) => self.bytes(bytes),
            PartContent::Json(value) => vec![("json", sorted(value))],
            PartContent::SameAs { step, part, sent } => {
                vec![("same_as", json!({"part": part, "sent": sent, "step": step}))]
            }
            PartContent::Close(tensor) => vec![("close", self.close(tensor))],
            PartContent::Near { step, part, within } => {
                let from = ("from", Some(json!({"part": part, "step": step})));
                let within = within.named().map(|(name, limit)| (name, Some(json!(limit))));
                vec![("near", object(within.chain([from])))]
            }
            PartContent::Cache(cache) => {
                let tensors: Vec<_> = cache.tensors.iter().map(|tensor| self.close(tensor)).collect();
                let content = sorted(&Value::Object(cache.content.clone()));
                vec![("cache", json!({"content": content, "tensors": tensors}))]
            }
        };
        entry.push(("name", json!(part.name)));
        object(entry.into_iter().map(|(key, value)| (key, Some(value))))
    }

    fn close(&mut self, tensor: &CloseTensor) -> Value {
        let mut with_shape = |shape: &[u64], values: &Arc<[u8]>| {
            let values = self.bytes(values).into_iter().chain([("shape", json!(shape))]);
            values.map(|(key, value)| (key, Some(value))).collect::<Vec<_>>()
        };
        let through = tensor.through.as_ref().map(|(shape, values)| object(with_shape(shape, values)));
        let values = with_shape(&tensor.shape, &tensor.values);
        let within = tensor.within.named().map(|(name, limit)| (name, Some(json!(limit))));
        object(values.into_iter().chain(within).chain([("through", through)]))
    }

    fn encoded(&mut self, expect: &EncodedExpect) -> Value {
        let bytes: Vec<_> = expect.bytes.iter().map(|bytes| self.bytes_object(bytes)).collect();
        let metadata: Vec<_> = expect.metadata_bytes.iter().map(|bytes| self.bytes_object(bytes)).collect();
        let field = |(number, bytes): &(u32, Vec<u8>)| json!({"hex": hex_of(bytes), "n": number});
        let fields: Vec<_> = expect.has_field.iter().map(field).collect();
        object([
            ("metadata", expect.metadata.as_ref().map(|map| sorted(&Value::Object(map.clone())))),
            ("payload", expect.payload.as_ref().map(|payload| self.bytes_object(payload))),
            ("compressed", expect.compressed.map(|compressed| json!(compressed))),
            ("flags", expect.flags.map(|flags| json!(flags))),
            ("bytes", (!bytes.is_empty()).then_some(Value::Array(bytes))),
            ("metadata_bytes", (!metadata.is_empty()).then_some(Value::Array(metadata))),
            ("has_field", (!fields.is_empty()).then_some(Value::Array(fields))),
            ("lacks_field", (!expect.lacks_field.is_empty()).then(|| json!(expect.lacks_field))),
            (
                "section_len",
                expect.section_len.map(|len| {
                    object([("min", len.min.map(|min| json!(min))), ("max", len.max.map(|max| json!(max)))])
                }),
            ),
        ])
    }
}

/// Equal steps in a row, each with its count.
fn runs(steps: &[Step]) -> Vec<(&Step, usize)> {
    let mut runs: Vec<(&Step, usize)> = Vec::new();
    for step in steps {
        match runs.last_mut() {
            Some((last, count)) if *last == step => *count += 1,
            _ => runs.push((step, 1)),
        }
    }
    runs
}

fn relation(relation: &Relation) -> Value {
    object([
        ("at", Some(json!(relation.at))),
        ("equal", (!relation.equal.is_empty()).then(|| json!(relation.equal))),
        ("distinct", relation.distinct.then_some(Value::Bool(true))),
        ("non_increasing", relation.non_increasing.then_some(Value::Bool(true))),
    ])
}

fn patched(range: &PatchedRange) -> Value {
    json!({"end": range.end, "part": range.part, "start": range.start, "step": range.step})
}

fn level_name(level: Level) -> Value {
    match level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
        Level::May => "MAY",
    }
    .into()
}

/// An object with its keys sorted; what is `None` is left out.
fn object<'k>(entries: impl IntoIterator<Item = (&'k str, Option<Value>)>) -> Value {
    let present: BTreeMap<&str, Value> =
        entries.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    Value::Object(present.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The value with the keys of all objects sorted.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(map) => object(map.iter().map(|(key, value)| (key.as_str(), Some(sorted(value))))),
        other => other.clone(),
    }
}
