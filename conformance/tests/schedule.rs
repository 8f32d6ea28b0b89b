//! Whole runs: their beginning, their end, their order, and what flows through them.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which the lint does not know for such")]

mod support;

use std::io;
use std::sync::{Arc, Mutex};

use avp_conformance::adapter::{Answer, InProcessLauncher, Launcher, Request};
use avp_conformance::case::{Case, Expect, ExpectPart, PartContent, PartData, Spec};
use avp_conformance::event::Event;
use avp_conformance::schedule::{Dumps, ProbePolicy, RunError, RunOptions, Sink, run};
use avp_conformance::verdict::Outcome;
use serde_json::{Map, Value, json};
use support::run::{alive, exec, mirror, mirrors, run_on};
use support::{case, expect_ok, launcher, object, part, step};

#[test]
fn a_run_has_a_beginning_a_verdict_for_each_case_and_an_end() {
    let mut cases = mirrors(30);
    cases.push(case("no/op", vec![step("realign_matrix", json!({}), Expect::Alive)]));
    let mut feature = mirror("no/feature");
    feature.requires = vec!["zstd".into()];
    let mut opposite = mirror("yes/opposite");
    opposite.requires = vec!["!zstd".into()];
    let mut opt_in = mirror("no/opt-in");
    opt_in.requires = vec!["embedding".into()];
    let mut huge = mirror("no/huge");
    huge.steps[0].parts = vec![part("x", &[0; 2000])];
    let wrong = case("wrong/value", vec![step("mirror", json!({"x": 1}), expect_ok(json!({"x": 2})))]);
    let mut old = mirror("old/dialect");
    old.spec = Spec::V02;
    cases.extend([feature, opposite, opt_in, huge, wrong, old]);
    let options = json!({"hello": {
        "inflight": 4, "features": {"zstd": false}, "limits": {"max_message": 1000},
    }});
    let ran = run_on(&launcher(&options), cases, |options| {
        options.scope = vec!["AVP-HDR-002".into(), "AVP-HDR-005".into()];
    });
    let summary = ran.outcome.as_ref().unwrap();
    assert!(summary.complete);
    assert_eq!((summary.selected, summary.cases, summary.ran), (36, 36, 32));
    assert_eq!((summary.passed, summary.failed, summary.warned), (31, 1, 0));
    assert_eq!(summary.checks.not_applicable, 4);
    assert_eq!(summary.children, 1);

    let Some(Event::RunStart(start)) = ran.events.first() else { panic!("no beginning") };
    assert_eq!((start.cases, start.undeclared), (36, 1));
    assert_eq!(start.requirements.len(), 1);
    assert_eq!(start.unselected, ["AVP-HDR-005"]);
    assert_eq!(start.hello.name, "child");
    let probes = ran.events.iter().filter(|event| matches!(event, Event::Probe(p) if p.passed == Some(true)));
    assert_eq!(probes.count(), 3);
    assert!(matches!(ran.events.last(), Some(Event::Summary(_))));
    assert_eq!(ran.cases().len(), 36);
    for id in ["no/op", "no/feature", "no/opt-in", "no/huge"] {
        assert_eq!(ran.outcome(id), Outcome::NotApplicable, "{id}");
    }
    assert_eq!(ran.outcome("yes/opposite"), Outcome::Pass);
    let wrong = ran.cases()["wrong/value"];
    assert_eq!(wrong.steps.len(), 1);
    assert_eq!(wrong.steps[0].args, object(json!({"x": 1})));
    assert!(ran.cases()["mirror/0"].steps.is_empty());
}

#[test]
fn who_says_yes_to_everything_is_found_out() {
    for character in ["null", "echo", "unsupported"] {
        let options = json!({"character": character});
        let ran = run_on(&launcher(&options), mirrors(3), |_| {});
        assert!(matches!(ran.outcome, Err(RunError::Dishonest(_))), "{character}");
        assert!(ran.cases().is_empty());
        assert!(matches!(ran.events.last(), Some(Event::Summary(summary)) if !summary.complete));
    }
    // When a person insists, the run goes on, and the cases find it out again.
    let null = run_on(&launcher(&json!({"character": "null"})), mirrors(3), |options| {
        options.probes = ProbePolicy::Record;
    });
    assert_eq!(null.outcome.unwrap().failed, 3);
}

#[test]
fn nothing_to_run_is_never_a_success() {
    let ran = run_on(&launcher(&json!({})), Vec::new(), |_| {});
    assert!(matches!(ran.outcome, Err(RunError::Nothing(_))));
    let mut old = mirror("old");
    old.spec = Spec::V02;
    let ran = run_on(&launcher(&json!({})), vec![old.clone()], |_| {});
    assert!(matches!(ran.outcome, Err(RunError::Nothing(_))));
    // Asked for by name, it is run as far as it can be: not applicable, and nothing ran.
    let ran = run_on(&launcher(&json!({})), vec![old], |options| options.specs = vec![Spec::V02]);
    assert_eq!(ran.outcome.unwrap().ran, 0);
}

#[test]
fn steps_hand_values_and_parts_on() {
    let take = |from: &str| {
        let args = json!({"token": {"$from": {"step": 0, "at": from}}, "five": {"$from": {"step": 0, "at": "/deep/list/1"}}});
        let mut take = step("take", args, expect_ok(json!({"right": true})));
        take.parts = vec![part("secret", b"")];
        take.parts[0].data = PartData::FromStep { step: 0, part: "secret".into() };
        take
    };
    let give = || step("give", json!({}), expect_ok(json!({"token": {"$nonempty": true}})));
    let good = case("flow/good", vec![give(), take("/token")]);
    let bad = case("flow/bad", vec![give(), take("/nothing")]);
    let mut no_part = case("flow/no-part", vec![give(), take("/token")]);
    no_part.steps[1].parts[0].data = PartData::FromStep { step: 0, part: "other".into() };
    let mut same = case("flow/same", vec![step("mirror", json!({}), expect_ok(json!({})))]);
    same.steps[0].parts = vec![part("p", b"abc")];
    let content = PartContent::SameAs { step: 0, part: "p".into(), sent: true };
    same.steps[0].expect = Expect::Ok {
        ok: Map::new(),
        should: Map::new(),
        parts: vec![ExpectPart { name: "p".into(), content }],
    };
    let ran = run_on(&launcher(&json!({})), vec![good, bad, no_part, same], |options| {
        options.dumps = Dumps::All;
    });
    for (id, holds) in
        [("flow/good", true), ("flow/bad", false), ("flow/no-part", false), ("flow/same", true)]
    {
        let case = ran.cases()[id];
        assert_eq!(!case.missed(), holds, "{id}: {:?}", case.checks);
        assert!(!case.steps.is_empty());
    }
    assert_eq!(ran.cases()["flow/good"].steps[1].args["token"], json!("t-17"));
}

#[test]
fn steps_of_a_case_share_one_child_and_nothing_else_comes_between() {
    let count = || step("count", json!({}), expect_ok(json!({"calls": {"$nonempty": true}})));
    let mut counted = case("count/three", vec![count(), count(), count()]);
    counted.requirements = vec!["AVP-SES-001".into()];
    let mut cases = mirrors(60);
    cases.push(counted);
    let ran = run_on(&launcher(&json!({"hello": {"inflight": 8}})), cases, |options| {
        options.workers = 3;
        options.dumps = Dumps::All;
    });
    let steps = &ran.cases()["count/three"].steps;
    let calls: Vec<u64> = steps
        .iter()
        .map(|step| match &step.answer {
            avp_conformance::event::AnswerDump::Ok { ok, .. } => ok["calls"].as_u64().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!([calls[1] - calls[0], calls[2] - calls[1]], [1, 1]);
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_judged_where_it_can_be_measured() {
    let grow = |id: &str, mib: u64| {
        let mut case = case(id, vec![step("grow", json!({"mib": mib}), Expect::Alive)]);
        case.steps[0].rss_growth_mib = Some(16);
        case
    };
    let ran = run_on(&launcher(&json!({})), vec![grow("little", 2), grow("much", 100)], |_| {});
    let memory =
        |id: &str| ran.cases()[id].checks.iter().find(|check| check.name == "memory").unwrap().outcome;
    let measured = memory("little") != Outcome::NotApplicable;
    assert_eq!(memory("little"), if measured { Outcome::Pass } else { Outcome::NotApplicable });
    assert_eq!(memory("much"), if measured { Outcome::Fail } else { Outcome::NotApplicable });
}

#[test]
fn exec_adapters_run_too() {
    let cases = vec![alive("yes", "yes"), alive("die", "die"), alive("yes2", "yes")];
    let ran = run_on(&exec(), cases, |_| {});
    let summary = ran.outcome.as_ref().unwrap();
    assert_eq!((summary.passed, summary.failed), (2, 1));
    assert!(ran.cases()["die"].stderr.contains("so long"));
    let probes: Vec<_> = ran
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Probe(probe) => Some(probe.passed),
            _ => None,
        })
        .collect();
    // Without `decode` two of them can't be asked.
    assert_eq!(probes, [Some(true), None, None]);
}

/// Raises the flag after so many cases.
struct StopAfter {
    left: usize,
    flag: avp_conformance::schedule::StopFlag,
    events: Vec<Event>,
}

impl Sink for StopAfter {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if matches!(event, Event::Case(_)) {
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                self.flag.raise();
            }
        }
        self.events.push(event.clone());
        Ok(())
    }
}

#[test]
fn a_stop_by_hand_leaves_a_whole_stream() {
    let options = RunOptions::new(1);
    let mut sink = StopAfter { left: 5, flag: options.stop.clone(), events: Vec::new() };
    let summary = run(mirrors(2000), &launcher(&json!({})), &options, &mut sink).unwrap();
    assert!(!summary.complete && summary.cases < 2000 && summary.cases >= 5);
    assert!(matches!(sink.events.last(), Some(Event::Interrupted(last)) if *last == summary));
}

struct Full;

impl Sink for Full {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Case(_) => Err(io::Error::other("no space left")),
            _ => Ok(()),
        }
    }
}

#[test]
fn a_record_that_cant_be_kept_ends_the_run() {
    let options = RunOptions::new(1);
    let outcome = run(mirrors(500), &launcher(&json!({})), &options, &mut Full);
    assert!(matches!(outcome, Err(RunError::Sink(_))));
}

/// An in-process implementation that writes down what it is asked.
fn listener() -> (Arc<Mutex<Vec<Request>>>, impl Launcher) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&heard);
    let launcher = InProcessLauncher::new("listener", move || {
        let heard = Arc::clone(&shared);
        move |request: &Request| {
            heard.lock().unwrap().push(request.clone());
            let content = match request.op.as_str() {
                "hello" => json!({"acp": 1, "name": "listener", "specs": ["0.4"], "ops": ["mirror"]}),
                "mirror" => return support::ok(Value::Object(request.args.clone())),
                op => return Answer::Unsupported(op.into()),
            };
            support::ok(content)
        }
    });
    (heard, launcher)
}

#[test]
fn the_adapter_learns_nothing_about_the_case_and_the_order_follows_the_seed() {
    let numbered = || -> Vec<Case> {
        (0..50)
            .map(|n| {
                let mut case = mirror(&format!("tell-tale/{n}"));
                case.steps[0].args.insert("n".into(), n.into());
                case.why = "tell-tale".into();
                case
            })
            .collect()
    };
    let order = |seed: u64, in_order: bool| -> Vec<u64> {
        let (heard, launcher) = listener();
        let mut options = RunOptions::new(seed);
        options.workers = 1;
        options.in_order = in_order;
        let summary = run(numbered(), &launcher, &options, &mut Vec::new()).unwrap();
        assert_eq!(summary.passed, 50);
        let heard = heard.lock().unwrap();
        assert!(heard.iter().all(|request| !format!("{request:?}").contains("tell-tale")));
        heard.iter().filter_map(|request| request.args.get("n")?.as_u64()).collect()
    };
    assert_eq!(order(1, true), (0..50).collect::<Vec<u64>>());
    assert_eq!(order(1, false), order(1, false));
    assert_ne!(order(1, false), order(2, false));
    assert_ne!(order(1, false), order(1, true));
}

#[test]
fn several_workers_judge_every_case_once_and_keep_to_the_declared_instances() {
    let ran =
        run_on(&launcher(&json!({"hello": {"inflight": 4}})), mirrors(400), |options| options.workers = 4);
    let summary = ran.outcome.as_ref().unwrap();
    assert_eq!((summary.passed, summary.cases, summary.children), (400, 400, 4));
    assert_eq!(ran.cases().len(), 400);
    let one =
        run_on(&launcher(&json!({"hello": {"instances": 1}})), mirrors(40), |options| options.workers = 4);
    assert_eq!(one.outcome.unwrap().children, 1);
}
