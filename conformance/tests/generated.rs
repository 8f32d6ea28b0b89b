//! The reference implementation against all generated cases, through real frames, in this process.
//! `AVP_GENERATED_SEEDS` sets how many seeds are tried.

#![cfg(feature = "reference")]
#![allow(clippy::unwrap_used, reason = "a test")]

use avp_conformance::adapter::{
    Answer, FrameReader, Framing, InProcessLauncher, Request, parse_answer, write_request,
};
use avp_conformance::build::SplitMix64;
use avp_conformance::case::{Case, Spec};
use avp_conformance::check::{choices, from_choices, generated};
use avp_conformance::event::{CaseEvent, Event};
use avp_conformance::schedule::{RunOptions, run};
use avp_conformance::verdict::Outcome;

/// The adapter of the reference, asked one frame at a time.
fn reference(request: &Request) -> Answer {
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    write_request(&mut asked, Framing::Raw, 1, request).unwrap();
    avp::adapter::serve(&asked[..], &mut answered).unwrap();
    let frame = FrameReader::new(&answered[..], Framing::Raw).next_frame().unwrap().unwrap();
    parse_answer(frame).unwrap().1
}

/// Cases an area: a quarter of the usual ones, since this is a debug build.
const PER_AREA: u32 = 500;

fn case_events(cases: Vec<Case>, seed: u64) -> Vec<CaseEvent> {
    let launcher = InProcessLauncher::new("reference", || reference);
    let mut events = Vec::new();
    let options = RunOptions { timeout_scale: 20.0, ..RunOptions::new(seed) };
    run(cases, &launcher, &options, &mut events).unwrap();
    let cases = events.into_iter().filter_map(|event| match event {
        Event::Case(case) => Some(*case),
        _ => None,
    });
    cases.collect()
}

fn passes_everything(spec: Spec, seed: u64) {
    let cases = case_events(generated(spec, seed, PER_AREA), seed);
    assert!(cases.len() > 2000);
    passes(&cases);
}

fn passes(cases: &[CaseEvent]) {
    let mut missed = Vec::new();
    for case in cases {
        for check in case.checks.iter().filter(|check| check.missed()) {
            missed.push(format!(
                "{}#{} {:?}: expected {}, actual {}: {}",
                case.key, check.name, check.outcome, check.expected, check.actual, check.note
            ));
        }
    }
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed[..missed.len().min(60)].join("\n"));
    // Memory is not measured in this process; everything else must have been asked.
    let checks = cases.iter().flat_map(|case| &case.checks).filter(|check| check.name != "memory");
    let (asked, all) = checks.fold((0, 0), |(asked, all), check| {
        (asked + usize::from(check.outcome != Outcome::NotApplicable), all + 1)
    });
    assert!(asked * 100 >= all * 97, "only {asked} of {all} checks were asked");
}

fn seeds() -> std::ops::RangeInclusive<u64> {
    let count = std::env::var("AVP_GENERATED_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    1..=count
}

#[test]
fn the_reference_passes_under_0_4() {
    seeds().for_each(|seed| passes_everything(Spec::V04, seed));
}

#[test]
fn the_reference_passes_under_0_2() {
    seeds().for_each(|seed| passes_everything(Spec::V02, seed));
}

/// What a shrinking case may become: its choices cut short, with runs of them taken out or zeroed, or single ones lowered.
fn simpler(case: &Case, seed: u64) -> Option<Case> {
    let mut choices = choices(&case.id, case.spec, seed)?;
    let name = case.key().bytes().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mut random = SplitMix64::new(name);
    for _ in 0..1 + random.below(3) {
        if choices.is_empty() {
            break;
        }
        let from = random.below(choices.len());
        let to = from + 1 + random.below(choices.len() - from);
        match random.below(4) {
            0 => choices.truncate(from),
            1 => _ = choices.drain(from..to),
            2 => choices[from..to].fill(0),
            _ => choices[from] = random.below(choices[from].max(1).try_into().unwrap_or(usize::MAX)) as u64,
        }
    }
    from_choices(&case.id, case.spec, seed, &choices)
}

/// A case that shrinks must stay a case: what it expects must be what its smaller inputs make right.
fn passes_what_is_simpler(spec: Spec, seed: u64) {
    let all = generated(spec, seed, PER_AREA);
    // Half of them, since each costs as much as in the tests above.
    let all: Vec<Case> = all.into_iter().step_by(2).collect();
    let cases: Vec<Case> = all.iter().filter_map(|case| simpler(case, seed)).collect();
    assert!(cases.len() * 10 > all.len() * 8, "{} of {} can be made simpler", cases.len(), all.len());
    passes(&case_events(cases, seed));
}

#[test]
fn the_reference_passes_what_shrinking_makes_of_cases() {
    for seed in seeds() {
        passes_what_is_simpler(Spec::V04, seed);
        passes_what_is_simpler(Spec::V02, seed);
    }
}
