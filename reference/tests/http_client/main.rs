//! The client against servers that are made here, well-behaved and not.

#![expect(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

mod blocking;
#[cfg(feature = "cli")]
mod cli;
mod failures;
mod hand_over;
mod handshake;
mod headers;
mod reference_server;
mod retries;
mod server;
mod tls;
mod uploads;

use avp::session::{ModelIdentity, TextMessage};
use avp::transport::client::ClientOptions;
use avp::wire::{Encoder, Metadata};
use serde_json::{Value, json};

/// The model of the client.
fn identity() -> ModelIdentity {
    ModelIdentity {
        model_family: "llama".into(),
        model_id: "ours".into(),
        model_hash: "11".repeat(32),
        hidden_dim: 8,
        num_layers: 2,
        ..ModelIdentity::default()
    }
}

/// Another one, with nothing in common.
fn other_identity() -> ModelIdentity {
    ModelIdentity { model_family: "gpt2".into(), model_hash: "22".repeat(32), ..ModelIdentity::default() }
}

/// A client of a server on this machine.
fn options() -> ClientOptions {
    ClientOptions {
        agent_id: "a-1".into(),
        identity: Some(identity()),
        insecure_loopback: true,
        ..ClientOptions::default()
    }
}

/// The answer of a server with that model.
fn welcome(identity: &ModelIdentity) -> Value {
    json!({"success": true, "agent_id": "b-1", "avp_version": "0.4.0", "identity": identity,
        "session_id": "sess-7", "mode": "LATENT", "ttl_s": 60})
}

/// A message with a payload of so many bytes, made by the client's model.
fn message(payload: usize) -> Vec<u8> {
    let metadata = Metadata {
        model_id: "ours".into(),
        hidden_dim: 8,
        num_layers: 2,
        extra: [("model_hash".to_owned(), "11".repeat(32)), ("model_family".to_owned(), "llama".to_owned())]
            .into(),
        ..Metadata::default()
    };
    let payload: Vec<u8> = (0..payload).map(|at| (at % 251) as u8).collect();
    Encoder::new().encode(&metadata, &payload).unwrap()
}

fn text(content: &str) -> TextMessage {
    TextMessage { content: content.into(), ..TextMessage::default() }
}
