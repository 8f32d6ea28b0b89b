//! Softmax of a head's logits over a table's rows, on the card from end to end: projections, and soft embeddings.
//!
//! ```text
//!  states [n, Ds] ─· head blockᵀ─▶ logits [n, block] ─exp─▶ weights ─· rows of the same tokens─▶ Σ [n, Dt]
//!                       └────────────── block by block over the vocabulary ──────────────┘
//! ```
//!
//! Largest logit and sums are carried from block to block, so that no logits of the whole vocabulary stand in memory.

use burn::tensor::Int;

use super::backend::{self, Tensor};
use super::map_rows::DeviceRows;
use crate::error::Result;
use crate::transfer::{Anchors as _, ProjectOptions, Projected, ProjectionMetrics, StateHealth, normalize};
use crate::wire::DataType;

/// States that go through at a time: their logits over a block of rows take 64 MiB.
const STATES: usize = 1024;

/// Exponents end here: the weight is zero long before, and zero times this is zero even after sums over a vocabulary.
const FARTHEST: f32 = -1e30;

/// Running sums over the tokens so far, [n, 1] each unless said otherwise. Weights are exp((logit − largest) / temperature).
struct Sums {
    largest: Tensor<2>,
    second: Tensor<2>,
    weights: Tensor<2>,
    /// Of weight · (logit − largest) / temperature.
    exponents: Tensor<2>,
    /// Of weight · row, [n, Dt].
    rows: Tensor<2>,
}

impl Sums {
    /// Those of one block: its logits, [n, tokens], and the rows of its tokens, [tokens, Dt].
    fn of(logits: Tensor<2>, rows: Tensor<2>, temperature: f32) -> Self {
        let (largest, second) = largest_two(&logits);
        let exponents = (logits - largest.clone()).div_scalar(temperature);
        let weights = exponents.clone().exp();
        // A token that is out of reach has weight zero and an exponent without end: nothing, and not NaN.
        let exponents = (weights.clone() * exponents.clamp_min(FARTHEST)).sum_dim(1);
        let mixed = backend::product(weights.clone(), rows);
        Self { largest, second, weights: weights.sum_dim(1), exponents, rows: mixed }
    }

    /// Both together.
    fn plus(self, other: Self, temperature: f32) -> Self {
        let largest = self.largest.clone().max_pair(other.largest.clone());
        let lesser = self.largest.clone().min_pair(other.largest.clone());
        let second = lesser.max_pair(self.second.clone().max_pair(other.second.clone()));
        let [left, right] = [self, other].map(|sums| {
            let shift = (sums.largest - largest.clone()).div_scalar(temperature).clamp_min(FARTHEST);
            let scale = shift.clone().exp();
            let exponents = (sums.exponents + shift * sums.weights.clone()) * scale.clone();
            (sums.weights * scale.clone(), exponents, sums.rows * scale)
        });
        Self {
            largest,
            second,
            weights: left.0 + right.0,
            exponents: left.1 + right.1,
            rows: left.2 + right.2,
        }
    }

    /// Entropy, largest probability and its lead over the second one, [n, 3].
    fn distribution(&self, temperature: f32) -> Tensor<2> {
        let first = self.weights.clone().recip();
        let second =
            (self.second.clone() - self.largest.clone()).div_scalar(temperature).exp() * first.clone();
        let entropy = self.weights.clone().log() - self.exponents.clone() * first.clone();
        Tensor::cat(vec![entropy, first.clone(), first - second], 1)
    }
}

/// The largest number of each row and the one behind it, [n, 1] each; the same twice where two are largest.
fn largest_two(logits: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let largest = logits.clone().max_dim(1);
    let there = logits.clone().equal(largest.clone().expand(logits.dims()));
    let alone: Tensor<2, Int> = there.clone().int().sum_dim(1);
    let others = logits.clone().mask_fill(there, f32::NEG_INFINITY).max_dim(1);
    (largest.clone(), others.mask_where(alone.greater_elem(1), largest))
}

/// Sums of states, [n, Ds], over all tokens of a head and of the rows beside it.
fn sums(states: &Tensor<2>, head: &DeviceRows<'_>, rows: &DeviceRows<'_>, temperature: f32) -> Option<Sums> {
    let blocks = head.blocks().zip(rows.blocks());
    let each = blocks.map(|((_, head), (_, rows))| {
        Sums::of(backend::product(states.clone(), head.transpose()), rows, temperature)
    });
    each.reduce(|sums, more| sums.plus(more, temperature))
}

/// `softmax(h Wsrcᵀ / T) Wtgt` of states, [N, Ds]: what `transfer::project` gives, of a head and rows on one card with as many
/// rows each.
///
/// # Errors
/// `invalid_argument` for a temperature or length that is none; `engine_unavailable` when the card does not answer.
pub(super) fn project(
    head: &DeviceRows<'_>,
    rows: &DeviceRows<'_>,
    states: &[f32],
    options: &ProjectOptions,
) -> Result<Projected> {
    options.check()?;
    let (width, out_width, place) = (head.width(), rows.width(), head.matrix.device());
    let mut values = Vec::with_capacity(states.len() / width * out_width);
    let mut metrics = Vec::new();
    for states in states.chunks(STATES * width) {
        let shape = [states.len() / width, width];
        let on_card = backend::from_host(states.to_vec(), shape, DataType::Float32, &place);
        let Some(sums) = sums(&on_card, head, rows, options.temperature) else { continue };
        let mut mixed = backend::to_host(sums.rows.clone() / sums.weights.clone())?;
        if let Some(length) = options.target_norm {
            mixed = normalize(&mixed, out_width, length)?;
        }
        if options.metrics {
            let seen = backend::to_host(sums.distribution(options.temperature))?;
            let cosines = rows.nearest(&mixed)?;
            let each = seen.chunks_exact(3).zip(states.chunks_exact(width)).zip(cosines);
            metrics.extend(each.map(|((seen, state), nearest_cos_sim)| ProjectionMetrics {
                entropy: seen[0].into(),
                max_prob: seen[1].into(),
                logit_gap: seen[2].into(),
                hidden_state_norm: StateHealth::of(state).norm,
                nearest_cos_sim,
            }));
        }
        values.extend(mixed);
    }
    Ok(Projected { values, health: StateHealth::of(states), metrics: options.metrics.then_some(metrics) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transfer::{Table, project_overlap, project_vocab};

    /// A table on burn's CPU backend, as if on a card.
    fn on_card(values: &[f32], width: usize) -> Tensor<2> {
        let shape = [values.len() / width, width];
        backend::from_host(values.to_vec(), shape, DataType::Float32, &backend::cpu())
    }

    fn close(found: &Projected, expected: &Projected) -> Result<(), TestCaseError> {
        prop_assert_eq!(found.values.len(), expected.values.len());
        let size = expected.values.iter().copied().map(f32::abs).fold(1.0, f32::max);
        for (found, expected) in found.values.iter().zip(&expected.values) {
            prop_assert!((found - expected).abs() <= 1e-4 * size, "{found} for {expected}");
        }
        let both = found.metrics.iter().flatten().zip(expected.metrics.iter().flatten());
        for (found, expected) in both {
            let of = |metrics: &ProjectionMetrics| {
                [metrics.entropy, metrics.max_prob, metrics.logit_gap, metrics.nearest_cos_sim]
            };
            for (one, other) in of(found).into_iter().zip(of(expected)) {
                prop_assert!((one - other).abs() <= 1e-3, "{found:?} for {expected:?}");
            }
            prop_assert_eq!(found.hidden_state_norm, expected.hidden_state_norm);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Through all tokens and through some, over several blocks and down to one token.
        #[test]
        fn it_is_the_hosts(
            tokens in prop_oneof![1usize..4, 100usize..700],
            (head, rows, states) in (
                prop::collection::vec(-2f32..2.0, 700 * 6),
                prop::collection::vec(-2f32..2.0, 700 * 5),
                prop::collection::vec(-3f32..3.0, 3 * 6),
            ),
            temperature in prop_oneof![Just(1f32), Just(1e-30), 0.5f32..20.0],
            norm in prop::option::of(0.1f32..3.0),
        ) {
            let options = ProjectOptions { temperature, target_norm: norm, metrics: true };
            let (head, rows) = (&head[..tokens * 6], &rows[..tokens * 5]);
            let (card_head, card_rows) = (on_card(head, 6), on_card(rows, 5));
            let (host_head, host_rows) = (Table { values: head, dim: 6 }, Table { values: rows, dim: 5 });
            let all = |matrix| DeviceRows { matrix, count: tokens, ids: None };
            let found = project(&all(&card_head), &all(&card_rows), &states, &options).unwrap();
            close(&found, &project_vocab(&states, host_head, host_rows, true, &options).unwrap())?;

            // Every third token, named in another order on the other side.
            let ids: Vec<u32> = (0..tokens as u32).filter(|id| id % 3 == 0).collect();
            let back: Vec<u32> = ids.iter().rev().copied().collect();
            let shared: Vec<f32> = back.iter().flat_map(|id| rows[*id as usize * 5..][..5].to_vec()).collect();
            let some = |matrix, ids| DeviceRows { matrix, count: back.len(), ids: Some(ids) };
            let found = project(&some(&card_head, &ids), &some(&card_rows, &back), &states, &options).unwrap();
            let shared = Table { values: &shared, dim: 5 };
            close(&found, &project_overlap(&states, host_head, &ids, shared, &options).unwrap())?;
        }
    }

    #[test]
    fn two_tokens_may_be_likeliest() {
        let (head, rows) = (on_card(&[1.0, 2.0, 2.0], 1), on_card(&[5.0, 1.0, 3.0], 1));
        let all = |matrix| DeviceRows { matrix, count: 3, ids: None };
        let options = ProjectOptions { temperature: 0.01, metrics: true, ..ProjectOptions::default() };
        let made = project(&all(&head), &all(&rows), &[1.0], &options).unwrap();
        assert!((made.values[0] - 2.0).abs() < 1e-5);
        let metrics = made.metrics.unwrap()[0];
        assert!(metrics.logit_gap.abs() < 1e-6 && (metrics.max_prob - 0.5).abs() < 1e-6, "{metrics:?}");
    }

    #[test]
    fn a_state_that_is_no_number_stays_none() {
        let (head, rows) = (on_card(&[1.0, 2.0], 1), on_card(&[5.0, 1.0], 1));
        let all = |matrix| DeviceRows { matrix, count: 2, ids: None };
        for state in [f32::NAN, f32::INFINITY] {
            let made = project(&all(&head), &all(&rows), &[state, 1.0], &ProjectOptions::default()).unwrap();
            assert!(!made.health.finite() && !made.values[0].is_finite() && made.values[1].is_finite());
        }
    }
}
