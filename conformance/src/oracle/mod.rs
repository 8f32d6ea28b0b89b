//! What the right answer is: hashes, resolution, sessions, identities, layouts, dialects, numbers, projections, tiny
//! language models.
//!
//! Every oracle is small, written from the requirements, and shares no code with an implementation. Numbers and
//! checksums come from [`crate::build`]. [`self_test()`] holds them against values that were measured elsewhere; a harness
//! whose oracle is wrong must not judge anybody.

mod canonical;
mod decoder;
mod decoder_numbers;
mod dialect;
mod effective_rank;
mod identity;
mod json;
mod kv_layout;
mod latent;
mod map;
mod matrix;
mod numeric;
mod projection;
mod projection_numbers;
mod realign;
mod resolve;
mod self_test;
mod session;
mod store;
mod text_message;
mod transfer;
mod validation;
mod words;

pub use canonical::{HashError, canonical_text, float_repr, model_hash, tokenizer_hash};
pub use decoder::{Decoder, DecoderCache};
pub use dialect::{Dialect, dialect};
pub use effective_rank::{effective_rank, singular_values};
pub use identity::extract_identity;
pub use json::{Json, JsonError, JsonText, parse};
pub use kv_layout::{KvShape, kv_payload, kv_tensor};
pub use latent::{Greedy, Thinker, Thought};
pub use map::{Route, SharedTokens, TokenIds, map_id, route};
pub use matrix::{Matrix, dot, length};
pub use numeric::NumericRequest;
pub use projection::{Projection, ProjectionMetrics, linear_projection};
pub use realign::{DEFAULT_LAMBDA, normalized, realign_matrix, soft_embedding, target_norm};
pub use resolve::{Identity, Peers, Resolution, resolve};
pub use self_test::{SelfTestError, self_test};
pub use session::{Action, SessionModel, Step, events};
pub use store::{StoreAction, StoreModel};
pub use text_message::{TextMessage, decode_text_message, encode_text_message};
pub use transfer::{Crossed, Crossing};
pub use validation::{TokenRows, validation_cosine, validation_mode, validation_perplexity};
pub use words::word_overlap;
