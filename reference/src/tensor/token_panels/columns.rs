//! What is done to each token by itself: norms and rotations. A register holds one feature of some tokens, so that sums over
//! features need nothing sideways.

use rayon::prelude::*;

use super::super::matrix::vectorised;
use super::TokenPanels;

/// Features that are summed before the sum goes to the total: a long sum of small numbers loses digits.
const BLOCK: usize = 64;

/// Runs `$each` for the columns of rows of `$width` floats, as many at a time as divide them: `W` of them, from `at` on.
macro_rules! by_columns {
    ($width:expr, $each:ident($($argument:expr),*)) => {{
        let width = $width;
        if width % 16 == 0 {
            (0..width).step_by(16).for_each(|at| $each::<16>(at, width, $($argument),*));
        } else if width % 4 == 0 {
            (0..width).step_by(4).for_each(|at| $each::<4>(at, width, $($argument),*));
        } else {
            (0..width).for_each(|at| $each::<1>(at, width, $($argument),*));
        }
    }};
}
pub(super) use by_columns;

/// `W` floats of each row of `width`, from column `at` on.
#[inline(always)]
pub(super) fn columns<const W: usize>(
    values: &[f32],
    at: usize,
    width: usize,
) -> impl Iterator<Item = &[f32; W]> {
    values.chunks_exact(width).filter_map(move |row| row[at..].first_chunk())
}

/// The same to write to.
#[inline(always)]
pub(super) fn columns_mut<const W: usize>(
    values: &mut [f32],
    at: usize,
    width: usize,
) -> impl Iterator<Item = &mut [f32; W]> {
    values.chunks_exact_mut(width).filter_map(move |row| row[at..].first_chunk_mut())
}

/// `out = x · weight / sqrt(mean(x²) + eps)` down each column.
#[inline(always)]
fn norm_columns<const W: usize>(
    at: usize,
    width: usize,
    values: &[f32],
    weight: &[f32],
    eps: f32,
    out: &mut [f32],
) {
    let mut total = [0.0_f32; W];
    for block in values.chunks(BLOCK * width) {
        let mut sum = [0.0_f32; W];
        for row in columns::<W>(block, at, width) {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * value);
        }
        total.iter_mut().zip(sum).for_each(|(total, sum)| *total += sum);
    }
    let factor = total.map(|total| 1.0 / (total / weight.len() as f32 + eps).sqrt());
    let rows = columns_mut::<W>(out, at, width).zip(columns::<W>(values, at, width));
    for ((out, row), weight) in rows.zip(weight) {
        for ((out, value), factor) in out.iter_mut().zip(row).zip(&factor) {
            *out = value * factor * weight;
        }
    }
}

impl TokenPanels {
    /// `x · weight / sqrt(mean(x²) + eps)` over each run of as many features as there are weights.
    pub(crate) fn rms_norm(&self, weight: &[f32], eps: f32) -> Self {
        let mut made = self.sibling(self.features);
        let panels = made.panels.clone();
        let slices = made.slices();
        panels.par_iter().zip(slices).with_max_len(1).for_each(|(panel, out)| {
            let values = self.of(*panel);
            let run = weight.len() * panel.width;
            vectorised(
                #[inline(always)]
                || {
                    for (values, out) in values.chunks_exact(run).zip(out.chunks_exact_mut(run)) {
                        by_columns!(panel.width, norm_columns(values, weight, eps, out));
                    }
                },
            );
        });
        made
    }

    /// Turns every head in place: features i and i + half of a head by the angle whose cosine and sine stand in feature i
    /// of [tokens, half].
    pub(crate) fn turn(&mut self, [cos, sin]: [&Self; 2]) {
        let half = cos.features;
        let panels = self.panels.clone();
        panels.par_iter().zip(self.slices()).with_max_len(1).for_each(|(panel, values)| {
            let (cos, sin) = (cos.of(*panel), sin.of(*panel));
            vectorised(
                #[inline(always)]
                || {
                    for head in values.chunks_exact_mut(2 * half * panel.width) {
                        let (low, high) = head.split_at_mut(half * panel.width);
                        for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
                            let turned = *low * cos - *high * sin;
                            *high = *high * cos + *low * sin;
                            *low = turned;
                        }
                    }
                },
            );
        });
    }
}
