//! How a pocket model is made: its shape, its tokenizer and its training, as a committed file says.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{Error, Result};

/// The recipes of the shipped models, by name.
pub const RECIPES: [(&str, &str); 3] = [
    ("pocket-a", include_str!("../../pocket/pocket-a.yaml")),
    ("pocket-b", include_str!("../../pocket/pocket-b.yaml")),
    ("pocket-c", include_str!("../../pocket/pocket-c.yaml")),
];

/// Tokens that `training.first_length` must leave room for at least.
const SHORTEST: usize = 60;

/// Everything that decides what comes out of training, but for the seed and the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The model's name.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// Its tokenizer.
    pub tokenizer: TokenizerRecipe,
    /// Its training.
    pub training: Training,
}

/// A Llama decoder's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Width of a hidden state.
    pub hidden_size: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Elements of a head; even.
    pub head_dim: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// One matrix for input and output embedding.
    pub tied: bool,
    /// Positions that the model is made for.
    pub max_positions: usize,
}

/// A byte-level BPE vocabulary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerRecipe {
    /// Tokens at most, special tokens and the 256 bytes included. Merging stops before when nothing is left to merge.
    pub vocab_size: usize,
    /// Capitals are not told apart: text is written and read in small letters.
    pub lowercase: bool,
}

/// How long and how fast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Optimizer steps.
    pub steps: usize,
    /// Dialogues a step.
    pub batch: usize,
    /// Longest dialogue at the start, in tokens. The limit grows with the steps.
    pub first_length: usize,
    /// Longest dialogue once the limit has grown.
    pub last_length: usize,
    /// Share of the steps after which it has.
    pub curriculum: f64,
    /// Largest learning rate of embeddings, head and norms (AdamW).
    pub learning_rate: f64,
    /// Largest learning rate of the blocks' matrices (Muon, scaled to the root mean square of AdamW's updates).
    pub matrix_rate: f64,
    /// Steps until it is reached.
    pub warmup: usize,
    /// What is left of it at the end, as a share; between, it follows a cosine.
    pub final_share: f64,
    /// Decoupled weight decay of both.
    pub weight_decay: f32,
    /// AdamW's second moment's decay.
    pub beta_2: f32,
    /// Largest norm of one parameter's gradient (AdamW; Muon does not see it).
    pub clip: f32,
}

impl Recipe {
    /// The recipe of a shipped model.
    ///
    /// # Errors
    /// A name that none has.
    pub fn named(name: &str) -> Result<Self> {
        let Some((_, text)) = RECIPES.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = RECIPES.iter().map(|(name, _)| *name).collect();
            return Err(Error::Recipe(format!(
                "expected one of {} or a .yaml file, found `{name}`",
                known.join(", ")
            )));
        };
        Self::from_yaml(text)
    }

    /// Reads a recipe.
    ///
    /// # Errors
    /// Text that is no recipe, and sizes that no model can have.
    pub fn from_yaml(text: &str) -> Result<Self> {
        let recipe: Self = serde_yaml::from_str(text).map_err(|error| Error::Recipe(error.to_string()))?;
        recipe.check()?;
        Ok(recipe)
    }

    fn check(&self) -> Result<()> {
        let Shape { hidden_size, layers, heads, kv_heads, head_dim, intermediate_size, .. } = self.shape;
        let Training { steps, batch, first_length, .. } = self.training;
        let refuse = |field: &str, expected: &str, found: usize| {
            Err(Error::Recipe(format!("{field}: expected {expected}, found {found}")))
        };
        for (field, value) in [
            ("shape.hidden_size", hidden_size),
            ("shape.layers", layers),
            ("shape.heads", heads),
            ("shape.intermediate_size", intermediate_size),
            ("training.steps", steps),
            ("training.batch", batch),
            // The shortest dialogues have some 40 tokens: below that nothing would ever be drawn.
            ("training.first_length", first_length / SHORTEST),
        ] {
            if value == 0 {
                return refuse(field, "at least 1", value);
            }
        }
        if kv_heads == 0 || heads % kv_heads != 0 {
            return refuse("shape.kv_heads", "a divisor of shape.heads", kv_heads);
        }
        if head_dim == 0 || head_dim % 2 != 0 {
            return refuse("shape.head_dim", "an even number", head_dim);
        }
        Ok(())
    }

    /// A short name of all that the recipe says. Training is resumed only under the same.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

impl Training {
    /// Longest dialogue of a step, counted from 0, in tokens.
    #[must_use]
    pub fn length(&self, step: usize) -> usize {
        let grown = (step as f64 / (self.curriculum * self.steps as f64)).min(1.0);
        let more = self.last_length.saturating_sub(self.first_length) as f64 * grown;
        self.first_length + more as usize
    }

    /// What a step, counted from 0, has of the largest learning rates: linear to all of it, then a cosine to its final
    /// share.
    #[must_use]
    pub fn share(&self, step: usize) -> f64 {
        let warm = ((step + 1) as f64 / self.warmup.max(1) as f64).min(1.0);
        let done = step as f64 / self.steps as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
        warm * (self.final_share + (1.0 - self.final_share) * cosine)
    }
}
