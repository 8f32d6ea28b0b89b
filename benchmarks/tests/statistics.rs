//! The statistics against scipy and statsmodels (`fixtures/statistics.py`), published examples, and what must hold of any data.

use avp_bench::stats::{
    Bootstrap, Discordance, Share, holm, mcnemar, means_match, minimum_detectable, paired_t,
    share_difference, shares_match, sign_flip, wilson,
};
use proptest::prelude::*;
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/statistics.json")).unwrap_or_default()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

fn near(found: f64, expected: &Value, tolerance: f64, what: &str) {
    let expected = expected.as_f64().unwrap_or(f64::NAN);
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, not {expected}");
}

fn cases(name: &str) -> Vec<Value> {
    let cases = fixture()[name].as_array().cloned().unwrap_or_default();
    assert!(!cases.is_empty(), "no cases of {name}");
    cases
}

#[test]
fn wilson_as_statsmodels() {
    for case in cases("wilson") {
        let share =
            Share { right: case["right"].as_u64().unwrap_or(99), of: case["of"].as_u64().unwrap_or(0) };
        let (low, high) = share.interval();
        near(low, &case["interval"][0], 1e-12, "low");
        near(high, &case["interval"][1], 1e-12, "high");
    }
}

#[test]
fn mcnemar_as_statsmodels() {
    for case in cases("mcnemar") {
        let found = mcnemar(case["b"].as_u64().unwrap(), case["c"].as_u64().unwrap());
        near(found, &case["p"], 1e-12, &case.to_string());
    }
    // Agresti, Categorical Data Analysis: 86 and 150 of 1600 changed their approval, z = −4.17.
    assert!(mcnemar(86, 150) < 5e-5 && mcnemar(86, 150) > 1e-5);
}

#[test]
fn sign_flips_as_scipy() {
    for case in cases("sign_flip") {
        let differences: Vec<i64> =
            case["differences"].as_array().unwrap().iter().filter_map(Value::as_i64).collect();
        near(sign_flip(&differences), &case["p"], 1e-9, &case.to_string());
    }
}

#[test]
fn score_intervals_as_the_numerical_likelihood() {
    for case in cases("score") {
        let count = |name: &str| case[name].as_f64().unwrap();
        let counts = Discordance { first: count("b"), second: count("c"), items: count("n") };
        for (coverage, name) in [(0.95, "interval_95"), (0.90, "interval_90")] {
            let found = share_difference(counts, coverage);
            near(found.low, &case[name][0], 2e-6, &case.to_string());
            near(found.high, &case[name][1], 2e-6, &case.to_string());
        }
        near(shares_match(counts, 0.05), &case["match_5"], 2e-6, &case.to_string());
    }
    // No item differs: the interval still has the width that this many items leave open, z²/(n + z²).
    let none = share_difference(Discordance { first: 0.0, second: 0.0, items: 40.0 }, 0.95);
    let z2 = 1.959_963_984_540_054_f64.powi(2);
    assert!((none.high - z2 / (40.0 + z2)).abs() < 1e-9 && (none.low + none.high).abs() < 1e-9, "{none:?}");
}

#[test]
fn holm_as_statsmodels() {
    for case in cases("holm") {
        let (adjusted, expected) = (holm(&numbers(&case["p"])), case["adjusted"].as_array().unwrap());
        assert_eq!(adjusted.len(), expected.len());
        for (found, expected) in adjusted.iter().zip(expected) {
            near(*found, expected, 1e-12, "adjusted");
        }
    }
    assert!(holm(&[]).is_empty());
}

#[test]
fn pairs_as_scipy() {
    for case in cases("paired") {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        let found = paired_t(&differences).unwrap();
        near(found.t, &case["t"], 1e-9, "t");
        near(found.p, &case["p"], 1e-9, "p");
        near(found.interval(0.95).low, &case["interval"][0], 1e-9, "low");
        near(found.interval(0.95).high, &case["interval"][1], 1e-9, "high");
        near(means_match(&differences, case["margin"].as_f64().unwrap()), &case["match"], 1e-9, "match");
        // Two bootstraps draw differently: bounds within a tenth of a standard error of each other.
        let tolerance = 0.1 * case["bootstrap_error"].as_f64().unwrap();
        let drawn = Bootstrap::default().mean(&differences);
        near(drawn.low, &case["bootstrap"][0], tolerance, "bootstrap");
        near(drawn.high, &case["bootstrap"][1], tolerance, "bootstrap");
        let pairs: Vec<(f64, f64)> = a.iter().zip(&b).map(|(a, b)| (a.exp(), b.exp())).collect();
        let ratio = Bootstrap::default().ratio_of_medians(&pairs);
        let tolerance = 0.2 * case["ratio_error"].as_f64().unwrap();
        near(ratio.low, &case["ratio_of_exp"][0], tolerance, "ratio");
        near(ratio.high, &case["ratio_of_exp"][1], tolerance, "ratio");
    }
}

#[test]
fn detectable_differences_as_scipy() {
    for case in cases("mde") {
        let found =
            minimum_detectable(case["n"].as_u64().unwrap(), case["discordance"].as_f64().unwrap(), 0.8, 0.05);
        match case["mde"].as_f64() {
            Some(_) => near(found.unwrap(), &case["mde"], 1e-9, &case.to_string()),
            None => assert_eq!(found, None, "{case}"),
        }
    }
}

#[test]
fn nothing_matches_without_enough_items() {
    let same = |items: f64| Discordance { first: 0.0, second: 0.0, items };
    // Twelve items alike are no evidence of a difference below 5 points; a hundred are.
    assert!(shares_match(same(12.0), 0.05) > 0.05);
    assert!(shares_match(same(100.0), 0.05) < 0.05);
    assert!((shares_match(same(0.0), 0.05) - 1.0).abs() < f64::EPSILON);
    assert!((means_match(&[0.0], 0.1) - 1.0).abs() < f64::EPSILON);
}

proptest! {
    #[test]
    fn intervals_hold_their_estimate(right in 0_u64..200, more in 0_u64..200, coverage in 0.5_f64..0.99) {
        let of = right + more;
        let (low, high) = Share { right, of }.interval();
        let value = right as f64 / of.max(1) as f64;
        prop_assert!((0.0..=1.0).contains(&low) && low <= value + 1e-12 && value <= high + 1e-12 && high <= 1.0);
        let counts = Discordance { first: right as f64 / 3.0, second: more as f64 / 2.0, items: of.max(1) as f64 };
        let found = share_difference(counts, coverage);
        prop_assert!(-1.0 <= found.low && found.low <= found.estimate && found.estimate <= found.high && found.high <= 1.0);
        let p = shares_match(counts, 0.05);
        prop_assert!((0.0..=1.0).contains(&p), "{}", p);
    }

    #[test]
    fn wilson_narrows_as_items_grow(p in 0.0_f64..=1.0, n in 1.0_f64..1000.0) {
        let width = |(low, high): (f64, f64)| high - low;
        prop_assert!(width(wilson(p, 2.0 * n)) <= width(wilson(p, n)));
    }

    #[test]
    fn tests_give_probabilities(differences in prop::collection::vec(-3_i64..=3, 0..40)) {
        let p = sign_flip(&differences);
        prop_assert!((0.0..=1.0).contains(&p));
        let mirrored: Vec<i64> = differences.iter().map(|d| -d).collect();
        prop_assert!((p - sign_flip(&mirrored)).abs() < 1e-12);
        let signs: Vec<i64> = differences.iter().map(|d| d.signum()).collect();
        let (b, c) = (signs.iter().filter(|&&d| d > 0).count(), signs.iter().filter(|&&d| d < 0).count());
        prop_assert!((sign_flip(&signs) - mcnemar(b as u64, c as u64)).abs() < 1e-12);
    }

    #[test]
    fn holm_is_monotone(p in prop::collection::vec(0.0_f64..=1.0, 0..30)) {
        let adjusted = holm(&p);
        for i in 0..p.len() {
            prop_assert!(adjusted[i] >= p[i] && adjusted[i] <= 1.0);
            for j in 0..p.len() {
                prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
            }
        }
    }

    #[test]
    fn bootstraps_repeat_and_hold_their_estimate(values in prop::collection::vec(-5.0_f64..5.0, 1..30)) {
        let bootstrap = Bootstrap { draws: 200, coverage: 0.95 };
        let found = bootstrap.mean(&values);
        prop_assert_eq!(found, bootstrap.mean(&values));
        prop_assert!(found.low <= found.estimate && found.estimate <= found.high);
        if let Some(t) = paired_t(&values) {
            prop_assert!((0.0..=1.0).contains(&t.p));
            prop_assert!((t.mean - found.estimate).abs() < 1e-9);
        }
    }

    #[test]
    fn more_items_detect_smaller_differences(items in 1_u64..5000, psi in 0.05_f64..0.6) {
        let found = minimum_detectable(items, psi, 0.8, 0.05);
        if let Some(delta) = found {
            prop_assert!(delta > 0.0 && delta <= psi);
            prop_assert!(minimum_detectable(2 * items, psi, 0.8, 0.05) < found);
        }
    }
}
