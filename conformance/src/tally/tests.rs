use super::*;

#[test]
fn each_requirement_gets_the_worst_of_its_checks() {
    let tally = sample::tally();
    let status = |id: &str| tally.requirement(id).unwrap().status;
    assert_eq!(status("AVP-HDR-001"), Status::Pass);
    assert_eq!(status("AVP-HDR-003"), Status::Info);
    assert_eq!(status("AVP-HDR-019"), Status::Fail);
    assert_eq!(status("AVP-KV-001"), Status::Fail);
    assert_eq!(status("AVP-SES-001"), Status::NotRun);
    assert_eq!(status("AVP-JSON-001"), Status::NotRun);
}

#[test]
fn a_requirement_is_never_judged_above_its_own_weight() {
    let mut case = sample::case(
        "hdr/x",
        "AVP-HDR-002",
        vec![sample::check("rejects", Outcome::Fail, Level::Must, "AVP-HDR-002")],
    );
    case.checks[0].requirements.push("AVP-HDR-003".into());
    let tally = Tally::new(sample::stream(sample::start(), vec![case])).unwrap();
    assert_eq!(tally.requirement("AVP-HDR-002").unwrap().status, Status::Fail);
    assert_eq!(tally.requirement("AVP-HDR-003").unwrap().status, Status::Warn);
}

#[test]
fn the_ambiguity_list_may_weigh_a_case_above_its_requirement() {
    let case = sample::case(
        "hdr/x",
        "AVP-HDR-003",
        vec![sample::check("rejects", Outcome::Fail, Level::Must, "AVP-HDR-003")],
    );
    let tally = Tally::new(sample::stream(sample::start(), vec![case])).unwrap();
    assert_eq!(tally.requirement("AVP-HDR-003").unwrap().status, Status::Fail);
}

#[test]
fn generated_misses_join_the_vectors_that_broke_the_same() {
    let mut vector = sample::case(
        "hdr/x",
        "AVP-HDR-002",
        vec![sample::check("rejects", Outcome::Fail, Level::Must, "AVP-HDR-002")],
    );
    vector.bug = Some("magic-unchecked".into());
    let generated = |id: &str, requirement: &str| {
        let checks = vec![sample::check("rejects", Outcome::Fail, Level::Must, requirement)];
        let mut case = sample::case(id, requirement, checks);
        case.source = crate::case::Source::Generated { seed: 1, index: 0 };
        case.bug = Some("fault-accepted".into());
        case
    };
    let cases =
        vec![vector, generated("gen/fault/1", "AVP-HDR-002"), generated("gen/fault/2", "AVP-HDR-019")];
    let tally = Tally::new(sample::stream(sample::start(), cases)).unwrap();
    let causes = tally.causes();
    let found: Vec<_> = causes.iter().map(|cause| (cause.name, cause.misses.len())).collect();
    assert_eq!(found, [("magic-unchecked", 2), ("fault-accepted", 1)]);
    assert_eq!(causes[0].misses[0].case.id, "hdr/x");
}

#[test]
fn what_a_crash_breaks_is_there_though_no_case_names_it() {
    let mut case = sample::case(
        "hdr/x",
        "AVP-HDR-003",
        vec![sample::check("alive", Outcome::Crash, Level::Must, "AVP-SEC-012")],
    );
    let listed = |case: &CaseEvent| {
        let tally = Tally::new(sample::stream(sample::start(), vec![case.clone()])).unwrap();
        tally.requirement("AVP-SEC-012").map(|verdict| verdict.status)
    };
    assert_eq!(listed(&case), Some(Status::Fail));
    case.checks[0].outcome = Outcome::Pass;
    assert_eq!(listed(&case), None);
}

#[test]
fn areas_add_up() {
    let tally = sample::tally();
    let areas = tally.areas();
    let codes: Vec<&str> = areas.iter().map(|area| area.code.as_str()).collect();
    assert_eq!(codes, ["HDR", "KV", "SES", "JSON"]);
    let hdr = &areas[0];
    assert_eq!((hdr.pass, hdr.fail, hdr.warn, hdr.info, hdr.not_run), (2, 1, 0, 1, 0));
    assert_eq!((hdr.checks, hdr.missed), (5, 2));
    assert_eq!(areas.iter().map(AreaVerdict::requirements).sum::<usize>(), tally.requirements.len());
}

#[test]
fn causes_come_weightiest_first_and_keep_all_their_checks() {
    let tally = sample::tally();
    let causes = tally.causes();
    let names: Vec<&str> = causes.iter().map(|cause| cause.name).collect();
    assert_eq!(names, ["metadata-length-unchecked", "AVP-KV-001", "kv-count-unchecked"]);
    assert_eq!(causes[0].misses.len(), 2);
    assert_eq!(causes[0].cases(), 1);
    assert_eq!(causes[0].misses[0].check.name, "rejects");
    let missed = tally.checks().filter(|(_, check)| check.missed()).count();
    assert_eq!(causes.iter().map(|cause| cause.misses.len()).sum::<usize>(), missed);
}

#[test]
fn profiles_tell_broken_from_unverified_from_unasked() {
    let tally = sample::tally();
    let standings: Vec<_> =
        tally.profiles(false).into_iter().map(|verdict| (verdict.name, verdict.standing)).collect();
    assert_eq!(
        standings,
        [
            ("core", Standing::NotConformant),
            ("kv", Standing::NotConformant),
            ("handshake", Standing::Incomplete),
            ("full", Standing::NotConformant),
        ]
    );
    let good = || vec![sample::cases().remove(0)];
    let standing = |start: RunStart| {
        let tally = Tally::new(sample::stream(start, good())).unwrap();
        tally.profile(&PROFILES[0], false).unwrap().standing
    };
    let mut start = sample::start();
    start.requirements.retain(|brief| brief.id == "AVP-HDR-001");
    assert_eq!(standing(start.clone()), Standing::Conformant);
    start.unselected = vec!["AVP-KV-001".into()];
    assert_eq!(standing(start.clone()), Standing::Conformant);
    start.unselected = vec!["AVP-HDR-002".into()];
    assert_eq!(standing(start.clone()), Standing::NotJudged);
    start.unselected = Vec::new();
    start.selection = vec!["--id hdr/magic".into()];
    assert_eq!(standing(start), Standing::NotJudged);
}

#[test]
fn the_binding_is_asked_of_those_who_declare_it() {
    let tally = |ops: &[&str], outcome| {
        let mut start = sample::start();
        start.hello.ops = ops.iter().map(|op| (*op).to_owned()).collect();
        let known = Catalogue::embedded().get("AVP-HTTP-006").unwrap();
        start.requirements = vec![brief_of(known)];
        let checks = vec![sample::check("accepts", outcome, Level::Must, "AVP-HTTP-006")];
        let mut case = sample::case("http/transmit/accepts/plain", "AVP-HTTP-006", checks);
        case.ops = vec!["serve".into(), "peer_request".into()];
        Tally::new(sample::stream(start, vec![case])).unwrap()
    };
    let http = profile_named("http").unwrap();
    let standing = |tally: &Tally| tally.profile(http, false).unwrap().standing;
    let passed = tally(&["serve"], Outcome::Pass);
    assert!(passed.requirements[0].required);
    assert_eq!(standing(&passed), Standing::Conformant);
    let left_out = tally(&["serve"], Outcome::NotApplicable);
    assert!(left_out.requirements[0].required);
    assert_eq!(standing(&left_out), Standing::Incomplete);
    // Without a server there is nothing to judge: that is no fault, and no conformance either.
    let codec = tally(&["decode"], Outcome::NotApplicable);
    assert!(!codec.requirements[0].required);
    assert_eq!(standing(&codec), Standing::Incomplete);
}

#[test]
fn a_stream_that_was_cut_off_is_never_conformant() {
    let mut events = sample::stream(sample::start(), vec![sample::cases().remove(0)]);
    events.pop();
    let tally = Tally::new(events).unwrap();
    assert!(!tally.is_complete());
    assert!(tally.profiles(false).iter().all(|verdict| verdict.standing != Standing::Conformant));
}

#[test]
fn other_streams_are_refused() {
    assert_eq!(Tally::new([]).unwrap_err(), TallyError::NoStart);
    let start = || Event::RunStart(Box::new(sample::start()));
    assert_eq!(Tally::new([start(), start()]).unwrap_err(), TallyError::SecondStart);
    let mut later = sample::start();
    later.version += 1;
    let error = Tally::new([Event::RunStart(Box::new(later))]).unwrap_err();
    assert!(matches!(error, TallyError::Version { .. }));
}

#[test]
fn total_failure_is_told_apart() {
    let fail = |n: usize| {
        let checks = vec![sample::check("accepts", Outcome::Fail, Level::Must, "AVP-HDR-001")];
        sample::case(&format!("hdr/{n}"), "AVP-HDR-001", checks)
    };
    let tally = |cases| Tally::new(sample::stream(sample::start(), cases)).unwrap();
    assert!(tally((0..12).map(fail).collect()).everything_fails());
    assert!(!tally((0..3).map(fail).collect()).everything_fails());
    let mut mixed: Vec<_> = (0..12).map(fail).collect();
    mixed.push(sample::cases().remove(0));
    assert!(!tally(mixed).everything_fails());
}
