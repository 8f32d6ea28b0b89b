//! HIDDEN STATE → INPUT EMBEDDING, and what hands a model's state over: realignment, soft embedding, norms (AVP-RLN).
//!
//! A latent step feeds the last hidden state back as an input embedding. The two live in different spaces. A model whose
//! input and output embeddings are one matrix ([`needs_realignment`] says no) takes [`soft_embed`]; any other multiplies
//! with a matrix that [`realign_matrix`] makes once ([`RealignCache`] keeps it) and [`realign_apply`] uses.
//!
//! Matrices are slices of `f32`, row after row; `dim` is the length of a row.
//!
//! A state of one model becomes an input of another through the tokens that both know (AVP-PRJ): [`project_vocab`] where
//! the tokenizers are the same, [`project_overlap`] where they share some; [`project_linear`] is what 0.2 learned. What a pair of models needs for
//! it is a [`ProjectionMap`], which [`calibrate`] makes and a [`MapRegistry`] keeps (AVP-MAP); [`validate`] says
//! whether it is good enough (AVP-VAL).
//!
//! Contexts wait under keys in a [`ContextStore`] (AVP-STO). What a transfer took stands in [`metrics`], whether it went
//! well in [`diagnostics`] (AVP-MET).

mod cache_folder;
pub mod diagnostics;
mod effective_rank;
mod map;
pub mod metrics;
mod norm;
mod normal_equations;
mod project;
mod realign;
mod realign_cache;
mod rows;
mod soft_embedding;
pub mod store;
pub mod validate;

pub use effective_rank::effective_rank;
pub use map::{CalibratedModel, MapModel, MapOrigin, MapRegistry, ProjectionMap, SharedTokens, calibrate};
pub use norm::{NORM_FLOOR, StateHealth, normalize, target_norm};
#[cfg(feature = "model")]
pub(crate) use project::{Anchors, Head, check_ids, largest, project};
pub use project::{
    ProjectOptions, Projected, ProjectionMetrics, Table, project_linear, project_overlap, project_vocab,
};
pub use realign::{DEFAULT_LAMBDA, Realignment, needs_realignment, realign_apply, realign_matrix};
pub use realign_cache::{Origin, RealignCache};
pub use soft_embedding::soft_embed;
#[cfg(feature = "model")]
pub(crate) use soft_embedding::{Embedding, embed_rows};
pub use store::ContextStore;
pub use validate::Validation;
