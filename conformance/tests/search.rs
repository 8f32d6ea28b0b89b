//! Inputs that bring numeric answers far from the oracle's are found, and the budget is kept.

use avp_conformance::adapter::{Answer, Blob, InProcessLauncher, Request};
use avp_conformance::case::{Dtype, Spec};
use avp_conformance::oracle::{Matrix, normalized};
use avp_conformance::schedule::RunOptions;
use avp_conformance::search::{Plan, search};
use serde_json::{Value, json};

/// Answers `normalize` rightly, but that each number is off by a little for every column and row that the input has: bad
/// where inputs are large, and never by as much as a check would notice.
fn sloppy(request: &Request) -> Answer {
    let ok = |content: Value, parts: Vec<Blob>| match content {
        Value::Object(ok) => Answer::Ok { ok, parts },
        _ => Answer::Fault("no object".into()),
    };
    match request.op.as_str() {
        "hello" => {
            let ops = ["normalize"];
            ok(json!({"acp": 1, "name": "sloppy", "specs": ["0.4"], "ops": ops, "features": {}}), Vec::new())
        }
        "normalize" => {
            let hidden = &request.parts[0];
            let shape = hidden.shape.clone().unwrap_or_default();
            let target = request.args.get("target_norm").and_then(Value::as_f64).unwrap_or(1.0);
            let Some(matrix) = Matrix::of_bytes(Dtype::F32, &shape, &hidden.bytes) else {
                return Answer::Fault("no tensor".into());
            };
            let size = (matrix.rows * matrix.cols) as f64;
            let mut made = normalized(&matrix, target);
            made.values.iter_mut().for_each(|value| *value *= 1.0 + size * 1e-8);
            let bytes = made.to_f32_bytes().into();
            let out = Blob { name: "out".into(), dtype: Some("f32".into()), shape: Some(shape), bytes };
            ok(json!({}), vec![out])
        }
        other => Answer::Unsupported(other.to_owned()),
    }
}

#[test]
fn the_worst_is_found_within_the_budget() {
    let launcher = InProcessLauncher::new("sloppy", || sloppy);
    let mut asked = 0;
    let plan = Plan { seed: 3, budget: 400, ops: vec!["normalize".into()], spec: Spec::V04 };
    let found = search(&launcher, &RunOptions::new(3), &plan, |done| asked = done).unwrap();
    let [worst] = &found[..] else { panic!("{found:?}") };
    assert_eq!((worst.property.as_str(), worst.op.as_str()), ("gen/normalize", "normalize"));
    assert!(worst.after > worst.before && worst.not_finite == 0, "{} {}", worst.before, worst.after);
    assert!(worst.missed.is_empty(), "{:?}", worst.missed);
    assert!(asked <= 400 && worst.asked <= 400, "{asked} {}", worst.asked);
}

#[test]
fn the_same_seed_finds_the_same() {
    let launcher = InProcessLauncher::new("sloppy", || sloppy);
    let plan = Plan { seed: 5, budget: 60, ops: Vec::new(), spec: Spec::V04 };
    let once = || {
        let found = search(&launcher, &RunOptions::new(5), &plan, |_| {}).unwrap();
        found.into_iter().map(|worst| (worst.property, worst.choices)).collect::<Vec<_>>()
    };
    assert_eq!(once(), once());
}
