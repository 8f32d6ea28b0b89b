//! Training of the pocket models.
//!
//! ```text
//!  recipe ─▶ tokenizer ─▶ batches ─▶ Decoder ─▶ loss ─▶ gradients ─▶ AdamW ─┐
//!                                       ▲                                   │
//!                                       └───────── checkpoint ◀─────────────┘ ─▶ export: a model's folder
//! ```

mod batch;
mod checkpoint;
pub mod curve;
mod decoder;
mod error;
mod export;
mod optimizer;
mod recipe;
pub mod tokenizer;
mod trainer;

pub use batch::{Batch, Batches, Sequence};
pub use checkpoint::State;
pub use decoder::{Block, Decoder, NORM_EPS, ROPE_THETA};
pub use error::{Error, Result};
pub use export::export;
pub use recipe::{RECIPES, Recipe, Shape, TokenizerRecipe, Training};
pub use trainer::{Backend, LOSSES, Step, Trained, Trainer, read_losses};
