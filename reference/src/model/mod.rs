//! TOKENS → LOGITS: decoder-only language models on burn.

mod activation;
mod architecture;
mod attention;
mod backend;
mod block;
mod cache;
mod card_projection;
#[cfg(test)]
mod card_tests;
mod config;
mod config_file;
mod connector;
mod context;
mod cross_model;
#[cfg(feature = "cuda")]
mod cuda;
mod decoder;
mod device;
mod easy;
mod embedding;
mod kv_store;
mod likelihood;
mod linear;
mod load;
mod map_rows;
mod mlp;
mod norm;
mod rearrange;
mod rope;
mod runtime;
mod sampling;
#[cfg(test)]
mod tests;
mod validation;
mod work;

pub use architecture::Architecture;
pub use cache::KvCache;
pub use config::{LayerKind, MlpActivation, ModelConfig, Positions};
pub use connector::{
    Capabilities, Connector, ConnectorInfo, DEFAULT_MAX_TOKENS, DEFAULT_STEPS, Finish, GenerateOptions,
    GeneratePhases, Generation, OnText, Prompt, Source, ThinkOptions, ThinkOutput, ThinkPhases, Thought,
    Wish,
};
pub use context::{Context, HiddenStates, ReceivedContext, Route};
pub use cross_model::{Transfer, project_context};
pub use decoder::{LoadOptions, Model, PREFILL_CHUNK, Watch};
pub use device::Device;
pub use easy::{Ask, Easy};
pub use rope::{RopeConfig, RopeScaling};
pub use runtime::Runtime;
#[cfg(feature = "adapter")]
pub(crate) use runtime::identity_of;
pub use sampling::Sampling;
