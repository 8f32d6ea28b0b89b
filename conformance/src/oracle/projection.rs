//! Hidden states in another model's embedding space (AVP-PRJ), in double precision.

use super::matrix::{Matrix, dot, length};
use super::realign::{NORM_FLOOR, normalized};

/// Least probability under the logarithm of the entropy (AVP-PRJ-020).
const PROBABILITY_FLOOR: f64 = 1e-12;

/// Hidden states that went through a vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// Input embeddings of the target, a row a state.
    pub out: Matrix,
    /// Weights of the target's rows, a row a state.
    probabilities: Matrix,
    /// The target's rows that were mixed.
    targets: Matrix,
    /// Length of each state.
    lengths: Vec<f64>,
}

/// How sure a projection was; one number a state (AVP-PRJ-020).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProjectionMetrics {
    /// Entropy of the weights in nats.
    pub entropy: Vec<f64>,
    /// Greatest weight.
    pub max_prob: Vec<f64>,
    /// Greatest less second weight; the greatest where there is one only (AVP-PRJ-021).
    pub logit_gap: Vec<f64>,
    /// Length of the state.
    pub hidden_state_norm: Vec<f64>,
    /// Cosine to the nearest row of the target.
    pub nearest_cos_sim: Vec<f64>,
}

impl ProjectionMetrics {
    /// Each list under its name.
    pub fn named(&self) -> [(&'static str, &[f64]); 5] {
        [
            ("entropy", &self.entropy),
            ("max_prob", &self.max_prob),
            ("logit_gap", &self.logit_gap),
            ("hidden_state_norm", &self.hidden_state_norm),
            ("nearest_cos_sim", &self.nearest_cos_sim),
        ]
    }
}

impl Projection {
    /// `softmax(h Wsᵀ / T) Wt` over the vocabulary that both have (AVP-PRJ-001, 006, 007, 011, 012). `head` is
    /// [Vs, Ds], `embed` [Vt, Dt]; the longer one's further rows are padding. `None` where sizes do not fit.
    pub fn mediated(
        hidden: &Matrix,
        head: &Matrix,
        embed: &Matrix,
        temperature: f64,
        target_norm: Option<f64>,
    ) -> Option<Self> {
        let shared = head.rows.min(embed.rows);
        let indices: Vec<usize> = (0..shared).collect();
        let values = embed.values[..shared * embed.cols].to_vec();
        let embed = Matrix { rows: shared, values, ..*embed };
        Self::overlap(hidden, head, &indices, &embed, temperature, target_norm)
    }

    /// The same over some tokens only: `indices` name rows of `head`, `shared` has the target's row of each, [S, Dt]
    /// (AVP-PRJ-002). `None` where sizes do not fit.
    pub fn overlap(
        hidden: &Matrix,
        head: &Matrix,
        indices: &[usize],
        shared: &Matrix,
        temperature: f64,
        target_norm: Option<f64>,
    ) -> Option<Self> {
        let fits = hidden.cols == head.cols && indices.len() == shared.rows && !indices.is_empty();
        if !fits || indices.iter().any(|index| *index >= head.rows) {
            return None;
        }
        let mut weights = Vec::with_capacity(hidden.rows * indices.len());
        for state in hidden.each_row() {
            let logits: Vec<f64> = indices.iter().map(|index| dot(state, head.row(*index))).collect();
            weights.extend(softmax(&logits, temperature));
        }
        let probabilities = Matrix { rows: hidden.rows, cols: indices.len(), values: weights };
        let mixed = probabilities.times(shared);
        let out = match target_norm {
            Some(length) => normalized(&mixed, length),
            None => mixed,
        };
        let lengths = hidden.each_row().map(length).collect();
        Some(Self { out, probabilities, targets: shared.clone(), lengths })
    }

    /// How sure it was.
    pub fn metrics(&self) -> ProjectionMetrics {
        let mut metrics = ProjectionMetrics { hidden_state_norm: self.lengths.clone(), ..Default::default() };
        for (weights, made) in self.probabilities.each_row().zip(self.out.each_row()) {
            let surprise = |p: &f64| -p * p.max(PROBABILITY_FLOOR).ln();
            metrics.entropy.push(weights.iter().map(surprise).sum());
            let (mut first, mut second) = (0.0f64, 0.0f64);
            for &weight in weights {
                (first, second) = (first.max(weight), second.max(weight.min(first)));
            }
            metrics.max_prob.push(first);
            metrics.logit_gap.push(first - second);
            let cosine =
                |row: &[f64]| dot(row, made) / (length(row).max(NORM_FLOOR) * length(made).max(NORM_FLOOR));
            metrics
                .nearest_cos_sim
                .push(self.targets.each_row().map(cosine).fold(f64::NEG_INFINITY, f64::max));
        }
        metrics
    }
}

/// `h W + b`, brought to a length where there is one (AVP-PRJ-022); `None` where sizes do not fit.
pub fn linear_projection(
    hidden: &Matrix,
    w: &Matrix,
    bias: Option<&Matrix>,
    target_norm: Option<f64>,
) -> Option<Matrix> {
    if hidden.cols != w.rows || bias.is_some_and(|bias| bias.values.len() != w.cols) {
        return None;
    }
    let mut made = hidden.times(w);
    if let Some(bias) = bias {
        let all = made.values.chunks_exact_mut(w.cols).flat_map(|row| row.iter_mut().zip(&bias.values));
        all.for_each(|(value, bias)| *value += bias);
    }
    Some(match target_norm {
        Some(length) => normalized(&made, length),
        None => made,
    })
}

/// Weights that sum to one; the largest logit is taken off first, so that none overflows.
fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|logit| ((logit - most) / temperature).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}
