//! Tokenizers and chat templates beside transformers' own numbers, which `make.py` writes.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod chat;
mod smollm2;
mod tokenizers;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/text")
}

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&fs::read(folder().join(name)).unwrap()).unwrap()
}
