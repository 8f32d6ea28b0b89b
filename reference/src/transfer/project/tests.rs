//! Against the formulas in double precision.

use proptest::prelude::*;

use super::*;

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// What one state gives: probabilities of the tokens, and the mean of their rows.
fn formula(state: &[f64], head: &[Vec<f64>], target: &[Vec<f64>], temperature: f64) -> (Vec<f64>, Vec<f64>) {
    let logits: Vec<f64> = head.iter().map(|row| dot(row, state) / temperature).collect();
    let largest = logits.iter().copied().fold(f64::MIN, f64::max);
    let weights: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    let p: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
    let mean = (0..target[0].len()).map(|j| p.iter().zip(target).map(|(p, row)| p * row[j]).sum());
    (p.clone(), mean.collect())
}

fn rows_of(values: &[f32], dim: usize) -> Vec<Vec<f64>> {
    values.chunks(dim).map(wide).collect()
}

#[derive(Clone, Debug)]
struct Case {
    ds: usize,
    dt: usize,
    hidden: Vec<f32>,
    head: Vec<f32>,
    target: Vec<f32>,
}

fn cases() -> impl Strategy<Value = Case> {
    (1usize..18, 1usize..18, 0usize..4, 1usize..60).prop_flat_map(|(ds, dt, n, v)| {
        let values = |len| prop::collection::vec(-2f32..2.0, len);
        (values(n * ds), values(v * ds), values(v * dt)).prop_map(move |(hidden, head, target)| Case {
            ds,
            dt,
            hidden,
            head,
            target,
        })
    })
}

impl Case {
    fn head(&self) -> Table<'_> {
        Table { values: &self.head, dim: self.ds }
    }

    fn target(&self) -> Table<'_> {
        Table { values: &self.target, dim: self.dt }
    }

    fn project(&self, options: &ProjectOptions) -> Projected {
        project_vocab(&self.hidden, self.head(), self.target(), true, options).unwrap()
    }
}

fn assert_close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let error: Vec<f64> = found.iter().zip(expected).map(|(f, e)| f64::from(*f) - e).collect();
    assert!(norm(&error) <= 1e-5 * norm(expected) + 1e-6, "{found:?} {expected:?}");
}

proptest! {
    #[test]
    fn through_the_whole_vocabulary(case in cases(), temperature in 0.2f32..5.0, tn in prop::option::of(0.1f32..9.0)) {
        let options = ProjectOptions { temperature, target_norm: tn, metrics: true };
        let found = case.project(&options);
        let (head, target) = (rows_of(&case.head, case.ds), rows_of(&case.target, case.dt));
        let metrics = found.metrics.unwrap();
        prop_assert_eq!(metrics.len(), case.hidden.len() / case.ds);
        for (index, state) in rows_of(&case.hidden, case.ds).iter().enumerate() {
            let (p, mut mean) = formula(state, &head, &target, temperature.into());
            // Near zero a length has no digits left to compare.
            prop_assume!(norm(&mean) > 1e-2);
            let cosines = target.iter().map(|row| dot(&mean, row) / norm(&mean).max(1e-6) / norm(row).max(1e-6));
            let nearest = cosines.fold(f64::MIN, f64::max);
            if let Some(length) = tn {
                let scale = f64::from(length) / norm(&mean);
                mean.iter_mut().for_each(|value| *value *= scale);
            }
            assert_close(&found.values[index * case.dt..][..case.dt], &mean);
            let entropy: f64 = p.iter().map(|p| -p * p.max(1e-12).ln()).sum();
            let mut sorted = p.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let gap = sorted[0] - sorted.get(1).copied().unwrap_or_default();
            let seen = metrics[index];
            for (name, seen, expected) in [
                ("entropy", seen.entropy, entropy),
                ("max_prob", seen.max_prob, sorted[0]),
                ("logit_gap", seen.logit_gap, gap),
                ("hidden_state_norm", seen.hidden_state_norm, norm(state)),
                ("nearest_cos_sim", seen.nearest_cos_sim, nearest),
            ] {
                prop_assert!((seen - expected).abs() <= 1e-4, "{} {} {}", name, seen, expected);
            }
        }
    }

    /// Gathered rows, gathered logits, and any order of the pairs give one result (AVP-PRJ-002, 003, 005).
    #[test]
    fn through_shared_tokens(case in cases(), picks in prop::collection::vec(any::<prop::sample::Index>(), 1..30)) {
        let vocabulary = case.head.len() / case.ds;
        let ids: Vec<usize> = picks.iter().map(|pick| pick.index(vocabulary)).collect();
        let project = |ids: &[usize]| {
            let narrow: Vec<u32> = ids.iter().map(|&id| id as u32).collect();
            let shared: Vec<f32> =
                ids.iter().flat_map(|&id| case.target[id * case.dt..][..case.dt].to_vec()).collect();
            let table = Table { values: &shared, dim: case.dt };
            project_overlap(&case.hidden, case.head(), &narrow, table, &ProjectOptions::default()).unwrap()
        };
        let found = project(&ids);
        let (head, target) = (rows_of(&case.head, case.ds), rows_of(&case.target, case.dt));
        let pick = |rows: &[Vec<f64>]| ids.iter().map(|&id| rows[id].clone()).collect::<Vec<_>>();
        for (state, found) in rows_of(&case.hidden, case.ds).iter().zip(found.values.chunks(case.dt)) {
            assert_close(found, &formula(state, &pick(&head), &pick(&target), 1.0).1);
        }
        let turned: Vec<usize> = ids.iter().rev().copied().collect();
        for (a, b) in found.values.iter().zip(&project(&turned).values) {
            prop_assert!((a - b).abs() <= 1e-5);
        }
    }

    /// All tokens shared in the order of their ids: the same numbers as through the vocabulary (AVP-PRJ-004).
    #[test]
    fn full_overlap_is_the_vocabulary(case in cases()) {
        let ids: Vec<u32> = (0..(case.head.len() / case.ds) as u32).collect();
        let options = ProjectOptions::default();
        let overlap = project_overlap(&case.hidden, case.head(), &ids, case.target(), &options).unwrap();
        prop_assert_eq!(overlap.values, case.project(&options).values);
    }
}

/// Numbers that look random.
fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn many_states_give_what_each_gives_alone() {
    // More states than a block holds, and several tiles of the matrices.
    let (ds, dt, v) = (3, 5, 5_000);
    let (head, target) = (noise(v * ds, 1), noise(v * dt, 2));
    let (head, target) = (Table { values: &head, dim: ds }, Table { values: &target, dim: dt });
    let hidden = noise((MAX_LOGITS / v + 3) * ds, 3);
    let options = ProjectOptions { target_norm: Some(1.0), metrics: true, ..ProjectOptions::default() };
    let all = project_vocab(&hidden, head, target, true, &options).unwrap();
    let metrics = all.metrics.unwrap();
    for (index, state) in hidden.chunks(ds).enumerate() {
        let one = project_vocab(state, head, target, true, &options).unwrap();
        for (a, b) in one.values.iter().zip(&all.values[index * dt..]) {
            assert!((a - b).abs() <= 1e-5, "{a} {b}");
        }
        let alone = one.metrics.unwrap()[0];
        assert!((alone.entropy - metrics[index].entropy).abs() < 1e-9);
        assert!((alone.nearest_cos_sim - metrics[index].nearest_cos_sim).abs() < 1e-6);
    }
}

const HEAD: Table<'static> = Table { values: &[1.0, 0.0, 0.0, 1.0, -1.0, -1.0], dim: 2 };
const TARGET: Table<'static> = Table { values: &[3.0, 0.0, 0.0, 0.0, 6.0, 0.0, 0.0, 0.0, 9.0], dim: 3 };

fn options(temperature: f32) -> ProjectOptions {
    ProjectOptions { temperature, ..ProjectOptions::default() }
}

#[test]
fn zero_gives_the_mean_and_cold_the_likeliest() {
    let mean = project_vocab(&[0.0, 0.0], HEAD, TARGET, true, &options(1.0)).unwrap();
    assert_eq!(mean.values, [1.0, 2.0, 3.0]);
    let cold = project_vocab(&[3.0, 1.0], HEAD, TARGET, true, &options(0.01)).unwrap();
    assert_eq!(cold.values, [3.0, 0.0, 0.0]);
    // Logits beyond the range of their exponentials.
    let large = project_vocab(&[3e4, 1e4], HEAD, TARGET, true, &options(1e-30)).unwrap();
    assert_eq!(large.values, [3.0, 0.0, 0.0]);
}

#[test]
fn padding_is_left_out_of_one_vocabulary_and_refused_between_two() {
    let padded: Vec<f32> = HEAD.values.iter().copied().chain([50.0; 4]).collect();
    let padded = Table { values: &padded, dim: 2 };
    let expected = project_vocab(&[0.5, 0.25], HEAD, TARGET, true, &options(1.0)).unwrap();
    assert_eq!(project_vocab(&[0.5, 0.25], padded, TARGET, true, &options(1.0)).unwrap(), expected);
    let refused = project_vocab(&[0.5, 0.25], padded, TARGET, false, &options(1.0)).unwrap_err();
    assert_eq!(refused.class, ErrorClass::ShapeMismatch);
    // The other way round, and sizes that fit anyway.
    let short = HEAD.prefix(2);
    let both = project_vocab(&[0.5, 0.25], short, TARGET, true, &options(1.0)).unwrap();
    assert_eq!(both, project_vocab(&[0.5, 0.25], short, TARGET.prefix(2), false, &options(1.0)).unwrap());
}

#[test]
fn one_token_has_no_second() {
    let options = ProjectOptions { metrics: true, ..ProjectOptions::default() };
    let found = project_vocab(&[5.0, 1.0], HEAD.prefix(1), TARGET.prefix(1), true, &options).unwrap();
    let metrics = found.metrics.unwrap()[0];
    assert_eq!((metrics.entropy, metrics.max_prob, metrics.logit_gap), (0.0, 1.0, 1.0));
    assert!((metrics.nearest_cos_sim - 1.0).abs() < 1e-9);
    let uniform = project_vocab(&[0.0, 0.0], HEAD, TARGET, true, &options).unwrap().metrics.unwrap()[0];
    assert!((uniform.entropy - 3f64.ln()).abs() < 1e-9);
    assert_eq!(uniform.logit_gap, 0.0);
}

#[test]
fn what_is_not_finite_is_told_and_stays_in_its_row() {
    let options = ProjectOptions { target_norm: Some(2.0), metrics: true, ..ProjectOptions::default() };
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let found = project_vocab(&[1.0, bad, 0.0, 0.0], HEAD, TARGET, true, &options).unwrap();
        assert_eq!((found.health.has_nan, found.health.has_inf), (bad.is_nan(), bad.is_infinite()));
        assert!(found.values[..3].iter().any(|value| !value.is_finite()), "{:?}", found.values);
        assert!((wide(&found.values[3..]).iter().map(|v| v * v).sum::<f64>() - 4.0).abs() < 1e-5);
        let metrics = found.metrics.unwrap();
        assert!(metrics[0].entropy.is_nan() && metrics[0].max_prob.is_nan());
        assert!(metrics[0].nearest_cos_sim.is_nan());
        assert!(metrics[1].nearest_cos_sim.is_finite());
    }
}

#[test]
fn settings_and_shapes_are_checked() {
    let class = |hidden: &[f32], head, target, temperature, target_norm| {
        let options = ProjectOptions { temperature, target_norm, metrics: false };
        project_vocab(hidden, head, target, true, &options).unwrap_err().class
    };
    for temperature in [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(class(&[0.0; 2], HEAD, TARGET, temperature, None), ErrorClass::InvalidArgument);
    }
    for norm in [-1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(class(&[0.0; 2], HEAD, TARGET, 1.0, Some(norm)), ErrorClass::InvalidArgument);
    }
    let cut = Table { values: &[1.0; 5], dim: 2 };
    let empty = Table { values: &[], dim: 2 };
    assert_eq!(class(&[0.0; 3], HEAD, TARGET, 1.0, None), ErrorClass::ShapeMismatch);
    assert_eq!(class(&[0.0; 2], cut, TARGET, 1.0, None), ErrorClass::ShapeMismatch);
    assert_eq!(class(&[0.0; 2], HEAD, cut, 1.0, None), ErrorClass::ShapeMismatch);
    assert_eq!(class(&[0.0; 2], empty, TARGET, 1.0, None), ErrorClass::Projection);
    assert_eq!(class(&[0.0; 2], HEAD, empty, 1.0, None), ErrorClass::Projection);
    assert_eq!(class(&[0.0; 2], Table { values: &[], dim: 0 }, TARGET, 1.0, None), ErrorClass::ShapeMismatch);
    let overlap = |ids: &[u32], shared| {
        project_overlap(&[0.0; 2], HEAD, ids, shared, &options(1.0)).map_err(|error| error.class)
    };
    assert_eq!(overlap(&[0, 3], TARGET.prefix(2)).unwrap_err(), ErrorClass::ShapeMismatch);
    assert_eq!(overlap(&[0, u32::MAX], TARGET.prefix(2)).unwrap_err(), ErrorClass::ShapeMismatch);
    assert_eq!(overlap(&[0, 1], TARGET).unwrap_err(), ErrorClass::ShapeMismatch);
    assert_eq!(overlap(&[], empty).unwrap_err(), ErrorClass::Projection);
    assert!(overlap(&[2, 0], TARGET.prefix(2)).is_ok());
}
