//! CONVERSATION, sans I/O and without a clock of its own: identity, hashes, hello, resolution, store.
//!
//! ```text
//! config.json ──▶ ModelIdentity ──▶ Hello ══ exchanged ══▶ resolve ──▶ Resolution ──▶ Session in a SessionStore
//!                  (model_hash,                            (six rules)   LATENT: messages of `wire`
//!                   tokenizer_hash)                                      JSON:   TextMessage
//! ```
//!
//! Everything here is a function of its arguments, but for session ids, which come from the operating system's random
//! source. Time comes from a [`Clock`], maps on disk from a [`MapLookup`].

pub mod canonical;
pub mod clock;
pub mod envelope;
pub mod fallback;
pub mod hash;
pub mod hello;
pub mod id;
pub mod identity;
pub mod json;
pub mod projection;
pub mod quality;
pub mod reaper;
pub mod resolve;
pub mod store;
pub mod ttl;
pub mod vocabulary;

mod expired;
pub(crate) mod fields;

pub use clock::{Clock, ManualClock, MonotonicClock};
pub use fallback::{FallbackRequest, TextMessage};
pub use hash::{model_hash, model_hash_of_text, tokenizer_hash};
pub use hello::Hello;
pub use id::SessionId;
pub use identity::ModelIdentity;
pub use projection::ProjectionMethod;
pub use reaper::Reaper;
pub use resolve::{MapLookup, Resolution, ResolutionPath, SessionMode, resolve};
pub use store::{NewSession, Session, SessionStore};
pub use ttl::Ttl;
pub use vocabulary::Vocabulary;

/// What this crate writes as `avp_version` in a hello and in text messages: the protocol level that it speaks, as a
/// semantic version. Nothing is ever decided by a peer's value (A-051).
pub const AVP_VERSION: &str = "0.4.0";
