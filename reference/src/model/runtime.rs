//! The connector over this crate's own models.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use sha2::{Digest as _, Sha256};

use super::activation::Place;
use super::backend::{self, BurnDevice, Tensor};
use super::cache::KvCache;
use super::config::ModelConfig;
use super::context::{Context, HiddenStates};
use super::cross_model::FittingMap;
use super::decoder::{LoadOptions, Model, read_config};
use super::sampling::Sampling;
use crate::error::{Error, ErrorClass, Result};
use crate::session::hash::restore_hf_integer_keys;
use crate::session::json::{Json, JsonLimits};
use crate::session::{ModelIdentity, Vocabulary, tokenizer_hash};
use crate::text::{ChatMessage, ChatOptions, TextFiles};
use crate::transfer::{
    DEFAULT_LAMBDA, MapRegistry, RealignCache, Realignment, needs_realignment, normalize, realign_apply,
    realign_matrix,
};
use crate::weights::ModelSource;
use crate::wire::DataType;

/// A model with its tokenizer and chat template.
pub struct Runtime {
    pub(super) model: Model,
    pub(super) text: Option<TextFiles>,
    pub(super) identity: ModelIdentity,
    pub(super) stop_tokens: Vec<u32>,
    realignment: OnceLock<Realignment>,
    /// The matrix where the model lives, when that is a card.
    card_realignment: OnceLock<Tensor<2>>,
    target_norm: OnceLock<f32>,
    realign_cache: Option<RealignCache>,
    pub(super) sampling: Sampling,
    /// The tokens of a model without text files.
    pub(super) vocabulary: Option<Vocabulary<'static>>,
    pub(super) maps: Arc<MapRegistry>,
    /// Maps that were held against this model's embedding and both vocabularies, and fit.
    pub(super) fitting: Mutex<Vec<FittingMap>>,
}

impl Runtime {
    /// A model that is loaded already. Without text files it takes and gives tokens only. Realignment matrices are kept
    /// in `realign_cache`, where there is one.
    #[must_use]
    pub fn new(
        model: Model,
        text: Option<TextFiles>,
        identity: ModelIdentity,
        realign_cache: Option<RealignCache>,
    ) -> Self {
        let told = text.as_ref().map(|text| text.stop.clone()).filter(|stop| !stop.is_empty());
        let stop_tokens = told.unwrap_or_else(|| model.config().eos.clone());
        Self {
            model,
            text,
            identity,
            stop_tokens,
            realignment: OnceLock::new(),
            card_realignment: OnceLock::new(),
            target_norm: OnceLock::new(),
            realign_cache,
            sampling: Sampling::default(),
            vocabulary: None,
            maps: Arc::new(MapRegistry::in_memory()),
            fitting: Mutex::default(),
        }
    }

    /// A folder with config.json, safetensors and tokenizer.json, or one GGUF file, which is a complete model. `progress`
    /// is told after each block: blocks done, and how many there are. Realignment matrices are kept in the user's cache.
    ///
    /// # Errors
    /// What [`Model::open`] and [`TextFiles::open`] refuse.
    pub fn open(
        source: impl Into<ModelSource>,
        options: LoadOptions,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self> {
        let source = source.into();
        let (weights, beside) = (source.weights()?, source.beside());
        let (text, config) = match weights.gguf() {
            Some(gguf) => (TextFiles::from_vocabulary(&gguf.vocabulary()?)?, gguf.config_json()?.to_string()),
            None => (TextFiles::of(&beside)?, read_config(&beside)?),
        };
        let mut identity = identity_of(&config)?;
        identity.tokenizer_hash = tokenizer_hash(&text.tokenizer.vocabulary());
        if identity.model_id.is_empty() {
            identity.model_id = match &source {
                ModelSource::Path(path) => model_id(path),
                ModelSource::Pocket(model) => model.name.to_owned(),
            };
        }
        let model = Model::load(ModelConfig::from_text(&config)?, weights, options, progress)?;
        // Without a home there is nowhere to keep them; they are computed again.
        let runtime = Self::new(model, Some(text), identity, RealignCache::from_env().ok());
        let maps = MapRegistry::from_env().unwrap_or_default();
        Ok(Self { sampling: Sampling::beside(&beside)?, maps: Arc::new(maps), ..runtime })
    }

    /// The same under another model hash, for peers that compute theirs differently: the Python SDK hashes the
    /// configuration as its version of transformers completes it.
    #[must_use]
    pub fn with_model_hash(mut self, hash: impl Into<String>) -> Self {
        self.identity.model_hash = hash.into();
        self
    }

    /// The same with tokens, for a model without text files: what contexts of other models are projected through.
    #[must_use]
    pub fn with_vocabulary(mut self, vocabulary: Vocabulary<'static>) -> Self {
        self.identity.tokenizer_hash = tokenizer_hash(&vocabulary);
        self.vocabulary = Some(vocabulary);
        self.fitting = Mutex::default();
        self
    }

    /// The same with other projection maps than those of this user.
    #[must_use]
    pub fn with_maps(mut self, maps: Arc<MapRegistry>) -> Self {
        self.maps = maps;
        self
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Tokenizer and chat template.
    ///
    /// # Errors
    /// `configuration` when the model came without.
    pub fn text(&self) -> Result<&TextFiles> {
        self.text.as_ref().ok_or_else(|| {
            let expected = "a model with a tokenizer, or a prompt as tokens";
            Error::new(ErrorClass::Configuration, "tokenizer", expected, "none")
        })
    }

    /// Tokens of a rendered conversation, ready for the answer. The template writes the special tokens; none are added.
    pub(super) fn chat_tokens(&self, messages: &[ChatMessage]) -> Result<Vec<u32>> {
        let options = ChatOptions { add_generation_prompt: true, ..ChatOptions::default() };
        let text = self.text()?;
        text.tokenizer.encode(&text.prompt(messages, &options)?, false)
    }

    /// The cache of a context, for this model; with hidden states alone the cache is built from them: each state becomes
    /// an input embedding, as in a latent step, and the cache grows by one position a state (AVP-XFR-003, AVP-API-010).
    pub(super) fn adopt(&self, context: Option<Context>, accept_structural: bool) -> Result<(KvCache, u64)> {
        let Some(context) = context else { return Ok((self.model.empty_cache(), 0)) };
        if context.model_hash != self.identity.model_hash && !accept_structural {
            return Err(Error::new(
                ErrorClass::IncompatibleModels,
                "context.model_hash",
                format!("this model's hash, {}", self.identity.model_hash),
                crate::error::excerpt(&context.model_hash),
            ));
        }
        let steps = context.num_steps;
        match (context.cache, context.hidden) {
            (Some(cache), _) => Ok((self.model.adopt(cache)?, steps)),
            (None, Some(hidden)) => {
                let width = self.model.config().hidden_size;
                if context.hidden_dim as usize != width {
                    return Err(Error::new(
                        ErrorClass::IncompatibleModels,
                        "context.hidden_dim",
                        width.to_string(),
                        context.hidden_dim.to_string(),
                    ));
                }
                let mut cache = self.model.empty_cache();
                // What a map has projected is an input embedding already (AVP-PRJ-028).
                if !context.avp_map_id.is_empty() {
                    self.model.inject(hidden.values, &mut cache)?;
                    return Ok((cache, steps));
                }
                for state in hidden.values.chunks_exact(width) {
                    self.model.inject(self.latent_input(state, false)?, &mut cache)?;
                }
                Ok((cache, steps))
            }
            (None, None) => Ok((self.model.empty_cache(), steps)),
        }
    }

    /// The context with its cache where this model lives and in its element type, as `think` and `generate` would bring it
    /// there first. It is there when this returns.
    ///
    /// # Errors
    /// `incompatible_models` when the cache is not of this model's shape; `engine_unavailable` when the device does not
    /// answer.
    pub fn place(&self, mut context: Context) -> Result<Context> {
        context.cache = context.cache.map(|cache| self.model.adopt(cache)).transpose()?;
        if let Place::Device(device) = &self.model.place {
            backend::wait(device)?;
        }
        Ok(context)
    }

    /// The input embedding that a final hidden state stands for: the soft embedding of a tied model, the realigned state
    /// of an untied one (AVP-RLN-006, 009, 010), `[hidden]` → `[hidden]`.
    pub(super) fn latent_input(&self, hidden: &[f32], rescale: bool) -> Result<Vec<f32>> {
        if needs_realignment(self.model.config().tie_word_embeddings) {
            let realignment = self.realignment()?;
            if let Place::Device(device) = &self.model.place {
                return self.realigned_on(device, hidden, realignment);
            }
            return realign_apply(hidden, &realignment.w, realignment.dim, realignment.target_norm);
        }
        let rescale_to = rescale.then(|| self.target_norm()).transpose()?;
        self.model.soft_embed(hidden, rescale_to)
    }

    /// [`realign_apply`] on the card, which keeps the matrix.
    fn realigned_on(
        &self,
        device: &BurnDevice,
        hidden: &[f32],
        realignment: &Realignment,
    ) -> Result<Vec<f32>> {
        let (dim, norm) = (realignment.dim, realignment.target_norm);
        self.model.check_width(hidden)?;
        let upload = |values: &[f32]| {
            let shape = [values.len() / dim, dim];
            backend::from_host(values.to_vec(), shape, DataType::Float32, device)
        };
        let matrix = self.card_realignment.get_or_init(|| upload(&realignment.w)).clone();
        normalize(&backend::to_host(backend::product(upload(hidden), matrix))?, dim, norm)
    }

    fn target_norm(&self) -> Result<f32> {
        if let Some(norm) = self.target_norm.get() {
            return Ok(*norm);
        }
        let norm = self.model.target_norm()?;
        Ok(*self.target_norm.get_or_init(|| norm))
    }

    /// The realignment matrix of an untied model: from memory, from disk, or computed.
    ///
    /// # Errors
    /// `projection` when the embeddings give none.
    pub fn realignment(&self) -> Result<&Realignment> {
        if let Some(found) = self.realignment.get() {
            return Ok(found);
        }
        let width = self.model.config().hidden_size;
        let make = || {
            let [input, output] = self.model.embeddings()?;
            realign_matrix(&input, &output, width, DEFAULT_LAMBDA)
        };
        let made = match &self.realign_cache {
            Some(cache) => cache.load_or_make(&self.realignment_key()?, width, DEFAULT_LAMBDA, make)?.0,
            None => make()?,
        };
        Ok(self.realignment.get_or_init(|| made))
    }

    /// The name of the matrix in its cache. The model hash alone would do if it were one of the weights; it is one of the
    /// configuration, which a fine-tuned model shares with the one that it comes from.
    fn realignment_key(&self) -> Result<String> {
        let mut hasher = Sha256::new();
        hasher.update(self.identity.model_hash.as_bytes());
        hasher.update(self.model.embedding_sum()?.to_le_bytes());
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(super) fn context(
        &self,
        cache: Option<KvCache>,
        hidden: Option<HiddenStates>,
        num_steps: u64,
    ) -> Context {
        let config = self.model.config();
        Context {
            model_hash: self.identity.model_hash.clone(),
            model_family: self.identity.model_family.clone(),
            model_id: self.identity.model_id.clone(),
            hidden_dim: u32::try_from(config.hidden_size).unwrap_or(u32::MAX),
            num_layers: u32::try_from(config.num_layers).unwrap_or(u32::MAX),
            num_steps,
            cache,
            hidden,
            avp_map_id: String::new(),
        }
    }

    pub(super) fn states(&self, hidden: Vec<f32>, seq_len: usize) -> HiddenStates {
        let dtype = self.model.dtype();
        HiddenStates { values: hidden, dtype, seq_len: u32::try_from(seq_len).unwrap_or(u32::MAX) }
    }
}

/// A name for a model that has none in its configuration: `owner/name` of a folder in the hub's cache, else the name of the
/// folder, or of the file without its ending.
fn model_id(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let from_hub = path.ancestors().find_map(|folder| {
        let name = folder.file_name()?.to_str()?.strip_prefix("models--")?;
        name.split_once("--").map(|(owner, name)| format!("{owner}/{name}"))
    });
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    from_hub.unwrap_or_else(|| name.unwrap_or_default().to_string_lossy().into_owned())
}

/// Who a model is, by its config.json.
///
/// # Errors
/// What [`ModelIdentity::from_config`] refuses.
pub(crate) fn identity_of(config: &str) -> Result<ModelIdentity> {
    let mut json = Json::parse(config, &JsonLimits::CONFIG)?;
    restore_hf_integer_keys(&mut json);
    Ok(ModelIdentity::from_config(&json)?.identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_by_where_they_lie() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("Qwen2.5-0.5B-Instruct");
        let hub = root.path().join("models--Qwen--Qwen2.5-0.5B/snapshots/0123abcd");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(&hub).unwrap();
        assert_eq!(model_id(&folder), "Qwen2.5-0.5B-Instruct");
        assert_eq!(model_id(&hub), "Qwen/Qwen2.5-0.5B");
        let file = folder.join("SmolLM2-135M.Q4_1.gguf");
        std::fs::write(&file, "").unwrap();
        assert_eq!(model_id(&file), "SmolLM2-135M.Q4_1");
    }
}
