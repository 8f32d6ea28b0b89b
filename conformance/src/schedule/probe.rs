//! Questions that decide whether an adapter's answers can be believed.
//!
//! A program that says yes to everything, or sends back what it gets, would pass many a case. These three it can't pass.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::character::character;
use super::starter::{Child, scaled};
use super::{CASE_LIMIT, RunOptions};
use crate::adapter::{Answer, Blob, Hello, Request, fresh_id};
use crate::build::SplitMix64;
use crate::case::{Case, Expect, ExpectPart, PartContent, Source, Spec, Step};
use crate::event::Probe;
use crate::judge::{self, Observed, Reply};
use crate::requirement::Catalogue;

/// A probe is the first real work of a child, which may load what it needs only then.
const PROBE_LIMIT: Duration = CASE_LIMIT.saturating_mul(5);

/// What the probes came to.
pub(super) struct Probed {
    pub(super) probes: Vec<Probe>,
    /// Why the answers can't be believed, in one sentence; empty when they can.
    pub(super) why: String,
}

/// What the probes send.
pub(super) struct Questions {
    /// An operation that nobody defined.
    unknown: Request,
    /// A message that nobody can foresee, and the same with a broken magic; none where `decode` is not declared.
    pub(super) message: Option<MessageQuestions>,
}

/// The questions about a message.
pub(super) struct MessageQuestions {
    spec: Spec,
    message: RandomMessage,
    valid: Request,
    broken: Request,
}

impl Questions {
    fn new(child: &Child, hello: &Hello) -> Self {
        let op = format!("nope-{}", child.nonce);
        let spec = hello.specs.first().map_or("0.4", |spec| spec.as_str());
        let unknown = Request { op, spec, args: Map::new(), parts: Vec::new() };
        let spec = hello.specs.first().copied().filter(|_| hello.ops.iter().any(|op| op == "decode"));
        let message = spec.map(|spec| {
            let message = RandomMessage::new(fresh_id());
            let mut broken = message.bytes.clone();
            broken[..2].copy_from_slice(b"VA");
            let (valid, broken) = (message.request(spec, &message.bytes), message.request(spec, &broken));
            MessageQuestions { spec, message, valid, broken }
        });
        Self { unknown, message }
    }

    /// All of them, as they are sent.
    pub(super) fn all(&self) -> impl Iterator<Item = &Request> {
        let of_a_message = self.message.iter().flat_map(|of| [&of.valid, &of.broken]);
        std::iter::once(&self.unknown).chain(of_a_message)
    }
}

/// Asks all of them. A child that is lost in one fails that one and the rest.
pub(super) fn probe(child: &mut Child, hello: &Hello, options: &RunOptions<'_>) -> Probed {
    let limit = scaled(PROBE_LIMIT, options);
    let questions = Questions::new(child, hello);
    let mut probes = vec![unknown_op(child, &questions.unknown, limit)];
    match &questions.message {
        Some(of) => probes.extend([random_message(child, of, limit), broken_magic(child, &of.broken, limit)]),
        None => probes.extend(["random-message", "broken-magic"].map(|name| {
            let note = "`decode` is not declared".to_owned();
            Probe { name: name.into(), passed: None, note }
        })),
    }
    let lied = probes.iter().any(|probe| probe.passed == Some(false));
    let why = if lied { character(child, &questions, &probes, limit) } else { String::new() };
    Probed { probes, why }
}

fn unknown_op(child: &mut Child, request: &Request, limit: Duration) -> Probe {
    let (passed, note) = match child.instance.exchange(request, limit) {
        Ok(Answer::Unsupported(_)) => {
            (true, "an operation that does not exist is answered as unsupported".to_owned())
        }
        Ok(other) => (false, format!("an operation that does not exist was answered with {}", kind(&other))),
        Err(lost) => (false, format!("an operation that does not exist: {lost}")),
    };
    Probe { name: "unknown-op".into(), passed: Some(passed), note }
}

fn random_message(child: &mut Child, of: &MessageQuestions, limit: Duration) -> Probe {
    let request = of.valid.clone();
    let name = "random-message".into();
    let answer = match child.instance.exchange(&request, limit) {
        Ok(answer) => answer,
        Err(lost) => {
            return Probe { name, passed: Some(false), note: format!("a message made up now: {lost}") };
        }
    };
    let observed = Observed {
        request: Some(request),
        reply: Reply::Answered(answer),
        rss_growth: None,
        took: None,
        files: None,
    };
    let checks = judge::judge(&of.message.case(of.spec), &[observed], Catalogue::embedded());
    let missed = checks.iter().find(|check| check.missed());
    let note = match missed {
        None => "a message made up now decodes to exactly its content".to_owned(),
        Some(check) => {
            let said = if check.note.is_empty() { check.actual.to_string() } else { check.note.clone() };
            format!("a message made up now does not decode to its content: {}: {said}", check.name)
        }
    };
    Probe { name, passed: Some(missed.is_none()), note }
}

fn broken_magic(child: &mut Child, request: &Request, limit: Duration) -> Probe {
    let (passed, note) = match child.instance.exchange(request, limit) {
        Ok(Answer::Err { .. }) => (true, "the same message with a broken magic is refused".to_owned()),
        Ok(other) => (false, format!("a message with a broken magic was answered with {}", kind(&other))),
        Err(lost) => (false, format!("a message with a broken magic: {lost}")),
    };
    Probe { name: "broken-magic".into(), passed: Some(passed), note }
}

fn kind(answer: &Answer) -> String {
    match answer {
        Answer::Ok { .. } => "`ok`".into(),
        Answer::Err { code, .. } => format!("`err` {code}"),
        Answer::Unsupported(_) => "`unsupported`".into(),
        Answer::Fault(text) => format!("`fault`: {text}"),
    }
}

/// A plain message that both dialects read alike, with content that nobody can foresee.
struct RandomMessage {
    bytes: Vec<u8>,
    metadata: Value,
    payload: Arc<[u8]>,
}

impl RandomMessage {
    fn new(seed: u64) -> Self {
        let mut random = SplitMix64::new(seed);
        let mut word = || -> String {
            let len = 6 + random.below(6);
            (0..len).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
        };
        let names = ["session_id", "source_agent_id", "target_agent_id", "model_id"];
        let words: Vec<String> = names.iter().map(|_| word()).collect();
        let (hidden_dim, num_layers) = (1 + random.below(4096) as u64, 1 + random.below(96) as u64);
        let floats = 1 + random.below(32) as u64;
        let payload: Vec<u8> = (0..floats * 4).map(|_| random.below(256) as u8).collect();

        let mut fields = Vec::new();
        for (number, word) in (1u8..).zip(&words) {
            fields.push(number << 3 | 2);
            fields.push(word.len() as u8);
            fields.extend(word.as_bytes());
        }
        for (number, value) in [(5u8, hidden_dim), (6, num_layers)] {
            fields.push(number << 3);
            varint(&mut fields, value);
        }
        // tensor_shape, packed, one dimension below 128.
        fields.extend([9 << 3 | 2, 1, floats as u8]);

        let mut bytes = b"AV\x01\x00".to_vec();
        bytes.extend(((fields.len() + payload.len()) as u32).to_le_bytes());
        bytes.extend((fields.len() as u32).to_le_bytes());
        bytes.extend(&fields);
        bytes.extend(&payload);

        let mut metadata = json!({
            "hidden_dim": hidden_dim, "num_layers": num_layers, "tensor_shape": [floats],
        });
        for (name, word) in names.into_iter().zip(words) {
            metadata[name] = word.into();
        }
        Self { bytes, metadata, payload: payload.into() }
    }

    fn request(&self, spec: Spec, bytes: &[u8]) -> Request {
        let message = Blob { name: "message".into(), dtype: None, shape: None, bytes: bytes.into() };
        Request { op: "decode".into(), spec: spec.as_str(), args: Map::new(), parts: vec![message] }
    }

    fn case(&self, spec: Spec) -> Case {
        let mut ok = Map::new();
        ok.insert("metadata".into(), self.metadata.clone());
        let payload =
            ExpectPart { name: "payload".into(), content: PartContent::Bytes(self.payload.clone()) };
        Case {
            id: "probe/random-message".into(),
            spec,
            requirements: Vec::new(),
            why: "An adapter that does not decode can't be judged.".into(),
            bug: None,
            level: None,
            ambiguity: None,
            requires: Vec::new(),
            steps: vec![Step {
                op: "decode".into(),
                args: Map::new(),
                parts: Vec::new(),
                expect: Expect::Ok { ok, should: Map::new(), parts: vec![payload] },
                rss_growth_mib: None,
                files: None,
                tamper: Vec::new(),
            }],
            relation: None,
            timeout_ms: None,
            source: Source::Vector { rev: 0 },
            patched: Vec::new(),
        }
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dissect;

    #[test]
    fn random_messages_are_valid_and_mean_what_is_expected() {
        for seed in 0..200 {
            let message = RandomMessage::new(seed);
            for spec in [Spec::V02, Spec::V04] {
                let seen = dissect::message(&message.bytes, spec);
                assert!(seen.faults.is_empty(), "{:?}", seen.faults);
                assert_eq!(seen.payload.as_deref(), Some(&message.payload[..]));
                let metadata = seen.metadata_json().map(Value::Object).unwrap();
                let Value::Object(ok) = json!({"metadata": metadata}) else { unreachable!() };
                let payload = message.payload.clone();
                let parts = vec![Blob { name: "payload".into(), dtype: None, shape: None, bytes: payload }];
                let reply = Reply::Answered(Answer::Ok { ok, parts });
                let observed = Observed { request: None, reply, rss_growth: None, took: None, files: None };
                let checks = judge::judge(&message.case(spec), &[observed], Catalogue::embedded());
                assert!(checks.iter().all(|check| !check.missed()), "{checks:?}");
                assert_eq!(checks.len(), 3);
            }
        }
    }
}
