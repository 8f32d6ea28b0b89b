//! XXH64 with seed 0: the checksum at the end of a zstd frame.

use super::content::Content;

const PRIME_1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME_3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME_4: u64 = 0x85EB_CA77_C2B2_AE63;
const PRIME_5: u64 = 0x27D4_EB2F_1656_67C5;

/// Bytes that the four lanes take in together.
const STRIPE: usize = 32;

/// XXH64 of the content, seed 0, without holding a run.
pub fn xxh64(content: &Content) -> u64 {
    let mut lanes = [PRIME_1.wrapping_add(PRIME_2), PRIME_2, 0, PRIME_1.wrapping_neg()];
    let mut pending = Vec::with_capacity(2 * STRIPE);
    content.for_each_piece(|piece| {
        let mut piece = piece;
        if !pending.is_empty() {
            let take = piece.len().min(STRIPE - pending.len());
            pending.extend_from_slice(&piece[..take]);
            piece = &piece[take..];
            if pending.len() == STRIPE {
                take_stripe(&mut lanes, &pending);
                pending.clear();
            }
        }
        let stripes = piece.chunks_exact(STRIPE);
        pending.extend_from_slice(stripes.remainder());
        stripes.for_each(|stripe| take_stripe(&mut lanes, stripe));
    });

    let mut hash = if content.len() >= STRIPE as u64 {
        let [a, b, c, d] = lanes;
        let start = a
            .rotate_left(1)
            .wrapping_add(b.rotate_left(7))
            .wrapping_add(c.rotate_left(12))
            .wrapping_add(d.rotate_left(18));
        lanes
            .iter()
            .fold(start, |hash, lane| (hash ^ round(0, *lane)).wrapping_mul(PRIME_1).wrapping_add(PRIME_4))
    } else {
        PRIME_5
    };
    hash = hash.wrapping_add(content.len());

    let (words, rest) = pending.as_chunks::<8>();
    for word in words {
        hash ^= round(0, u64::from_le_bytes(*word));
        hash = hash.rotate_left(27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
    }
    let (halves, rest) = rest.as_chunks::<4>();
    for half in halves {
        hash ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(PRIME_1);
        hash = hash.rotate_left(23).wrapping_mul(PRIME_2).wrapping_add(PRIME_3);
    }
    for byte in rest {
        hash ^= u64::from(*byte).wrapping_mul(PRIME_5);
        hash = hash.rotate_left(11).wrapping_mul(PRIME_1);
    }

    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 32)
}

fn take_stripe(lanes: &mut [u64; 4], stripe: &[u8]) {
    for (lane, word) in lanes.iter_mut().zip(stripe.as_chunks::<8>().0) {
        *lane = round(*lane, u64::from_le_bytes(*word));
    }
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIME_2)).rotate_left(31).wrapping_mul(PRIME_1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values() {
        assert_eq!(xxh64(&Content::from(vec![])), 0xEF46_DB37_51D8_E999);
        assert_eq!(xxh64(&Content::from(b"abc".to_vec())), 0x44BC_2CF5_AD77_0999);
    }

    #[test]
    fn pieces_do_not_matter() {
        for len in [0, 1, 31, 32, 33, 4095, 4096, 4097, 10_000] {
            let run = Content::Run { byte: 3, len };
            let held = Content::from(vec![3; len as usize]);
            assert_eq!(xxh64(&run), xxh64(&held), "{len}");
        }
    }
}
