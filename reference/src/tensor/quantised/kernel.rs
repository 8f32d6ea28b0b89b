//! The product of a panel and a vector, by what the processor has.

use super::panel::{Lane, PANEL, Panel};
use super::row::QuantisedRow;
#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::tensor::matrix::vectorised;

/// Instructions that a product is made of. All of them give the same whole numbers; the sums of floats differ in their last
/// bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// AVX-512 with byte products (VNNI).
    #[cfg(target_arch = "x86_64")]
    Vnni,
    /// AVX2 with FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Loops that are compiled for the vector unit that `pulp` finds: NEON, or none.
    Loops,
}

impl Kernel {
    /// The fastest that this processor has.
    pub(super) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if x86::has_vnni() {
                return Self::Vnni;
            }
            if x86::has_avx2() {
                return Self::Avx2;
            }
        }
        Self::Loops
    }

    /// Those that this processor has.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let mut all = vec![Self::Loops];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(x86::has_avx2().then_some(Self::Avx2));
            all.extend(x86::has_vnni().then_some(Self::Vnni));
        }
        all
    }

    /// Writes the products of panels, with codes of four or eight bits, and with one or two groups a block.
    pub(super) fn panels<'a, S: Lane + 'a, const FOUR: bool, const GROUPS: usize>(
        self,
        panels: impl Iterator<Item = (Panel<'a, S>, &'a mut [f32])>,
        x: &QuantisedRow,
    ) {
        for (panel, y) in panels {
            let product = match self {
                #[cfg(target_arch = "x86_64")]
                Self::Vnni => x86::product_vnni::<S, FOUR, GROUPS>(panel, x),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => x86::product_avx2::<S, FOUR, GROUPS>(panel, x),
                Self::Loops => product::<S, FOUR, GROUPS>(panel, x),
            };
            y.copy_from_slice(&product[..y.len()]);
        }
    }
}

/// The product in loops that a compiler vectorises.
fn product<S: Lane, const FOUR: bool, const GROUPS: usize>(
    panel: Panel<'_, S>,
    x: &QuantisedRow,
) -> [f32; PANEL] {
    let mut y = [0.0; PANEL];
    vectorised(
        #[inline(always)]
        || {
            let lines_a_group = if FOUR { 4 } else { 8 / GROUPS };
            let groups = panel.lines.chunks_exact(lines_a_group).zip(panel.scales).enumerate();
            for (index, (lines, scales)) in groups {
                let (block, group) = (index / GROUPS, index % GROUPS);
                let codes = &x.codes[block][group * (32 / GROUPS)..];
                let sum = x.sums[block];
                let sum = if GROUPS == 1 { sum[0] + sum[1] } else { sum[group] };
                let mut products = [0_i32; 64];
                if FOUR {
                    // Eight products of 15 and 127 a lane fit 16 bits.
                    let mut narrow = [0_i16; 64];
                    for (line, codes) in lines.iter().zip(codes.as_chunks::<8>().0) {
                        let [low, high] = [spread(&codes[..4]), spread(&codes[4..])];
                        for lane in 0..64 {
                            narrow[lane] += i16::from(line.0[lane] & 15) * low[lane];
                            narrow[lane] += i16::from(line.0[lane] >> 4) * high[lane];
                        }
                    }
                    products.iter_mut().zip(narrow).for_each(|(wide, narrow)| *wide = narrow.into());
                } else {
                    for (line, codes) in lines.iter().zip(codes.as_chunks::<4>().0) {
                        let codes = spread(codes);
                        for lane in 0..64 {
                            // At most 255 times 127, which 16 bits hold.
                            products[lane] += i32::from(i16::from(line.0[lane]) * codes[lane]);
                        }
                    }
                }
                let (scales, step) = (S::widened(scales), x.scales[block]);
                let minima = panel.minima.get(index).map_or([0.0; PANEL], S::widened);
                for row in 0..PANEL {
                    let product: i32 = products[4 * row..4 * row + 4].iter().sum();
                    let product = (product - i32::from(panel.middle) * sum) as f32;
                    y[row] += (scales[row] * step) * product + minima[row] * (step * sum as f32);
                }
            }
        },
    );
    y
}

/// Four codes, for each of sixteen rows.
#[inline(always)]
fn spread(codes: &[i8]) -> [i16; 64] {
    let mut out = [0; 64];
    for four in out.as_chunks_mut::<4>().0 {
        four.iter_mut().zip(codes).for_each(|(out, code)| *out = i16::from(*code));
    }
    out
}
