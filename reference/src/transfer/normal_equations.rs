//! Normal equations of a least-squares problem, in double precision: `(AᵀA + λI) W = AᵀB`.

use std::num::NonZero;
use std::thread;

use crate::error::{Error, ErrorClass, Result};

/// Rows of A and B that are widened and packed at a time: with [`WIDTH`] columns, 16 KiB of a core's nearest cache.
const DEPTH: usize = 128;
/// Columns of a panel: the sums of [`HEIGHT`] × `WIDTH` entries stay in registers.
const WIDTH: usize = 8;
/// Rows of the product that are summed together.
const HEIGHT: usize = 4;
/// Right-hand sides that are solved together: 64 columns of 4096 rows are 2 MiB, near enough to a core.
const SIDES: usize = 64;
/// Multiplications below which threads cost more than they save.
const WORTH_A_THREAD: usize = 1 << 22;

/// `AᵀA` and `AᵀB`.
pub(super) struct NormalEquations {
    dim: usize,
    /// `[dim, 2 dim]`: `AᵀA` (of which only what stands on and right of the diagonal is made) beside `AᵀB`.
    products: Vec<f64>,
}

impl NormalEquations {
    /// Sums the products of `a` and `b`, both `[V, dim]`. A product of two single-precision numbers is exact in double
    /// precision, so nothing but the sums rounds. Every entry is summed in the same order however many threads there are.
    pub(super) fn accumulate(a: &[f32], b: &[f32], dim: usize) -> Self {
        let mut products = vec![0.0; 2 * dim * dim];
        let threads = threads(a.len().saturating_mul(dim)).min(dim.div_ceil(HEIGHT));
        // Dealt out like cards: the rows further down have less to do.
        let mut hands: Vec<Vec<(usize, &mut [f64])>> = (0..threads).map(|_| Vec::new()).collect();
        for (index, stripe) in products.chunks_mut(HEIGHT * 2 * dim).enumerate() {
            hands[index % threads].push((index * HEIGHT, stripe));
        }
        thread::scope(|scope| {
            let mut hands = hands.into_iter();
            let mine = hands.next();
            for hand in hands {
                scope.spawn(move || stripes(a, b, dim, hand));
            }
            if let Some(hand) = mine {
                stripes(a, b, dim, hand);
            }
        });
        Self { dim, products }
    }

    /// `(AᵀA + λI)⁻¹ AᵀB`, rounded to single precision.
    ///
    /// # Errors
    /// `projection` when the matrix is not positive definite to working precision, or an entry of the result does not
    /// fit single precision.
    pub(super) fn solve(mut self, lambda: f64) -> Result<Vec<f32>> {
        let dim = self.dim;
        self.decompose(lambda)?;
        let blocks: Vec<usize> = (0..dim).step_by(SIDES).collect();
        let threads = threads(dim.saturating_mul(dim).saturating_mul(dim)).min(blocks.len());
        let this = &self;
        let solved = thread::scope(|scope| {
            let work: Vec<_> = (0..threads)
                .map(|first| {
                    let mine: Vec<usize> = blocks.iter().copied().skip(first).step_by(threads).collect();
                    scope.spawn(move || {
                        mine.into_iter().map(|from| (from, this.sides(from))).collect::<Vec<_>>()
                    })
                })
                .collect();
            work.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        let mut w = vec![0.0; dim * dim];
        for blocks in solved {
            // Nothing in there panics; if it did, it would be ours to pass on.
            for (from, block) in blocks.unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                let count = SIDES.min(dim - from);
                for (row, values) in w.chunks_exact_mut(dim).zip(block.chunks_exact(count)) {
                    row[from..from + count].iter_mut().zip(values).for_each(|(w, value)| *w = *value as f32);
                }
            }
        }
        if w.iter().any(|value| !value.is_finite()) {
            return Err(Error::new(ErrorClass::Projection, "w", "entries within single precision", "others"));
        }
        Ok(w)
    }

    /// Turns `AᵀA + λI` into U with `UᵀU` equal to it, in place.
    fn decompose(&mut self, lambda: f64) -> Result<()> {
        let (dim, width) = (self.dim, 2 * self.dim);
        for i in 0..dim {
            let (above, below) = self.products.split_at_mut(i * width);
            let row = &mut below[i..dim];
            let diagonal = row[0] + lambda;
            row[0] = diagonal;
            for above in above.chunks_exact(width) {
                let factor = above[i];
                row.iter_mut().zip(&above[i..dim]).for_each(|(entry, other)| *entry -= factor * other);
            }
            // What is left of a dependent column is rounding error: at most one unit in the last place a subtraction.
            let noise = dim as f64 * f64::EPSILON * diagonal;
            if row[0] <= noise || !row[0].is_finite() {
                let found = format!("column {i} depends on those before it, and lambda is {lambda}");
                return Err(Error::new(ErrorClass::Projection, "e_out", "independent columns", found));
            }
            let root = row[0].sqrt();
            row.iter_mut().for_each(|entry| *entry /= root);
        }
        Ok(())
    }

    /// Solves `UᵀU x = r` for up to [`SIDES`] columns of `AᵀB` from column `from` on; `[dim, columns]`.
    fn sides(&self, from: usize) -> Vec<f64> {
        let (dim, width) = (self.dim, 2 * self.dim);
        let count = SIDES.min(dim - from);
        let row = |i: usize| &self.products[i * width..i * width + dim];
        let mut x: Vec<f64> = self
            .products
            .chunks_exact(width)
            .flat_map(|row| row[dim + from..dim + from + count].iter().copied())
            .collect();
        let subtract = |to: &mut [f64], factor: f64, other: &[f64]| {
            to.iter_mut().zip(other).for_each(|(to, other)| *to -= factor * other);
        };
        for i in 0..dim {
            let (done, rest) = x.split_at_mut((i + 1) * count);
            let mine = &mut done[i * count..];
            let upper = row(i);
            mine.iter_mut().for_each(|value| *value /= upper[i]);
            for (to, factor) in rest.chunks_exact_mut(count).zip(&upper[i + 1..]) {
                subtract(to, *factor, mine);
            }
        }
        for i in (0..dim).rev() {
            let (rest, done) = x.split_at_mut((i + 1) * count);
            let mine = &mut rest[i * count..];
            let upper = row(i);
            for (other, factor) in done.chunks_exact(count).zip(&upper[i + 1..]) {
                subtract(mine, *factor, other);
            }
            mine.iter_mut().for_each(|value| *value /= upper[i]);
        }
        x
    }
}

/// Threads that a number of multiplications is worth.
fn threads(multiplications: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    cores.min(multiplications / WORTH_A_THREAD + 1)
}

/// Sums some stripes of the products, each of up to [`HEIGHT`] rows from the row named on.
fn stripes(a: &[f32], b: &[f32], dim: usize, mut stripes: Vec<(usize, &mut [f64])>) {
    let panels = dim.div_ceil(WIDTH);
    let (mut a_panels, mut b_panels) = (Vec::new(), Vec::new());
    for (a, b) in a.chunks(DEPTH * dim).zip(b.chunks(DEPTH * dim)) {
        pack(a, dim, &mut a_panels);
        pack(b, dim, &mut b_panels);
        let depth = a.len() / dim;
        for (from, stripe) in &mut stripes {
            let height = HEIGHT.min(dim - *from);
            // The stripe's own columns of A, as packed.
            let left: Vec<[f64; HEIGHT]> = (0..depth)
                .map(|r| {
                    let mut column = [0.0; HEIGHT];
                    for (i, entry) in column.iter_mut().enumerate().take(height) {
                        let at = *from + i;
                        *entry = a_panels[at / WIDTH * depth + r][at % WIDTH];
                    }
                    column
                })
                .collect();
            let of_a = (*from / WIDTH..panels).map(|panel| (panel * WIDTH, &a_panels, panel));
            let of_b = (0..panels).map(|panel| (dim + panel * WIDTH, &b_panels, panel));
            for (column, packed, panel) in of_a.chain(of_b) {
                let sums = product(&left, &packed[panel * depth..(panel + 1) * depth]);
                let count = WIDTH.min(dim - panel * WIDTH);
                for (row, sums) in stripe.chunks_exact_mut(2 * dim).zip(sums) {
                    row[column..column + count].iter_mut().zip(sums).for_each(|(entry, sum)| *entry += sum);
                }
            }
        }
    }
}

/// Widens rows and lays them out by panels of [`WIDTH`] columns, the last one filled up with zeros.
fn pack(rows: &[f32], dim: usize, panels: &mut Vec<[f64; WIDTH]>) {
    panels.clear();
    for from in (0..dim).step_by(WIDTH) {
        let count = WIDTH.min(dim - from);
        panels.extend(rows.chunks_exact(dim).map(|row| {
            let mut entry = [0.0; WIDTH];
            entry.iter_mut().zip(&row[from..from + count]).for_each(|(to, value)| *to = f64::from(*value));
            entry
        }));
    }
}

/// `leftᵀ right`, over the rows of both.
fn product(left: &[[f64; HEIGHT]], right: &[[f64; WIDTH]]) -> [[f64; WIDTH]; HEIGHT] {
    let mut sums = [[0.0; WIDTH]; HEIGHT];
    for (left, right) in left.iter().zip(right) {
        for i in 0..HEIGHT {
            for j in 0..WIDTH {
                sums[i][j] += left[i] * right[j];
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(seed: u32, count: usize) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn products_are_sums_over_the_rows() {
        // Sizes beside and beyond those of panels, stripes and blocks of rows, and one that several threads share.
        for (count, dim) in [(1, 1), (3, 5), (129, 8), (300, 33), (260, 130)] {
            let (a, b) = (values(1, count * dim), values(2, count * dim));
            let made = NormalEquations::accumulate(&a, &b, dim);
            for i in 0..dim {
                for j in 0..2 * dim {
                    let (other, column) = if j < dim { (&a, j) } else { (&b, j - dim) };
                    let expected: f64 = (0..count)
                        .map(|r| f64::from(a[r * dim + i]) * f64::from(other[r * dim + column]))
                        .sum();
                    let found = made.products[i * 2 * dim + j];
                    assert!(
                        j < i || (found - expected).abs() < 1e-10,
                        "{count} × {dim}, {i} {j}: {found} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_solved_multiplies_back() {
        for dim in [1, 7, 64, 130] {
            let count = 2 * dim + 3;
            let (a, b) = (values(3, count * dim), values(4, count * dim));
            let made = NormalEquations::accumulate(&a, &b, dim);
            let products = made.products.clone();
            let w = made.solve(0.25).unwrap();
            let gram = |i: usize, k: usize| {
                products[i.min(k) * 2 * dim + i.max(k)] + if i == k { 0.25 } else { 0.0 }
            };
            for i in 0..dim {
                for j in 0..dim {
                    let found: f64 = (0..dim).map(|k| gram(i, k) * f64::from(w[k * dim + j])).sum();
                    let expected = products[i * 2 * dim + dim + j];
                    assert!((found - expected).abs() < 1e-3, "{dim}: {i} {j}: {found} {expected}");
                }
            }
        }
    }
}
