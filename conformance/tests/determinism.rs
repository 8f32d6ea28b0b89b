//! One seed, one result: the same verdicts and the same bytes of every report on two runs, and from any number of parts.

#![cfg(feature = "reference")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::LazyLock;

use avp_conformance::adapter::{
    Answer, FrameReader, Framing, InProcessLauncher, Request, parse_answer, write_request,
};
use avp_conformance::case::{Case, Spec};
use avp_conformance::check::generated;
use avp_conformance::event::Event;
use avp_conformance::report::{self, Subject, text::Layout};
use avp_conformance::requirement::Catalogue;
use avp_conformance::schedule::{RunOptions, run};
use avp_conformance::select::{Selection, Shard};
use avp_conformance::tally::{Tally, merge};
use avp_conformance::vector;

/// Generated cases an area: some of every property.
const PER_AREA: u32 = 8;
/// Of the golden vectors, those of areas that wait for nothing.
const AREAS: [&str; 4] = ["hdr/", "kv/", "hash/", "json/"];

/// The reference, but that it sizes caches of many layers wrongly and takes every second broken cache, so that there is
/// something to report.
fn wrong(request: &Request) -> Answer {
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    write_request(&mut asked, Framing::Raw, 1, request).unwrap();
    avp::adapter::serve(&asked[..], &mut answered).unwrap();
    let frame = FrameReader::new(&answered[..], Framing::Raw).next_frame().unwrap().unwrap();
    let mut answer = parse_answer(frame).unwrap().1;
    match (&mut answer, request.op.as_str()) {
        (Answer::Ok { ok, .. }, "kv_size") if request.args["num_layers"].as_u64() > Some(64) => {
            ok.insert("bytes".into(), 7.into());
        }
        (Answer::Err { code, .. }, "kv_decode") if request.parts[0].bytes.len().is_multiple_of(2) => {
            "transport".clone_into(code);
        }
        _ => {}
    }
    answer
}

fn cases() -> Vec<Case> {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(make);
    CASES.clone()
}

fn make() -> Vec<Case> {
    let vectors = vector::cases().unwrap().into_iter();
    let vectors = vectors.filter(|case| AREAS.iter().any(|area| case.id.starts_with(area)));
    let made = [Spec::V02, Spec::V04].into_iter().flat_map(|spec| generated(spec, 3, PER_AREA));
    // What servers answer holds ports, sessions and dates of their own.
    vectors.chain(made).filter(|case| !case.id.starts_with("gen/http-")).collect()
}

/// The events of one part of a run, or of all of it.
fn events(shard: Option<Shard>, workers: usize) -> Vec<Event> {
    let selection = Selection { shard, ..Selection::default() };
    let scope = cases().iter().flat_map(|case| case.requirements.clone()).collect();
    let cases = selection.apply(cases(), Catalogue::embedded()).unwrap();
    let mut events = Vec::new();
    let options = RunOptions {
        timeout_scale: 20.0,
        workers,
        scope,
        selection: selection.describe(),
        ..RunOptions::new(3)
    };
    run(cases, &InProcessLauncher::new("wrong", || wrong), &options, &mut events).unwrap();
    events.into_iter().map(Event::without_times).collect()
}

/// Every form of report, with its name.
fn reports(events: Vec<Event>) -> Vec<(&'static str, String)> {
    let tally = Tally::new(events).unwrap();
    let subject = Subject::new(&tally);
    assert!(!tally.failures(false).collect::<Vec<_>>().is_empty(), "nothing to report");
    vec![
        ("text", report::text::render(&subject, &Layout::default(), true)),
        ("json", report::json::render(&subject).unwrap()),
        ("junit", report::junit::render(&subject).unwrap()),
        ("markdown", report::markdown::render(&subject)),
        ("sarif", report::sarif::render(&subject).unwrap()),
        ("badge", report::badge::render(&subject)),
        ("html", report::html::render(&subject)),
        ("summary", report::github::summary(&subject)),
        ("annotations", report::github::annotations(&subject).join("\n")),
    ]
}

fn assert_same(what: &str, ours: &[(&str, String)], theirs: &[(&str, String)]) {
    for ((form, ours), (_, theirs)) in ours.iter().zip(theirs) {
        let differs = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
        assert!(ours == theirs, "{what}: {form} differs: {differs:?}");
    }
}

#[test]
fn two_runs_of_one_seed_give_the_same_bytes_whatever_the_number_of_workers() {
    let first = reports(events(None, 1));
    assert_same("one worker and three", &first, &reports(events(None, 3)));
    assert_same("three workers again", &first, &reports(events(None, 3)));
}

#[test]
fn parts_of_any_number_merge_to_the_whole() {
    let whole = reports(events(None, 2));
    for count in [1, 2, 3, 7] {
        let parts = (0..count).map(|index| events(Some(Shard { index, count }), 2));
        let merged = merge(parts).unwrap().into_iter().map(Event::without_times).collect();
        assert_same(&format!("{count} parts"), &whole, &reports(merged));
    }
}
