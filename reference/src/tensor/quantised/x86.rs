//! Products in the byte instructions of x86-64. In loops that a compiler vectorises they took several times as long.

use std::arch::x86_64::*;

use super::panel::{Lane, Line, PANEL, Panel};
use super::row::QuantisedRow;

/// Whether [`product_vnni`] can run.
pub(super) fn has_vnni() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
}

/// Whether [`product_avx2`] can run.
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

/// Rows of a panel times a vector. Only where [`has_vnni`].
pub(super) fn product_vnni<S: Lane, const FOUR: bool, const GROUPS: usize>(
    panel: Panel<'_, S>,
    x: &QuantisedRow,
) -> [f32; PANEL] {
    debug_assert!(has_vnni());
    // SAFETY: [`super::kernel::Kernel`] gives this kernel out where [`has_vnni`] says so, and nowhere else.
    unsafe { vnni::<S, FOUR, GROUPS>(panel, x) }
}

/// Rows of a panel times a vector. Only where [`has_avx2`].
pub(super) fn product_avx2<S: Lane, const FOUR: bool, const GROUPS: usize>(
    panel: Panel<'_, S>,
    x: &QuantisedRow,
) -> [f32; PANEL] {
    debug_assert!(has_avx2());
    // SAFETY: [`super::kernel::Kernel`] gives this kernel out where [`has_avx2`] says so, and nowhere else.
    unsafe { avx2::<S, FOUR, GROUPS>(panel, x) }
}

/// Four codes as one lane.
#[inline(always)]
fn four(codes: &[i8], at: usize) -> i32 {
    i32::from_le_bytes([codes[at] as u8, codes[at + 1] as u8, codes[at + 2] as u8, codes[at + 3] as u8])
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn vnni<S: Lane, const FOUR: bool, const GROUPS: usize>(
    panel: Panel<'_, S>,
    x: &QuantisedRow,
) -> [f32; PANEL] {
    let low_half = _mm512_set1_epi8(15);
    let (mut products, mut offsets) = (_mm512_setzero_ps(), _mm512_setzero_ps());
    let lines_a_block = if FOUR { 4 } else { 8 };
    let blocks = panel.lines.chunks_exact(lines_a_block).zip(panel.scales.as_chunks::<GROUPS>().0);
    let minima = panel.minima.as_chunks::<GROUPS>().0;
    for (block, ((lines, scales), codes)) in blocks.zip(&x.codes).enumerate() {
        let (step, sums) = (x.scales[block], x.sums[block]);
        let sum = |group: usize| if GROUPS == 1 { sums[0] + sums[1] } else { sums[group] };
        let mut found = [_mm512_setzero_si512(); 2];
        for (index, line) in lines.iter().enumerate() {
            // SAFETY: a line is 64 bytes on a boundary of 64.
            let bytes = unsafe { _mm512_load_si512((&raw const *line).cast()) };
            if FOUR {
                let low = _mm512_and_si512(bytes, low_half);
                let high = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), low_half);
                found[0] = _mm512_dpbusd_epi32(found[0], low, _mm512_set1_epi32(four(codes, 8 * index)));
                found[1] = _mm512_dpbusd_epi32(found[1], high, _mm512_set1_epi32(four(codes, 8 * index + 4)));
            } else {
                let half = index / 4;
                found[half] =
                    _mm512_dpbusd_epi32(found[half], bytes, _mm512_set1_epi32(four(codes, 4 * index)));
            }
        }
        if GROUPS == 1 {
            found[0] = _mm512_add_epi32(found[0], found[1]);
        }
        for group in 0..GROUPS {
            let middle = _mm512_set1_epi32(i32::from(panel.middle) * sum(group));
            let found = _mm512_cvtepi32_ps(_mm512_sub_epi32(found[group], middle));
            let scale = _mm512_mul_ps(lanes_512(&scales[group]), _mm512_set1_ps(step));
            products = _mm512_fmadd_ps(scale, found, products);
            if let Some(minima) = minima.get(block) {
                let weight = _mm512_set1_ps(step * sum(group) as f32);
                offsets = _mm512_fmadd_ps(lanes_512(&minima[group]), weight, offsets);
            }
        }
    }
    let mut out = [0.0; PANEL];
    // SAFETY: room for 16 floats, at any address.
    unsafe { _mm512_storeu_ps(out.as_mut_ptr(), _mm512_add_ps(products, offsets)) };
    out
}

#[inline]
#[target_feature(enable = "avx512f")]
fn lanes_512<S: Lane>(lanes: &[S; PANEL]) -> __m512 {
    let at = (&raw const *lanes).cast();
    if S::HALF {
        // SAFETY: 16 float16, 32 bytes, at any address.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(at) })
    } else {
        // SAFETY: 16 floats, 64 bytes, at any address.
        unsafe { _mm512_loadu_ps(at.cast()) }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn avx2<S: Lane, const FOUR: bool, const GROUPS: usize>(
    panel: Panel<'_, S>,
    x: &QuantisedRow,
) -> [f32; PANEL] {
    let mut out = [0.0; PANEL];
    for side in 0..2 {
        let sums = avx2_side::<S, FOUR, GROUPS>(panel, x, side);
        // SAFETY: room for 8 floats from 0 or 8 on, at any address.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr().add(8 * side), sums) };
    }
    out
}

/// The first or the last eight rows.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn avx2_side<S: Lane, const FOUR: bool, const GROUPS: usize>(
    panel: Panel<'_, S>,
    x: &QuantisedRow,
    side: usize,
) -> __m256 {
    let (low_half, sign) = (_mm256_set1_epi8(15), _mm256_set1_epi8(-128));
    // Sums of two products have to fit 16 bits. Codes of eight bits are only that large around the middle 128: signed, the
    // largest sum is 2 × 128 × 127, which fits.
    let signed = panel.middle == 128;
    let (mut products, mut offsets) = (_mm256_setzero_ps(), _mm256_setzero_ps());
    let lines_a_block = if FOUR { 4 } else { 8 };
    let blocks = panel.lines.chunks_exact(lines_a_block).zip(panel.scales.as_chunks::<GROUPS>().0);
    let minima = panel.minima.as_chunks::<GROUPS>().0;
    for (block, ((lines, scales), codes)) in blocks.zip(&x.codes).enumerate() {
        let (step, sums) = (x.scales[block], x.sums[block]);
        let sum = |group: usize| if GROUPS == 1 { sums[0] + sums[1] } else { sums[group] };
        let mut found = [_mm256_setzero_si256(); 2];
        for (index, line) in lines.iter().enumerate() {
            let bytes = half_line(line, side);
            if FOUR {
                let low = _mm256_and_si256(bytes, low_half);
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low_half);
                found[0] = add_products(found[0], low, _mm256_set1_epi32(four(codes, 8 * index)));
                found[1] = add_products(found[1], high, _mm256_set1_epi32(four(codes, 8 * index + 4)));
            } else {
                let codes = _mm256_set1_epi32(four(codes, 4 * index));
                let half = index / 4;
                found[half] = if signed {
                    let bytes = _mm256_xor_si256(bytes, sign);
                    add_products(found[half], _mm256_abs_epi8(bytes), _mm256_sign_epi8(codes, bytes))
                } else {
                    add_products(found[half], bytes, codes)
                };
            }
        }
        if GROUPS == 1 {
            found[0] = _mm256_add_epi32(found[0], found[1]);
        }
        for group in 0..GROUPS {
            let middle = if signed { 0 } else { i32::from(panel.middle) * sum(group) };
            let found = _mm256_sub_epi32(found[group], _mm256_set1_epi32(middle));
            let scale = _mm256_mul_ps(lanes_256(&scales[group], side), _mm256_set1_ps(step));
            products = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(found), products);
            if let Some(minima) = minima.get(block) {
                let weight = _mm256_set1_ps(step * sum(group) as f32);
                offsets = _mm256_fmadd_ps(lanes_256(&minima[group], side), weight, offsets);
            }
        }
    }
    _mm256_add_ps(products, offsets)
}

/// Products of unsigned and signed bytes, in fours, added to eight sums.
#[inline]
#[target_feature(enable = "avx2")]
fn add_products(sums: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i {
    let twos = _mm256_maddubs_epi16(unsigned, signed);
    _mm256_add_epi32(sums, _mm256_madd_epi16(twos, _mm256_set1_epi16(1)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn half_line(line: &Line, side: usize) -> __m256i {
    // SAFETY: 32 bytes from 0 or 32 on, of a line of 64 on a boundary of 64.
    unsafe { _mm256_load_si256((&raw const line.0[32 * side]).cast()) }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn lanes_256<S: Lane>(lanes: &[S; PANEL], side: usize) -> __m256 {
    let at = &raw const lanes[8 * side];
    if S::HALF {
        // SAFETY: 8 float16 from 0 or 8 on, 16 bytes, at any address.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(at.cast()) })
    } else {
        // SAFETY: 8 floats from 0 or 8 on, 32 bytes, at any address.
        unsafe { _mm256_loadu_ps(at.cast()) }
    }
}
