//! Who is right where a case expects nothing by itself: the harness's own dissector reads the message too.

use serde_json::Value;

use super::Sort;
use crate::adapter::Answer;
use crate::case::{Case, Expect, PartData, Spec};
use crate::dissect;
use crate::judge::{Observed, Reply, meaning, message_meaning, parting};

/// What a message comes to.
enum Reading {
    /// It says this.
    Says(Value),
    /// It is to be refused.
    Refused,
}

/// Reads the bytes of a request; `None` where readers may differ.
type Reader = fn(&[u8], Spec) -> Option<Reading>;

/// Who misreads the message of a step that expects nothing of its answer. `None` where the dissector has no say: another
/// operation, bytes that readers differ in, or a difference in something else than what the message says.
pub(super) fn sort(case: &Case, step: usize, a: &[Observed], b: &[Observed]) -> Option<Sort> {
    let asked = case.steps.get(step).filter(|step| step.expect == Expect::Alive)?;
    let (part, read): (&str, Reader) = match asked.op.as_str() {
        "decode" => ("message", one),
        "decode_stream" => ("stream", several),
        _ => return None,
    };
    let sent = asked.parts.iter().find(|sent| sent.name == part)?;
    let PartData::Bytes(bytes) = &sent.data else { return None };
    let reading = read(bytes, case.spec)?;
    let right = |observed: &[Observed]| match (&reading, observed.get(step).map(|seen| &seen.reply)) {
        (Reading::Refused, Some(Reply::Answered(Answer::Err { .. }))) => true,
        (Reading::Says(said), Some(Reply::Answered(answer))) => {
            meaning(answer, case.spec).is_some_and(|told| parting(said, &told).is_none())
        }
        _ => false,
    };
    match (right(a), right(b)) {
        (false, true) => Some(Sort::WrongA),
        (true, false) => Some(Sort::WrongB),
        (false, false) => Some(Sort::BothWrong),
        // They differ in something that is no part of what it says.
        (true, true) => None,
    }
}

fn one(bytes: &[u8], spec: Spec) -> Option<Reading> {
    let done = dissect::message(bytes, spec);
    // Payloads of hybrid messages are handed over in parts (AVP-PAY-014).
    if done.contested() || done.hybrid.is_some() {
        return None;
    }
    match done.faults.is_empty() {
        true => message_meaning(bytes, spec).map(|message| Reading::Says(said(vec![message], 0))),
        false => Some(Reading::Refused),
    }
}

/// Messages back to back; what is left when a message is cut short.
fn several(bytes: &[u8], spec: Spec) -> Option<Reading> {
    let mut messages = Vec::new();
    let mut rest = bytes;
    loop {
        let header = dissect::message(rest.get(..rest.len().min(HEADER))?, spec).header;
        let len = header.map(|header| HEADER + header.payload_length as usize);
        let Some(next) = len.and_then(|len| rest.get(..len)) else { break };
        let done = dissect::message(next, spec);
        if done.contested() || done.hybrid.is_some() || !done.faults.is_empty() {
            return None;
        }
        messages.push(message_meaning(next, spec)?);
        rest = &rest[next.len()..];
    }
    // A beginning that no message has may be refused before the rest has come.
    let odd = rest.iter().zip(b"AV\x01").any(|(byte, known)| byte != known);
    (!odd).then(|| Reading::Says(said(messages, rest.len())))
}

/// Bytes of a header.
const HEADER: usize = crate::build::HEADER_LEN;

fn said(messages: Vec<Value>, rest: usize) -> Value {
    serde_json::json!({ "messages": messages, "rest": rest })
}
