//! Tensors within a tolerance, and the files that a case leaves.

use super::*;
use crate::case::{CloseTensor, Within};

fn bytes(values: &[f32]) -> std::sync::Arc<[u8]> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn near(shape: &[u64], values: &[f32], within: Within) -> CloseTensor {
    CloseTensor { shape: shape.to_vec(), values: bytes(values), through: None, within }
}

fn check(expected: CloseTensor, answered: Blob) -> Check {
    let parts = vec![ExpectPart { name: "out".into(), content: PartContent::Close(expected) }];
    let expect = Expect::Ok { ok: Map::new(), should: Map::new(), parts };
    run_one(expect, ok(json!({}), vec![answered])).remove(1)
}

fn answered(values: &[f32]) -> Blob {
    Blob { name: "out".into(), dtype: Some("f32".into()), shape: None, bytes: bytes(values) }
}

#[test]
fn each_tolerance_speaks_for_itself() {
    let all = Within::default();
    let (frobenius, rows) = (Within { frobenius: Some(1e-2), ..all }, Within { rows: Some(1e-2), ..all });
    let (cosine, norms) = (Within { cosine: Some(0.999), ..all }, Within { norms: Some(1e-2), ..all });
    // A long row and a short one.
    let wanted = [300.0, 400.0, 0.3, 0.4];
    for (within, actual, holds) in [
        (frobenius, [300.0, 400.0, 0.3, 0.4], true),
        (frobenius, [301.0, 400.0, 0.0, 0.0], true),
        (frobenius, [310.0, 400.0, 0.3, 0.4], false),
        (rows, [301.0, 400.0, 0.3, 0.4], true),
        (rows, [300.0, 400.0, 0.3, 0.5], false),
        (cosine, [600.0, 800.0, 0.003, 0.004], true),
        (cosine, [400.0, 300.0, 0.3, 0.4], false),
        (cosine, [-300.0, -400.0, 0.3, 0.4], false),
        (cosine, [0.0, 0.0, 0.3, 0.4], false),
        (norms, [500.0, 0.0, 0.0, -0.5], true),
        (norms, [500.0, 0.0, 0.0, -0.6], false),
        (norms, [500.0, 0.0, 0.0, 0.0], false),
        (Within { cosine: Some(0.999), ..norms }, [600.0, 800.0, 0.3, 0.4], false),
        (frobenius, [300.0, 400.0, 0.3, f32::NAN], false),
        (rows, [f32::INFINITY, 400.0, 0.3, 0.4], false),
    ] {
        let check = check(near(&[2, 2], &wanted, within), answered(&actual));
        assert_eq!(check.outcome == Outcome::Pass, holds, "{within:?} on {actual:?}: {check:?}");
    }
}

#[test]
fn zeros_are_met_by_zeros() {
    let within = Within { rows: Some(0.1), cosine: Some(0.9), norms: Some(0.1), frobenius: Some(0.1) };
    for (actual, holds) in [([0.0, -0.0], true), ([0.0, 1e-13], true), ([0.0, 1e-6], false)] {
        for within in [
            within,
            Within { rows: None, ..within },
            Within { frobenius: None, rows: None, norms: None, ..within },
            Within { frobenius: None, rows: None, cosine: None, ..within },
        ] {
            let check = check(near(&[1, 2], &[0.0; 2], within), answered(&actual));
            assert_eq!(check.outcome == Outcome::Pass, holds, "{within:?} on {actual:?}");
        }
    }
}

#[test]
fn element_types_and_shapes() {
    let within = Within { rows: Some(1e-2), ..Within::default() };
    let expected = || near(&[1, 2], &[1.0, -2.0], within);
    let blob = |dtype: Option<&str>, shape: Option<&[u64]>, bytes: &[u8]| Blob {
        name: "out".into(),
        dtype: dtype.map(Into::into),
        shape: shape.map(<[u64]>::to_vec),
        bytes: bytes.into(),
    };
    let f64s: Vec<u8> = [1.0f64, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    for (blob, holds) in [
        (blob(None, None, &bytes(&[1.0, -2.0])), true),
        (blob(Some("f64"), Some(&[1, 2]), &f64s), true),
        (blob(Some("f16"), Some(&[1, 2]), &[0, 0x3c, 0, 0xc0]), true),
        (blob(Some("bf16"), Some(&[1, 2]), &[0x80, 0x3f, 0, 0xc0]), true),
        (blob(Some("f32"), Some(&[2, 1]), &bytes(&[1.0, -2.0])), false),
        (blob(Some("f32"), None, &bytes(&[1.0])), false),
        (blob(Some("f32"), None, &bytes(&[1.0, -2.0, 0.0])), false),
        (blob(Some("i8"), Some(&[1, 2]), &[1, 0xfe]), false),
        (blob(Some("f32"), Some(&[1, 2]), &[]), false),
    ] {
        let check = check(expected(), blob.clone());
        assert_eq!(check.outcome == Outcome::Pass, holds, "{blob:?}: {check:?}");
    }
    // 16 bits are rounded once: 1/3 is 0.333984375 in bfloat16, 0.2 % off.
    let third =
        || near(&[1, 1], &[1.0 / 3.0], Within { rows: Some(1e-4), norms: Some(1e-5), ..Within::default() });
    assert_eq!(check(third(), blob(Some("bf16"), None, &[0xab, 0x3e])).outcome, Outcome::Pass);
    assert_eq!(check(third(), blob(Some("bf16"), None, &[0xad, 0x3e])).outcome, Outcome::Fail);
    assert_eq!(check(third(), blob(Some("f32"), None, &bytes(&[0.333_984_38]))).outcome, Outcome::Fail);
    // No rows at all are near to no rows.
    let none = check(near(&[0, 2], &[], within), answered(&[]));
    assert_eq!(none.outcome, Outcome::Pass);
}

#[test]
fn what_a_matrix_hides_does_not_count() {
    let within = Within { frobenius: Some(1e-3), ..Within::default() };
    let through = Some((vec![1, 2], bytes(&[1.0, 0.0])));
    let expected = CloseTensor { through, ..near(&[2, 1], &[5.0, 7.0], within) };
    assert_eq!(check(expected.clone(), answered(&[5.0, -900.0])).outcome, Outcome::Pass);
    assert_eq!(check(expected, answered(&[5.1, 7.0])).outcome, Outcome::Fail);
}

#[test]
fn every_file_fits_a_pattern_and_every_pattern_a_file() {
    let mut case = case_of(vec![step("x", expect_ok(json!({})))]);
    for (patterns, files, outcome) in [
        (&["a/*"][..], Some(&["a/x", "a/y"][..]), Outcome::Pass),
        (&["a/*"], Some(&["a/x", "b"]), Outcome::Fail),
        (&["a/*", "b"], Some(&["a/x"]), Outcome::Fail),
        (&[], Some(&[]), Outcome::Pass),
        (&[], Some(&["x"]), Outcome::Fail),
        (&["a/*"], None, Outcome::NotApplicable),
    ] {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        case.steps[0].files = Some(owned(patterns));
        let observed = Observed { files: files.map(owned), ..ok(json!({}), vec![]) };
        let checks = run(&case, &[observed]);
        let found = checks.iter().find(|check| check.name == "files").unwrap();
        assert_eq!(found.outcome, outcome, "{patterns:?} on {files:?}: {}", found.note);
    }
}
