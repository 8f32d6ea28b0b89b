//! What a vector asks, one request at a time, with what comes before it and whether it is to be accepted.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::case::{Expect, Step};

use super::super::expand::Expanded;
use super::difference::{Places, Tree};
use super::request::{references, request};

/// Operations whose answer depends on the request alone, so that what was asked before does not matter. All others keep
/// something: a server, a store, a file. An operation that is missing here is compared with what came before, which asks
/// for more than it needs and never for less.
const PURE: &[&str] = &[
    "assess_transfer",
    "compression_advice",
    "context_from_bytes",
    "context_to_bytes",
    "decode",
    "decode_stream",
    "decode_tensor",
    "diagnostics",
    "effective_rank",
    "encode",
    "encode_hybrid",
    "encode_sized",
    "encode_tensor",
    "error_catalog",
    "fallback_decode",
    "fallback_encode",
    "hello_decode",
    "hello_encode",
    "identity_decode",
    "identity_encode",
    "identity_extract",
    "inspect",
    "json_decode",
    "json_encode",
    "kv_decode",
    "kv_encode",
    "kv_size",
    "map_id",
    "map_import",
    "metrics_catalog",
    "model_hash",
    "needs_realignment",
    "normalize",
    "project_linear",
    "project_overlap",
    "project_vocab",
    "projection_method",
    "realign_apply",
    "realign_matrix",
    "recommend_mode",
    "resolve",
    "size_report",
    "soft_embed",
    "target_norm",
    "tokenizer_hash",
    "unpack_detect",
    "validate_cosine",
    "validate_decide",
    "validate_ppl",
    "validation_texts",
    "vllm_latent_prompt",
    "vllm_request_hash",
    "vocab_overlap",
    "word_overlap",
];

/// What is expected of an answer, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Refused,
    /// Either, or not said.
    Open,
}

/// Which request of a vector: a step, and where the step is a script, one of its own steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) step: usize,
    pub(super) within: Option<usize>,
}

/// One request of a vector.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) at: At,
    pub(super) outcome: Outcome,
    /// What must have happened before.
    setup: Vec<Tree>,
    request: Tree,
}

impl Trial {
    /// Places in which this one, with what comes before it, differs from another.
    pub(super) fn places_to(&self, other: &Self) -> Places {
        let mut places = Places::default();
        places.lists(&self.setup, &other.setup, "before");
        places.trees(&self.request, &other.request, "");
        places
    }
}

/// The operation and outcome of every request, without its content.
pub(super) fn outcomes<'e>(one: &'e Expanded<'_>) -> Vec<(At, &'e str, Outcome)> {
    let mut all = Vec::new();
    for (index, step) in one.steps.iter().enumerate() {
        if index > 0 && one.steps[index - 1] == *step {
            continue;
        }
        match script(step) {
            Some(script) => all.extend(script.iter().enumerate().map(|(within, (_, outcome))| {
                (At { step: index, within: Some(within) }, step.op.as_str(), *outcome)
            })),
            None => all.push((At { step: index, within: None }, step.op.as_str(), outcome(step))),
        }
    }
    all
}

/// The requests of one operation. A request that says the same as the one before it is left out.
pub(super) fn trials(one: &Expanded<'_>, op: &str) -> Vec<Trial> {
    let mut all = Vec::new();
    for (index, step) in one.steps.iter().enumerate() {
        if step.op != op || index > 0 && one.steps[index - 1] == *step {
            continue;
        }
        let before = setup(one, index);
        let place_of = |step: usize| before.iter().position(|index| *index == step).unwrap_or(step);
        let setup: Vec<Tree> = before.iter().map(|index| request(&one.steps[*index], &place_of)).collect();
        let Some(script) = script(step) else {
            let at = At { step: index, within: None };
            all.push(Trial { at, outcome: outcome(step), setup, request: request(step, &place_of) });
            continue;
        };
        let mut before = setup;
        for (within, (asked, outcome)) in script.into_iter().enumerate() {
            let mut alone = step.clone();
            alone.args.insert("steps".to_owned(), asked.clone());
            let request = request(&alone, &place_of);
            let at = At { step: index, within: Some(within) };
            all.push(Trial { at, outcome, setup: before.clone(), request: request.clone() });
            if outcome != Outcome::Refused {
                before.push(request);
            }
        }
    }
    all
}

/// Earlier steps that matter to one: those that it names, and where it works with what is kept, all that keep something.
/// What was refused left nothing behind.
fn setup(one: &Expanded<'_>, index: usize) -> Vec<usize> {
    let mut needed: BTreeSet<usize> = BTreeSet::new();
    let mut open = vec![index];
    while let Some(step) = open.pop() {
        open.extend(references(&one.steps[step]).into_iter().filter(|step| needed.insert(*step)));
    }
    if keeps(&one.steps[index]) {
        let left =
            |step: &Step| keeps(step) && (outcome(step) != Outcome::Refused || !step.tamper.is_empty());
        needed.extend((0..index).filter(|step| left(&one.steps[*step])));
    }
    needed.into_iter().collect()
}

fn keeps(step: &Step) -> bool {
    !PURE.contains(&step.op.as_str()) || step.uses_scratch()
}

/// The steps of a script and what is expected of each, where the expectation tells them apart.
fn script(step: &Step) -> Option<Vec<(&Value, Outcome)>> {
    let steps = step.args.get("steps").filter(|_| step.op.ends_with("_script"))?.as_array()?;
    let Expect::Ok { ok, .. } = &step.expect else { return None };
    let events = ok.get("events")?.as_array().filter(|events| events.len() == steps.len())?;
    Some(steps.iter().zip(events.iter().map(event)).collect())
}

fn event(event: &Value) -> Outcome {
    let Some(map) = event.as_object() else { return Outcome::Open };
    match map.get("$subset").and_then(Value::as_object).unwrap_or(map).get("error") {
        Some(error) if !error.is_null() => Outcome::Refused,
        _ if map.keys().any(|key| key.starts_with('$') && key != "$subset") => Outcome::Open,
        _ => Outcome::Accepted,
    }
}

/// What is expected of a step's answer.
pub(super) fn outcome(step: &Step) -> Outcome {
    of(&step.expect, &step.op)
}

fn of(expect: &Expect, op: &str) -> Outcome {
    match expect {
        Expect::Reject(_) | Expect::Refused { .. } => Outcome::Refused,
        Expect::Encoded(_) => Outcome::Accepted,
        Expect::Alive => Outcome::Open,
        Expect::Either(branches) => {
            let mut outcomes = branches.iter().map(|(_, branch)| of(branch, op));
            let first = outcomes.next().unwrap_or(Outcome::Open);
            if outcomes.all(|outcome| outcome == first) { first } else { Outcome::Open }
        }
        Expect::Ok { ok, .. } => match op {
            "peer_request" => answered(ok),
            "peer_tls_probe" => match ok.get("outcome").and_then(Value::as_str) {
                Some("chosen") => Outcome::Accepted,
                Some("refused") => Outcome::Refused,
                _ => Outcome::Open,
            },
            // What is expected of its steps could not be told apart.
            script if script.ends_with("_script") => Outcome::Open,
            _ => Outcome::Accepted,
        },
    }
}

/// The peer is the harness, so its answer is `ok` also where a server refuses: the status tells.
fn answered(ok: &Map<String, Value>) -> Outcome {
    let status = ok.get("class").or_else(|| ok.get("status"));
    match (status, ok.get("outcome")) {
        (Some(status), _) => match refusal(status) {
            Some(true) => Outcome::Refused,
            Some(false) => Outcome::Accepted,
            None => Outcome::Open,
        },
        (None, None) => Outcome::Accepted,
        (None, Some(outcome)) if outcome == "answered" => Outcome::Accepted,
        (None, Some(_)) => Outcome::Refused,
    }
}

fn refusal(status: &Value) -> Option<bool> {
    match status {
        Value::Number(status) => Some(status.as_u64()? >= 400),
        Value::String(class) => Some(class.starts_with(['4', '5'])),
        Value::Object(matcher) => {
            let mut each = matcher.get("$any")?.as_array()?.iter().map(refusal);
            let first = each.next()??;
            each.all(|other| other == Some(first)).then_some(first)
        }
        _ => None,
    }
}
