//! Sum and copy with stores past the caches, for what would not fit in them.

use std::{
    arch::x86_64::{__m128i, _mm_loadu_si128, _mm_sfence, _mm_stream_si128},
    mem::MaybeUninit,
};

/// A cache line. Stores past the caches are fast when they fill whole lines.
const LINE: usize = 64;
/// As `super::BLOCK`, in lines. Half as much, since the copy loop does not need long runs.
const BLOCK_LINES: usize = (8 << 10) / LINE;

/// See `super::crc32_append`. The caller has reserved the room.
pub(super) fn crc32_append(crc: u32, bytes: &[u8], out: &mut Vec<u8>) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(crc);
    let unaligned = out.spare_capacity_mut().as_ptr().align_offset(LINE).min(bytes.len());
    let (lead, rest) = bytes.split_at(unaligned);
    crc.update(lead);
    out.extend_from_slice(lead);

    let (lines, tail) = rest.as_chunks::<LINE>();
    let (mut room, _) = out.spare_capacity_mut().as_chunks_mut::<LINE>();
    assert!(room.len() >= lines.len(), "reserved by the caller");
    for block in lines.chunks(BLOCK_LINES) {
        crc.update(block.as_flattened());
        let (to, behind) = room.split_at_mut(block.len());
        block.iter().zip(to).for_each(|(from, to)| store(from, to));
        room = behind;
    }
    // SAFETY: SSE is part of x86_64. The fence orders the stores above before everything that follows.
    unsafe { _mm_sfence() };
    // SAFETY: `lines.len()` lines behind the present end were reserved and have all been written.
    unsafe { out.set_len(out.len() + lines.len() * LINE) };

    crc.update(tail);
    out.extend_from_slice(tail);
    crc.finalize()
}

fn store(from: &[u8; LINE], to: &mut [MaybeUninit<u8>; LINE]) {
    const LANE: usize = size_of::<__m128i>();
    let (from, to) = (from.as_ptr(), to.as_mut_ptr());
    debug_assert!(to.addr().is_multiple_of(LANE), "the lead-in ends on a line");
    for at in (0..LINE).step_by(LANE) {
        // SAFETY: SSE2 is part of x86_64. Both arrays are LINE bytes, so every lane lies inside them; loads may be
        // unaligned, and `to` is aligned because the caller copied up to a line boundary first. The caller fences before
        // anyone reads what was stored.
        unsafe { _mm_stream_si128(to.add(at).cast(), _mm_loadu_si128(from.add(at).cast())) };
    }
}
