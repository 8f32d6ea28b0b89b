//! Random values with the shapes that find mistakes: borders more often than chance would.

use crate::build::SplitMix64;

/// A generator for one case.
pub(super) struct Random(SplitMix64);

impl Random {
    /// The generator of case `index` of a property: independent of every other case, so that runs can be cut into shards.
    pub(super) fn new(seed: u64, property: &str, index: u32) -> Self {
        // FNV-1a of the name keeps properties apart.
        let name = property.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut mix = SplitMix64::new(seed ^ name);
        Self(SplitMix64::new(
            mix.next_u64().wrapping_add(u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        ))
    }

    pub(super) fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(super) fn u32(&mut self) -> u32 {
        (self.u64() >> 32) as u32
    }

    /// Below `n`, which must not be 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.u64() % n as u64) as usize
    }

    /// `from` to `to`, both included.
    pub(super) fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }

    /// True once in `n`.
    pub(super) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.0.bytes(count)
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i + 1));
        }
    }

    /// A number of the range of uint32, often at a border of its varint form.
    pub(super) fn number(&mut self) -> u32 {
        match self.below(4) {
            0 => self.pick(&[0, 1, 127, 128, 16383, 16384, 2_097_151, 2_097_152, 268_435_455, 268_435_456]),
            1 => self.pick(&[u32::MAX, u32::MAX - 1, 1 << 31, (1 << 31) - 1, 65535, 65536, 255, 256]),
            2 => self.u32(),
            _ => self.u32() >> 20,
        }
    }

    /// A character of any length in UTF-8, controls and the ends of the planes included.
    pub(super) fn character(&mut self) -> char {
        match self.below(8) {
            0 => self.pick(&['\0', '\n', '"', '\\', '/', '\u{7f}', '\u{1}', ' ', '\u{80}', '\u{2028}']),
            1 => self.pick(&[
                '\u{7ff}',
                '\u{800}',
                '\u{d7ff}',
                '\u{e000}',
                '\u{ffff}',
                '\u{10000}',
                '\u{10ffff}',
            ]),
            2 => self.pick(&['é', 'ß', 'Ġ', '漢', '模', '😀', '𝄞', '\u{301}', '\u{feff}', '\u{200d}']),
            _ => char::from(b'a' + self.below(26) as u8),
        }
    }

    /// A text of at most `max` characters.
    pub(super) fn text(&mut self, max: usize) -> String {
        let len = self.below(max + 1);
        (0..len).map(|_| self.character()).collect()
    }

    /// A text of ASCII letters and digits, at least one.
    pub(super) fn word(&mut self, max: usize) -> String {
        let len = self.between(1, max);
        (0..len).map(|_| char::from(self.pick(b"abcdefghijklmnopqrstuvwxyz0123456789"))).collect()
    }

    /// 64 lower-case hex digits.
    pub(super) fn hash(&mut self) -> String {
        (0..4).map(|_| format!("{:016x}", self.u64())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_independent_and_repeatable() {
        let first = |seed, name, index| Random::new(seed, name, index).u64();
        assert_eq!(first(1, "a", 0), first(1, "a", 0));
        let others = [first(1, "a", 1), first(1, "b", 0), first(2, "a", 0)];
        assert!(others.iter().all(|&n| n != first(1, "a", 0)));
    }

    #[test]
    fn a_shuffle_keeps_everything() {
        let mut list: Vec<_> = (0..50).collect();
        Random::new(3, "shuffle", 0).shuffle(&mut list);
        assert_ne!(list, (0..50).collect::<Vec<_>>());
        list.sort_unstable();
        assert_eq!(list, (0..50).collect::<Vec<_>>());
    }
}
