//! Weights from safetensors and GGUF files: what is read, and what hostile files cost.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "../properties/allocations.rs"]
mod allocations;
mod file;
mod formats;
mod hostile;
mod metadata;
mod properties;

#[global_allocator]
static COUNTING: allocations::Counting = allocations::Counting;
