//! What must hold for all generated cases.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use super::*;
use crate::case::{Expect, PartData, Step};
use crate::dissect;
use crate::requirement::{Catalogue, area_of};

const SPECS: [Spec; 2] = [Spec::V02, Spec::V04];
const SEED: u64 = 11;
/// Cases an area: a quarter of the usual ones.
const PER_AREA: u32 = 500;

/// The cases of one seed, made once for all tests.
fn cases(spec: Spec) -> &'static [Case] {
    static CASES: LazyLock<[Vec<Case>; 2]> =
        LazyLock::new(|| SPECS.map(|spec| generated(spec, SEED, PER_AREA)));
    &CASES[usize::from(spec == Spec::V04)]
}

fn bytes_of(step: &Step, name: &str) -> Option<Vec<u8>> {
    let part = step.parts.iter().find(|part| part.name == name)?;
    match &part.data {
        PartData::Bytes(bytes) => Some(bytes.to_vec()),
        PartData::FromStep { .. } => None,
    }
}

#[test]
fn ids_are_unique_and_the_volume_is_as_intended() {
    for spec in SPECS {
        let cases = cases(spec);
        let ids: HashSet<_> = cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids.len(), cases.len());
        assert!((4000..=9000).contains(&cases.len()), "{}", cases.len());
        for case in cases {
            assert!(
                !case.requirements.is_empty() && !case.why.is_empty() && !case.steps.is_empty(),
                "{}",
                case.id
            );
            assert!(
                case.steps.iter().all(|step| step.parts.iter().all(|p| !p.name.is_empty())),
                "{}",
                case.id
            );
            assert!(case.level.is_none() || case.ambiguity.is_some(), "{}", case.id);
        }
    }
}

#[test]
fn a_case_can_be_made_again_from_its_id() {
    for spec in SPECS {
        for case in cases(spec).iter().step_by(7) {
            assert_eq!(generated_case(&case.id, spec, SEED).as_ref(), Some(case));
        }
    }
    assert_eq!(generated_case("gen/nothing/0", Spec::V04, 1), None);
    assert_eq!(generated_case("hdr/magic", Spec::V04, 1), None);
    assert!(generated_case("gen/bit-flip/0", Spec::V02, 1).is_none());
}

#[test]
fn every_area_has_as_many_cases_as_asked_for() {
    let mut areas: BTreeMap<&str, u32> = BTreeMap::new();
    for case in SPECS.into_iter().flat_map(cases) {
        let of: BTreeSet<&str> = case.requirements.iter().map(|id| area_of(id)).collect();
        of.into_iter().for_each(|area| *areas.entry(area).or_default() += 1);
    }
    for area in Catalogue::embedded().areas() {
        let (code, count) = (area.code.as_str(), areas.get(area.code.as_str()).copied().unwrap_or(0));
        let fewer = FEWER.iter().any(|(named, _)| *named == code);
        assert_eq!(count < PER_AREA, fewer, "{code}: {count} cases");
        assert!(count > 0, "{code}: no cases");
        // Where properties speak for two areas, one of them gets more; far more would be wasted time.
        assert!(count <= 3 * PER_AREA, "{code}: {count} cases");
    }
}

#[test]
fn more_cases_are_the_same_and_further_ones() {
    let (few, many) = (generated(Spec::V04, SEED, 20), generated(Spec::V04, SEED, 23));
    let held: HashMap<&str, &Case> = many.iter().map(|case| (case.id.as_str(), case)).collect();
    assert!(few.len() < many.len());
    assert!(few.iter().all(|case| held.get(case.id.as_str()) == Some(&case)));
    assert!(generated(Spec::V04, SEED, 0).is_empty());
}

#[test]
fn another_seed_makes_other_cases() {
    let (one, two) = (cases(Spec::V04), generated(Spec::V04, SEED + 1, PER_AREA));
    assert_eq!(one.len(), two.len());
    let same = one.iter().zip(&two).filter(|(a, b)| a.steps == b.steps).count();
    assert!(same * 20 < one.len(), "{same} of {}", one.len());
}

#[test]
fn every_requirement_named_is_in_the_catalogue() {
    let catalogue = include_str!("../../../vectors/requirements.yaml");
    for spec in SPECS {
        for case in cases(spec) {
            for id in &case.requirements {
                assert!(catalogue.contains(&format!("- id: {id}\n")), "{id} in {}", case.id);
            }
        }
    }
}

/// Expectations of `decode` come from how a message was made; the dissector must come to the same.
#[test]
fn the_dissector_agrees_with_every_expectation_of_decode() {
    let mut seen = [0, 0];
    for spec in SPECS {
        for case in cases(spec) {
            for step in case.steps.iter().filter(|step| step.op == "decode") {
                let Some(bytes) = bytes_of(step, "message") else { continue };
                let done = dissect::message_within(&bytes, spec, dissect::Limits { max_payload: 64 << 20 });
                match &step.expect {
                    Expect::Reject(codes) => {
                        seen[0] += 1;
                        let found = done.faults.first().map(|fault| fault.class.as_str());
                        assert_eq!(
                            found,
                            codes.first().map(String::as_str),
                            "{}: {:?}",
                            case.id,
                            done.faults
                        );
                    }
                    Expect::Ok { ok, parts, .. } => {
                        seen[1] += 1;
                        assert_eq!(done.faults, [], "{}", case.id);
                        let json = done.metadata_json().unwrap();
                        for (key, value) in ok["metadata"].as_object().unwrap() {
                            assert_eq!(&json[key], value, "{} {key}", case.id);
                        }
                        let crate::case::PartContent::Bytes(payload) = &parts[0].content else { panic!() };
                        assert_eq!(done.payload.as_deref(), Some(&payload[..]), "{}", case.id);
                    }
                    // Nothing is expected of the answer by itself: see `metamorphic`.
                    Expect::Alive => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert!(seen[0] > 400 && seen[1] > 400, "{seen:?}");
}

#[test]
fn the_dissector_refuses_every_cache_that_is_to_be_refused() {
    for spec in SPECS {
        for case in cases(spec) {
            for step in case.steps.iter().filter(|step| step.op == "kv_decode") {
                let Some(bytes) = bytes_of(step, "kv") else { continue };
                if step.expect == Expect::Alive {
                    continue;
                }
                let refused = !dissect::kv(&bytes).faults.is_empty();
                assert_eq!(refused, matches!(step.expect, Expect::Reject(_)), "{}", case.id);
            }
        }
    }
}

/// Contexts, too: what is to be accepted has no fault, what is to be refused has one, and what is to be answered is what
/// the dissector reads.
#[test]
fn the_dissector_agrees_with_every_expectation_of_contexts() {
    let mut seen = [0; 3];
    for spec in SPECS {
        for case in cases(spec) {
            for step in case.steps.iter().filter(|step| step.op == "context_from_bytes") {
                let Some(bytes) = bytes_of(step, "message") else { continue };
                let read = dissect::context(&bytes, spec);
                match &step.expect {
                    Expect::Ok { ok, .. } => {
                        seen[0] += 1;
                        assert_eq!(read.answer().as_ref(), Some(ok), "{}: {:?}", case.id, read.faults);
                    }
                    Expect::Reject(_) => {
                        seen[1] += 1;
                        assert!(!read.faults.is_empty(), "{}", case.id);
                    }
                    Expect::Either(_) => {
                        seen[2] += 1;
                        assert_eq!(read.held, Some(dissect::Held::Hidden), "{}", case.id);
                    }
                    // Bytes that only have to be survived.
                    Expect::Alive => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert!(seen.iter().all(|&count| count > 20), "{seen:?}");
}

/// Properties must not consist of one outcome: a mutation that always breaks a message tests nothing else.
#[test]
fn random_cases_have_both_outcomes() {
    let cases = cases(Spec::V04);
    let outcomes = |name: &str| {
        let of = cases.iter().filter(|case| case.id.starts_with(&format!("gen/{name}/")));
        let refused = of.clone().filter(|case| matches!(case.steps[0].expect, Expect::Reject(_))).count();
        (refused, of.count())
    };
    let (refused, all) = outcomes("mutated");
    assert!(refused * 4 > all && refused * 10 < all * 9, "{refused} of {all}");
    // One rule in six speaks for few of them.
    let resolve =
        (0..256).filter_map(|index| generated_case(&format!("gen/resolve/{index}"), Spec::V04, SEED));
    let resolved: HashSet<_> = resolve.map(|case| case.requirements[1].clone()).collect();
    assert_eq!(resolved.len(), 6, "{resolved:?}");
}

/// Forms that are said to mean the same are the same to the dissector too, and differ in their bytes.
#[test]
fn forms_of_one_message_mean_the_same_to_the_dissector() {
    let mut seen = 0;
    for spec in SPECS {
        for case in cases(spec).iter().filter(|case| case.id.starts_with("gen/same-")) {
            let forms: Vec<Vec<u8>> =
                case.steps.iter().filter_map(|step| bytes_of(step, "message")).collect();
            let Some((first, others)) = forms.split_first() else { continue };
            if case.relation.as_ref().is_some_and(|relation| relation.joined.is_some()) {
                continue;
            }
            let said = |bytes: &[u8]| {
                let done = dissect::message(bytes, spec);
                assert_eq!(done.faults, [], "{}", case.id);
                let mut metadata = done.metadata_json().unwrap();
                metadata.shift_remove("compression");
                (metadata, done.payload.map(Cow::into_owned))
            };
            for form in others {
                assert_eq!(said(first), said(form), "{}", case.id);
                seen += usize::from(first != form);
            }
        }
    }
    assert!(seen > 1000, "{seen}");
}
