//! STEP → BATCH: the dialogues of a training step as tokens. A step's batch depends on seed and number alone, so that a
//! resumed run sees what an uninterrupted one would have.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use tokenizers::Tokenizer;

use super::error::{Error, Result};
use super::recipe::Training;
use super::tokenizer::{ASSISTANT, END, PAD, USER};
use crate::relay::dialogue::{self, Turn};
use crate::relay::{Generator, Split};

/// Batches whose dialogues are drawn together and sorted by length, so that little is padding.
const POOL: usize = 16;
/// Problems that a pool may look at. It stops with the first few thousand, since most dialogues fit.
const STREAMS: u64 = 1 << 24;
/// Sequences are padded to a multiple of this: fewer shapes for kernels that are compiled for each.
const LENGTH_STEP: usize = 8;

/// Tokens of a dialogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Whether a token is the model's own, so that predicting it is learned.
    pub learned: Vec<bool>,
}

/// One training step's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Token ids `[rows, length]`, padded at the end.
    pub ids: Vec<i32>,
    /// Sequences.
    pub rows: usize,
    /// Tokens of a sequence.
    pub length: usize,
    /// Positions in the flattened `ids` whose next token is learned.
    pub positions: Vec<i32>,
    /// That next token, for each of `positions`.
    pub targets: Vec<i32>,
}

/// Batches by step.
pub struct Batches<'a> {
    tokenizer: &'a Tokenizer,
    special: [u32; 4],
    training: &'a Training,
    seed: u64,
    /// The pool that is drawn, by its number.
    pool: Option<(usize, Vec<Vec<Sequence>>)>,
}

impl<'a> Batches<'a> {
    /// Batches of a training run.
    ///
    /// # Errors
    /// A tokenizer without the special tokens.
    pub fn new(tokenizer: &'a Tokenizer, training: &'a Training, seed: u64) -> Result<Self> {
        let id = |token| {
            tokenizer
                .token_to_id(token)
                .ok_or_else(|| Error::Tokenizer(format!("expected {token}, found none")))
        };
        let special = [id(PAD)?, id(USER)?, id(ASSISTANT)?, id(END)?];
        Ok(Self { tokenizer, special, training, seed, pool: None })
    }

    /// The batch of a step, counted from 0.
    ///
    /// # Errors
    /// What the tokenizer refuses.
    pub fn step(&mut self, step: usize) -> Result<Batch> {
        let number = step / POOL;
        if self.pool.as_ref().is_none_or(|(drawn, _)| *drawn != number) {
            self.pool = Some((number, self.draw(number)?));
        }
        let batches = self.pool.as_ref().map(|(_, batches)| batches.as_slice()).unwrap_or_default();
        Ok(self.pad(&batches[step % POOL]))
    }

    fn draw(&self, pool: usize) -> Result<Vec<Vec<Sequence>>> {
        let problems = Generator { split: Split::Train, seed: self.seed };
        let rows = self.training.batch;
        let longest = self.training.length(pool * POOL);
        let mut sequences = Vec::with_capacity(rows * POOL);
        let first = pool as u64 * STREAMS;
        for number in first..first + STREAMS {
            let (problem, mut rng) = problems.problem(number);
            let sequence = self.sequence(&dialogue::draw(&problem, &mut rng))?;
            if sequence.ids.len() <= longest {
                sequences.push(sequence);
            }
            if sequences.len() == rows * POOL {
                break;
            }
        }
        sequences.sort_by_key(|sequence| sequence.ids.len());
        let mut batches: Vec<_> = sequences.chunks(rows).map(<[Sequence]>::to_vec).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        // Streams of problems count from 0; these from the other end.
        rng.set_stream(u64::MAX - pool as u64);
        batches.shuffle(&mut rng);
        Ok(batches)
    }

    /// A dialogue as the chat template writes it.
    ///
    /// # Errors
    /// What the tokenizer refuses.
    pub fn sequence(&self, turns: &[Turn]) -> Result<Sequence> {
        let [_, user, assistant, end] = self.special;
        let mut sequence = Sequence::default();
        for turn in turns {
            sequence.ids.push(user);
            sequence.ids.extend(self.words(&turn.user)?);
            sequence.ids.extend([end, assistant]);
            sequence.learned.resize(sequence.ids.len(), false);
            let mut reply = self.words(&turn.assistant)?;
            match turn.cut {
                Some(cut) => reply.truncate(cut),
                None => reply.push(end),
            }
            sequence.ids.extend(reply);
            sequence.learned.resize(sequence.ids.len(), true);
        }
        Ok(sequence)
    }

    fn words(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.tokenizer.encode_fast(format!(" {text}"), false);
        Ok(encoding.map_err(|error| Error::Tokenizer(error.to_string()))?.get_ids().to_vec())
    }

    fn pad(&self, sequences: &[Sequence]) -> Batch {
        let longest = sequences.iter().map(|sequence| sequence.ids.len()).max().unwrap_or(0);
        let length = longest.next_multiple_of(LENGTH_STEP);
        let mut batch = Batch {
            ids: vec![self.special[0] as i32; sequences.len() * length],
            rows: sequences.len(),
            length,
            positions: Vec::new(),
            targets: Vec::new(),
        };
        for (row, sequence) in sequences.iter().enumerate() {
            for (i, &id) in sequence.ids.iter().enumerate() {
                batch.ids[row * length + i] = id as i32;
                if i > 0 && sequence.learned[i] {
                    batch.positions.push((row * length + i - 1) as i32);
                    batch.targets.push(id as i32);
                }
            }
        }
        batch
    }
}
