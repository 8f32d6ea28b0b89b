//! CONTEXT ⇄ MESSAGE: what an agent hands to another process so that it can go on thinking (AVP-CTX).
//!
//! A context is a KV-cache, or hidden states, with what is needed to judge whether a model can use it. It is an ordinary
//! message; what has no field of its own stands in `extra`.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorClass, Result, excerpt};
use crate::kv::{self, KvLayer, KvPayload};
use crate::tensor::TensorView;
use crate::wire::{Diagnostic, Encoder, Metadata, Mode, PayloadType};

/// Keys in `extra`.
pub(crate) const MODEL_HASH: &str = "model_hash";
pub(crate) const MODEL_FAMILY: &str = "model_family";
pub(crate) const NUM_STEPS: &str = "num_steps";
pub(crate) const SEQ_LEN: &str = "avp.seq_len";

/// What a model has computed so far.
#[derive(Clone, Debug, PartialEq)]
pub enum ContextState<'a> {
    /// Keys and values of every layer.
    Cache(Vec<KvLayer<'a>>),
    /// Hidden states only, [n, hidden_dim]; the receiver rebuilds the rest by running its model over them.
    Hidden {
        /// The states.
        states: TensorView<'a>,
        /// Tokens that they stand for.
        seq_len: u32,
    },
}

/// A context that borrows its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextMessage<'a> {
    /// Hash of the model's configuration (AVP-HASH-001).
    pub model_hash: String,
    /// Architecture.
    pub model_family: String,
    /// Name or path of the model.
    pub model_id: String,
    /// The session that the message belongs to.
    pub session_id: String,
    /// Sender.
    pub source_agent_id: String,
    /// Receiver.
    pub target_agent_id: String,
    /// Width of a hidden state.
    pub hidden_dim: u32,
    /// Layers of the model.
    pub num_layers: u32,
    /// Latent steps that led here.
    pub num_steps: u64,
    /// The tensors.
    pub state: ContextState<'a>,
}

impl<'a> ContextMessage<'a> {
    /// Tokens that the context stands for.
    pub fn seq_len(&self) -> u32 {
        match &self.state {
            ContextState::Cache(layers) => {
                let tokens = layers.first().and_then(|layer| layer.k.shape().iter().rev().nth(1).copied());
                tokens.and_then(|tokens| u32::try_from(tokens).ok()).unwrap_or_default()
            }
            ContextState::Hidden { seq_len, .. } => *seq_len,
        }
    }

    /// The context as a message: of a cache KV_CACHE in its own element type, of hidden states HIDDEN_STATE with shape
    /// [n, hidden_dim] (AVP-CTX-001…003, 009).
    ///
    /// # Errors
    /// `invalid_argument` for a cache without layers (AVP-CTX-010), and what [`kv::encode_vectored`] and
    /// [`Encoder::encode_into`] refuse; `shape_mismatch` for hidden states that are not [n, hidden_dim].
    pub fn to_bytes(&self, encoder: &Encoder) -> Result<Vec<u8>> {
        let mut extra = BTreeMap::from([
            (MODEL_HASH.to_owned(), self.model_hash.clone()),
            (MODEL_FAMILY.to_owned(), self.model_family.clone()),
            (NUM_STEPS.to_owned(), self.num_steps.to_string()),
        ]);
        let mut metadata = Metadata {
            session_id: self.session_id.clone(),
            source_agent_id: self.source_agent_id.clone(),
            target_agent_id: self.target_agent_id.clone(),
            model_id: self.model_id.clone(),
            hidden_dim: self.hidden_dim,
            num_layers: self.num_layers,
            mode: Mode::Latent,
            ..Metadata::default()
        };
        match &self.state {
            ContextState::Cache(layers) => {
                let payload = kv::encode_vectored(layers)?;
                metadata.payload_type = PayloadType::KvCache;
                metadata.dtype = layers.first().map_or(metadata.dtype, |layer| layer.k.dtype());
                metadata.extra = extra;
                let mut out = Vec::new();
                encoder.encode_pieces_into(&metadata, &payload.pieces(), &mut out)?;
                Ok(out)
            }
            ContextState::Hidden { states, seq_len } => {
                extra.insert(SEQ_LEN.to_owned(), seq_len.to_string());
                metadata.payload_type = PayloadType::HiddenState;
                metadata.dtype = states.dtype();
                metadata.tensor_shape = self.hidden_shape(states)?.to_vec();
                metadata.extra = extra;
                encoder.encode(&metadata, states.bytes())
            }
        }
    }

    /// Reads a context out of a message's parts. Tensors are slices of `payload`. The diagnostics say where the cache
    /// and the metadata differ; the cache is right in each case.
    ///
    /// # Errors
    /// `decode` for a payload that is neither cache nor hidden states (AVP-CTX-007), a `num_steps` or `avp.seq_len`
    /// that is no unsigned decimal (AVP-CTX-006), and what [`KvPayload::parse`] refuses; `shape_mismatch` for hidden
    /// states that are not [n, hidden_dim].
    pub fn read(metadata: &Metadata, payload: &'a [u8]) -> Result<(Self, Vec<Diagnostic>)> {
        let refused = |field, found: &str| {
            Error::new(
                ErrorClass::Decode,
                field,
                "a context: a KV cache or hidden states in latent mode",
                found,
            )
        };
        if metadata.mode != Mode::Latent {
            return Err(refused("metadata.mode", metadata.mode.as_str()));
        }
        let mut context = Self {
            model_hash: metadata.extra.get(MODEL_HASH).cloned().unwrap_or_default(),
            model_family: metadata.extra.get(MODEL_FAMILY).cloned().unwrap_or_default(),
            model_id: metadata.model_id.clone(),
            session_id: metadata.session_id.clone(),
            source_agent_id: metadata.source_agent_id.clone(),
            target_agent_id: metadata.target_agent_id.clone(),
            hidden_dim: metadata.hidden_dim,
            num_layers: metadata.num_layers,
            num_steps: number(metadata, NUM_STEPS, "metadata.extra.num_steps")?.unwrap_or_default(),
            state: ContextState::Cache(Vec::new()),
        };
        match metadata.payload_type {
            PayloadType::KvCache => {
                let parsed = KvPayload::parse(payload)?;
                context.state = ContextState::Cache(parsed.layers().collect());
                Ok((context, parsed.diagnose(metadata)))
            }
            PayloadType::HiddenState => {
                let shape: Vec<u64> = metadata.tensor_shape.iter().map(|&dim| dim.into()).collect();
                let states = TensorView::new(metadata.dtype, &shape, payload)?;
                let [rows, _] = context.hidden_shape(&states)?;
                let seq_len = number(metadata, SEQ_LEN, "metadata.extra.avp.seq_len")?.unwrap_or(rows);
                context.state = ContextState::Hidden { states, seq_len };
                Ok((context, Vec::new()))
            }
            PayloadType::Embedding => Err(refused("metadata.payload_type", metadata.payload_type.as_str())),
        }
    }

    /// [n, width] of hidden states, where width is `hidden_dim` unless that is not known.
    fn hidden_shape(&self, states: &TensorView<'_>) -> Result<[u32; 2]> {
        let dims = match *states.shape() {
            [rows, width] => u32::try_from(rows).ok().zip(u32::try_from(width).ok()),
            _ => None,
        };
        match dims {
            Some((rows, width)) if self.hidden_dim == 0 || self.hidden_dim == width => Ok([rows, width]),
            _ => Err(Error::new(
                ErrorClass::ShapeMismatch,
                "metadata.tensor_shape",
                format!("[n, {}]", self.hidden_dim),
                format!("{:?}", states.shape()),
            )),
        }
    }
}

/// An unsigned decimal in `extra`, digits only.
fn number<T: std::str::FromStr>(metadata: &Metadata, key: &str, field: &'static str) -> Result<Option<T>> {
    let Some(text) = metadata.extra.get(key) else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number
        .map(Some)
        .ok_or_else(|| Error::new(ErrorClass::Decode, field, "an unsigned decimal number", excerpt(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{DataType, Decoder};

    fn context(state: ContextState<'_>) -> ContextMessage<'_> {
        ContextMessage {
            model_hash: "ab".repeat(32),
            model_family: "llama".into(),
            model_id: "m".into(),
            session_id: "s1".into(),
            source_agent_id: "a".into(),
            target_agent_id: "b".into(),
            hidden_dim: 4,
            num_layers: 2,
            num_steps: 20,
            state,
        }
    }

    fn layers(bytes: &[u8], dtype: DataType) -> Vec<KvLayer<'_>> {
        let tensor = |index: usize| {
            let size = 2 * 3 * 2 * dtype.size();
            TensorView::new(dtype, &[2, 3, 2], &bytes[index * size..][..size]).unwrap()
        };
        (0..2).map(|layer| KvLayer { k: tensor(2 * layer), v: tensor(2 * layer + 1) }).collect()
    }

    #[test]
    fn a_cache_comes_back_to_the_bit() {
        let bytes: Vec<u8> = (0..192).collect();
        for dtype in [DataType::Float32, DataType::Float16, DataType::BFloat16] {
            let context = context(ContextState::Cache(layers(&bytes, dtype)));
            let message = context.to_bytes(&Encoder::new()).unwrap();
            let decoded = Decoder::new().decode(&message).unwrap();
            assert_eq!(
                (decoded.metadata.dtype, decoded.metadata.payload_type),
                (dtype, PayloadType::KvCache)
            );
            assert_eq!(decoded.metadata.extra["num_steps"], "20");
            let (read, diagnostics) = ContextMessage::read(&decoded.metadata, &decoded.payload).unwrap();
            assert_eq!((read, diagnostics), (context.clone(), vec![]));
            assert_eq!(context.seq_len(), 3);
        }
    }

    #[test]
    fn hidden_states_come_back() {
        let bytes: Vec<u8> = (0..32).collect();
        let states = TensorView::new(DataType::Float32, &[2, 4], &bytes).unwrap();
        let context = context(ContextState::Hidden { states, seq_len: 9 });
        let message = context.to_bytes(&Encoder::new()).unwrap();
        let decoded = Decoder::new().decode(&message).unwrap();
        assert_eq!(decoded.metadata.tensor_shape, [2, 4]);
        assert_eq!(ContextMessage::read(&decoded.metadata, &decoded.payload).unwrap().0, context);
        assert_eq!(context.seq_len(), 9);
    }

    #[test]
    fn nothing_is_no_context() {
        let error = context(ContextState::Cache(Vec::new())).to_bytes(&Encoder::new()).unwrap_err();
        assert_eq!(error.class, ErrorClass::InvalidArgument);
    }

    #[test]
    fn what_is_no_context_is_refused() {
        let bytes = [0; 32];
        let flat = TensorView::new(DataType::Float32, &[8], &bytes).unwrap();
        let hidden = context(ContextState::Hidden { states: flat, seq_len: 1 });
        assert_eq!(hidden.to_bytes(&Encoder::new()).unwrap_err().class, ErrorClass::ShapeMismatch);
        let class = |metadata: &Metadata| ContextMessage::read(metadata, &bytes).unwrap_err().class;
        let latent = Metadata { tensor_shape: vec![8], ..Metadata::default() };
        assert_eq!(class(&latent), ErrorClass::ShapeMismatch);
        assert_eq!(class(&Metadata { mode: Mode::Json, ..Metadata::default() }), ErrorClass::Decode);
        let embedding = Metadata { payload_type: PayloadType::Embedding, ..Metadata::default() };
        assert_eq!(class(&embedding), ErrorClass::Decode);
        for steps in ["x", "-1", "1.5", "", "+1", " 1", "99999999999999999999"] {
            let extra = BTreeMap::from([("num_steps".to_owned(), steps.to_owned())]);
            let metadata = Metadata { tensor_shape: vec![2, 4], extra, ..Metadata::default() };
            assert_eq!(class(&metadata), ErrorClass::Decode, "{steps:?}");
        }
    }
}
