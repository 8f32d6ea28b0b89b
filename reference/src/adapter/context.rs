//! Contexts.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Outcome};
use super::metadata::nullable;
use super::request::{Request, invalid, short_name};
use super::{kv, metadata};
use crate::context::{ContextMessage, ContextState};
use crate::error::{Error, ErrorClass};
use crate::wire::{Decoder, Encoder};

/// The device that every machine has.
const HOST: &str = "cpu";

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContextArgs {
    #[serde(deserialize_with = "nullable")]
    model_hash: String,
    #[serde(deserialize_with = "nullable")]
    model_family: String,
    #[serde(deserialize_with = "nullable")]
    model_id: String,
    #[serde(deserialize_with = "nullable")]
    session_id: String,
    #[serde(deserialize_with = "nullable")]
    source_agent_id: String,
    #[serde(deserialize_with = "nullable")]
    target_agent_id: String,
    #[serde(deserialize_with = "nullable")]
    hidden_dim: u32,
    #[serde(deserialize_with = "nullable")]
    num_layers: u32,
    #[serde(deserialize_with = "nullable")]
    num_steps: u64,
    seq_len: Option<u32>,
}

pub(super) fn context_to_bytes<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: ContextArgs = request.args()?;
    let layers = kv::layers(request)?;
    let hidden = request.parts().iter().find(|part| part.name == "hidden");
    let state = match hidden {
        Some(part) if layers.is_empty() => {
            let states = kv::tensor(part)?;
            let rows = states.shape().first().and_then(|&rows| u32::try_from(rows).ok());
            ContextState::Hidden { seq_len: args.seq_len.or(rows).unwrap_or_default(), states }
        }
        Some(_) => return Err(invalid("parts", "a cache or hidden states", "both").into()),
        None => ContextState::Cache(layers),
    };
    let context = ContextMessage {
        model_hash: args.model_hash,
        model_family: args.model_family,
        model_id: args.model_id,
        session_id: args.session_id,
        source_agent_id: args.source_agent_id,
        target_agent_id: args.target_agent_id,
        hidden_dim: args.hidden_dim,
        num_layers: args.num_layers,
        num_steps: args.num_steps,
        state,
    };
    let message = context.to_bytes(&Encoder::new().dialect(request.dialect))?;
    Ok(Answer::new(json!({})).part("message", message))
}

#[derive(Deserialize)]
struct FromBytes<'a> {
    #[serde(default)]
    strict: Option<bool>,
    #[serde(borrow, default)]
    device: Option<Cow<'a, str>>,
}

pub(super) fn context_from_bytes<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: FromBytes<'a> = request.args()?;
    let device = args.device.as_deref().unwrap_or(HOST);
    if device != HOST {
        return Err(Error::new(ErrorClass::EngineUnavailable, "device", HOST, device).into());
    }
    let decoder = Decoder::new().dialect(request.dialect).strict(args.strict.unwrap_or_default());
    let message = decoder.decode(request.part("message")?.bytes)?;
    let (context, mut diagnostics) = ContextMessage::read(&message.metadata, &message.payload)?;
    diagnostics.extend(message.diagnostics.iter().cloned());
    let diagnostics: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    let answer = Answer::new(json!({
        "model_hash": context.model_hash,
        "model_family": context.model_family,
        "model_id": context.model_id,
        "session_id": context.session_id,
        "source_agent_id": context.source_agent_id,
        "target_agent_id": context.target_agent_id,
        "hidden_dim": context.hidden_dim,
        "num_layers": context.num_layers,
        "num_steps": context.num_steps,
        "seq_len": context.seq_len(),
        "holds": match context.state {
            ContextState::Cache(_) => ["cache"],
            ContextState::Hidden { .. } => ["hidden"],
        },
        "device": device,
        "diagnostics": diagnostics,
        "metadata": metadata::to_json(&message.metadata, message.dialect),
    }));
    // Tensors are slices of the request where the payload is; a payload that was inflated ends with this call.
    Ok(match &context.state {
        ContextState::Cache(layers) => layers.iter().enumerate().fold(answer, |answer, (index, layer)| {
            let dtype = short_name(layer.k.dtype());
            answer.tensor(format!("k{index}"), dtype, layer.k.shape(), layer.k.bytes().to_vec()).tensor(
                format!("v{index}"),
                dtype,
                layer.v.shape(),
                layer.v.bytes().to_vec(),
            )
        }),
        ContextState::Hidden { states, .. } => {
            answer.tensor("hidden", short_name(states.dtype()), states.shape(), states.bytes().to_vec())
        }
    })
}
