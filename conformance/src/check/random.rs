//! Random values with the shapes that find mistakes: borders more often than chance would.
//!
//! Everything is made of choices: numbers from 0 to a bound. A case can be recorded as its choices and made again from
//! fewer or smaller ones, which is how a failing case becomes a small one. So a smaller choice gives a plainer value, 0
//! the plainest, and past the last choice every one is 0. Marks among the choices keep what follows something of any
//! length in its place when that becomes shorter.

use crate::build::SplitMix64;

/// Most bytes that are one choice each. A longer run is one choice, the seed of all its bytes: nobody reads so many, and
/// they shrink to zeros in one step.
const BYTE_BY_BYTE: usize = 256;

/// Most choices past the last recorded one. Whoever draws until something fits would draw zeros for ever; no property
/// needs so many for one case.
const PAST_THE_END: usize = 1 << 16;

/// Ends the choices of something of any length. No choice is as large.
const MARK: u64 = u64::MAX;

/// A generator for one case.
pub(super) struct Random {
    mix: SplitMix64,
    /// Choices to be made again, in place of random ones.
    given: Option<Vec<u64>>,
    /// The next of them.
    at: usize,
    /// How many zeros were drawn where no choice was left.
    spare: usize,
    recorded: Option<Vec<u64>>,
    /// How many hashes were drawn.
    hashes: u64,
}

impl Random {
    /// The generator of case `index` of a property: independent of every other case, so that runs can be cut into shards.
    pub(super) fn new(seed: u64, property: &str, index: u32) -> Self {
        // FNV-1a of the name keeps properties apart.
        let name = property.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut mix = SplitMix64::new(seed ^ name);
        let mix = SplitMix64::new(
            mix.next_u64().wrapping_add(u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        );
        Self { mix, given: None, at: 0, spare: 0, recorded: None, hashes: 0 }
    }

    /// The same, and its choices are kept.
    pub(super) fn recording(seed: u64, property: &str, index: u32) -> Self {
        Self { recorded: Some(Vec::new()), ..Self::new(seed, property, index) }
    }

    /// Makes these choices again, then zeros.
    pub(super) fn again(choices: &[u64]) -> Self {
        Self { given: Some(choices.to_vec()), ..Self::new(0, "", 0) }
    }

    /// The choices so far, of a generator that records.
    pub(super) fn into_choices(self) -> Vec<u64> {
        self.recorded.unwrap_or_default()
    }

    /// Whether what was drawn goes back to the given choices. Otherwise some loop found nothing that fits among the zeros
    /// behind them, and was given random choices to end it.
    pub(super) fn is_faithful(&self) -> bool {
        self.spare <= PAST_THE_END
    }

    /// A generator whose draws all go back to one choice: for values that are only right as random ones.
    pub(super) fn fork(&mut self) -> Self {
        Self::new(self.u32().into(), "fork", 0)
    }

    /// One choice, 0 to `most`. Everything is made of these.
    fn choice(&mut self, most: u64) -> u64 {
        let most = most.min(MARK - 1);
        let choice = match &self.given {
            Some(given) if self.spare <= PAST_THE_END => match given.get(self.at) {
                None | Some(&MARK) => {
                    self.spare += 1;
                    0
                }
                Some(choice) => {
                    self.at += 1;
                    (*choice).min(most)
                }
            },
            _ => {
                let bits = self.mix.next_u64();
                // The high half of the product: the smaller the bits, the smaller the choice.
                ((u128::from(bits) * (u128::from(most) + 1)) >> 64) as u64
            }
        };
        if let Some(recorded) = &mut self.recorded {
            recorded.push(choice);
        }
        choice
    }

    /// Ends something of any length: what is drawn from here on goes back to the choices behind the next mark.
    pub(super) fn mark(&mut self) {
        if let Some(given) = &self.given {
            let rest = given.get(self.at..).unwrap_or_default();
            self.at += rest.iter().position(|choice| *choice == MARK).map_or(rest.len(), |mark| mark + 1);
        }
        if let Some(recorded) = &mut self.recorded {
            recorded.push(MARK);
        }
    }

    pub(super) fn u64(&mut self) -> u64 {
        self.choice(u64::MAX)
    }

    pub(super) fn u32(&mut self) -> u32 {
        self.choice(u32::MAX.into()) as u32
    }

    /// Below `n`, which must not be 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.choice(n as u64 - 1) as usize
    }

    /// `from` to `to`, both included.
    pub(super) fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }

    /// True once in `n`; what is rare is less plain.
    pub(super) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        if count <= BYTE_BY_BYTE {
            let bytes = (0..count).map(|_| self.choice(0xff) as u8).collect();
            self.mark();
            return bytes;
        }
        match self.u32() {
            0 => vec![0; count],
            seed => SplitMix64::new(seed.into()).bytes(count),
        }
    }

    /// A length from 0 to `most`: every number of digits (in base two) as often as any other, so that a few are long.
    pub(super) fn length(&mut self, most: usize) -> usize {
        let digits = self.between(0, most.checked_ilog2().map_or(0, |digits| digits as usize + 1));
        self.below((1usize << digits).min(most + 1))
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, i - self.below(i + 1));
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
            5 => self.pick(&['\0', '\n', '"', '\\', '/', '\u{7f}', '\u{1}', ' ', '\u{80}', '\u{2028}']),
            6 => self.pick(&[
                '\u{7ff}',
                '\u{800}',
                '\u{d7ff}',
                '\u{e000}',
                '\u{ffff}',
                '\u{10000}',
                '\u{10ffff}',
            ]),
            7 => self.pick(&['é', 'ß', 'Ġ', '漢', '模', '😀', '𝄞', '\u{301}', '\u{feff}', '\u{200d}']),
            _ => char::from(b'a' + self.below(26) as u8),
        }
    }

    /// A text of at most `max` characters.
    pub(super) fn text(&mut self, max: usize) -> String {
        let len = self.below(max + 1);
        let text = (0..len).map(|_| self.character()).collect();
        self.mark();
        text
    }

    /// A text of ASCII letters and digits, at least one.
    pub(super) fn word(&mut self, max: usize) -> String {
        let len = self.between(1, max);
        let word = (0..len).map(|_| char::from(self.pick(b"abcdefghijklmnopqrstuvwxyz0123456789"))).collect();
        self.mark();
        word
    }

    /// 64 lower-case hex digits. The plainest are not the same twice: hashes of different things differ.
    pub(super) fn hash(&mut self) -> String {
        self.hashes += 1;
        let first = self.hashes;
        (0..4).map(|_| format!("{:016x}", self.u64().wrapping_add(first))).collect()
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

    /// Draws of every kind.
    fn some(random: &mut Random) -> (String, Vec<u8>, Vec<u8>, u32, Vec<u8>) {
        let len = random.length(100);
        let mut list: Vec<u8> = (0..9).collect();
        random.shuffle(&mut list);
        (random.text(9), random.bytes(len), random.bytes(300), random.number(), list)
    }

    #[test]
    fn recorded_choices_make_the_same_again() {
        for index in 0..50 {
            let mut random = Random::recording(5, "record", index);
            let first = some(&mut random);
            let choices = random.into_choices();
            assert_eq!(some(&mut Random::new(5, "record", index)), first);
            let mut again = Random::again(&choices);
            assert_eq!(some(&mut again), first);
            assert!(again.is_faithful());
        }
    }

    #[test]
    fn what_follows_a_shorter_text_stays_in_its_place() {
        let draw = |random: &mut Random| (random.text(9), random.number(), random.text(9), random.u32());
        let mut random = Random::recording(8, "mark", 0);
        let first = draw(&mut random);
        let mut choices = random.into_choices();
        assert!(first.0.chars().count() > 1, "{first:?}");
        // One character less, and the choices of the last one left out.
        choices[0] -= 1;
        let mark = choices.iter().position(|choice| *choice == MARK).unwrap();
        choices.remove(mark - 1);
        let shorter = draw(&mut Random::again(&choices));
        assert!(shorter.0.chars().count() + 1 == first.0.chars().count());
        assert_eq!((shorter.1, shorter.2, shorter.3), (first.1, first.2, first.3));
    }

    #[test]
    fn past_the_end_everything_is_as_plain_as_it_gets() {
        let plain = some(&mut Random::again(&[]));
        assert_eq!(plain, (String::new(), vec![], vec![0; 300], 0, (0..9).collect()));
        let mut random = Random::again(&[]);
        assert!(!random.once_in(2) && random.character() == 'a' && random.word(3) == "a");
    }

    #[test]
    fn a_loop_that_waits_for_a_choice_ends_and_is_known() {
        let mut random = Random::again(&[3, 2, 1]);
        while random.below(1000) < 999 {}
        assert!(!random.is_faithful());
    }

    #[test]
    fn lengths_are_short_and_long() {
        let mut random = Random::new(1, "length", 0);
        let lengths: Vec<usize> = (0..2000).map(|_| random.length(100_000)).collect();
        assert!(lengths.iter().all(|&len| len <= 100_000));
        let over = |limit| lengths.iter().filter(|&&len| len > limit).count();
        assert!(over(65_536) > 20 && over(100) > 500 && over(10) < 1900, "{} {}", over(65_536), over(100));
        assert!((0..100).all(|_| random.length(0) == 0));
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
