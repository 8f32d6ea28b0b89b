//! Sum and copy in one loop: every 64 bytes are loaded once, stored, and multiplied into the sum.
//!
//! A CRC is the remainder of the message, read as a polynomial over GF(2), by the polynomial P. Folding makes the
//! message shorter without changing the remainder: a lane of 128 bits that stands n bits before another may be replaced
//! by lane · (xⁿ mod P), added to that other. This loop folds by 2048 bits, that is, over sixteen lanes at a time, until
//! 256 bytes are left. Those, and what follows them, are summed in the ordinary way.

use std::{
    arch::x86_64::{
        __m512i, _MM_HINT_ET0, _mm_cvtsi32_si128, _mm_prefetch, _mm_sfence, _mm512_clmulepi64_epi128,
        _mm512_loadu_si512, _mm512_set4_epi64, _mm512_storeu_si512, _mm512_stream_si512,
        _mm512_ternarylogic_epi64, _mm512_xor_si512, _mm512_zextsi128_si512,
    },
    mem::MaybeUninit,
};

use super::crc32_more;

/// P without its x³², reflected: bit 31 is x⁰.
const POLYNOMIAL: u32 = 0xedb8_8320;
/// Bytes of a register, also of a cache line.
const REGISTER: usize = 64;
/// Bytes folded in each round: four registers, so that one multiplication need not wait for another.
const STRIDE: usize = 4 * REGISTER;
/// How far ahead the target's lines are asked for, in bytes. An ordinary store must first own its line; asking early
/// hides that. Anything from 0.5 to 4 KiB measures the same.
const AHEAD: usize = 2048;

/// Whether this processor can run [`crc32_append`].
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("vpclmulqdq")
}

/// See `super::crc32_append`. The caller has reserved the room, and asked [`available`]. What is stored goes `PAST` the
/// caches, or into them.
pub(super) fn crc32_append<const PAST: bool>(crc: u32, bytes: &[u8], out: &mut Vec<u8>) -> u32 {
    assert!(available());
    // Whole lines are stored, so that no store touches two.
    let unaligned = out.spare_capacity_mut().as_ptr().align_offset(REGISTER).min(bytes.len());
    let (lead, rest) = bytes.split_at(unaligned);
    out.extend_from_slice(lead);

    let (strides, tail) = rest.as_chunks::<STRIDE>();
    let (room, _) = out.spare_capacity_mut().as_chunks_mut::<STRIDE>();
    let room = &mut room[..strides.len()];
    // SAFETY: the processor has the features, as asserted above.
    let crc = unsafe { fold::<PAST>(strides, room, crc32_more(crc, lead)) };
    // SAFETY: `strides.len()` strides behind the present end lie in the reserved room, and `fold` has written them.
    unsafe { out.set_len(out.len() + strides.len() * STRIDE) };

    out.extend_from_slice(tail);
    crc32_more(crc, tail)
}

/// Copies `from` to `to`, which is as long, and returns the sum of everything up to its end; `crc` is the sum of what
/// came before.
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn fold<const PAST: bool>(from: &[[u8; STRIDE]], to: &mut [[MaybeUninit<u8>; STRIDE]], crc: u32) -> u32 {
    let Some((first, strides)) = from.split_first() else { return crc };
    let (first_to, room) = to.split_at_mut(1);
    let mut sums = copy::<PAST>(first, &mut first_to[0]);
    // The register of a CRC holds the complement of what is returned; it is added to the next bytes.
    sums[0] = _mm512_xor_si512(sums[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128(!crc as i32)));

    // A lane's lower half stands 64 bits before its upper half. Its product, of 64 and 32 bits, ends 32 bits short of
    // the lane's end: hence the exponents.
    const LOWER: i64 = power(8 * STRIDE + 32) as i64;
    const UPPER: i64 = power(8 * STRIDE - 32) as i64;
    let powers = _mm512_set4_epi64(UPPER, LOWER, UPPER, LOWER);
    for (stride, to) in strides.iter().zip(room) {
        // Stores past the caches own no line.
        for line in (0..if PAST { 0 } else { STRIDE }).step_by(REGISTER) {
            // A prefetch can't fault, wherever it points.
            _mm_prefetch::<_MM_HINT_ET0>(to.as_ptr().wrapping_add(AHEAD + line).cast());
        }
        let data = copy::<PAST>(stride, to);
        for (sum, data) in sums.iter_mut().zip(data) {
            let lower = _mm512_clmulepi64_epi128::<0x00>(*sum, powers);
            let upper = _mm512_clmulepi64_epi128::<0x11>(*sum, powers);
            // 0x96: the exclusive or of all three.
            *sum = _mm512_ternarylogic_epi64::<0x96>(lower, upper, data);
        }
    }

    if PAST {
        // Orders the stores above before everything that follows.
        _mm_sfence();
    }

    let mut left = [0u8; STRIDE];
    for (sum, left) in sums.iter().zip(left.as_chunks_mut::<REGISTER>().0) {
        // SAFETY: the array is as long as a register; the store may be unaligned.
        unsafe { _mm512_storeu_si512(left.as_mut_ptr().cast(), *sum) };
    }
    // The register's old value is already folded in, so the new one starts at zero, the complement of this.
    crc32_more(u32::MAX, &left)
}

/// Copies a stride and returns it in registers.
#[target_feature(enable = "avx512f")]
#[inline]
fn copy<const PAST: bool>(
    from: &[u8; STRIDE],
    to: &mut [MaybeUninit<u8>; STRIDE],
) -> [__m512i; STRIDE / REGISTER] {
    let (from, to) = (from.as_ptr(), to.as_mut_ptr());
    assert!(!PAST || to.addr().is_multiple_of(REGISTER), "the lead-in ends on a line");
    std::array::from_fn(|i| {
        // SAFETY: both arrays are STRIDE bytes, so every register lies inside them. Loads and ordinary stores need not be
        // aligned; stores past the caches are, as asserted above, and `fold` fences before anyone reads what they wrote.
        unsafe {
            let data = _mm512_loadu_si512(from.add(i * REGISTER).cast());
            let to = to.add(i * REGISTER).cast();
            if PAST {
                _mm512_stream_si512(to, data);
            } else {
                _mm512_storeu_si512(to.cast(), data);
            };
            data
        }
    })
}

/// xⁿ mod P, reflected, one bit up: the product of two reflected numbers comes out one bit low.
const fn power(n: usize) -> u64 {
    let mut value = 1u32 << 31;
    let mut i = 0;
    while i < n {
        let carry = value & 1 != 0;
        value >>= 1;
        if carry {
            value ^= POLYNOMIAL;
        }
        i += 1;
    }
    (value as u64) << 1
}
