use std::io::Write as _;
use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::{
    adapter::{Answer, InProcessLauncher, Request},
    case::{Case, Source},
    event::{CaseEvent, Event, EventWriter, RunStart, read_events},
    glob::Glob,
    schedule::{self, RunOptions},
    select::Selection,
    tally::profile_named,
    vector,
};

/// Answers hello, declares the codec's two operations and refuses everything: much of it rightly.
fn refuses(request: &Request) -> Answer {
    let object = |value: Value| value.as_object().cloned().unwrap_or_default();
    if request.op != "hello" {
        return Answer::Err { code: "decode".into(), detail: "no".into(), status: None };
    }
    let ok = object(json!({
        "acp": 1, "name": "refuser", "version": "1", "language": "rust", "specs": ["0.4"], "ops": ["decode"],
        "features": {}, "nonce": request.args.get("nonce"),
    }));
    Answer::Ok { ok, parts: Vec::new() }
}

/// Some vectors of two areas, made once.
static ALL: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let mut cases = vector::cases().unwrap();
    cases.retain(|case| case.id.starts_with("hdr/") || case.id.starts_with("kv/"));
    cases
});

fn all() -> Vec<Case> {
    ALL.clone()
}

fn selection() -> Selection {
    Selection { areas: vec!["HDR".into()], ..Selection::default() }
}

fn suite() -> Suite {
    Suite {
        version: env!("CARGO_PKG_VERSION").into(),
        digest: "d".repeat(64),
        vectors: "v".repeat(64),
        cases: all(),
        selection: selection(),
    }
}

/// The events of a run, made once.
static RUN: LazyLock<Vec<Event>> = LazyLock::new(|| {
    let mut options = RunOptions::new(1);
    options.selection = selection().describe();
    options.vectors = "v".repeat(64);
    options.scope = {
        let mut ids: Vec<String> = all().into_iter().flat_map(|case| case.requirements).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    options.probes = schedule::ProbePolicy::Record;
    let cases = selection().apply(all(), crate::requirement::Catalogue::embedded()).unwrap();
    let launcher = InProcessLauncher::new("refuser", || refuses);
    let mut events = Vec::new();
    schedule::run(cases, &launcher, &options, &mut events).unwrap();
    events
});

fn lines(events: &[Event]) -> Vec<u8> {
    let mut writer = EventWriter::new(Vec::new());
    events.iter().for_each(|event| writer.write(event).unwrap());
    writer.into_inner()
}

/// A bundle of these events whose claim says what follows from them.
fn bundle(events: &[Event]) -> Bundle {
    let events = lines(events);
    let tally = Tally::new(read_events(&events[..]).unwrap()).unwrap();
    let profile = profile_named("core").unwrap();
    let claim = Claim::of(&tally, profile, false, &"d".repeat(64), EventsName::of(&events)).unwrap();
    Bundle { claim, events }
}

fn assert_broken(bundle: &Bundle, told: &str) {
    let verified = verify(bundle, &suite());
    assert_eq!(verified.outcome, Found::Broken, "{told}: {verified:#?}");
    let findings: Vec<_> =
        verified.findings.iter().filter(|finding| finding.found == Found::Broken).collect();
    assert!(findings.iter().any(|finding| finding.told.contains(told)), "{told}: {findings:#?}");
}

/// The run with one case changed, and with the claim made anew from it: whoever forges does both.
fn with_case(change: impl Fn(&mut CaseEvent)) -> Bundle {
    let mut events = RUN.clone();
    let at =
        events.iter().position(|event| matches!(event, Event::Case(case) if case.missed() && case.ran()));
    if let Some(Event::Case(case)) = at.and_then(|at| events.get_mut(at)) {
        change(case);
    }
    bundle(&recounted(events))
}

/// The events with a summary that fits.
fn recounted(mut events: Vec<Event>) -> Vec<Event> {
    let mut counted = Summary::default();
    let selected = events.iter().filter(|event| matches!(event, Event::Case(_))).count();
    for event in &events {
        if let Event::Case(case) = event {
            counted.add(case);
        }
    }
    if let Some(Event::Summary(summary)) = events.last_mut() {
        let old = summary.clone();
        *summary = counted;
        (summary.complete, summary.selected, summary.children) = (true, selected, old.children);
        (summary.stopped, summary.duration_ms) = (old.stopped, old.duration_ms);
    }
    if let Some(Event::RunStart(start)) = events.first_mut() {
        start.cases = selected;
    }
    events
}

#[test]
fn what_was_run_holds_and_survives_the_file() {
    let bundle = bundle(&RUN);
    assert_eq!(bundle.claim.verdict, Standing::NotConformant);
    let mut file = Vec::new();
    bundle.write(&mut file).unwrap();
    let again = Bundle::read(&file[..]).unwrap();
    assert_eq!(again, bundle);
    let verified = verify(&again, &suite());
    assert_eq!(verified.outcome, Found::Holds, "{verified:#?}");
    let mut twice = Vec::new();
    bundle.write(&mut twice).unwrap();
    assert!(file == twice, "the same bundle is the same bytes");
}

#[test]
fn a_claim_that_says_something_else_is_named_by_its_field() {
    let honest = bundle(&RUN);
    type Change = fn(&mut Claim);
    let changes: [(&str, Change); 12] = [
        ("verdict is \"conformant\"", |claim| claim.verdict = Standing::Conformant),
        ("seed is 2", |claim| claim.seed = 2),
        ("started is 1 ", |claim| claim.started = 1),
        ("selection is []", |claim| claim.selection.clear()),
        ("implementation/name is \"better\"", |claim| claim.implementation.name = "better".into()),
        ("judged_as is \"-- mine\"", |claim| claim.judged_as = "-- mine".into()),
        ("profiles/0/broken is []", |claim| claim.profiles[0].broken.clear()),
        ("summary/failed is 0", |claim| claim.summary.failed = 0),
        ("specs/0 is \"0.2\"", |claim| claim.specs[0] = Spec::V02),
        ("events/sha256 is 0000", |claim| claim.events.sha256 = "0".repeat(64)),
        ("(1 bytes)", |claim| claim.events.bytes = 1),
        ("none of that name", |claim| claim.profile = "perfect".into()),
    ];
    for (told, change) in changes {
        let mut bundle = honest.clone();
        change(&mut bundle.claim);
        assert_broken(&bundle, told);
    }
    let mut strict = honest;
    strict.claim.strict = true;
    assert_broken(&strict, "profiles/");
}

#[test]
fn events_that_were_changed_with_their_claim_are_found_by_the_suite() {
    assert_eq!(verify(&with_case(|_| {}), &suite()).outcome, Found::Holds);
    assert_broken(
        &with_case(|case| case.key = "hdr/made-up@0.4".into()),
        "hdr/made-up@0.4: is not among the cases",
    );
    assert_broken(&with_case(|case| case.requirements.clear()), "`requirements` is not the case's own");
    assert_broken(
        &with_case(|case| case.source = Source::Vector { rev: 999 }),
        "`source` is not the case's own",
    );
    assert_broken(&with_case(|case| case.checks.clear()), "is missing");
    assert_broken(&with_case(|case| case.checks[0].level = crate::case::Level::May), "weighs May");
    let skipped = |case: &mut CaseEvent| {
        case.checks.iter_mut().for_each(|check| check.outcome = crate::verdict::Outcome::NotApplicable);
    };
    assert_broken(&with_case(skipped), "declares all that it needs");
    assert_broken(&with_case(|case| case.checks[0].requirements.clear()), "does not speak for");
    let doubled = |case: &mut CaseEvent| case.checks.push(case.checks[0].clone());
    assert_broken(&with_case(doubled), "stands there twice");
}

#[test]
fn a_case_that_is_left_out_or_asked_twice_is_named() {
    let at = RUN.iter().position(|event| matches!(event, Event::Case(case) if case.missed())).unwrap();
    let mut fewer = RUN.clone();
    let Event::Case(gone) = fewer.remove(at) else { unreachable!() };
    assert_broken(&bundle(&recounted(fewer)), &format!("{}: is missing", gone.key));
    let mut twice = RUN.clone();
    twice.insert(at, twice[at].clone());
    assert_broken(&bundle(&recounted(twice)), "stands there twice");
    // With the old counts, the summary does not add up either.
    let mut fewer = RUN.clone();
    fewer.remove(at);
    assert_broken(&bundle(&fewer), "summary/");
}

#[test]
fn a_start_that_was_changed_is_found() {
    let with_start = |change: fn(&mut RunStart)| {
        let mut events = RUN.clone();
        if let Some(Event::RunStart(start)) = events.first_mut() {
            change(start);
        }
        bundle(&events)
    };
    assert_broken(&with_start(|start| start.requirements.truncate(1)), "run.start/requirements");
    assert_broken(&with_start(|start| start.unselected.clear()), "run.start/unselected");
    assert_broken(&with_start(|start| start.undeclared += 1), "run.start/undeclared");
    // An adapter that declares nothing owes nothing; then it can't have been asked either.
    assert_broken(&with_start(|start| start.hello.ops.clear()), "is not asked of this adapter");
}

#[test]
fn events_that_are_no_whole_run_are_no_ground() {
    let honest = bundle(&RUN);
    let with_events = |events: Vec<u8>| {
        let mut bundle = honest.clone();
        bundle.claim.events = EventsName::of(&events);
        bundle.events = events;
        bundle
    };
    let mut cut = honest.events.clone();
    cut.truncate(cut.len() - 10);
    assert_broken(&with_events(cut), "cut off");
    let without_end = lines(&RUN[..RUN.len() - 1]);
    assert_broken(&with_events(without_end), "`summary`");
    assert_broken(&with_events(b"{\"event\":\"weather\"}\n".to_vec()), "does not know");
    assert_broken(&with_events(b"[]\n".to_vec()), "line 1");
    assert_broken(&with_events(Vec::new()), "cut off");
    let mut ahead = vec![Event::Summary(Summary::default())];
    ahead.extend(RUN.iter().cloned());
    assert_broken(&with_events(lines(&ahead)), "`summary`");
}

#[test]
fn another_suite_can_not_tell() {
    let bundle = bundle(&RUN);
    let newer = Suite { digest: "e".repeat(64), ..suite() };
    let verified = verify(&bundle, &newer);
    assert_eq!(verified.outcome, Found::Unknown);
    let told: Vec<&str> = verified.findings.iter().map(|finding| finding.told.as_str()).collect();
    assert!(told.iter().any(|told| told.contains("suite/digest is dddd")), "{told:?}");
    // A claim that contradicts its own events is broken under any suite.
    let mut forged = bundle;
    forged.claim.verdict = Standing::Conformant;
    assert_eq!(verify(&forged, &newer).outcome, Found::Broken);
}

/// A tar of these entries.
fn tarred(entries: &[(&str, Vec<u8>, tar::EntryType)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes, kind) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_entry_type(*kind);
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        if *kind == tar::EntryType::Symlink {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        tar.append(&header, &bytes[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn a_hostile_file_is_an_error_that_names_the_entry() {
    use tar::EntryType::{Regular, Symlink};
    let bundle = bundle(&RUN);
    let claim = serde_json::to_vec(&bundle.claim).unwrap();
    let events = zstd::stream::encode_all(&bundle.events[..], 1).unwrap();
    let with = |name: &str, value: Value| {
        let mut claim: Value = serde_json::from_slice(&claim).unwrap();
        claim[name] = value;
        serde_json::to_vec(&claim).unwrap()
    };
    let pair = |claim: Vec<u8>, events: Vec<u8>| {
        tarred(&[("claim.json", claim, Regular), ("events.ndjson.zst", events, Regular)])
    };
    assert!(Bundle::read(&pair(claim.clone(), events.clone())[..]).is_ok());
    let mut without = serde_json::from_slice::<Value>(&claim).unwrap();
    without.as_object_mut().unwrap().remove("seed");
    let mut torn = events.clone();
    torn.truncate(torn.len() / 2);
    let table: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "`claim.json` is missing"),
        (tarred(&[("claim.json", claim.clone(), Regular)]), "`events.ndjson.zst` is missing"),
        (tarred(&[("../claim.json", claim.clone(), Regular)]), "entry `../claim.json`: is not expected"),
        (tarred(&[("claim.json", Vec::new(), Symlink)]), "entry `claim.json`: is no plain file"),
        (
            tarred(&[("claim.json", claim.clone(), Regular), ("claim.json", claim.clone(), Regular)]),
            "stands there twice",
        ),
        (pair(vec![b' '; CLAIM_BYTES as usize + 1], events.clone()), "`claim.json` is longer than"),
        (pair(b"{}".to_vec(), events.clone()), "missing field `claim`"),
        (pair(with("claim", json!(2)), events.clone()), "`claim` is 2"),
        (pair(serde_json::to_vec(&without).unwrap(), events.clone()), "missing field `seed`"),
        (pair(with("seed", json!(-1)), events.clone()), "-1"),
        (pair(with("verdict", json!("perfect")), events.clone()), "`perfect`"),
        (pair(with("rank", json!(1)), events.clone()), "unknown field `rank`"),
        (pair(claim.clone(), torn), "events.ndjson.zst:"),
        (pair(claim.clone(), b"not zstd at all".to_vec()), "events.ndjson.zst:"),
    ];
    for (file, told) in table {
        let error = Bundle::read(&file[..]).unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
    assert!(
        Bundle::read(
            &b"no tar, but some text that is longer than one block of a tar would be".repeat(20)[..]
        )
        .is_err()
    );
}

#[test]
fn a_bomb_ends_at_the_limit() {
    // 16 MiB of nothing in some hundred bytes.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    let zeroes = vec![0; 1024 * 1024];
    (0..16).for_each(|_| encoder.write_all(&zeroes).unwrap());
    let bomb = encoder.finish().unwrap();
    let claim = serde_json::to_vec(&bundle(&RUN).claim).unwrap();
    let regular = tar::EntryType::Regular;
    let file = tarred(&[("claim.json", claim, regular), ("events.ndjson.zst", bomb, regular)]);
    let limit = 1024 * 1024;
    assert!(file.len() < 50_000, "{}", file.len());
    let read = Bundle::read_within(&file[..], limit);
    assert!(matches!(read, Err(BundleError::TooLong { name: "events.ndjson.zst", limit: 1_048_576 })));
}

#[test]
fn a_claim_for_some_cases_says_nothing() {
    let mut events = RUN.clone();
    if let Some(Event::RunStart(start)) = events.first_mut() {
        start.selection.push(format!("--id {}", Glob::new("hdr").as_str()));
    }
    // The verdict of a narrowed run that broke something stays "not conformant"; none can ever be "conformant".
    assert_ne!(bundle(&events).claim.verdict, Standing::Conformant);
}
