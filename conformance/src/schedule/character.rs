//! What the answers of an adapter that can't be believed have in common, in one sentence.
//!
//! Four programs implement nothing and look like implementations: one answers at random, one always refuses, one sends
//! back what it gets, one supports nothing that it declares. Whoever started one by mistake wants to read that, and not
//! three answers to three probes.

use std::time::Duration;

use super::probe::Questions;
use super::starter::Child;
use crate::adapter::{Answer, Request};
use crate::event::Probe;

/// How often each question is asked again: who answers at random says the same five times in a row too rarely to matter.
const ROUNDS: usize = 5;

/// Asks once more and says what the answers have in common. Without any, the first probe that failed speaks.
pub(super) fn character(
    child: &mut Child,
    questions: &Questions,
    probes: &[Probe],
    limit: Duration,
) -> String {
    let told = probes.iter().find(|probe| probe.passed == Some(false)).map(|probe| probe.note.clone());
    common(child, questions, limit).map_or_else(|| told.unwrap_or_default(), str::to_owned)
}

fn common(child: &mut Child, questions: &Questions, limit: Duration) -> Option<&'static str> {
    let mut asked: Vec<(&Request, Answer)> = Vec::new();
    for request in questions.all().flat_map(|request| std::iter::repeat_n(request, ROUNDS)) {
        asked.push((request, child.instance.exchange(request, limit).ok()?));
    }
    if asked.chunks(ROUNDS).any(|round| round.iter().any(|(_, answer)| *answer != round[0].1)) {
        return Some("the same question is answered differently each time, as by chance");
    }
    // A refusal of an operation that does not exist says nothing of those that do.
    questions.message.as_ref()?;
    let all = |is: fn(&Request, &Answer) -> bool| asked.iter().all(|(request, answer)| is(request, answer));
    if all(|_, answer| matches!(answer, Answer::Unsupported(_))) {
        return Some("everything is answered as unsupported, `decode` too, which is declared");
    }
    if all(|_, answer| matches!(answer, Answer::Err { .. })) {
        return Some("everything is refused, a valid message too, and an operation that does not exist");
    }
    if all(is_echo) {
        return Some("what is sent comes back as the answer");
    }
    if all(|_, answer| matches!(answer, Answer::Ok { .. })) {
        return Some(
            "everything is answered with `ok`, a broken message too, and an operation that does not exist",
        );
    }
    None
}

/// Whether the answer holds the bytes of the request and no others.
fn is_echo(request: &Request, answer: &Answer) -> bool {
    let Answer::Ok { parts, .. } = answer else { return false };
    let sent = request.parts.iter().map(|part| (&part.name, &part.bytes));
    sent.eq(parts.iter().map(|part| (&part.name, &part.bytes)))
}
