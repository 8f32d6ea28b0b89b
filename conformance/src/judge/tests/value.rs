//! Values, metadata and parts.

use super::*;

#[test]
fn values_and_matchers() {
    for (expected, actual, holds) in [
        (json!(4), json!(4.0), true),
        (json!(4), json!(5), false),
        (json!(18446744073709551615u64), json!(18446744073709551614u64), false),
        (json!("a"), json!("a"), true),
        (json!([1, 2]), json!([1, 2]), true),
        (json!([1, 2]), json!([1, 2, 3]), false),
        (json!([1, 2]), json!([1]), false),
        (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
        (json!({"a": 1}), json!({}), false),
        (json!({"a": 1, "b?": 2}), json!({"a": 1}), true),
        (json!({"a": 1, "b?": 2}), json!({"a": 1, "b": null}), true),
        (json!({"a": 1, "b?": 2}), json!({"a": 1, "b": 3}), false),
        (json!({"$subset": {"a": 1}}), json!({"a": 1, "b": 2}), true),
        (json!({"$subset": {"a": 1}}), json!({"b": 2}), false),
        (json!([{"$subset": {"a": 1}}]), json!([{"a": 1, "b": 2}]), true),
        (json!({"$re": "^[0-9a-f]{4}$"}), json!("00ff"), true),
        (json!({"$re": "^[0-9a-f]{4}$"}), json!("00fg"), false),
        (json!({"$re": "x"}), json!(1), false),
        (json!({"$re": "("}), json!("("), false),
        (json!({"$any": [1, {"$re": "^a"}]}), json!("ab"), true),
        (json!({"$any": [1, 2]}), json!(3), false),
        (json!({"$not": "a"}), json!("b"), true),
        (json!({"$not": "a"}), json!("a"), false),
        (json!({"$subset": {"x": {"$not": "a"}}}), json!({}), true),
        (json!({"$absent": true}), json!(null), true),
        (json!({"$absent": true}), json!(""), true),
        (json!({"$absent": true}), json!(0), false),
        (json!({"$missing": true}), json!(null), false),
        (json!({"$nonempty": true}), json!([1]), true),
        (json!({"$nonempty": true}), json!(""), false),
        (json!({"$json": {"a": {"$any": [1, 2]}}}), json!("{\"a\": 2}"), true),
        (json!({"$json": {"a": 1}}), json!("{\"a\": 2}"), false),
        (json!({"$json": {"a": 1}}), json!("{"), false),
        (json!({"$contains": ["x"]}), json!(["y", "x"]), true),
        (json!({"$contains": ["x", "z"]}), json!(["y", "x"]), false),
        (json!({"$contains": "bc"}), json!("abcd"), true),
        (json!({"$unordered": [1, 2, 2]}), json!([2, 1, 2]), true),
        (json!({"$unordered": [1, 2, 2]}), json!([2, 1, 1]), false),
        // An item that fits both must not be given away to the first.
        (json!({"$unordered": [{"$any": [1, 2]}, 1]}), json!([1, 2]), true),
        (json!({"$unordered": [{"$nonempty": true}, {"$re": "a"}]}), json!(["a", "b"]), true),
        (json!({"$close": {"value": 1.5, "abs": 1e-6}}), json!(1.5000001), true),
        (json!({"$close": {"value": 1.5, "abs": 1e-6}}), json!(1.51), false),
        (json!({"$close": {"value": 100, "rel": 0.01}}), json!(100.9), true),
        (json!({"$close": {"value": 100, "rel": 0.01}}), json!("100"), false),
        (json!({"$unheard": 1}), json!(1), false),
    ] {
        let checks = run_one(expect_ok(json!({"x": expected})), ok(json!({"x": actual}), Vec::new()));
        assert_eq!(checks[1].outcome == Outcome::Pass, holds, "{expected} against {actual}: {checks:?}");
    }
}

#[test]
fn keys_that_are_missing() {
    for (key, expected, outcome) in [
        ("x", json!(1), Outcome::Fail),
        ("x?", json!(1), Outcome::NotApplicable),
        ("x", json!({"$absent": true}), Outcome::Pass),
        ("x", json!({"$missing": true}), Outcome::Pass),
        ("x", json!({"$nonempty": true}), Outcome::Fail),
        ("x", json!({"$any": [{}, {"$missing": true}]}), Outcome::Pass),
    ] {
        let checks = run_one(expect_ok(json!({ key: expected })), ok(json!({}), Vec::new()));
        assert_eq!(checks[1].outcome, outcome, "{key}: {expected}");
        assert_eq!(checks[1].name, "x");
    }
}

#[test]
fn metadata_is_compared_after_defaults() {
    for (expected, actual, holds) in [
        (json!({}), json!({}), true),
        (json!({}), json!({"session_id": "", "extra": {}, "tensor_shape": [], "compression": null}), true),
        (json!({}), json!({"mode": "LATENT", "payload_checksum": 7, "unheard_of": 1}), true),
        (json!({}), json!({"mode": "JSON"}), false),
        (json!({}), json!({"extra": {"a": "1"}}), false),
        (json!({"mode": "JSON"}), json!({}), false),
        (json!({"hidden_dim": 0}), json!({}), true),
        (json!({"hidden_dim": 4}), json!({"hidden_dim": 4.0}), true),
        (json!({"compression": "zstd"}), json!({}), false),
        (json!({"compression": null}), json!({"compression": ""}), true),
        (json!({"compression": ""}), json!({"compression": "zstd"}), false),
        (json!({}), json!({"compression": "zstd"}), false),
        (json!({"payload_checksum": 7}), json!({"payload_checksum": 7}), true),
        (json!({"payload_checksum": 7}), json!({}), false),
        (json!({"payload_checksum?": 7}), json!({}), true),
        (json!({"payload_checksum": {"$absent": true}}), json!({"payload_checksum": 0}), false),
        (json!({"confidence_score": 0.1}), json!({"confidence_score": 0.10000000149011612}), true),
        (json!({"confidence_score": 0.1}), json!({"confidence_score": 0.2}), false),
        (json!({"$subset": {"hidden_dim": 0}}), json!({"model_id": "m"}), true),
        (json!({"$subset": {"hidden_dim": 1}}), json!({"model_id": "m"}), false),
    ] {
        let checks =
            run_one(expect_ok(json!({"metadata": expected})), ok(json!({"metadata": actual}), vec![]));
        assert_eq!(checks[1].outcome == Outcome::Pass, holds, "{expected} against {actual}: {checks:?}");
        // The same inside a list of messages.
        let list = |metadata: &Value| json!({"messages": [{"metadata": metadata}]});
        let checks = run_one(expect_ok(list(&expected)), ok(list(&actual), vec![]));
        assert_eq!(checks[1].outcome == Outcome::Pass, holds, "{expected} against {actual} in a list");
    }
}

#[test]
fn parts_are_compared_to_the_byte() {
    let wanted = |content| Expect::Ok {
        ok: Map::new(),
        should: Map::new(),
        parts: vec![ExpectPart { name: "payload".into(), content }],
    };
    let bytes = || wanted(PartContent::Bytes(b"abcd"[..].into()));
    for (answer, outcome, word) in [
        (vec![blob("payload", b"abcd")], Outcome::Pass, ""),
        (vec![blob("payload", b"abXd")], Outcome::Fail, "byte 2"),
        (vec![blob("payload", b"abc")], Outcome::Fail, "3 bytes, expected 4"),
        (vec![blob("other", b"abcd")], Outcome::Fail, "no such part"),
    ] {
        let checks = run_one(bytes(), ok(json!({}), answer));
        assert_eq!(checks[1].outcome, outcome);
        assert!(checks[1].note.contains(word), "{}", checks[1].note);
    }
    let text = || wanted(PartContent::Json(json!({"a": {"$nonempty": true}, "b?": 1})));
    for (answer, outcome) in [
        (&b"{\"a\": 1}"[..], Outcome::Pass),
        (b"{\"a\": \"\"}", Outcome::Fail),
        (b"{\"a\": 1, \"c\": 1}", Outcome::Fail),
        (b"{", Outcome::Fail),
        (b"\xff", Outcome::Fail),
    ] {
        let checks = run_one(text(), ok(json!({}), vec![blob("payload", answer)]));
        assert_eq!(checks[1].outcome, outcome, "{answer:?}");
    }
}

#[test]
fn long_values_are_cut() {
    let long = "x".repeat(100_000);
    let checks = run_one(expect_ok(json!({"x": "y"})), ok(json!({"x": long}), vec![]));
    assert!(checks[1].actual.as_str().unwrap().len() < SHOWN + 100);
}
