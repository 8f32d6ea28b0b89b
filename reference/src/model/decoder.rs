//! The model: embedding, blocks, final norm and head.

use super::activation::{Activation, Place};
use super::block::Block;
use super::cache::{CacheShape, KvCache};
use super::config::{ModelConfig, Positions, refused};
use super::device::Device;
use super::linear::{Linear, Matrix};
use super::load::Loader;
use super::norm::RmsNorm;
use super::rope::{Rope, RopeScaling};
use crate::error::{Error, ErrorClass, Result};
use crate::tensor::elementwise;
use crate::weights::{Beside, ModelSource, Weights};
use crate::wire::DataType;

pub(super) const EMBEDDING: &str = "embed_tokens.weight";
pub(super) const HEAD: &str = "lm_head.weight";
/// What stands before the names of a language model's tensors: of one by itself, and of one beside a model for images as
/// releases of transformers before 5 and from 5 on write it.
const PREFIXES: [&str; 3] = ["model.", "language_model.model.", "model.language_model."];
/// Divisors of the frequencies, as GGUF files of Llama 3 carry them.
const ROPE_FACTORS: &str = "rope_freqs.weight";

/// Positions that one pass takes at most: scores are [heads, positions, all positions], so that a long prompt in one pass
/// would need memory with the square of its length.
pub const PREFILL_CHUNK: usize = 512;

/// Largest config.json. The longest published ones, with thousands of labels, stay below 1 MiB.
const MAX_CONFIG: u64 = 4 << 20;

/// What is told of a pass: the number of the hidden state (0 for the embedding, n after block n, the last one after the
/// final norm) and its rows, [s, hidden], on the host.
pub type Watch<'a> = &'a mut (dyn FnMut(usize, &[f32]) + Send);

/// Where and how a model is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Where it runs.
    pub device: Device,
    /// Its element type; `None` for what fits the device: f32 on the CPU, bf16 on CUDA.
    pub dtype: Option<DataType>,
    /// Whether matrices stay in a GGUF file's own blocks. On the CPU only. One token at a time then takes a fraction of the
    /// time and memory, with vectors rounded to 8 bits before each product; see the example `quantised_loss` for what that changes.
    pub quantised: bool,
}

/// A decoder-only language model.
pub struct Model {
    pub(super) config: ModelConfig,
    pub(super) weights: Weights,
    /// One of [`PREFIXES`].
    pub(super) prefix: &'static str,
    pub(super) place: Place,
    device: Device,
    pub(super) dtype: DataType,
    pub(super) embedding: Matrix,
    blocks: Vec<Block>,
    norm: RmsNorm,
    /// The head of an untied model.
    pub(super) head: Option<Linear>,
    rope: Rope,
    /// Of the layers that have their own.
    local_rope: Option<Rope>,
}

impl Model {
    /// Loads weights that are open already. `progress` is told after each block: blocks done, and how many there are.
    ///
    /// # Errors
    /// `configuration` for a tensor that is missing; `shape_mismatch` for one of another shape; `engine_unavailable` when
    /// the device is not there; `invalid_argument` for an element type that models do not compute in.
    pub fn load(
        mut config: ModelConfig,
        weights: Weights,
        options: LoadOptions,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self> {
        let device = options.device.resolved();
        let dtype = options.dtype.unwrap_or_else(|| device.preferred_dtype());
        if !matches!(dtype, DataType::Float32 | DataType::Float16 | DataType::BFloat16) {
            let expected = "float32, float16 or bfloat16";
            return Err(Error::new(ErrorClass::InvalidArgument, "model.dtype", expected, dtype.as_str()));
        }
        if options.quantised && device != Device::Cpu {
            let expected = "the CPU for weights in their file's blocks";
            return Err(Error::new(
                ErrorClass::InvalidArgument,
                "model.quantised",
                expected,
                device.to_string(),
            ));
        }
        let place = match device {
            Device::Cuda(_) | Device::Rehearsal => Place::Device(device.open()?),
            _ => Place::Host,
        };
        if weights.info(ROPE_FACTORS).is_some() {
            weights.require(ROPE_FACTORS, &[config.head_dim / 2])?;
            let mut factors = vec![0.0; config.head_dim / 2];
            weights.read_f32(ROPE_FACTORS, &mut factors)?;
            if let Some(wrong) = factors.iter().find(|factor| !(factor.is_finite() && **factor > 0.0)) {
                return Err(refused(ROPE_FACTORS, "divisors above 0", wrong.to_string()));
            }
            config.rope.scaling = RopeScaling::Factors(factors);
        }
        Self::assemble(config, weights, place, device, (dtype, options.quantised), progress)
    }

    fn assemble(
        config: ModelConfig,
        weights: Weights,
        place: Place,
        device: Device,
        (dtype, quantised): (DataType, bool),
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self> {
        let is_there = |prefix: &&str| weights.info(&format!("{prefix}{EMBEDDING}")).is_some();
        let prefix = PREFIXES.into_iter().find(is_there).unwrap_or(PREFIXES[0]);
        let loader = Loader { weights: &weights, config: &config, place: &place, dtype, prefix, quantised };
        let (vocab, hidden) = (config.vocab_size, config.hidden_size);
        let embedding = loader.matrix(&format!("{prefix}{EMBEDDING}"), vocab, hidden)?;
        // A tied configuration rules: some exports repeat the embedding under the head's name.
        let head = if config.tied() {
            None
        } else {
            Some(Linear { matrix: loader.matrix(HEAD, vocab, hidden)?, bias: None })
        };
        let mut blocks = Vec::with_capacity(config.num_layers);
        for index in 0..config.num_layers {
            blocks.push(loader.block(index)?);
            progress(index + 1, config.num_layers);
        }
        let norm = loader.norm(&format!("{prefix}norm"), hidden)?;
        let rope = Rope::new(&config.rope, config.head_dim);
        let local_rope = config.local_rope.as_ref().map(|local| Rope::new(local, config.head_dim));
        Ok(Self {
            config,
            weights,
            prefix,
            place,
            device,
            dtype,
            embedding,
            blocks,
            norm,
            head,
            rope,
            local_rope,
        })
    }

    /// A folder with config.json and safetensors, or one GGUF file.
    ///
    /// # Errors
    /// As [`Self::load`], and what [`Weights::open`] and [`ModelConfig::from_text`] refuse.
    pub fn open(
        source: impl Into<ModelSource>,
        options: LoadOptions,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self> {
        let source = source.into();
        let weights = source.weights()?;
        let config = match weights.gguf() {
            Some(gguf) => ModelConfig::from_json(gguf.config_json()?)?,
            None => ModelConfig::from_text(&read_config(&source.beside())?)?,
        };
        Self::load(config, weights, options, progress)
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where the model runs.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// The element type of weights and cache.
    #[must_use]
    pub fn dtype(&self) -> DataType {
        self.dtype
    }

    /// Bytes of weights that one token's pass through blocks and head reads: divided by the memory's bandwidth, the time that
    /// a token takes at least.
    #[must_use]
    pub fn bytes_a_token(&self) -> usize {
        let head = self.head.as_ref().map_or_else(|| self.embedding.bytes(), Linear::bytes);
        self.blocks.iter().map(Block::bytes).sum::<usize>() + head
    }

    /// An empty cache of this model.
    #[must_use]
    pub fn empty_cache(&self) -> KvCache {
        KvCache::new(self.cache_shape(), &self.place)
    }

    pub(crate) fn cache_shape(&self) -> CacheShape {
        CacheShape {
            num_layers: self.config.num_layers,
            kv_heads: self.config.num_kv_heads,
            head_dim: self.config.head_dim,
            element: self.dtype,
        }
    }

    /// A cache that came from elsewhere, where this model can use it.
    ///
    /// # Errors
    /// `incompatible_models` when its shape is not this model's.
    pub(crate) fn adopt(&self, cache: KvCache) -> Result<KvCache> {
        let (own, other) = (self.cache_shape(), cache.shape());
        if (CacheShape { element: own.element, ..other }) != own {
            let text = |shape: CacheShape| {
                format!("{} layers of {} heads × {}", shape.num_layers, shape.kv_heads, shape.head_dim)
            };
            return Err(Error::new(
                ErrorClass::IncompatibleModels,
                "context.cache",
                format!("this model's cache, {}", text(own)),
                text(other),
            ));
        }
        let on_place = cache.on_host() == matches!(self.place, Place::Host);
        if other.element == own.element && on_place {
            Ok(cache)
        } else {
            cache.moved_to(&self.place, self.dtype)
        }
    }

    /// Reads tokens behind the cache and gives back the last one's final hidden state, after the norm, `[hidden]`. The
    /// prompt goes through in chunks of [`PREFILL_CHUNK`]; `watch` sees each chunk.
    ///
    /// # Errors
    /// `invalid_argument` for no tokens, or one that the vocabulary does not have.
    pub fn prefill(
        &self,
        tokens: &[u32],
        cache: &mut KvCache,
        mut watch: Option<Watch<'_>>,
    ) -> Result<Vec<f32>> {
        self.check_cache(cache)?;
        // All of them before the first pass: a refused prompt leaves the cache as it was.
        self.check_tokens(tokens)?;
        on_the_pool(|| {
            let mut last = Err(invalid("tokens", "at least one token", "none"));
            for chunk in tokens.chunks(PREFILL_CHUNK) {
                let watch = watch.as_mut().map(|watch| &mut **watch as _);
                last = self.forward(self.embed(chunk)?, cache, watch)?.last_row().into_host();
            }
            last
        })
    }

    /// Reads input embeddings, [n, hidden], behind the cache, as [`Self::prefill`] reads tokens.
    ///
    /// # Errors
    /// `shape_mismatch` when they are no rows of this width.
    pub fn inject(&self, embeddings: Vec<f32>, cache: &mut KvCache) -> Result<Vec<f32>> {
        self.check_cache(cache)?;
        self.check_width(&embeddings)?;
        let width = self.config.hidden_size;
        on_the_pool(|| {
            let mut last = Vec::new();
            for chunk in embeddings.chunks(PREFILL_CHUNK * width) {
                let rows = self.place.rows(chunk.to_vec(), width);
                last = self.forward(rows, cache, None)?.last_row().into_host()?;
            }
            Ok(last)
        })
    }

    /// Logits, `[vocab]`, of a final hidden state, `[hidden]`.
    ///
    /// # Errors
    /// `shape_mismatch` for another width.
    pub fn logits(&self, hidden: &[f32]) -> Result<Vec<f32>> {
        self.check_width(hidden)?;
        if hidden.len() != self.config.hidden_size {
            let found = format!("{} numbers", hidden.len());
            let expected = format!("[{}]", self.config.hidden_size);
            return Err(Error::new(ErrorClass::ShapeMismatch, "model.hidden", expected, found));
        }
        let row = self.place.rows(hidden.to_vec(), self.config.hidden_size);
        on_the_pool(|| {
            let mut logits = match &self.head {
                Some(head) => head.forward(&row).into_host()?,
                None => {
                    let head = Linear { matrix: self.embedding.clone(), bias: None };
                    head.forward(&row).into_host()?
                }
            };
            if let Some(cap) = self.config.logit_softcap {
                elementwise::softcap(&mut logits, cap);
            }
            Ok(logits)
        })
    }

    /// Whether a cache is one of this model, here: another's would be read at wrong places.
    fn check_cache(&self, cache: &KvCache) -> Result<()> {
        if cache.shape() == self.cache_shape() && cache.on_host() == matches!(self.place, Place::Host) {
            return Ok(());
        }
        let expected = format!("a cache of this model: {:?}", self.cache_shape());
        Err(invalid("model.cache", expected, format!("{:?}", cache.shape())))
    }

    pub(super) fn check_tokens(&self, tokens: &[u32]) -> Result<()> {
        let vocab = self.config.vocab_size;
        match tokens.iter().find(|&&token| token as usize >= vocab) {
            Some(token) => Err(invalid("tokens", format!("ids below {vocab}"), token.to_string())),
            None => Ok(()),
        }
    }

    /// Whether these are whole rows, at least one.
    pub(super) fn check_width(&self, values: &[f32]) -> Result<()> {
        let width = self.config.hidden_size;
        if !values.is_empty() && values.len().is_multiple_of(width) {
            return Ok(());
        }
        let found = format!("{} numbers", values.len());
        Err(Error::new(ErrorClass::ShapeMismatch, "model.hidden", format!("[n, {width}]"), found))
    }

    /// The rotation that the keys of a layer were given, if any.
    pub(super) fn rope_of(&self, layer: usize) -> Option<&Rope> {
        match self.config.layers[layer].positions {
            Positions::Global => Some(&self.rope),
            Positions::Local => Some(self.local_rope.as_ref().unwrap_or(&self.rope)),
            Positions::Unmarked => None,
        }
    }

    fn forward(
        &self,
        input: Activation,
        cache: &mut KvCache,
        mut watch: Option<Watch<'_>>,
    ) -> Result<Activation> {
        let (count, past) = (input.count(), cache.len());
        let rotation = self.rope.rotation(past, count);
        let local = self.local_rope.as_ref().map(|rope| rope.rotation(past, count));
        let mut hidden = input;
        for (index, block) in self.blocks.iter().enumerate() {
            if let Some(watch) = &mut watch {
                watch(index, &hidden.clone().into_host()?);
            }
            let rotation = match self.config.layers[index].positions {
                Positions::Global => Some(&rotation),
                Positions::Local => local.as_ref().or(Some(&rotation)),
                Positions::Unmarked => None,
            };
            hidden = block.forward(hidden, rotation, cache.layer(index), past);
        }
        cache.advance(count);
        let hidden = self.norm.forward(&hidden);
        if let Some(watch) = &mut watch {
            watch(self.blocks.len(), &hidden.clone().into_host()?);
        }
        Ok(hidden)
    }
}

/// Runs on a thread of the pool. A caller outside of it would hand each of the hundreds of parallel loops of a pass to the
/// pool's threads and sleep meanwhile; on one of them the loops begin where they stand.
pub(super) fn on_the_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}

/// The text of the config.json of a folder.
pub(super) fn read_config(files: &Beside) -> Result<String> {
    files.text("config.json", "config", MAX_CONFIG)?.ok_or_else(|| {
        let found = format!("none in {files}");
        refused("config", "a readable config.json beside the weights", found)
    })
}

fn invalid(field: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::new(ErrorClass::InvalidArgument, field, expected, found)
}
