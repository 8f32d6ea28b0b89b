//! A hidden state of one model as an input embedding of another, through the tokens that both know (AVP-PRJ).
//!
//! ```text
//!  hidden [N, Ds] ──· source headᵀ──▶ logits [N, S] ──softmax──▶ weights [N, S] ──· target rows──▶ [N, Dt]
//! ```
//!
//! S is the whole vocabulary where the tokenizers are one, the shared tokens where they are not. States go through in
//! blocks, so that no more than [`MAX_LOGITS`] logits stand in memory at a time.

mod linear;
#[cfg(test)]
mod tests;

use super::norm::{NORM_FLOOR, StateHealth, check_length, length, scale_to};
use super::rows::rows;
use super::soft_embedding::exponentials;
use crate::error::{Error, ErrorClass, Result};
use crate::tensor::matrix::{mat_vec, weighted_rows};

pub use linear::project_linear;

/// Logits that are held at a time: 16 MiB, which is 27 states over a vocabulary of 151,936 tokens. One state goes through
/// whatever its vocabulary. Less in tests, so that small ones go through several blocks.
const MAX_LOGITS: usize = if cfg!(test) { 64 << 10 } else { 4 << 20 };

/// Values of a matrix that several states in a row go over: 1 MiB, which stays in a core's second cache meanwhile.
const TILE: usize = if cfg!(test) { 4 << 10 } else { 256 << 10 };

/// Least probability that goes into a logarithm (AVP-PRJ-020): a token of weight zero adds nothing to the entropy.
const LEAST_PROBABILITY: f64 = 1e-12;

/// A matrix with a row of `dim` values a token, row after row.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// [rows, dim].
    pub values: &'a [f32],
    /// Length of a row.
    pub dim: usize,
}

impl<'a> Table<'a> {
    fn rows(&self) -> usize {
        self.values.len() / self.dim.max(1)
    }

    /// The first rows alone.
    fn prefix(self, rows: usize) -> Self {
        Self { values: &self.values[..rows * self.dim], ..self }
    }

    fn check(&self, field: &'static str) -> Result<()> {
        if rows(field, self.values, self.dim)? == 0 {
            return Err(Error::new(ErrorClass::Projection, field, "at least one row", "none"));
        }
        Ok(())
    }
}

/// How to project.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProjectOptions {
    /// Logits are divided by it (AVP-PRJ-007). Near zero, the result is the row of the likeliest token.
    pub temperature: f32,
    /// Length that each result is brought to (AVP-PRJ-011); without, the weighted mean stays as it is (AVP-PRJ-012).
    pub target_norm: Option<f32>,
    /// Whether to look at the distributions and the results as well: the last one is another pass over the target rows.
    pub metrics: bool,
}

impl Default for ProjectOptions {
    fn default() -> Self {
        Self { temperature: 1.0, target_norm: None, metrics: false }
    }
}

impl ProjectOptions {
    pub(crate) fn check(&self) -> Result<()> {
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            let found = self.temperature.to_string();
            return Err(Error::new(
                ErrorClass::InvalidArgument,
                "temperature",
                "a finite number above 0",
                found,
            ));
        }
        self.target_norm.map_or(Ok(()), |length| check_length("target_norm", length))
    }
}

/// States in the target's space.
#[derive(Clone, Debug, PartialEq)]
pub struct Projected {
    /// [N, Dt]. A row whose state was not finite is not finite either.
    pub values: Vec<f32>,
    /// Of the states that went in: what is not finite there is told (AVP-PRJ-019).
    pub health: StateHealth,
    /// One a state, when they were asked for.
    pub metrics: Option<Vec<ProjectionMetrics>>,
}

/// What a look at one projection tells (AVP-PRJ-020).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProjectionMetrics {
    /// Of the distribution over tokens, in nats.
    pub entropy: f64,
    /// Probability of the likeliest token.
    pub max_prob: f64,
    /// Its lead over the second one, in probability; its own where there is no second (AVP-PRJ-021).
    pub logit_gap: f64,
    /// Euclidean length of the state that went in.
    pub hidden_state_norm: f64,
    /// Cosine between the result and the nearest of the target rows that were used.
    pub nearest_cos_sim: f64,
}

/// `softmax(h Wsrcᵀ / T) Wtgt` for each row of `hidden` [N, Ds], through a vocabulary that both models have (AVP-PRJ-001).
///
/// `head` [Vs, Ds] is the source's output matrix, `embedding` [Vt, Dt] the target's input matrix. Padding at the end of the
/// longer one is left out (AVP-PRJ-006), which is only right where the tokenizers are one: without `shared_tokenizer` sizes
/// that differ are refused (A-042).
///
/// # Errors
/// `invalid_argument` for a temperature that is no finite number above zero, or a length that is negative or not finite;
/// `shape_mismatch` when rows are cut or don't fit; `projection` when there are no tokens.
pub fn project_vocab(
    hidden: &[f32],
    head: Table<'_>,
    embedding: Table<'_>,
    shared_tokenizer: bool,
    options: &ProjectOptions,
) -> Result<Projected> {
    options.check()?;
    head.check("src_head")?;
    embedding.check("tgt_embed")?;
    let (ours, theirs) = (head.rows(), embedding.rows());
    if ours != theirs && !shared_tokenizer {
        let expected = format!("{ours} rows, since the tokenizers are not one");
        return Err(Error::new(ErrorClass::ShapeMismatch, "tgt_embed", expected, format!("{theirs} rows")));
    }
    let tokens = ours.min(theirs);
    project(&head.prefix(tokens), &embedding.prefix(tokens), hidden, options)
}

/// [`project_vocab`] through the shared tokens alone (AVP-PRJ-002): `source_ids` are their rows in `head` [Vs, Ds],
/// `shared_embedding` [S, Dt] their rows in the target's input matrix, in the same order.
///
/// Rows of the head are gathered instead of logits, which is the same (AVP-PRJ-003) and less work.
///
/// # Errors
/// As there; also `shape_mismatch` for an id that the head does not have, and for another number of ids than rows.
pub fn project_overlap(
    hidden: &[f32],
    head: Table<'_>,
    source_ids: &[u32],
    shared_embedding: Table<'_>,
    options: &ProjectOptions,
) -> Result<Projected> {
    options.check()?;
    head.check("src_head")?;
    shared_embedding.check("tgt_embed_shared")?;
    check_ids(source_ids, head.rows(), shared_embedding.rows())?;
    project(&GatheredHead { head, ids: source_ids }, &shared_embedding, hidden, options)
}

/// Whether ids are those of rows that are there, one for each shared row.
///
/// # Errors
/// `shape_mismatch`.
pub(crate) fn check_ids(ids: &[u32], head_rows: usize, shared_rows: usize) -> Result<()> {
    let wrong = |expected, found| Err(Error::new(ErrorClass::ShapeMismatch, "src_indices", expected, found));
    if ids.len() != shared_rows {
        return wrong(format!("{shared_rows} ids, one a shared row"), format!("{} ids", ids.len()));
    }
    match ids.iter().find(|&&id| id as usize >= head_rows) {
        Some(id) => wrong(format!("ids below {head_rows}"), id.to_string()),
        None => Ok(()),
    }
}

/// Where logits come from: a matrix in memory, or a model's head on its device.
pub(crate) trait Head {
    /// Length of a state.
    fn width(&self) -> usize;
    /// Logits of the tokens that are projected through, [n, Ds] → [n, S].
    fn logits(&self, states: &[f32], out: &mut [f32]) -> Result<()>;
}

/// The target's rows of the same tokens, in the same order.
pub(crate) trait Anchors {
    /// How many, S.
    fn count(&self) -> usize;
    /// Length of a row, Dt.
    fn width(&self) -> usize;
    /// `Σ weight · row`, [n, S] → [n, Dt].
    fn mix(&self, weights: &[f32], out: &mut [f32]) -> Result<()>;
    /// Cosine of each vector, [n, Dt], with the row that is nearest to it.
    fn nearest(&self, vectors: &[f32]) -> Result<Vec<f64>>;
}

impl Head for Table<'_> {
    fn width(&self) -> usize {
        self.dim
    }

    fn logits(&self, states: &[f32], out: &mut [f32]) -> Result<()> {
        let count = self.rows();
        for (start, tile) in tiles(self.values, self.dim, states.len() / self.dim) {
            let tokens = tile.len() / self.dim;
            for (state, out) in states.chunks_exact(self.dim).zip(out.chunks_exact_mut(count)) {
                mat_vec(tile, self.dim, state, &mut out[start..start + tokens]);
            }
        }
        Ok(())
    }
}

/// Some rows of a head, in an order of their own.
struct GatheredHead<'a> {
    head: Table<'a>,
    ids: &'a [u32],
}

impl Head for GatheredHead<'_> {
    fn width(&self) -> usize {
        self.head.dim
    }

    fn logits(&self, states: &[f32], out: &mut [f32]) -> Result<()> {
        let dim = self.head.dim;
        let at_a_time = (TILE / dim).max(1);
        let mut rows = Vec::with_capacity(at_a_time.min(self.ids.len()) * dim);
        for (index, ids) in self.ids.chunks(at_a_time).enumerate() {
            rows.clear();
            for &id in ids {
                rows.extend_from_slice(&self.head.values[id as usize * dim..][..dim]);
            }
            let start = index * at_a_time;
            for (state, out) in states.chunks_exact(dim).zip(out.chunks_exact_mut(self.ids.len())) {
                mat_vec(&rows, dim, state, &mut out[start..start + ids.len()]);
            }
        }
        Ok(())
    }
}

impl Anchors for Table<'_> {
    fn count(&self) -> usize {
        self.rows()
    }

    fn width(&self) -> usize {
        self.dim
    }

    fn mix(&self, weights: &[f32], out: &mut [f32]) -> Result<()> {
        out.fill(0.0);
        let count = self.rows();
        let mut part = vec![0.0; self.dim];
        for (start, tile) in tiles(self.values, self.dim, weights.len() / count) {
            let tokens = tile.len() / self.dim;
            for (weights, out) in weights.chunks_exact(count).zip(out.chunks_exact_mut(self.dim)) {
                weighted_rows(tile, self.dim, &weights[start..start + tokens], &mut part);
                out.iter_mut().zip(&part).for_each(|(out, part)| *out += part);
            }
        }
        Ok(())
    }

    fn nearest(&self, vectors: &[f32]) -> Result<Vec<f64>> {
        let floored = |row: &[f32]| length(row).max(f64::from(NORM_FLOOR));
        let mut best = vec![f64::NEG_INFINITY; vectors.len() / self.dim];
        let mut products = Vec::new();
        for (_, tile) in tiles(self.values, self.dim, best.len()) {
            let norms: Vec<f64> = tile.chunks_exact(self.dim).map(floored).collect();
            products.resize(norms.len(), 0.0);
            for (vector, best) in vectors.chunks_exact(self.dim).zip(&mut best) {
                mat_vec(tile, self.dim, vector, &mut products);
                let cosines = products.iter().zip(&norms).map(|(product, norm)| f64::from(*product) / norm);
                *best = cosines.fold(*best, largest);
            }
        }
        Ok(vectors.chunks_exact(self.dim).zip(best).map(|(vector, best)| best / floored(vector)).collect())
    }
}

/// The larger one; NaN stays, where `f64::max` would drop it.
pub(crate) fn largest(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// Pieces of a matrix with the number of their first row: small ones when several states go over each, the whole for one.
fn tiles(values: &[f32], dim: usize, states: usize) -> impl Iterator<Item = (usize, &[f32])> {
    let rows = if states > 1 { (TILE / dim).max(1) } else { (values.len() / dim).max(1) };
    values.chunks(rows * dim).enumerate().map(move |(index, tile)| (index * rows, tile))
}

/// Projects states in blocks.
///
/// # Errors
/// `shape_mismatch` when a state has another length than the head's rows; what the head and the anchors fail with.
pub(crate) fn project(
    head: &dyn Head,
    anchors: &dyn Anchors,
    hidden: &[f32],
    options: &ProjectOptions,
) -> Result<Projected> {
    options.check()?;
    let (width, count, out_width) = (head.width(), anchors.count(), anchors.width());
    let states = rows("hidden", hidden, width)?;
    let mut values = vec![0.0; states * out_width];
    let mut metrics = Vec::new();
    let block = (MAX_LOGITS / count.max(1)).max(1);
    let mut weights = vec![0.0; block.min(states) * count];
    for (hidden, out) in hidden.chunks(block * width).zip(values.chunks_mut(block * out_width)) {
        let weights = &mut weights[..hidden.len() / width * count];
        head.logits(hidden, weights)?;
        let totals: Vec<f64> =
            weights.chunks_exact_mut(count).map(|row| exponentials(row, options.temperature)).collect();
        if options.metrics {
            let distributions = weights.chunks_exact(count).zip(&totals).zip(hidden.chunks_exact(width));
            metrics.extend(distributions.map(|((row, total), state)| ProjectionMetrics {
                hidden_state_norm: length(state),
                ..of_distribution(row, *total)
            }));
        }
        anchors.mix(weights, out)?;
        for (row, total) in out.chunks_exact_mut(out_width).zip(totals) {
            row.iter_mut().for_each(|value| *value = (f64::from(*value) / total) as f32);
            if let Some(length) = options.target_norm {
                scale_to(row, length);
            }
        }
        if options.metrics {
            let first = metrics.len() - out.len() / out_width;
            for (metrics, cosine) in metrics[first..].iter_mut().zip(anchors.nearest(out)?) {
                metrics.nearest_cos_sim = cosine;
            }
        }
    }
    let metrics = options.metrics.then_some(metrics);
    Ok(Projected { values, health: StateHealth::of(hidden), metrics })
}

/// Entropy and the two likeliest tokens of weights that sum up to `total`.
fn of_distribution(weights: &[f32], total: f64) -> ProjectionMetrics {
    let (mut entropy, mut first, mut second) = (0.0, 0.0, 0.0);
    for &weight in weights {
        let p = f64::from(weight) / total;
        entropy -= p * p.max(LEAST_PROBABILITY).ln();
        if p > first {
            (first, second) = (p, first);
        } else if p > second {
            second = p;
        }
    }
    let first = if total.is_nan() { total } else { first };
    ProjectionMetrics { entropy, max_prob: first, logit_gap: first - second, ..Default::default() }
}
