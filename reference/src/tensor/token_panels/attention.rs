//! Attention of many tokens: each head of each panel of queries by itself, keys as they lie in the cache.
//!
//! ```text
//!  keys [seen, dim] × queries (dim, tokens of a panel) ─▶ scores (seen, tokens) ─▶ weights
//!  values [dim, seen] × weights (seen, tokens) ─▶ mixed (dim, tokens)
//! ```
//! Scores of one head of one panel stay in the second cache; no matrix of all of them is ever made.

use std::borrow::Cow;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::super::elementwise;
use super::columns::{by_columns, columns, columns_mut};
use super::memory::{Buffer, LINE};
use super::{FEW_ROWS, MANY_ROWS, Panel, TokenPanels, WIDE, panel_product, rows_product};

/// Exponentials that are summed before the sum goes to the total.
const BLOCK: usize = 64;

/// What attention does besides the products.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attending {
    /// Features of a head.
    pub(crate) dim: usize,
    /// Query heads that share keys and values.
    pub(crate) group: usize,
    /// Factor on the product of a query and a key.
    pub(crate) scale: f32,
    /// Scores go through cap · tanh(score / cap).
    pub(crate) softcap: Option<f32>,
    /// Tokens that a position sees, itself included; `None` for all.
    pub(crate) window: Option<usize>,
    /// Positions before the first of the queries.
    pub(crate) past: usize,
}

/// What a key-value head has of all positions.
pub(crate) struct KeyValues<'a> {
    /// [seen, dim].
    keys: Cow<'a, [f32]>,
    /// [dim, seen].
    values: Buffer,
    /// Whether all values are numbers: else a weight of zero does not make nothing of them.
    finite: bool,
}

impl Attending {
    /// The first position that a position sees.
    fn first_seen(&self, position: usize) -> usize {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window))
    }

    /// Gives every score that a query does not see a value. Row k of `scores` is of position `first + k`, column t of the
    /// query at `panel + t`.
    #[inline(always)]
    fn hide(&self, scores: &mut [f32], width: usize, [first, panel]: [usize; 2], value: f32) {
        let rows = scores.len() / width;
        // Later positions are hidden from the earlier queries of the panel.
        let later = (panel + 1).saturating_sub(first).min(rows);
        for (row, scores) in scores.chunks_exact_mut(width).enumerate().skip(later) {
            scores[..(first + row - panel).min(width)].fill(value);
        }
        if let Some(window) = self.window {
            for (row, scores) in scores.chunks_exact_mut(width).enumerate() {
                // Query t sees what is less than a window before it.
                let out_of_sight = (first + row + window).saturating_sub(panel);
                if out_of_sight >= width {
                    break;
                }
                scores[out_of_sight..].fill(value);
            }
        }
    }
}

impl TokenPanels {
    /// What queries, heads · dim features of tokens at positions `past` and on, mix of the values: as many features.
    /// `store` gives a key-value head's keys and values, [seen, dim] each.
    pub(crate) fn attend<'a>(
        &self,
        how: Attending,
        store: impl Fn(usize) -> [Cow<'a, [f32]>; 2] + Sync,
    ) -> Self {
        let dim = how.dim;
        let kv_heads: Vec<KeyValues<'a>> = (0..self.features / dim / how.group)
            .into_par_iter()
            .map(|head| {
                let [keys, rows] = store(head);
                let mut values = self.values.pool().take(rows.len());
                turn_round(&rows, dim, &mut values);
                let all_finite =
                    |values: &[f32]| values.iter().fold(true, |all, value| all & value.is_finite());
                let finite = rows.chunks(LINE * LINE).all(all_finite);
                KeyValues { keys, values, finite }
            })
            .collect();
        let mut made = self.sibling(self.features);
        let panels = made.panels.clone();
        let mut tasks = Vec::new();
        for (panel, out) in panels.iter().zip(made.slices()) {
            let size = dim * panel.width;
            let heads = self.of(*panel).chunks_exact(size).zip(out.chunks_exact_mut(size)).enumerate();
            tasks.extend(heads.map(|(head, (query, out))| (*panel, head, query, out)));
        }
        // Those that see most first: the others fill up what is left of the time.
        tasks.reverse();
        let pool = self.values.pool();
        let arch = Arch::new();
        tasks.into_par_iter().with_max_len(1).for_each_init(
            || (pool.take(0), pool.take(0)),
            |(scaled, scores), (panel, head, query, out)| {
                let last = how.past + (panel.first + panel.width).min(self.tokens);
                let first = how.first_seen(how.past + panel.first);
                let grow = |buffer: &mut Buffer, length: usize| {
                    if buffer.len() != length {
                        *buffer = pool.take(length);
                    }
                };
                grow(scaled, query.len());
                grow(scores, (last - first) * panel.width);
                for (scaled, query) in scaled.iter_mut().zip(query) {
                    *scaled = query * how.scale;
                }
                let kv = &kv_heads[head / how.group];
                arch.dispatch(Head { how, kv, panel, seen: [first, last], query: scaled, scores, out });
            },
        );
        made
    }
}

/// One head of one panel.
struct Head<'a, 'b> {
    how: Attending,
    kv: &'a KeyValues<'b>,
    panel: Panel,
    /// The positions that some of the queries see.
    seen: [usize; 2],
    /// Scaled, (dim, width).
    query: &'a [f32],
    /// (seen, width).
    scores: &'a mut [f32],
    /// (dim, width).
    out: &'a mut [f32],
}

impl WithSimd for Head<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (S::REGISTER_COUNT >= 32, self.panel.width > S::F32_LANES) {
            (true, true) => self.by::<S, MANY_ROWS, WIDE>(simd),
            (true, false) => self.by::<S, MANY_ROWS, 1>(simd),
            (false, true) => self.by::<S, FEW_ROWS, WIDE>(simd),
            (false, false) => self.by::<S, FEW_ROWS, 1>(simd),
        }
    }
}

impl Head<'_, '_> {
    #[inline(always)]
    fn by<S: Simd, const ROWS: usize, const REGISTERS: usize>(self, simd: S) {
        let Self { how, kv, panel, seen: [first, last], query, scores, out } = self;
        let (dim, width) = (how.dim, panel.width);
        let keys = &kv.keys[first * dim..last * dim];
        panel_product::<S, ROWS, REGISTERS>(simd, keys, dim, query, scores);
        if let Some(cap) = how.softcap {
            elementwise::softcap(scores, cap);
        }
        let places = [first, how.past + panel.first];
        how.hide(scores, width, places, f32::NEG_INFINITY);
        by_columns!(width, exponentials(scores));
        // Not e^-87: what a position does not see leaves no trace.
        how.hide(scores, width, places, 0.0);
        let all = kv.values.len() / dim;
        if !kv.finite {
            for (values, out) in kv.values.chunks_exact(all).zip(out.chunks_exact_mut(width)) {
                mix_what_counts(&values[first..last], scores, out);
            }
            by_columns!(width, divide_by_sums(scores, out));
            return;
        }
        for (block, out) in out.chunks_mut(ROWS * width).enumerate() {
            let values = &kv.values[block * ROWS * all + first..];
            if out.len() == ROWS * width {
                rows_product::<S, ROWS, REGISTERS>(simd, values, all, scores, out);
            } else {
                for (row, out) in out.chunks_exact_mut(width).enumerate() {
                    rows_product::<S, 1, REGISTERS>(simd, &values[row * all..], all, scores, out);
                }
            }
        }
        by_columns!(width, divide_by_sums(scores, out));
    }
}

/// Sums one feature of the values, each times its weight, for each query: [seen], (seen, width) → [width]. What has no
/// weight is not looked at, be it an infinity.
fn mix_what_counts(values: &[f32], weights: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for (value, weights) in values.iter().zip(weights.chunks_exact(out.len())) {
        for (out, weight) in out.iter_mut().zip(weights).filter(|(_, weight)| **weight != 0.0) {
            *out += weight * value;
        }
    }
}

/// e^(score - largest) down each column.
#[inline(always)]
fn exponentials<const W: usize>(at: usize, width: usize, scores: &mut [f32]) {
    let mut largest = [f32::NEG_INFINITY; W];
    for row in columns::<W>(scores, at, width) {
        for (largest, &score) in largest.iter_mut().zip(row) {
            *largest = if score > *largest { score } else { *largest };
        }
    }
    for row in columns_mut::<W>(scores, at, width) {
        for (score, largest) in row.iter_mut().zip(&largest) {
            *score = elementwise::exp(*score - largest);
        }
    }
}

/// Divides what exponentials mixed by their sum, column by column.
#[inline(always)]
fn divide_by_sums<const W: usize>(at: usize, width: usize, scores: &[f32], out: &mut [f32]) {
    let mut total = [0.0_f32; W];
    for block in scores.chunks(BLOCK * width) {
        let mut sum = [0.0_f32; W];
        for row in columns::<W>(block, at, width) {
            sum.iter_mut().zip(row).for_each(|(sum, score)| *sum += score);
        }
        total.iter_mut().zip(sum).for_each(|(total, sum)| *total += sum);
    }
    let factor = total.map(|total| 1.0 / total);
    for row in columns_mut::<W>(out, at, width) {
        row.iter_mut().zip(&factor).for_each(|(value, factor)| *value *= factor);
    }
}

/// [seen, dim] → [dim, seen], a cache line at a time.
fn turn_round(rows: &[f32], dim: usize, out: &mut [f32]) {
    let seen = rows.len() / dim;
    for (block, rows) in rows.chunks(LINE * dim).enumerate() {
        let count = rows.len() / dim;
        for feature in 0..dim {
            let out = &mut out[feature * seen + block * LINE..][..count];
            for (out, row) in out.iter_mut().zip(rows.chunks_exact(dim)) {
                *out = row[feature];
            }
        }
    }
}
