//! What our own dissector finds in a message that a vector calls right or wrong.

use serde_json::Value;

use crate::case::{Expect, PartData, Spec, Step};
use crate::dissect::{self, Fault, Limits, Stage};

use super::super::expand::Expanded;

/// Most bytes that a payload may decompress to here, when the vector sets no limit of its own: more than any vector
/// holds on purpose.
const MAX_PAYLOAD: u64 = 64 << 20;

/// A vector that our own reader does not agree with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id}@{}: {what}", spec.as_str())]
pub struct Disagreement {
    /// Id of the vector.
    pub id: String,
    /// The dialect.
    pub spec: Spec,
    /// What does not fit.
    pub what: String,
}

/// What a vector says of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim<'a> {
    Right,
    Wrong(&'a [String]),
}

/// Every vector whose messages our own reader takes otherwise than the vector says.
pub(in crate::vector) fn disagreements(expanded: &[Expanded<'_>]) -> Vec<Disagreement> {
    let mut all = Vec::new();
    for one in expanded {
        for spec in &one.recipe.specs {
            let object = |what: String| Disagreement { id: one.recipe.id.clone(), spec: *spec, what };
            for (index, step) in one.steps.iter().enumerate() {
                if index > 0 && one.steps[index - 1] == *step {
                    continue;
                }
                all.extend(objection(one, step, *spec).map(object));
            }
            if one.recipe.multi_fault {
                continue;
            }
            for base in one.derived.iter().filter(|base| is_refused(&one.steps[base.step])) {
                let faults = faults_of(&one.steps[base.step], &base.bytes, *spec).unwrap_or_default();
                if let Some(fault) = faults.first() {
                    all.push(object(format!("its base `{}` is wrong itself: {}", base.name, fault.text)));
                }
            }
        }
    }
    all
}

/// What our reader says of a step that is to be refused: it finds one cause and no more. `None` when it does not read such
/// a request, or not so.
pub(super) fn proves(one: &Expanded<'_>, index: usize, spec: Spec) -> Option<ByReader> {
    let step = &one.steps[index];
    let part = step.parts.first().filter(|_| step.parts.len() == 1 && is_refused(step))?;
    let PartData::Bytes(bytes) = &part.data else { return None };
    if is_of_tomorrow(one) || causes(&faults_of(step, bytes, spec)?).len() != 1 {
        return None;
    }
    let mut base = None;
    for derived in one.derived.iter().filter(|derived| derived.step == index) {
        if faults_of(step, &derived.bytes, spec)?.is_empty() {
            base = Some(derived.name.clone());
        } else {
            return None;
        }
    }
    Some(ByReader { base })
}

/// A message in which our reader finds one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ByReader {
    /// The message that it was patched from, in which our reader finds none.
    pub(super) base: Option<String>,
}

/// Our reader knows today's values; a vector for those who know more is none of its business.
fn is_of_tomorrow(one: &Expanded<'_>) -> bool {
    one.recipe.requires.iter().any(|feature| feature == "embedding")
}

fn is_refused(step: &Step) -> bool {
    matches!(claim(&step.expect), Some(Claim::Wrong(_)))
}

fn claim(expect: &Expect) -> Option<Claim<'_>> {
    match expect {
        Expect::Ok { .. } => Some(Claim::Right),
        Expect::Reject(codes) => Some(Claim::Wrong(codes)),
        Expect::Encoded(_) | Expect::Either(_) | Expect::Refused { .. } | Expect::Alive => None,
    }
}

fn objection(one: &Expanded<'_>, step: &Step, spec: Spec) -> Option<String> {
    if is_of_tomorrow(one) {
        return None;
    }
    let part = step.parts.first().filter(|_| step.parts.len() == 1)?;
    let PartData::Bytes(bytes) = &part.data else { return None };
    let faults = faults_of(step, bytes, spec)?;
    match claim(&step.expect)? {
        Claim::Right => {
            let fault = faults.first()?;
            Some(format!("should be accepted, but our reader says: {}", fault.text))
        }
        Claim::Wrong(codes) => {
            let Some(first) = faults.first() else {
                return Some("should be refused, but our reader finds nothing wrong".to_owned());
            };
            let causes = causes(&faults);
            if causes.len() > 1 && !one.recipe.multi_fault {
                return Some(format!(
                    "is wrong in {} ways ({}); make it wrong in one, or set `multi_fault: true`",
                    causes.len(),
                    causes.join("; ")
                ));
            }
            let code = first.class.as_str();
            let fits = codes.iter().any(|wanted| wanted == code);
            (!fits).then(|| format!("our reader's class is {code}, which is not among {}", codes.join(", ")))
        }
    }
}

/// What is wrong on its own. A frame that does not decompress says so, and also why: that is one cause.
fn causes(faults: &[Fault]) -> Vec<&str> {
    let mut causes = Vec::new();
    let mut decompression = false;
    for fault in faults {
        let again = fault.stage == Stage::Decompression && std::mem::replace(&mut decompression, true);
        if !again {
            causes.push(fault.text.as_str());
        }
    }
    causes
}

/// What our reader finds wrong; `None` when the request asks for more than this reader judges.
fn faults_of(step: &Step, bytes: &[u8], spec: Spec) -> Option<Vec<Fault>> {
    match step.op.as_str() {
        "decode" => {
            if step.args.keys().any(|key| key != "limits") {
                return None;
            }
            let limits = step.args.get("limits");
            if limits.is_some_and(|limits| limits.get("max_message").is_some()) {
                return None;
            }
            let max_payload = limits.and_then(|limits| limits.get("max_payload")).and_then(Value::as_u64);
            let limits = Limits { max_payload: max_payload.unwrap_or(MAX_PAYLOAD) };
            let dissection = dissect::message_within(bytes, spec, limits);
            (!dissection.contested()).then_some(dissection.faults)
        }
        "kv_decode" if step.args.is_empty() => Some(dissect::kv(bytes).faults),
        "inspect" => {
            let dissection = dissect::message(bytes, spec);
            (!dissection.contested()).then_some(dissection.faults)
        }
        "context_from_bytes" if step.args.is_empty() => Some(dissect::context(bytes, spec).faults),
        _ => None,
    }
}
