//! Reference implementation of the Agent Vector Protocol: agents that run the same model, or models that can be mapped
//! onto each other, hand over hidden states and KV-caches in place of text.
//!
//! ```text
//!  sender                                                                              receiver
//!  model's cache ─▶ kv ───┐                                                 ┌───▶ kv ─▶ model's cache
//!  hidden state ─▶ tensor ┴▶ wire::Encoder ═══ AV | header | metadata | payload ═══▶ wire::Decoder ┴▶ tensor
//!        │                        ▲                                               │
//!  config.json ─▶ session: ModelIdentity ─▶ Hello ◀═══ exchanged ═══▶ Hello ─▶ resolve: LATENT or JSON
//! ```
//!
//! | module | from | to |
//! |---|---|---|
//! | [`wire`] | bytes | [`wire::Message`], borrowed and within [`wire::Limits`]; three dialects, zstd, CRC-32, streams |
//! | [`tensor`] | payload | [`tensor::TensorView`]: bytes with an element type and a shape |
//! | [`kv`] | payload | [`kv::KvPayload`]: every layer's keys and values; PagedAttention pages |
//! | [`context`] | message | what an agent hands over so that another can go on thinking |
//! | [`session`] | model configurations | identities, hashes, handshake, sessions, text messages |
//! | [`inspect`] | bytes | every byte of a message with its field, for people |
//! | [`transfer`] | hidden states | input embeddings: realignment, soft embedding, projection onto another model; stores, metrics, diagnostics |
//! | `weights`, `text` (feature `files`) | safetensors, GGUF, tokenizer.json | tensors, tokens, chats |
//! | `model` (feature `model`) | tokens | latent steps, text, contexts: language models on burn |
//! | `transport` (feature `http`) | bytes over HTTP/2 | a server and a client with bounds on all that peers do |
//! | `serving` (features `http`, `model`) | questions | an agent with a model behind the binding |
//! | [`size`] | model configurations | bytes that each way of handing over takes |
//! | [`error`] | | one [`Error`] with class, field, offset, expected and found |
//!
//! A hidden state goes out and comes back:
//!
//! ```
//! use avp::{DataType, Decoder, Encoder, Metadata, TensorView, tensor};
//!
//! let hidden = tensor::encode_f32(&[0.1, 0.2, 0.3, 0.4], DataType::Float32)?;
//! let metadata = Metadata {
//!     source_agent_id: "agent-a".into(),
//!     model_id: "test-model".into(),
//!     hidden_dim: 4,
//!     tensor_shape: vec![4],
//!     ..Metadata::default()
//! };
//! let bytes = Encoder::new().encode(&metadata, &hidden)?;
//! assert_eq!(bytes[..4], *b"AV\x01\x00");
//!
//! let message = Decoder::new().decode(&bytes)?;
//! assert_eq!(message.metadata.model_id, "test-model");
//! let tensor = TensorView::of_message(&message)?;
//! assert_eq!((tensor.shape(), tensor::decode_f32(&tensor)), (&[4][..], vec![0.1, 0.2, 0.3, 0.4]));
//! # Ok::<(), avp::Error>(())
//! ```
//!
//! Two rules hold everywhere. Bytes from a peer may not panic, hang or allocate beyond the limits; each limit is a named
//! constant that says why. And what is odd but readable comes back as a [`Diagnostic`], with the id of its requirement;
//! [`Decoder::strict`] refuses it instead.
//!
//! The folder `examples/` continues in reading order.

#[cfg(feature = "adapter")]
pub mod adapter;
pub mod context;
pub mod error;
mod expiring;
#[doc(hidden)]
pub mod fuzzing;
pub mod inspect;
pub mod kv;
#[cfg(feature = "model")]
pub mod model;
#[cfg(all(feature = "http", feature = "model"))]
pub mod serving;
pub mod session;
pub mod size;
pub mod tensor;
#[cfg(feature = "files")]
pub mod text;
pub mod transfer;
#[cfg(feature = "http")]
pub mod transport;
#[cfg(feature = "files")]
pub mod weights;
pub mod wire;

pub use error::{Error, ErrorClass, Result};
pub use kv::{KvLayer, KvPayload};
pub use tensor::TensorView;
pub use wire::{
    Compression, DataType, Decoder, Diagnostic, Dialect, Encoder, Limits, Message, Metadata, Mode,
    PayloadType, StreamDecoder, decode,
};
