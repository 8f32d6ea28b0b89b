//! SEED → ITEMS: which problems belong to which split, and the items of a split by number.

use std::fmt;

use rand::Rng as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::item::{Item, Length, Task};
use super::layout::note;
use super::problem::Problem;

/// Parts of the item space; one is the test split's, one the validation split's, the others are for training.
const PARTS: u8 = 8;

/// Which part of the item space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// For training.
    Train,
    /// For choosing among trained models.
    Validation,
    /// For reported numbers alone.
    Test,
}

impl Split {
    /// The split of a problem. It depends on nothing but the facts, whatever their order, so that splits are disjoint for
    /// any seeds, and a test item's facts are not met in training in another order or with another question.
    #[must_use]
    pub fn of(facts: &[String]) -> Self {
        let mut sorted: Vec<_> = facts.iter().collect();
        sorted.sort_unstable();
        let mut hasher = Sha256::new();
        for fact in sorted {
            hasher.update(fact.as_bytes());
            hasher.update(b"\n");
        }
        match hasher.finalize()[0] % PARTS {
            0 => Self::Test,
            1 => Self::Validation,
            _ => Self::Train,
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// The items of a split, in a fixed order without end. An item depends on split, seed and its number alone.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    /// Which part of the item space.
    pub split: Split,
    /// Another seed, other items.
    pub seed: u64,
}

impl Generator {
    /// Random numbers that belong to one item.
    fn rng(self, number: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        rng
    }

    /// The problem behind an item, and what is left of its random numbers. Tasks take turns.
    #[must_use]
    pub fn problem(self, number: u64) -> (Problem, ChaCha8Rng) {
        let mut rng = self.rng(number);
        let task = Task::ALL[(number % Task::ALL.len() as u64) as usize];
        loop {
            let problem = Problem::draw(task, &mut rng);
            if Split::of(&problem.facts) == self.split {
                return (problem, rng);
            }
        }
    }

    /// The item with that number.
    #[must_use]
    pub fn item(self, number: u64) -> Item {
        let (mut problem, mut rng) = self.problem(number);
        let chosen = rng.random_range(0..problem.questions.len());
        Item {
            id: format!("relay-{}-{}-{number:05}", self.split, self.seed),
            task: problem.task,
            length: Length::of(problem.facts.len()),
            asked: problem.questions.swap_remove(chosen),
            facts: problem.facts,
            note: note(&problem.entries),
        }
    }
}
