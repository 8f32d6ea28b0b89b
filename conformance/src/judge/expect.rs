//! Expectations, one function each.

use serde_json::{Map, Value, json};

use super::bytes::{difference, window};
use super::compare::{Comparer, Meaning, optional, short};
use super::{Bench, primary};
use crate::adapter::{Answer, Blob};
use crate::case::{Expect, ExpectPart, Level, PartContent};
use crate::verdict::{Check, Outcome};

impl Bench<'_> {
    /// Judges an answer that is `ok` or `err`.
    pub(super) fn expectation(&self, step: usize, expect: &Expect, answer: &Answer) -> Vec<Check> {
        match expect {
            Expect::Ok { ok, should, parts } => {
                let Answer::Ok { ok: content, parts: blobs } = answer else {
                    return vec![self.not_accepted(step, answer)];
                };
                let mut checks = vec![self.check(step, "accepts")];
                checks.extend(ok.iter().map(|(key, value)| self.key(step, key, value, content)));
                for (key, value) in should {
                    let mut check = capped(self.key(step, key, value, content));
                    if ok.contains_key(key) {
                        check.name += "-should";
                    }
                    checks.push(check);
                }
                checks.extend(parts.iter().map(|part| self.part(step, part, blobs)));
                checks
            }
            Expect::Encoded(expect) => {
                let Answer::Ok { parts: blobs, .. } = answer else {
                    return vec![self.not_accepted(step, answer)];
                };
                let mut checks = vec![self.check(step, "accepts")];
                checks.extend(self.encoded(step, expect, blobs));
                checks
            }
            Expect::Reject(codes) => self.reject(step, codes, answer),
            Expect::Refused { codes, status } => {
                let mut checks = self.reject(step, codes, answer);
                if let Answer::Err { status: told, .. } = answer {
                    let (expected, actual) = (json!(status), json!(told));
                    let outcome = if told == &Some(*status) { Outcome::Pass } else { Outcome::Fail };
                    checks.push(Check { outcome, expected, actual, ..self.check(step, "status") });
                }
                checks
            }
            Expect::Either(alternatives) => self.either(step, alternatives, answer),
            Expect::Alive => vec![Check { actual: outline(answer).into(), ..self.check(step, "alive") }],
        }
    }

    fn not_accepted(&self, step: usize, answer: &Answer) -> Check {
        Check {
            outcome: Outcome::Fail,
            expected: "accepted".into(),
            actual: outline(answer).into(),
            ..self.check(step, "accepts")
        }
    }

    fn key(&self, step: usize, key: &str, expected: &Value, content: &Map<String, Value>) -> Check {
        let (key, optional) = optional(key);
        let check = self.check(step, key);
        let actual = content.get(key);
        if optional && actual.is_none_or(Value::is_null) {
            return Check {
                outcome: Outcome::NotApplicable,
                note: format!("`{key}` is not in the answer, and need not be"),
                ..check
            };
        }
        let comparer = Comparer { observed: self.observed };
        match comparer.member(key, expected, actual, "") {
            Ok(()) => check,
            Err(mismatch) => Check {
                outcome: Outcome::Fail,
                expected: expected.clone(),
                actual: actual.cloned().unwrap_or_default(),
                note: format!("{}: {}", mismatch.at, mismatch.what),
                ..check
            },
        }
    }

    fn part(&self, step: usize, expect: &ExpectPart, blobs: &[Blob]) -> Check {
        let check = self.check(step, expect.name.as_str());
        let fail = |expected: Value, actual: Value, note: String| Check {
            outcome: Outcome::Fail,
            expected,
            actual,
            note,
            ..check.clone()
        };
        let Some(blob) = blobs.iter().find(|blob| blob.name == expect.name) else {
            let names: Vec<&str> = blobs.iter().map(|blob| blob.name.as_str()).collect();
            return fail(json!(expect.name), json!(names), "the answer has no such part".into());
        };
        let wanted = match &expect.content {
            PartContent::Bytes(bytes) => bytes,
            PartContent::SameAs { step, part, sent } => match self.earlier_part(*step, part, *sent) {
                Some(blob) => &blob.bytes,
                None => {
                    let note = format!("step {} has no part `{part}` to compare with", step + 1);
                    return fail(Value::Null, Value::Null, note);
                }
            },
            PartContent::Close(expected) => {
                return match super::tensor::compare(expected, blob) {
                    None => check,
                    Some((expected, actual, note)) => fail(expected, actual, note),
                };
            }
            PartContent::Near { step, part, within } => {
                let Some(earlier) = self.earlier_part(*step, part, false) else {
                    let note = format!("step {} has no part `{part}` to compare with", step + 1);
                    return fail(Value::Null, Value::Null, note);
                };
                let Some(expected) = super::tensor::close_to(earlier, *within) else {
                    let note = format!("step {} answered no tensor to compare with", step + 1);
                    return fail(Value::Null, Value::Null, note);
                };
                return match super::tensor::compare(&expected, blob) {
                    None => check,
                    Some((expected, actual, note)) => fail(expected, actual, note),
                };
            }
            PartContent::Cache(expected) => {
                let comparer = Comparer { observed: self.observed };
                return match super::cache::compare(expected, &blob.bytes, self.case.spec, &comparer) {
                    None => check,
                    Some((expected, actual, note)) => fail(expected, actual, note),
                };
            }
            PartContent::Json(expected) => {
                let actual = match serde_json::from_slice::<Value>(&blob.bytes) {
                    Ok(actual) => actual,
                    Err(error) => {
                        return fail(expected.clone(), window(&blob.bytes, 0), format!("no JSON: {error}"));
                    }
                };
                let comparer = Comparer { observed: self.observed };
                return match comparer.value(Meaning::Plain, expected, Some(&actual), "") {
                    Ok(()) => check,
                    Err(wrong) => fail(expected.clone(), actual, format!("{}: {}", wrong.at, wrong.what)),
                };
            }
        };
        match difference(wanted, &blob.bytes) {
            None => check,
            Some((expected, actual, note)) => fail(expected, actual, note),
        }
    }

    pub(super) fn earlier_part(&self, step: usize, part: &str, sent: bool) -> Option<&Blob> {
        let observed = self.observed.get(step)?;
        let blobs = if sent { &observed.request.as_ref()?.parts } else { observed.ok()?.1 };
        blobs.iter().find(|blob| blob.name == part)
    }

    fn reject(&self, step: usize, codes: &[String], answer: &Answer) -> Vec<Check> {
        let rejects = self.check(step, "rejects");
        let Answer::Err { code, detail, .. } = answer else {
            let wanted = format!("refused ({})", codes.join(" or "));
            let (expected, actual) = (wanted.into(), outline(answer).into());
            return vec![Check { outcome: Outcome::Fail, expected, actual, ..rejects }];
        };
        let code_check =
            Check { expected: json!(codes), actual: json!(code), ..capped(self.check(step, "code")) };
        let told = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        let code_check = if codes.contains(code) {
            code_check
        } else if let Some(parent) = codes.iter().find(|wanted| parent_of(code) == Some(wanted.as_str())) {
            Check { note: format!("`{code}` is a kind of `{parent}`"), ..code_check }
        } else if let Some(child) = codes.iter().find(|wanted| parent_of(wanted) == Some(code.as_str())) {
            let note = format!("`{code}` is the general class; `{child}` would say more");
            Check { outcome: Outcome::Info, note, ..code_check }
        } else {
            let known = self.catalogue.error_classes().contains(code);
            let note = if known { "another class" } else { "not a class of the protocol" };
            Check { outcome: Outcome::Fail, note: format!("`{code}`: {note}{told}"), ..code_check }
        };
        vec![rejects, code_check]
    }

    /// Any alternative will do; only what each of them says at full weight decides.
    fn either(&self, step: usize, alternatives: &[(String, Expect)], answer: &Answer) -> Vec<Check> {
        let mut why_not = Vec::new();
        for (name, expect) in alternatives {
            let checks = self.expectation(step, expect, answer);
            let decides = |check: &&Check| check.missed() && !weighs_less(check, expect);
            match checks.iter().find(decides) {
                None => {
                    let branch = Check { outcome: Outcome::Info, ..self.check(step, "branch") };
                    return vec![self.check(step, "either"), Check { actual: json!(name), ..branch }];
                }
                Some(check) => {
                    let note = if check.note.is_empty() { short(&check.actual) } else { check.note.clone() };
                    why_not.push(format!("{name}: {}: {note}", check.name));
                }
            }
        }
        let names: Vec<&str> = alternatives.iter().map(|(name, _)| name.as_str()).collect();
        vec![Check {
            outcome: Outcome::Fail,
            expected: json!({"one_of": names}),
            actual: outline(answer).into(),
            note: why_not.join("; "),
            ..self.check(step, primary(&Expect::Either(Vec::new())))
        }]
    }
}

/// Whether a check is an aside of its expectation: it warns, whatever the case weighs.
fn weighs_less(check: &Check, expect: &Expect) -> bool {
    match expect {
        Expect::Reject(_) | Expect::Refused { .. } => check.name == "code",
        Expect::Ok { should, .. } => {
            check.name.ends_with("-should") || should.keys().any(|key| optional(key).0 == check.name)
        }
        _ => false,
    }
}

fn capped(check: Check) -> Check {
    Check { level: check.level.min(Level::Should), ..check }
}

/// The class that a class is a kind of.
fn parent_of(code: &str) -> Option<&'static str> {
    match code {
        "limit_exceeded" | "shape_mismatch" => Some("decode"),
        "incompatible_models" => Some("handshake"),
        "session_expired" => Some("session"),
        _ => None,
    }
}

/// An answer in a few words.
pub(super) fn outline(answer: &Answer) -> String {
    match answer {
        Answer::Ok { ok, parts } => {
            let parts: Vec<String> =
                parts.iter().map(|part| format!("{} ({} bytes)", part.name, part.bytes.len())).collect();
            let ok = short(&Value::Object(ok.clone()));
            if parts.is_empty() { format!("ok {ok}") } else { format!("ok {ok} with {}", parts.join(", ")) }
        }
        Answer::Err { code, detail, .. } if detail.is_empty() => format!("refused: {code}"),
        Answer::Err { code, detail, .. } => format!("refused: {code} ({detail})"),
        Answer::Unsupported(why) => format!("unsupported: {why}"),
        Answer::Fault(text) => format!("fault: {text}"),
    }
}
