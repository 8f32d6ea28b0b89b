//! Two answers to one case: do they mean the same?

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::adapter::{Answer, Blob, Lost};
use crate::case::{Case, Dtype, Expect, PartContent, Spec, Step};
use crate::http::is_peer_op;
use crate::judge::{Observed, Reply, bytes_meaning, meaning, parting_but};
use crate::oracle::{Matrix, length};
use crate::verdict::Check;

/// Most that two tensors may differ, over the length of the whole, where no requirement says how exact they are: what
/// single precision loses on the way through a softmax or a matrix of these sizes.
const NEAR: f64 = 1e-3;

/// Members of an answer that are for people, or measured, or up to whoever answers.
const FREE: [&str; 6] = ["diagnostics", "warnings", "detail", "timings", "duration_ms", "consumed"];

/// Where two answers part.
#[derive(Clone, Debug, PartialEq)]
pub struct Parting {
    /// Index of the step.
    pub step: usize,
    /// What differs: empty for the kind of the answer, `class` for the class of a refusal, a JSON pointer, `part:NAME`,
    /// `branch` for a choice that the suite allows, `#NAME` for a check that only one side misses.
    pub at: String,
    /// What A says.
    pub a: Value,
    /// What B says.
    pub b: Value,
}

/// The first place where the answers of two implementations part; `None` when they mean the same.
///
/// Not every difference is one: what a requirement leaves open (a session id, a rounding within its tolerance) differs
/// rightly, and what only one of them tells is an addition unless the case asks for it. `varies` says where an
/// implementation differs from itself when it is asked again: an operation, and a place as [`Parting::at`] names it.
pub fn compare(
    case: &Case,
    a: &Side<'_>,
    b: &Side<'_>,
    varies: &dyn Fn(&str, &str) -> bool,
) -> Option<Parting> {
    let steps = a.observed.len().max(b.observed.len());
    (0..steps)
        .find_map(|step| {
            let expect = case.steps.get(step)?;
            let varies = |at: &str| varies(&expect.op, at);
            let (at, left, right) = Pair { case, step, a, b, varies: &varies }.part(expect)?;
            Some(Parting { step, at, a: left, b: right })
        })
        .or_else(|| by_checks(a, b))
}

/// What one implementation answered, and what the suite says of it.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// An entry a step.
    pub observed: &'a [Observed],
    /// The verdict.
    pub checks: &'a [Check],
}

impl Side<'_> {
    fn missed(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name && check.missed())
    }

    fn made(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

/// A check that only one side misses: memory, time, files, what must hold between answers.
fn by_checks(a: &Side<'_>, b: &Side<'_>) -> Option<Parting> {
    let names: BTreeSet<&str> = a.checks.iter().chain(b.checks).map(|check| check.name.as_str()).collect();
    names.into_iter().find_map(|name| {
        let (one, other) = (a.missed(name), b.missed(name));
        if one.is_some() == other.is_some() {
            return None;
        }
        let said = |check: Option<&Check>| match check {
            None => json!("as required"),
            Some(check) if check.note.is_empty() => check.actual.clone(),
            Some(check) => json!(check.note),
        };
        let step = one.or(other).map_or(0, |check| check.step);
        Some(Parting { step, at: format!("#{name}"), a: said(one), b: said(other) })
    })
}

/// What differs, and what stands there on both sides.
type Difference = (String, Value, Value);

/// The answers of both to one step.
struct Pair<'a> {
    case: &'a Case,
    step: usize,
    a: &'a Side<'a>,
    b: &'a Side<'a>,
    varies: &'a dyn Fn(&str) -> bool,
}

impl Pair<'_> {
    fn part(&self, step: &Step) -> Option<Difference> {
        if is_peer_op(&step.op) {
            // The harness itself answers, with what went over the wire; the checks say whether that is right.
            return None;
        }
        let reply = |side: &Side<'_>| side.observed.get(self.step).map(|seen| seen.reply.clone());
        let (a, b) = (reply(self.a), reply(self.b));
        let (kind_a, kind_b) = (kind(a.as_ref()), kind(b.as_ref()));
        if kind_a != kind_b {
            return Some((String::new(), shown(a.as_ref()), shown(b.as_ref())));
        }
        match (a?, b?) {
            (
                Reply::Answered(Answer::Err { code: one, .. }),
                Reply::Answered(Answer::Err { code: other, .. }),
            ) => {
                let kin = one == other || general(&one) == general(&other);
                (!kin).then(|| ("class".to_owned(), json!(one), json!(other)))
            }
            (Reply::Answered(one @ Answer::Ok { .. }), Reply::Answered(other @ Answer::Ok { .. })) => {
                self.accepted(step, &one, &other)
            }
            _ => None,
        }
    }

    fn accepted(&self, step: &Step, a: &Answer, b: &Answer) -> Option<Difference> {
        let (Answer::Ok { ok: ok_a, parts: parts_a }, Answer::Ok { ok: ok_b, parts: parts_b }) = (a, b)
        else {
            return None;
        };
        if let Expect::Either(_) = step.expect {
            let branch = |side: &Side<'_>| side.made("branch").map(|check| check.actual.clone());
            let (one, other) = (branch(self.a), branch(self.b));
            if one.is_some() && other.is_some() {
                return (one != other)
                    .then(|| ("branch".to_owned(), one.unwrap_or_default(), other.unwrap_or_default()));
            }
        }
        let spec = self.case.spec;
        if let (Some(one), Some(other)) = (meaning(a, spec), meaning(b, spec))
            && !self.open("metadata", step)
            && let Some((at, one, other)) = parting_but(&one, &other, &|at, _, _| (self.varies)(at))
        {
            return Some((at, one, other));
        }
        let keys: BTreeSet<&String> = ok_a.keys().chain(ok_b.keys()).collect();
        let in_meaning = |key: &str| matches!(key, "metadata" | "messages" | "rest");
        for key in keys.into_iter().filter(|key| !in_meaning(key) && !self.open(key, step)) {
            let (one, other) = (ok_a.get(key), ok_b.get(key));
            let asked = asked(step, key);
            if !asked && (FREE.contains(&key.as_str()) || one.is_none() || other.is_none()) {
                continue;
            }
            let null = |value: Option<&Value>| value.cloned().unwrap_or_default();
            let free = |at: &str, one: &Value, other: &Value| {
                near_numbers(one, other) || (self.varies)(&format!("/{key}{at}"))
            };
            if let Some((at, one, other)) = parting_but(&null(one), &null(other), &free) {
                return Some((format!("/{key}{at}"), one, other));
            }
        }
        self.parts(step, parts_a, parts_b)
    }

    fn parts(&self, step: &Step, a: &[Blob], b: &[Blob]) -> Option<Difference> {
        let names: BTreeSet<&str> = a.iter().chain(b).map(|part| part.name.as_str()).collect();
        let find = |parts: &'_ [Blob], name: &str| parts.iter().find(|part| part.name == name).cloned();
        let kept = |name: &&str| !self.open(name, step) && !(self.varies)(&format!("part:{name}"));
        names.into_iter().filter(kept).find_map(|name| {
            let at = || format!("part:{name}");
            match (find(a, name), find(b, name)) {
                (Some(one), Some(other)) => {
                    let (one, other) = part_difference(&one, &other, self.case.spec)?;
                    Some((at(), one, other))
                }
                (one, other) if asked_part(step, name) => {
                    let told = |part: Option<Blob>| json!(if part.is_some() { "there" } else { "missing" });
                    Some((at(), told(one), told(other)))
                }
                _ => None,
            }
        })
    }

    /// Whether a requirement leaves open what stands there, and both keep to what it says.
    fn open(&self, name: &str, step: &Step) -> bool {
        let Expect::Ok { ok, should, parts } = &step.expect else { return false };
        let key = |key: &&String| key.trim_end_matches('?') == name;
        let values = ok.iter().chain(should).filter(|(other, _)| key(other)).map(|(_, value)| value);
        let free = values.into_iter().any(has_matcher)
            || parts.iter().any(|part| {
                part.name == name
                    && !matches!(part.content, PartContent::Bytes(_) | PartContent::SameAs { .. })
            });
        free && self.a.missed(name).is_none() && self.b.missed(name).is_none()
    }
}

/// Whether the case names a member of the answer, and not as one that may be left out.
fn asked(step: &Step, key: &str) -> bool {
    matches!(&step.expect, Expect::Ok { ok, should, .. } if ok.contains_key(key) || should.contains_key(key))
}

fn asked_part(step: &Step, name: &str) -> bool {
    match &step.expect {
        Expect::Ok { parts, .. } => parts.iter().any(|part| part.name == name),
        Expect::Encoded(_) => name == "message",
        _ => false,
    }
}

fn has_matcher(value: &Value) -> bool {
    match value {
        Value::Object(map) => {
            let deep = |(key, value): (&String, &Value)| match key.as_str() {
                // What they hold is meant to the letter.
                "$subset" | "$json" | "$from" => has_matcher(value),
                key => key.starts_with('$') || has_matcher(value),
            };
            map.iter().any(deep)
        }
        Value::Array(items) => items.iter().any(has_matcher),
        _ => false,
    }
}

/// Numbers that an oracle in single precision could not tell apart.
fn near_numbers(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) if a.fract() != 0.0 || b.fract() != 0.0 => {
            (a - b).abs() <= NEAR * a.abs().max(b.abs())
        }
        _ => false,
    }
}

fn part_difference(a: &Blob, b: &Blob, spec: Spec) -> Option<(Value, Value)> {
    if a.bytes == b.bytes {
        return None;
    }
    if let (Some(one), Some(other)) = (matrix(a), matrix(b))
        && (one.rows, one.cols) == (other.rows, other.cols)
    {
        let difference: Vec<f64> = one.values.iter().zip(&other.values).map(|(a, b)| a - b).collect();
        let whole = length(&one.values).max(length(&other.values));
        if length(&difference) <= NEAR * whole {
            return None;
        }
    }
    if a.name == "message" {
        // Two messages with one meaning were found equal before; one that can't be read differs from one that can.
        let mean = |blob: &Blob| {
            let answer = Answer::Ok { ok: Map::new(), parts: vec![blob.clone()] };
            meaning(&answer, spec)
        };
        return match (mean(a), mean(b)) {
            (Some(_), Some(_)) | (None, None) => None,
            (one, other) => {
                let told = |it: Option<Value>| json!(if it.is_some() { "well-formed" } else { "malformed" });
                Some((told(one), told(other)))
            }
        };
    }
    let text = |blob: &Blob| serde_json::from_slice::<Value>(&blob.bytes).ok();
    if let (Some(one), Some(other)) = (text(a), text(b)) {
        return parting_but(&one, &other, &|_, one, other| near_numbers(one, other))
            .map(|(_, one, other)| (one, other));
    }
    Some((bytes_meaning(&a.bytes), bytes_meaning(&b.bytes)))
}

fn matrix(blob: &Blob) -> Option<Matrix> {
    let dtype = match blob.dtype.as_deref()? {
        "f32" => Dtype::F32,
        "f64" => Dtype::F64,
        "f16" => Dtype::F16,
        "bf16" => Dtype::Bf16,
        _ => return None,
    };
    Matrix::of_bytes(dtype, blob.shape.as_ref()?, &blob.bytes)
}

/// The class that a class is a kind of, or itself.
fn general(code: &str) -> &str {
    match code {
        "limit_exceeded" | "shape_mismatch" => "decode",
        "incompatible_models" => "handshake",
        "session_expired" => "session",
        other => other,
    }
}

fn kind(reply: Option<&Reply>) -> &'static str {
    match reply {
        None => "not reached",
        Some(Reply::Answered(Answer::Ok { .. })) => "ok",
        Some(Reply::Answered(Answer::Err { .. })) => "refused",
        Some(Reply::Answered(Answer::Unsupported(_))) => "unsupported",
        Some(
            Reply::Answered(Answer::Fault(_)) | Reply::Lost(Lost::Died { .. } | Lost::NotStarted { .. }),
        ) => "died",
        Some(Reply::Lost(Lost::Timeout { .. })) => "hangs",
        Some(Reply::Lost(Lost::Protocol { .. })) => "protocol error",
        Some(Reply::NotSent(_)) => "not sent",
    }
}

fn shown(reply: Option<&Reply>) -> Value {
    match reply {
        Some(Reply::Answered(Answer::Err { code, .. })) => json!(format!("refused: {code}")),
        Some(Reply::Answered(Answer::Fault(_)) | Reply::Lost(_)) => {
            json!(kind(reply))
        }
        other => json!(kind(other)),
    }
}
