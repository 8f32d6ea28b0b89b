//! Runs, and the cases that they are made of.

use std::collections::HashMap;

use avp_conformance::adapter::{AdapterCommand, ExecLauncher, Framing, Launcher};
use avp_conformance::case::{Case, Expect};
use avp_conformance::event::{CaseEvent, Event, Summary};
use avp_conformance::schedule::{RunError, RunOptions, run};
use avp_conformance::verdict::Outcome;
use serde_json::json;

use super::{case, child, expect_ok, step};

/// A run that is over.
pub struct Ran {
    pub events: Vec<Event>,
    pub outcome: Result<Summary, RunError>,
}

impl Ran {
    /// The events of the cases, by id.
    pub fn cases(&self) -> HashMap<&str, &CaseEvent> {
        let cases = self.events.iter().filter_map(|event| match event {
            Event::Case(case) => Some((case.id.as_str(), &**case)),
            _ => None,
        });
        cases.collect()
    }

    /// Outcome of the first check of a case.
    pub fn outcome(&self, id: &str) -> Outcome {
        self.cases()[id].checks[0].outcome
    }
}

pub fn run_on(launcher: &dyn Launcher, cases: Vec<Case>, tune: impl FnOnce(&mut RunOptions<'_>)) -> Ran {
    let mut options = RunOptions::new(7);
    // Interpreters start slowly on a busy machine; what hangs here hangs for ever.
    options.timeout_scale = 5.0;
    options.workers = 1;
    tune(&mut options);
    let mut events = Vec::new();
    let outcome = run(cases, launcher, &options, &mut events);
    Ran { events, outcome }
}

pub fn exec() -> ExecLauncher {
    let script = child("exec.sh").into_os_string();
    ExecLauncher::new(AdapterCommand::new("sh", [script]).framing(Framing::Ndjson))
}

pub fn mirror(id: &str) -> Case {
    case(id, vec![step("mirror", json!({"id": 1}), expect_ok(json!({"id": 1})))])
}

pub fn mirrors(count: usize) -> Vec<Case> {
    (0..count).map(|n| mirror(&format!("mirror/{n}"))).collect()
}

pub fn alive(id: &str, op: &str) -> Case {
    case(id, vec![step(op, json!({}), Expect::Alive)])
}
