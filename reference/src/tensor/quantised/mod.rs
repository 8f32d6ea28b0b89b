//! Matrices in the blocks of a GGUF file: 4 or 8 bits a number, products in whole numbers.
//!
//! A vector is rounded to 8 bits in blocks of 32 with a scale each, as llama.cpp does it; a block's products are summed as
//! whole numbers and scaled then. So a product differs from that of the widened matrix by the rounding of the vector: at most
//! 1/254 of the largest number of a block, times the sum of the weights' sizes.
//!
//! Memory is laid out for it: 16 rows side by side, so that a register holds four columns of all of them and no sum crosses
//! lanes.

mod kernel;
mod panel;
mod row;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use rayon::prelude::*;

use super::matrix::{ALONE, PART, PIECES_A_CORE, vectorised};
use crate::error::Result;
use crate::weights::{Coding, Weights};
use kernel::Kernel;
use panel::{BLOCK, PANEL, Panels};
use row::QuantisedRow;

/// A matrix [rows, cols] in a file's own blocks, laid out anew.
pub(crate) struct QuantisedMatrix {
    rows: usize,
    cols: usize,
    panels: Panels,
}

impl QuantisedMatrix {
    /// Takes over a tensor [rows, cols] of that coding. Every value stays what it was.
    ///
    /// # Errors
    /// `decode` for a tensor that is not there.
    pub(crate) fn read(
        weights: &Weights,
        name: &str,
        [rows, cols]: [usize; 2],
        coding: Coding,
    ) -> Result<Self> {
        let panels = Panels::read(weights, name, rows, cols / BLOCK, coding)?;
        Ok(Self { rows, cols, panels })
    }

    /// Rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes that a pass over the matrix reads.
    pub(crate) fn bytes(&self) -> usize {
        self.panels.bytes()
    }

    /// `y = M · x`, [cols] → [rows], with `x` rounded to 8 bits. A block of `x` with a NaN or an infinity makes all of `y` NaN.
    pub(crate) fn mat_vec(&self, x: &[f32], y: &mut [f32]) {
        self.mat_vec_with(Kernel::best(), x, y);
    }

    fn mat_vec_with(&self, kernel: Kernel, x: &[f32], y: &mut [f32]) {
        debug_assert_eq!((x.len(), y.len()), (self.cols, self.rows));
        let x = QuantisedRow::new(x);
        let cores = rayon::current_num_threads();
        if cores == 1 || self.rows * self.cols <= ALONE {
            self.panels.mat_vec(kernel, 0, &x, y);
            return;
        }
        let panels = self.rows.div_ceil(cores * PIECES_A_CORE * PANEL).max(1);
        y.par_chunks_mut(panels * PANEL)
            .enumerate()
            .for_each(|(piece, y)| self.panels.mat_vec(kernel, piece * panels, &x, y));
    }

    /// `y = Σ p[i] · M[i]`, [rows] → [cols], of the weights as they are. The same bits whatever the number of cores.
    pub(crate) fn weighted_rows(&self, p: &[f32], y: &mut [f32]) {
        debug_assert_eq!((p.len(), y.len()), (self.rows, self.cols));
        let parts: Vec<Vec<f32>> = p
            .par_chunks(PART)
            .enumerate()
            .map(|(part, p)| {
                let mut sum = vec![0.0; self.cols];
                vectorised(
                    #[inline(always)]
                    || self.panels.weighted_rows(part * (PART / PANEL), p, &mut sum),
                );
                sum
            })
            .collect();
        y.fill(0.0);
        for sum in parts {
            y.iter_mut().zip(&sum).for_each(|(y, sum)| *y += sum);
        }
    }

    /// Rows from `start` on in f32, as many as `out` takes: to the bit what the file's blocks stand for.
    pub(crate) fn widen(&self, start: usize, out: &mut [f32]) {
        // Up to where the first row's panel ends, then panel by panel.
        let within = (start.next_multiple_of(PANEL) - start) * self.cols;
        let (head, rest) = out.split_at_mut(within.min(out.len()));
        let widen = |start: usize, out: &mut [f32]| {
            vectorised(
                #[inline(always)]
                || self.panels.widen(start, out),
            );
        };
        widen(start, head);
        let start = start.next_multiple_of(PANEL);
        rest.chunks_mut(PANEL * self.cols)
            .enumerate()
            .for_each(|(index, out)| widen(start + index * PANEL, out));
    }
}
