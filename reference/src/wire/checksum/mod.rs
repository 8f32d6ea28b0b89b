//! CRC-32 of payloads (AVP-CMP-012): IEEE 802.3, reflected, as in zip and PNG.
//!
//! An encoder has to sum a payload and to copy it. Done one after the other, that reads the payload twice; here it is
//! read once. There are three ways, by size, one of them past the caches or not; all give the same bytes.

#[cfg(target_arch = "x86_64")]
mod folded;
#[cfg(target_arch = "x86_64")]
mod uncached;

/// CRC-32 of the bytes.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Bytes that are summed and then copied at a time. Small enough to stay in the first-level cache between the two, large
/// enough that the calls do not count.
const BLOCK: usize = 16 << 10;

/// Payloads from this size on are summed and stored by one loop, where the processor has the instructions for it: up to
/// twice as fast. Below, setting it up costs more than it saves.
#[cfg(target_arch = "x86_64")]
const FOLDED_FROM: usize = 4 << 10;

/// Payloads from this size on are written past the caches. They would not fit there beside their source, and an ordinary
/// store first reads the line that it is about to overwrite, which is a third more traffic. Measured with 32 MiB of
/// third-level cache: twice as fast from 24 MiB on.
#[cfg(target_arch = "x86_64")]
const UNCACHED_FROM: usize = 12 << 20;

/// Messages from this size on are written past the caches as their pieces come: a receiver has several of them on their way, so
/// that none stays in a cache until somebody reads it.
#[cfg(target_arch = "x86_64")]
const GATHERED_UNCACHED_FROM: usize = 4 << 20;

/// CRC-32 of bytes that follow those that `crc` is of.
pub(crate) fn crc32_more(crc: u32, bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(crc);
    crc.update(bytes);
    crc.finalize()
}

/// Appends the bytes and carries on with the CRC-32 of those before them (0 for none), in one pass over memory.
pub(super) fn crc32_append(crc: u32, bytes: &[u8], out: &mut Vec<u8>) -> u32 {
    out.reserve(bytes.len());
    #[cfg(target_arch = "x86_64")]
    {
        if bytes.len() >= UNCACHED_FROM {
            return uncached::crc32_append(crc, bytes, out);
        }
        if bytes.len() >= FOLDED_FROM && folded::available() {
            return folded::crc32_append::<false>(crc, bytes, out);
        }
    }
    crc32_append_blocks(crc, bytes, out)
}

/// The same for a piece of a message of `whole` bytes that comes over a network. A piece has just been written and is in the
/// caches, the room for a large message is not.
pub(super) fn crc32_gather(crc: u32, piece: &[u8], whole: usize, out: &mut Vec<u8>) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if whole >= GATHERED_UNCACHED_FROM && piece.len() >= FOLDED_FROM && folded::available() {
        out.reserve(piece.len());
        return folded::crc32_append::<true>(crc, piece, out);
    }
    crc32_append(crc, piece, out)
}

fn crc32_append_blocks(crc: u32, bytes: &[u8], out: &mut Vec<u8>) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(crc);
    for block in bytes.chunks(BLOCK) {
        crc.update(block);
        out.extend_from_slice(block);
    }
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(append: impl Fn(u32, &[u8], &mut Vec<u8>) -> u32, lengths: &[usize]) {
        let longest = lengths.iter().max().copied().unwrap_or(0) + 64;
        let source: Vec<u8> =
            (0..longest as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53) as u8).collect();
        for &len in lengths {
            for (skip, head) in [(0, 0), (1, 0), (3, 17), (0, 63), (16, 64)] {
                let bytes = &source[skip..skip + len];
                let mut out = vec![7; head];
                out.reserve(len);
                let expected = crc32(&[b"before", bytes].concat());
                assert_eq!(
                    append(crc32(b"before"), bytes, &mut out),
                    expected,
                    "{len} from {skip} to {head}"
                );
                assert!(out[..head].iter().all(|&byte| byte == 7) && out[head..] == *bytes, "{len} bytes");
            }
        }
    }

    const SHORT: [usize; 12] = [0, 1, 15, 63, 64, 65, 255, 256, 257, 511, 1000, 70_001];

    #[test]
    fn every_way_gives_the_same_bytes_and_sum() {
        check(crc32_append_blocks, &SHORT);
        #[cfg(target_arch = "x86_64")]
        {
            check(uncached::crc32_append, &SHORT);
            if folded::available() {
                check(folded::crc32_append::<false>, &SHORT);
                check(folded::crc32_append::<true>, &SHORT);
            }
        }
    }

    #[test]
    fn lengths_around_the_switches() {
        let around = |n: usize| [n - 1, n, n + 65];
        check(crc32_append, &around(BLOCK));
        #[cfg(target_arch = "x86_64")]
        {
            check(crc32_append, &around(FOLDED_FROM));
            check(crc32_append, &around(UNCACHED_FROM));
            for whole in around(GATHERED_UNCACHED_FROM) {
                check(|crc, bytes, out| crc32_gather(crc, bytes, whole, out), &around(FOLDED_FROM));
            }
        }
    }
}
