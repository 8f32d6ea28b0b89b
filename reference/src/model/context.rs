//! What a model has computed so far, as a value: it is handed over inside one process without copying, and as a message
//! across processes (AVP-CTX).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use super::cache::KvCache;
use crate::context::{ContextMessage, ContextState};
use crate::error::{Error, ErrorClass, Result};
use crate::tensor::{decode_f32, encode_f32};
use crate::weights::MappedFile;
use crate::wire::{DataType, Decoder, Diagnostic, Encoder, Limits, Metadata, Mode, PayloadSum, PayloadType};

/// What a model has computed so far. Cloning shares the tensors; whoever appends first gets a copy, and nobody else sees
/// it. So a context can be used twice and gives the same text twice.
#[derive(Clone)]
pub struct Context {
    pub(crate) model_hash: String,
    pub(crate) model_family: String,
    pub(crate) model_id: String,
    pub(crate) hidden_dim: u32,
    pub(crate) num_layers: u32,
    pub(crate) num_steps: u64,
    pub(crate) cache: Option<KvCache>,
    pub(crate) hidden: Option<HiddenStates>,
    /// Which map projected the hidden states; empty where none did.
    pub(crate) avp_map_id: String,
}

/// Final hidden states, after the last norm, and the tokens that they stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct HiddenStates {
    /// [n, hidden_dim], row-major.
    pub values: Vec<f32>,
    /// Element type in a message.
    pub dtype: DataType,
    /// Tokens that they stand for: more than n where the states sum up a prompt.
    pub seq_len: u32,
}

/// Who hands over to whom; goes into the message's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The session.
    pub session_id: String,
    /// Sender.
    pub source_agent_id: String,
    /// Receiver.
    pub target_agent_id: String,
}

/// A context that was read, and what was odd about its message.
#[derive(Clone)]
pub struct ReceivedContext {
    /// The context.
    pub context: Context,
    /// From whom, for whom.
    pub route: Route,
    /// Oddities that do not stop a reader.
    pub diagnostics: Vec<Diagnostic>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("model_hash", &self.model_hash)
            .field("payload_type", &self.payload_type())
            .field("seq_len", &self.seq_len())
            .field("num_steps", &self.num_steps)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ReceivedContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ReceivedContext").field(&self.context).field(&self.diagnostics).finish()
    }
}

impl Context {
    /// Hash of the configuration of the model that made it.
    #[must_use]
    pub fn model_hash(&self) -> &str {
        &self.model_hash
    }

    /// Architecture of that model.
    #[must_use]
    pub fn model_family(&self) -> &str {
        &self.model_family
    }

    /// Which map projected the hidden states, which are input embeddings of the model named here then (AVP-HS-045); empty
    /// where none did.
    #[must_use]
    pub fn avp_map_id(&self) -> &str {
        &self.avp_map_id
    }

    /// Latent steps that led here, those of all `think` calls.
    #[must_use]
    pub fn num_steps(&self) -> u64 {
        self.num_steps
    }

    /// Tokens that the context stands for.
    #[must_use]
    pub fn seq_len(&self) -> usize {
        match (&self.cache, &self.hidden) {
            (Some(cache), _) => cache.len(),
            (None, Some(hidden)) => hidden.seq_len as usize,
            (None, None) => 0,
        }
    }

    /// KV_CACHE with a cache, HIDDEN_STATE with hidden states alone, nothing with neither (AVP-CTX-010).
    #[must_use]
    pub fn payload_type(&self) -> Option<PayloadType> {
        match (&self.cache, &self.hidden) {
            (Some(_), _) => Some(PayloadType::KvCache),
            (None, Some(_)) => Some(PayloadType::HiddenState),
            (None, None) => None,
        }
    }

    /// The hidden states, if they are part of it. A message of a cache does not carry them (AVP-CTX-008).
    #[must_use]
    pub fn hidden_states(&self) -> Option<&HiddenStates> {
        self.hidden.as_ref()
    }

    /// The cache, if it is part of it.
    #[must_use]
    pub fn cache(&self) -> Option<&KvCache> {
        self.cache.as_ref()
    }

    /// The same with another cache and no hidden states, which were those of the old one.
    #[must_use]
    pub fn with_cache(mut self, cache: KvCache) -> Self {
        self.cache = Some(cache);
        self.hidden = None;
        self
    }

    /// The same with other hidden states and no cache, which was what they came from.
    #[must_use]
    pub fn with_hidden_states(mut self, states: HiddenStates) -> Self {
        self.cache = None;
        self.hidden = Some(states);
        self
    }

    /// The same without its cache, which is freed unless another context shares it.
    #[must_use]
    pub fn without_cache(mut self) -> Self {
        self.cache = None;
        self
    }

    /// The context as a message: a cache as KV_CACHE in its own element type, hidden states alone as HIDDEN_STATE with
    /// shape [n, hidden_dim] (AVP-CTX-001 … 003, 009). The tensors are read once, checksum included.
    ///
    /// # Errors
    /// `invalid_argument` for a context with neither (AVP-CTX-010); what [`Encoder::encode_into`] refuses.
    pub fn to_bytes(&self, encoder: &Encoder, route: &Route) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.with_pieces(route, |metadata, pieces| encoder.encode_pieces_into(metadata, pieces, &mut out))?;
        Ok(out)
    }

    /// Writes the message to a file, in full or not at all: a new file beside it takes its place at the end. No second
    /// copy of the tensors is made.
    ///
    /// # Errors
    /// As [`Self::to_bytes`]; `configuration` when the file cannot be written.
    pub fn write(&self, path: &Path, encoder: &Encoder, route: &Route) -> Result<u64> {
        let failed = |error: std::io::Error| {
            let found = format!("{}: {error}", path.display());
            Error::new(ErrorClass::Configuration, "context.file", "a file that can be written", found)
        };
        self.with_pieces(route, |metadata, pieces| {
            let head = encoder.head_for_pieces(metadata, pieces)?;
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or_else(|| Path::new("."));
            let mut builder = tempfile::Builder::new();
            // As any new file of this user, not as a temporary one that nobody else may read.
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
            let mut file = builder.tempfile_in(folder).map_err(failed)?;
            let mut len = 0;
            for piece in std::iter::once(&head[..]).chain(pieces.iter().copied()) {
                file.write_all(piece).map_err(failed)?;
                len += piece.len() as u64;
            }
            file.persist(path).map_err(|error| failed(error.error))?;
            Ok(len)
        })
    }

    fn with_pieces<T>(
        &self,
        route: &Route,
        use_pieces: impl FnOnce(&Metadata, &[&[u8]]) -> Result<T>,
    ) -> Result<T> {
        let mut metadata = Metadata {
            session_id: route.session_id.clone(),
            source_agent_id: route.source_agent_id.clone(),
            target_agent_id: route.target_agent_id.clone(),
            model_id: self.model_id.clone(),
            hidden_dim: self.hidden_dim,
            num_layers: self.num_layers,
            mode: Mode::Latent,
            avp_map_id: self.avp_map_id.clone(),
            extra: BTreeMap::from([
                (crate::context::MODEL_HASH.to_owned(), self.model_hash.clone()),
                (crate::context::MODEL_FAMILY.to_owned(), self.model_family.clone()),
                (crate::context::NUM_STEPS.to_owned(), self.num_steps.to_string()),
            ]),
            ..Metadata::default()
        };
        match (&self.cache, &self.hidden) {
            (Some(cache), _) => {
                let cache = cache.on_the_host()?;
                let (shape, len) = (cache.shape(), cache.len());
                metadata.payload_type = PayloadType::KvCache;
                metadata.dtype = shape.element;
                let header = cache.header()?.write();
                let stores = cache.host_stores();
                let tensors: Vec<_> = stores
                    .iter()
                    .flatten()
                    .flat_map(|store| (0..shape.kv_heads).map(move |head| store.head_bytes(head, len)))
                    .collect();
                let pieces: Vec<&[u8]> =
                    std::iter::once(&header[..]).chain(tensors.iter().map(|tensor| &**tensor)).collect();
                use_pieces(&metadata, &pieces)
            }
            (None, Some(hidden)) => {
                let rows =
                    u32::try_from(hidden.values.len()).ok().and_then(|len| len.checked_div(self.hidden_dim));
                metadata.extra.insert(crate::context::SEQ_LEN.to_owned(), hidden.seq_len.to_string());
                metadata.payload_type = PayloadType::HiddenState;
                metadata.dtype = hidden.dtype;
                metadata.tensor_shape = vec![rows.unwrap_or_default(), self.hidden_dim];
                let payload = encode_f32(&hidden.values, hidden.dtype)?;
                use_pieces(&metadata, &[&payload])
            }
            (None, None) => Err(Error::new(
                ErrorClass::InvalidArgument,
                "context",
                "a KV-cache or hidden states",
                "neither",
            )),
        }
    }

    /// Reads a message. Beyond `bytes`, this takes the memory of the tensors once.
    ///
    /// # Errors
    /// What [`Decoder::decode`] and [`ContextMessage::read`] refuse; `shape_mismatch` for a cache that no model could
    /// have made.
    pub fn from_bytes(bytes: &[u8], limits: Limits) -> Result<ReceivedContext> {
        Self::read(bytes, limits, &mut |_| ())
    }

    /// Reads a message from a file that is mapped into memory. The tensors are read once, checksum included, and pages
    /// that were read are given back on the way, so that the file's size and the tensors never stand in memory together.
    ///
    /// # Errors
    /// As [`Self::from_bytes`]; `configuration` when the file cannot be read.
    pub fn open(path: &Path, limits: Limits) -> Result<ReceivedContext> {
        let map = MappedFile::open(path)?;
        Self::read(map.bytes(), limits, &mut |range| map.release(range))
    }

    fn read(
        bytes: &[u8],
        limits: Limits,
        done: &mut dyn FnMut(std::ops::Range<usize>),
    ) -> Result<ReceivedContext> {
        let (message, sum) = Decoder::new().limits(limits).decode_unsummed(bytes)?;
        let mut received = Self::read_parts(&message.metadata, &message.payload, sum, done)?;
        received.diagnostics.extend(message.diagnostics.iter().cloned());
        Ok(received)
    }

    /// From the parts of a message that is decoded already, its checksum compared. Beyond `payload`, this takes the memory
    /// of the tensors once.
    ///
    /// # Errors
    /// As [`Self::from_bytes`], those of decoding aside.
    pub fn from_parts(metadata: &Metadata, payload: &[u8]) -> Result<ReceivedContext> {
        Self::read_parts(metadata, payload, None, &mut |_| ())
    }

    fn read_parts(
        metadata: &Metadata,
        payload: &[u8],
        sum: Option<PayloadSum>,
        done: &mut dyn FnMut(std::ops::Range<usize>),
    ) -> Result<ReceivedContext> {
        let (parts, diagnostics) = ContextMessage::read(metadata, payload)?;
        let mut context = Self {
            model_hash: parts.model_hash,
            model_family: parts.model_family,
            model_id: parts.model_id,
            hidden_dim: parts.hidden_dim,
            num_layers: parts.num_layers,
            num_steps: parts.num_steps,
            cache: None,
            hidden: None,
            avp_map_id: metadata.avp_map_id.clone(),
        };
        let route = Route {
            session_id: parts.session_id,
            source_agent_id: parts.source_agent_id,
            target_agent_id: parts.target_agent_id,
        };
        match &parts.state {
            ContextState::Cache(layers) => {
                context.cache = Some(KvCache::read(layers, payload, sum, done)?);
            }
            ContextState::Hidden { states, seq_len } => {
                if let Some(sum) = sum {
                    sum.check(crate::wire::crc32(payload))?;
                }
                let (values, dtype) = (decode_f32(states), states.dtype());
                // A message may leave the width to the shape.
                if let (0, [_, width]) = (context.hidden_dim, states.shape()) {
                    context.hidden_dim = u32::try_from(*width).unwrap_or_default();
                }
                context.hidden = Some(HiddenStates { values, dtype, seq_len: *seq_len });
            }
        }
        Ok(ReceivedContext { context, route, diagnostics })
    }
}
