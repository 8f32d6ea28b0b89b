//! Sixteen rows side by side.

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::kernel::Kernel;
use super::row::QuantisedRow;
use crate::error::Result;
use crate::weights::{Coding, Weights};

/// Rows of a panel: the 32-bit lanes of the widest registers.
pub(super) const PANEL: usize = 16;

/// Columns of a block: numbers of a vector that share a scale. Divides the length of every quantised row there is.
pub(super) const BLOCK: usize = 32;

/// Codes of the 16 rows of a panel: byte 4r + j is of row r. Eight bits: of column j of four. Four bits: the low half is of
/// column j of eight, the high half of column 4 + j.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; 64]);

/// Scales or minima, 16 rows at a time; panel after panel, block after block, group after group.
enum Lanes {
    /// As the file has them.
    Half(Vec<[f16; PANEL]>),
    /// Products of what the file has.
    Full(Vec<[f32; PANEL]>),
}

/// One row's scale or minimum each, in a type that is widened on the way.
pub(super) trait Lane: Copy + Sync {
    fn widened(lanes: &[Self; PANEL]) -> [f32; PANEL];

    #[cfg(target_arch = "x86_64")]
    const HALF: bool;
}

impl Lane for f16 {
    #[inline(always)]
    fn widened(lanes: &[Self; PANEL]) -> [f32; PANEL] {
        let mut out = [0.0; PANEL];
        lanes.convert_to_f32_slice(&mut out);
        out
    }

    #[cfg(target_arch = "x86_64")]
    const HALF: bool = true;
}

impl Lane for f32 {
    #[inline(always)]
    fn widened(lanes: &[Self; PANEL]) -> [f32; PANEL] {
        *lanes
    }

    #[cfg(target_arch = "x86_64")]
    const HALF: bool = false;
}

impl Lanes {
    fn new(values: Vec<[f32; PANEL]>, half: bool) -> Self {
        if half {
            Self::Half(values.iter().map(|row| row.map(f16::from_f32)).collect())
        } else {
            Self::Full(values)
        }
    }

    fn widened(&self, index: usize) -> [f32; PANEL] {
        match self {
            Self::Half(values) => Lane::widened(&values[index]),
            Self::Full(values) => values[index],
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Half(values) => size_of_val(&values[..]),
            Self::Full(values) => size_of_val(&values[..]),
        }
    }
}

/// What a kernel reads of one panel.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a, S> {
    /// Four or eight a block.
    pub(super) lines: &'a [Line],
    /// One or two a block.
    pub(super) scales: &'a [[S; PANEL]],
    /// As many, or none.
    pub(super) minima: &'a [[S; PANEL]],
    pub(super) middle: u8,
}

/// A matrix as panels.
pub(super) struct Panels {
    coding: Coding,
    /// Blocks of a row.
    blocks: usize,
    lines: Vec<Line>,
    scales: Lanes,
    minima: Option<Lanes>,
}

impl Panels {
    pub(super) fn read(
        weights: &Weights,
        name: &str,
        rows: usize,
        blocks: usize,
        coding: Coding,
    ) -> Result<Self> {
        let count = rows.div_ceil(PANEL);
        let (lines, lanes) = (blocks * lines_a_block(coding), blocks * groups_a_block(coding));
        let mut codes = vec![Line([0; 64]); count * lines];
        let mut scales = vec![[0.0; PANEL]; count * lanes];
        let mut minima = vec![[0.0; PANEL]; count * lanes];
        codes
            .par_chunks_mut(lines)
            .zip(scales.par_chunks_mut(lanes).zip(minima.par_chunks_mut(lanes)))
            .enumerate()
            .try_for_each(|(panel, (codes, (scales, minima)))| {
                let first = panel * PANEL;
                weights.each_run(name, first..rows.min(first + PANEL), |run| {
                    let row = run.row - first;
                    let (at, groups) = (run.run * lines_a_block(coding), run.scales.len());
                    put(coding, &mut codes[at..at + lines_a_block(coding)], row, run.codes);
                    for group in 0..groups {
                        scales[run.run * groups + group][row] = run.scales[group];
                        minima[run.run * groups + group][row] = run.minima[group];
                    }
                })
            })?;
        let minima = coding.minima.then(|| Lanes::new(minima, coding.half));
        Ok(Self { coding, blocks, lines: codes, scales: Lanes::new(scales, coding.half), minima })
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.lines[..]) + self.scales.bytes() + self.minima.as_ref().map_or(0, Lanes::bytes)
    }

    /// Products of as many rows as `y` takes, from a panel on.
    pub(super) fn mat_vec(&self, kernel: Kernel, first: usize, x: &QuantisedRow, y: &mut [f32]) {
        let minima = self.minima.as_ref();
        match &self.scales {
            Lanes::Half(scales) => {
                let minima = minima.map(|lanes| match lanes {
                    Lanes::Half(minima) => &minima[..],
                    Lanes::Full(_) => &[],
                });
                self.products(kernel, first, (scales, minima.unwrap_or_default()), x, y);
            }
            Lanes::Full(scales) => {
                let minima = minima.map(|lanes| match lanes {
                    Lanes::Full(minima) => &minima[..],
                    Lanes::Half(_) => &[],
                });
                self.products(kernel, first, (scales, minima.unwrap_or_default()), x, y);
            }
        }
    }

    fn products<S: Lane>(
        &self,
        kernel: Kernel,
        first: usize,
        (scales, minima): (&[[S; PANEL]], &[[S; PANEL]]),
        x: &QuantisedRow,
        y: &mut [f32],
    ) {
        let lines = self.blocks * lines_a_block(self.coding);
        let lanes = self.blocks * groups_a_block(self.coding);
        let panels = y.chunks_mut(PANEL).enumerate().map(|(index, y)| {
            let index = first + index;
            let minima = if minima.is_empty() { minima } else { &minima[index * lanes..][..lanes] };
            let panel = Panel {
                lines: &self.lines[index * lines..][..lines],
                scales: &scales[index * lanes..][..lanes],
                minima,
                middle: self.coding.middle,
            };
            (panel, y)
        });
        match (self.coding.four_bits, groups_a_block(self.coding)) {
            (true, _) => kernel.panels::<S, true, 1>(panels, x),
            (false, 1) => kernel.panels::<S, false, 1>(panels, x),
            (false, _) => kernel.panels::<S, false, 2>(panels, x),
        }
    }

    /// Adds `p[i]` times row `16 first + i` to `y`, for each entry of `p`.
    #[inline(always)]
    pub(super) fn weighted_rows(&self, first: usize, p: &[f32], y: &mut [f32]) {
        let (lines_each, groups) = (lines_a_block(self.coding), groups_a_block(self.coding));
        // Four columns a line or half a line, each with its 16 rows in four lanes: lane 4r + j sums rows r, r + 4, … of
        // column j. Folded at the end.
        let mut sums = vec![[0.0; PANEL]; y.len() / 4];
        let mut weights = [[0.0; PANEL]; 2];
        let mut offsets = [0.0; 2];
        for (index, p) in p.chunks(PANEL).enumerate() {
            if p.iter().all(|&p| p == 0.0) {
                continue;
            }
            let panel = first + index;
            for block in 0..self.blocks {
                let lanes = (panel * self.blocks + block) * groups;
                for group in 0..groups {
                    let scales = self.scales.widened(lanes + group);
                    weights[group] = [0.0; PANEL];
                    weights[group]
                        .iter_mut()
                        .zip(p)
                        .zip(scales)
                        .for_each(|((weight, p), scale)| *weight = p * scale);
                    offsets[group] = match &self.minima {
                        Some(minima) => {
                            p.iter().zip(minima.widened(lanes + group)).map(|(p, minimum)| p * minimum).sum()
                        }
                        None => -f32::from(self.coding.middle) * weights[group].iter().sum::<f32>(),
                    };
                }
                let lines = &self.lines[(panel * self.blocks + block) * lines_each..][..lines_each];
                let sums = &mut sums[block * (BLOCK / 4)..][..BLOCK / 4];
                if self.coding.four_bits {
                    for (line, sums) in lines.iter().zip(sums.as_chunks_mut::<2>().0) {
                        let [low, high] = sums;
                        add_line(&line.0.map(|byte| byte & 15), &weights[0], low);
                        add_line(&line.0.map(|byte| byte >> 4), &weights[0], high);
                    }
                } else {
                    for (index, (line, sums)) in lines.iter().zip(sums.iter_mut()).enumerate() {
                        add_line(&line.0, &weights[index * groups / lines_each], sums);
                    }
                }
                for (index, sums) in sums.iter_mut().enumerate() {
                    let offset = offsets[index * groups / (BLOCK / 4)];
                    sums[..4].iter_mut().for_each(|sum| *sum += offset);
                }
            }
        }
        for (y, sums) in y.as_chunks_mut::<4>().0.iter_mut().zip(&sums) {
            for (column, y) in y.iter_mut().enumerate() {
                *y += (sums[column] + sums[4 + column]) + (sums[8 + column] + sums[12 + column]);
            }
        }
    }

    /// Rows in f32, from a row on: `out` is [rows, 32 · blocks], of rows of one panel.
    #[inline(always)]
    pub(super) fn widen(&self, first: usize, out: &mut [f32]) {
        let (panel, first) = (first / PANEL, first % PANEL);
        let (lines_each, groups) = (lines_a_block(self.coding), groups_a_block(self.coding));
        let cols = self.blocks * BLOCK;
        for block in 0..self.blocks {
            let at = panel * self.blocks + block;
            let lines = &self.lines[at * lines_each..][..lines_each];
            for group in 0..groups {
                let scales = self.scales.widened(at * groups + group);
                let minima =
                    self.minima.as_ref().map_or([-0.0; PANEL], |minima| minima.widened(at * groups + group));
                let columns = BLOCK / groups;
                let lines = &lines[group * lines_each / groups..][..lines_each / groups];
                for (row, out) in out.chunks_exact_mut(cols).enumerate() {
                    let row = first + row;
                    let out = &mut out[block * BLOCK + group * columns..][..columns];
                    let value = |code: u8| {
                        f32::from(i16::from(code) - i16::from(self.coding.middle)) * scales[row] + minima[row]
                    };
                    if self.coding.four_bits {
                        for (line, out) in lines.iter().zip(out.as_chunks_mut::<8>().0) {
                            for column in 0..4 {
                                let byte = line.0[4 * row + column];
                                (out[column], out[4 + column]) = (value(byte & 15), value(byte >> 4));
                            }
                        }
                    } else {
                        for (line, out) in lines.iter().zip(out.as_chunks_mut::<4>().0) {
                            let codes = &line.0[4 * row..4 * row + 4];
                            out.iter_mut().zip(codes).for_each(|(out, code)| *out = value(*code));
                        }
                    }
                }
            }
        }
    }
}

/// Adds the 16 rows of four columns, each times its weight.
#[inline(always)]
fn add_line(codes: &[u8; 64], weights: &[f32; PANEL], sums: &mut [f32; PANEL]) {
    for (codes, weights) in codes.as_chunks::<16>().0.iter().zip(weights.as_chunks::<4>().0) {
        for lane in 0..16 {
            sums[lane] += weights[lane / 4] * f32::from(codes[lane]);
        }
    }
}

/// Writes 32 codes of a row into its block.
fn put(coding: Coding, lines: &mut [Line], row: usize, codes: &[u8; 32]) {
    if coding.four_bits {
        for (line, codes) in lines.iter_mut().zip(codes.as_chunks::<8>().0) {
            for column in 0..4 {
                line.0[4 * row + column] = codes[column] | codes[4 + column] << 4;
            }
        }
    } else {
        for (line, codes) in lines.iter_mut().zip(codes.as_chunks::<4>().0) {
            line.0[4 * row..4 * row + 4].copy_from_slice(codes);
        }
    }
}

fn lines_a_block(coding: Coding) -> usize {
    if coding.four_bits { 4 } else { 8 }
}

fn groups_a_block(coding: Coding) -> usize {
    BLOCK / coding.group
}
