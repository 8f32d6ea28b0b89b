//! Random numbers from a counter: what they are depends on what they are for, not on what was drawn before.

use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};

/// What random numbers are for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purpose<'a> {
    /// The run's seed.
    pub(super) seed: u64,
    /// The task, the layout and the item.
    pub(super) item: [&'a str; 3],
    pub(super) arm: &'a str,
    pub(super) replicate: u32,
}

impl Purpose<'_> {
    /// The numbers of one agent.
    pub(super) fn stream(&self, agent: &str) -> ChaCha8Rng {
        let mut hasher = Sha256::new();
        hasher.update(self.seed.to_le_bytes());
        hasher.update(self.replicate.to_le_bytes());
        for part in self.item.into_iter().chain([self.arm, agent]) {
            // With lengths, so that no two lists of texts are one text.
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        ChaCha8Rng::from_seed(hasher.finalize().into())
    }

    /// The seed of an agent's text.
    pub(super) fn number(&self, agent: &str) -> u64 {
        self.stream(agent).next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let purpose = Purpose { seed: 1, item: ["relay", "withheld", "7"], arm: "noise@10", replicate: 0 };
        let others = [
            Purpose { seed: 2, ..purpose },
            Purpose { item: ["relay", "repeated", "7"], ..purpose },
            Purpose { item: ["relay", "withheld", "8"], ..purpose },
            Purpose { item: ["rela", "ywithheld", "7"], ..purpose },
            Purpose { arm: "noise@11", ..purpose },
            Purpose { replicate: 1, ..purpose },
        ];
        let number = purpose.number("reader");
        assert_eq!(number, purpose.number("reader"));
        assert_ne!(number, purpose.number("answerer"));
        assert!(others.iter().all(|other| other.number("reader") != number));
    }
}
