//! Activations of many tokens, laid out for products with row-major weights.
//!
//! A matrix of weights [out, in] is read row by row as it lies in its file; what is laid out anew are the activations, which
//! are few: tokens side by side in panels, feature after feature. A register then holds one feature of some tokens, and a
//! weight is spread over it. The result has the same layout, so that products follow each other without turning anything
//! round.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

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

/// Floats in a cache line, which is the widest register, too.
const LINE: usize = 16;

/// Tokens of a panel: its first one, and how many there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Panel {
    first: usize,
    width: usize,
}

/// Rows of weights in f32.
pub(crate) trait WeightRows: Sync {
    /// Rows of that range, [range, in]; `scratch` may hold them.
    fn rows<'a>(&'a self, range: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32];
}

/// What some rows of a product need: a causal product needs less than all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needed {
    /// The first features.
    pub(crate) features: usize,
    /// Products with the first tokens. Of the others some may be made, the rest stay zero.
    pub(crate) tokens: usize,
}

/// Features of some tokens, [tokens, features] in what it means.
#[derive(Clone, Debug)]
pub(crate) struct TokenPanels {
    tokens: usize,
    features: usize,
    panels: Vec<Panel>,
    /// Panel after panel; in a panel feature after feature; of a feature the panel's tokens. Room for tokens that are not
    /// there holds zeros or whatever products make of them. They begin at `start`, where a cache line does.
    memory: Vec<f32>,
    start: usize,
}

impl TokenPanels {
    /// Lays rows, [tokens, features], out.
    pub(crate) fn from_rows(rows: &[f32], features: usize) -> Self {
        let mut made = Self::empty(rows.len() / features, features);
        let panels = made.panels.clone();
        let slices = made.slices();
        let work = panels.into_par_iter().zip(slices);
        work.for_each(|(panel, values)| {
            let count = panel.width.min(rows.len() / features - panel.first);
            for (token, row) in rows[panel.first * features..].chunks_exact(features).take(count).enumerate()
            {
                for (value, to) in row.iter().zip(values.iter_mut().skip(token).step_by(panel.width)) {
                    *to = *value;
                }
            }
        });
        made
    }

    fn empty(tokens: usize, features: usize) -> Self {
        let lanes = Arch::new().dispatch(Lanes);
        let mut panels = Vec::new();
        let mut first = 0;
        while first < tokens {
            let registers = if (tokens - first).div_ceil(lanes) >= WIDE { WIDE } else { 1 };
            panels.push(Panel { first, width: registers * lanes });
            first += registers * lanes;
        }
        let room: usize = panels.iter().map(|panel| panel.width).sum();
        let (memory, start) = Self::aligned(room * features);
        Self { tokens, features, panels, memory, start }
    }

    /// The transpose of what rows, [features, tokens], say: they are in order already.
    pub(crate) fn from_columns(rows: &[f32], tokens: usize) -> Self {
        let mut made = Self::empty(tokens, rows.len() / tokens);
        let panels = made.panels.clone();
        for (panel, values) in panels.into_iter().zip(made.slices()) {
            let width = panel.width.min(tokens - panel.first);
            for (to, row) in values.chunks_exact_mut(panel.width).zip(rows.chunks_exact(tokens)) {
                to[..width].copy_from_slice(&row[panel.first..panel.first + width]);
            }
        }
        made
    }

    /// Zeros behind a place where a cache line begins. Loads across lines take twice as long; nothing but speed depends on it.
    fn aligned(length: usize) -> (Vec<f32>, usize) {
        let memory = vec![0.0_f32; length + LINE];
        let start = memory.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        (memory, start)
    }

    /// The values of each panel.
    fn slices(&mut self) -> Vec<&mut [f32]> {
        let mut rest = &mut self.memory[self.start..];
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
                let values = &self.values()[panel.first * self.features..][..panel.width * self.features];
                let rows = &mut rows[(panel.first - tokens.start) * self.features..];
                turn(values, panel.width, rows, self.features);
            }
        });
        rows
    }

    /// Features of a token.
    pub(crate) fn features(&self) -> usize {
        self.features
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

    /// Every value, in no order that means anything: for what is done to each by itself.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        let (start, length) = (self.start, self.values().len());
        &mut self.memory[start..start + length]
    }

    /// Every value, in the order of [`values_mut`](Self::values_mut).
    pub(crate) fn values(&self) -> &[f32] {
        let width: usize = self.panels.iter().map(|panel| panel.width).sum();
        &self.memory[self.start..][..width * self.features]
    }

    /// Products of rows, `stride` apart with as many numbers as there are features, with all tokens: [rows, tokens].
    /// `needed` says of a range of rows what of that it takes.
    pub(crate) fn rows_times(
        &self,
        rows: &[f32],
        stride: usize,
        needed: impl Fn(Range<usize>) -> Needed + Sync,
    ) -> Vec<f32> {
        debug_assert!(stride >= self.features);
        let count = rows.len() / stride;
        let mut out = vec![0.0; count * self.tokens];
        let pieces = rayon::current_num_threads() * PIECES_A_CORE;
        let piece = if pieces == PIECES_A_CORE { count } else { count.div_ceil(pieces) };
        let piece = piece.max(1).next_multiple_of(MANY_ROWS);
        let arch = Arch::new();
        let parts = out.par_chunks_mut(piece * self.tokens).zip(rows.par_chunks(piece * stride));
        parts.enumerate().for_each(|(index, (out, rows))| {
            let first = index * piece;
            let needed = |range: Range<usize>| needed(first + range.start..first + range.end);
            arch.dispatch(RowsTimes { tokens: self, rows, stride, out, needed });
        });
        out
    }

    /// Products with the first `rows` rows of weights, [rows, features] → [tokens, rows].
    pub(crate) fn product(&self, weights: &impl WeightRows, rows: usize) -> Self {
        let mut out = Self::empty(self.tokens, rows);
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

/// Rows, each with all tokens, into rows.
struct RowsTimes<'a, 'b, F> {
    tokens: &'a TokenPanels,
    /// [rows, stride].
    rows: &'a [f32],
    stride: usize,
    /// [rows, tokens].
    out: &'b mut [f32],
    needed: F,
}

impl<F: Fn(Range<usize>) -> Needed> WithSimd for RowsTimes<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.by::<S, MANY_ROWS>(simd);
        } else {
            self.by::<S, FEW_ROWS>(simd);
        }
    }
}

impl<F: Fn(Range<usize>) -> Needed> RowsTimes<'_, '_, F> {
    #[inline(always)]
    fn by<S: Simd, const ROWS: usize>(self, simd: S) {
        let Self { tokens, rows, stride, out, needed } = self;
        let count = tokens.tokens;
        // Products of a block of rows with a panel, of which those with tokens that are there go out.
        let mut block = TokenPanels::aligned(ROWS * WIDE * S::F32_LANES);
        let (start, length) = (block.1, ROWS * WIDE * S::F32_LANES);
        let block = &mut block.0[start..start + length];
        for (index, (rows, out)) in rows.chunks(ROWS * stride).zip(out.chunks_mut(ROWS * count)).enumerate() {
            let some = out.len() / count;
            let needed = needed(index * ROWS..index * ROWS + some);
            let panels = tokens.panels.iter().take_while(|panel| panel.first < needed.tokens);
            for panel in panels {
                let x = &tokens.values()[panel.first * tokens.features..][..panel.width * needed.features];
                let block = &mut block[..some * panel.width];
                match (some == ROWS, panel.width > S::F32_LANES) {
                    (true, true) => rows_product::<S, ROWS, WIDE>(simd, rows, stride, x, block),
                    (true, false) => rows_product::<S, ROWS, 1>(simd, rows, stride, x, block),
                    (false, true) => each_row_product::<S, WIDE>(simd, rows, stride, x, block),
                    (false, false) => each_row_product::<S, 1>(simd, rows, stride, x, block),
                }
                let width = panel.width.min(count - panel.first);
                for (out, block) in out.chunks_exact_mut(count).zip(block.chunks_exact(panel.width)) {
                    out[panel.first..panel.first + width].copy_from_slice(&block[..width]);
                }
            }
        }
    }
}

#[inline(always)]
fn each_row_product<S: Simd, const REGISTERS: usize>(
    simd: S,
    rows: &[f32],
    stride: usize,
    x: &[f32],
    out: &mut [f32],
) {
    for (row, out) in rows.chunks_exact(stride).zip(out.chunks_exact_mut(REGISTERS * S::F32_LANES)) {
        rows_product::<S, 1, REGISTERS>(simd, row, stride, x, out);
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
        let mut start = 0;
        for (panel, out) in self.tokens.panels.iter().zip(self.outs) {
            let x = &self.tokens.values()[start..start + panel.width * features];
            start += x.len();
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

/// A sum for each of some rows, `features` apart, and each of a panel's tokens, all of them in registers. There are as many
/// terms as `x` has features.
#[inline(always)]
fn rows_product<S: Simd, const ROWS: usize, const REGISTERS: usize>(
    simd: S,
    weights: &[f32],
    features: usize,
    x: &[f32],
    out: &mut [f32],
) {
    let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; ROWS];
    let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &weights[row * features..][..features]);
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
mod tests;
