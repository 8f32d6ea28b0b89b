//! Activations of many tokens, laid out for products with row-major weights.
//!
//! A matrix of weights [out, in] is read row by row as it lies in its file; what is laid out anew are the activations, which
//! are few: tokens side by side in panels, feature after feature. A register then holds one feature of some tokens, and a
//! weight is spread over it. The result has the same layout, so that products follow each other without turning anything
//! round.

pub(crate) mod attention;
mod columns;
mod memory;

use std::ops::Range;
use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use memory::{Buffer, LINE, Pool};

/// Registers that a wide panel takes; what is left over when tokens are divided goes into panels of one.
const WIDE: usize = 3;

/// Weights whose product with all tokens one core makes at a time: 64 Ki of f32 stay in the second cache.
const WEIGHTS_A_PIECE: usize = 64 << 10;

/// Pieces that a core gets, so that one that is held up does not hold up all.
const PIECES_A_CORE: usize = 4;

/// Rows of weights that share a pass over the tokens, where there are registers for them.
const MANY_ROWS: usize = 8;
/// And where there are 16 registers only.
const FEW_ROWS: usize = 4;

/// Tokens of a panel: its first one, and how many there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Panel {
    first: usize,
    width: usize,
}

impl Panel {
    /// Panels for so many tokens: wide ones, and narrow ones for what is left.
    fn of(tokens: usize) -> Vec<Self> {
        let lanes = Arch::new().dispatch(Lanes);
        let mut panels = Vec::new();
        let mut first = 0;
        while first < tokens {
            let registers = if (tokens - first).div_ceil(lanes) >= WIDE { WIDE } else { 1 };
            panels.push(Self { first, width: registers * lanes });
            first += registers * lanes;
        }
        panels
    }
}

/// Rows of weights in f32.
pub(crate) trait WeightRows: Sync {
    /// Rows of that range, [range, in]; `scratch` may hold them.
    fn rows<'a>(&'a self, range: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32];
}

/// Features of some tokens, [tokens, features] in what it means.
#[derive(Clone, Debug)]
pub(crate) struct TokenPanels {
    tokens: usize,
    features: usize,
    panels: Arc<[Panel]>,
    /// Panel after panel; in a panel feature after feature; of a feature the panel's tokens. Room for tokens that are not
    /// there holds whatever products make of zeros.
    values: Buffer,
}

impl TokenPanels {
    /// Lays rows, [tokens, features], out.
    pub(crate) fn from_rows(rows: &[f32], features: usize) -> Self {
        let tokens = rows.len() / features;
        let panels: Arc<[Panel]> = Panel::of(tokens).into();
        let room: usize = panels.iter().map(|panel| panel.width).sum();
        let values = Arc::new(Pool::default()).take(room * features);
        let mut made = Self { tokens, features, panels, values };
        made.lay_out(rows);
        made
    }

    /// Rows, [tokens, features], of the same tokens as these.
    pub(crate) fn rows_beside(&self, rows: &[f32], features: usize) -> Self {
        debug_assert_eq!(rows.len(), self.tokens * features);
        let mut made = self.sibling(features);
        made.lay_out(rows);
        made
    }

    fn lay_out(&mut self, rows: &[f32]) {
        let (features, panels) = (self.features, Arc::clone(&self.panels));
        let work = panels.par_iter().zip(self.slices());
        work.for_each(|(panel, values)| {
            let rows = rows[panel.first * features..].chunks_exact(features).take(panel.width);
            if rows.len() < panel.width {
                values.fill(0.0);
            }
            for (token, row) in rows.enumerate() {
                for (value, to) in row.iter().zip(values.iter_mut().skip(token).step_by(panel.width)) {
                    *to = *value;
                }
            }
        });
    }

    /// Other features of the same tokens, of any value, in memory of the same pool.
    fn sibling(&self, features: usize) -> Self {
        let room: usize = self.panels.iter().map(|panel| panel.width).sum();
        let values = self.values.pool().take(room * features);
        Self { tokens: self.tokens, features, panels: Arc::clone(&self.panels), values }
    }

    /// The values of a panel.
    fn of(&self, panel: Panel) -> &[f32] {
        // All panels before it are full.
        &self.values[panel.first * self.features..][..panel.width * self.features]
    }

    /// The values of each panel.
    fn slices(&mut self) -> Vec<&mut [f32]> {
        let mut rest = &mut *self.values;
        let split = |panel: &Panel| {
            let (slice, behind) = std::mem::take(&mut rest).split_at_mut(panel.width * self.features);
            rest = behind;
            slice
        };
        self.panels.iter().map(split).collect()
    }

    /// Rows, [tokens, features].
    pub(crate) fn into_rows(self) -> Vec<f32> {
        let mut rows = vec![0.0; self.tokens * self.features];
        let widest = self.panels.first().map_or(1, |panel| panel.width);
        rows.par_chunks_mut(widest * self.features).enumerate().for_each(|(chunk, rows)| {
            // Wide panels come first, each a chunk; those of one register are what is left for the last.
            let tokens = chunk * widest..chunk * widest + rows.len() / self.features;
            for panel in self.panels.iter().filter(|panel| tokens.contains(&panel.first)) {
                let values = self.of(*panel);
                let rows = &mut rows[(panel.first - tokens.start) * self.features..];
                turn(values, panel.width, rows, self.features);
            }
        });
        rows
    }

    /// Adds a number to each feature of every token.
    pub(crate) fn add_each(&mut self, bias: &[f32]) {
        debug_assert_eq!(bias.len(), self.features);
        let widths: Vec<usize> = self.panels.iter().map(|panel| panel.width).collect();
        for (values, width) in self.slices().into_iter().zip(widths) {
            for (values, bias) in values.chunks_exact_mut(width).zip(bias) {
                values.iter_mut().for_each(|value| *value += bias);
            }
        }
    }

    /// The features of the last token.
    pub(crate) fn last_row(&self) -> Vec<f32> {
        let last = self.panels.iter().rev().find(|panel| panel.first < self.tokens);
        let of_panel = |panel: &Panel| {
            let token = self.tokens - 1 - panel.first;
            self.of(*panel).iter().skip(token).step_by(panel.width).copied().collect()
        };
        last.map(of_panel).unwrap_or_default()
    }

    /// Tokens.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Every value, in no order that means anything: for what is done to each by itself.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Every value, in the order of [`values_mut`](Self::values_mut).
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Products with the first `rows` rows of weights, [rows, features] → [tokens, rows].
    pub(crate) fn product(&self, weights: &impl WeightRows, rows: usize) -> Self {
        let mut out = self.sibling(rows);
        let cores = rayon::current_num_threads();
        let even = rows.div_ceil(cores * PIECES_A_CORE);
        let most = if cores == 1 { usize::MAX } else { even };
        let piece = (WEIGHTS_A_PIECE / self.features.max(1)).min(most).max(1).next_multiple_of(MANY_ROWS);
        // A piece is some rows for all tokens, so that rows which have to be widened are widened once.
        let mut pieces: Vec<Vec<&mut [f32]>> = (0..rows.div_ceil(piece)).map(|_| Vec::new()).collect();
        let widths: Vec<usize> = self.panels.iter().map(|panel| panel.width).collect();
        for (slice, width) in out.slices().into_iter().zip(&widths) {
            slice.chunks_mut(piece * width).zip(&mut pieces).for_each(|(slice, piece)| piece.push(slice));
        }
        let arch = Arch::new();
        pieces.into_par_iter().enumerate().for_each_init(Vec::new, |scratch, (index, outs)| {
            let range = index * piece..rows.min((index + 1) * piece);
            let weights = weights.rows(range, scratch);
            arch.dispatch(Piece { tokens: self, weights, outs });
        });
        out
    }
}

/// Floats in a register.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Rows of weights for all tokens.
struct Piece<'a, 'b> {
    tokens: &'a TokenPanels,
    /// [rows, features].
    weights: &'a [f32],
    /// One for each panel, [rows, width].
    outs: Vec<&'b mut [f32]>,
}

impl WithSimd for Piece<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (features, weights) = (self.tokens.features, self.weights);
        for (panel, out) in self.tokens.panels.iter().zip(self.outs) {
            let x = self.tokens.of(*panel);
            match (S::REGISTER_COUNT >= 32, panel.width > S::F32_LANES) {
                (true, true) => panel_product::<S, MANY_ROWS, WIDE>(simd, weights, features, x, out),
                (true, false) => panel_product::<S, MANY_ROWS, 1>(simd, weights, features, x, out),
                (false, true) => panel_product::<S, FEW_ROWS, WIDE>(simd, weights, features, x, out),
                (false, false) => panel_product::<S, FEW_ROWS, 1>(simd, weights, features, x, out),
            }
        }
    }
}

#[inline(always)]
fn panel_product<S: Simd, const ROWS: usize, const REGISTERS: usize>(
    simd: S,
    weights: &[f32],
    features: usize,
    x: &[f32],
    out: &mut [f32],
) {
    let width = REGISTERS * S::F32_LANES;
    let many = out.len() / width / ROWS * ROWS;
    let (outs, last) = out.split_at_mut(many * width);
    let (rows, last_rows) = weights.split_at(many * features);
    for (rows, out) in rows.chunks_exact(ROWS * features).zip(outs.chunks_exact_mut(ROWS * width)) {
        rows_product::<S, ROWS, REGISTERS>(simd, rows, features, x, out);
    }
    for (row, out) in last_rows.chunks_exact(features).zip(last.chunks_exact_mut(width)) {
        rows_product::<S, 1, REGISTERS>(simd, row, features, x, out);
    }
}

/// A sum for each of some rows, `stride` apart, and each of a panel's tokens, all of them in registers. There are as many
/// terms as `x` has features.
#[inline(always)]
fn rows_product<S: Simd, const ROWS: usize, const REGISTERS: usize>(
    simd: S,
    weights: &[f32],
    stride: usize,
    x: &[f32],
    out: &mut [f32],
) {
    let features = x.len() / (REGISTERS * S::F32_LANES);
    let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; ROWS];
    let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &weights[row * stride..][..features]);
    let (x, _) = S::as_simd_f32s(x);
    for (feature, x) in x.as_chunks::<REGISTERS>().0.iter().enumerate() {
        for (row, sums) in rows.iter().zip(&mut sums) {
            let weight = simd.splat_f32s(row[feature]);
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum = simd.mul_add_f32s(weight, *x, *sum);
            }
        }
    }
    let (out, _) = S::as_mut_simd_f32s(out);
    for (out, sums) in out.as_chunks_mut::<REGISTERS>().0.iter_mut().zip(sums) {
        *out = sums;
    }
}

/// [features, width] → [tokens, features], in squares that stay in the innermost cache.
fn turn(values: &[f32], width: usize, rows: &mut [f32], features: usize) {
    for (square, values) in values.chunks(LINE * width).enumerate() {
        for (token, row) in rows.chunks_exact_mut(features).take(width).enumerate() {
            let row = &mut row[square * LINE..][..values.len() / width];
            for (to, values) in row.iter_mut().zip(values.chunks_exact(width)) {
                *to = values[token];
            }
        }
    }
}

#[cfg(test)]
pub(in crate::tensor) mod tests;
