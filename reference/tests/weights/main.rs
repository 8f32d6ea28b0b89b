//! Weights from safetensors and GGUF files: what is read, and what hostile files cost.

mod file;
mod formats;
mod metadata;
