//! Adapters that try to pass without implementing anything. The honesty probes must stop each before a case counts.

use serde_json::{Value, json};

use crate::{Ask, Mutant, frame::Frame, mutant};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(@ "loophole-null", "answers ok with nothing to everything", |frame| answer(frame, |told| {
        told.become_ok(json!({}), &[]);
    }), |_, _| {}),
    mutant!(@ "loophole-echo", "sends back what it got", |frame| answer(frame, |told| {
        told.json.insert("ok".to_owned(), json!({}));
    }), |_, _| {}),
    mutant!(@ "loophole-refuses-all", "refuses everything", |frame| answer(frame, |told| {
        told.become_err("decode");
    }), |_, _| {}),
    mutant!(@ "loophole-unsupported", "declares everything and supports nothing", |frame| answer(frame, |told| {
        told.json.insert("unsupported".to_owned(), "later".into());
    }), |_, _| {}),
    mutant!(@ "loophole-unknown-op", "claims to know operations that nobody has defined", |frame| {
        if frame.op().starts_with("nope-") {
            return answer(frame, |told| told.become_ok(json!({}), &[]));
        }
        Ask::Forward
    }, |_, _| {}),
    mutant!(
        "loophole-catch-all",
        "turns every failure into unsupported",
        tell | asked,
        told | {
            if asked.op() != "hello" && told.json.contains_key("err") {
                told.json.remove("err");
                told.json.insert("unsupported".to_owned(), Value::from("this input"));
            }
        }
    ),
];

/// An answer without the reference, except to hello.
fn answer(frame: &mut Frame, fill: impl FnOnce(&mut Frame)) -> Ask {
    if frame.op() == "hello" {
        return Ask::Forward;
    }
    let mut told = frame.clone();
    told.json.retain(|key, _| key == "id");
    fill(&mut told);
    Ask::Answer(Box::new(told))
}
