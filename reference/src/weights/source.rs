//! MODEL → FILES: a model's files, in a folder or inside this program, under one interface.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::pocket::PocketModel;
use super::{MappedFile, Weights};
use crate::error::{Error, ErrorClass, Result};
use crate::text::TextFiles;

/// Where a model is.
#[derive(Clone, Debug)]
pub enum ModelSource {
    /// A folder with config.json, tokenizer.json and safetensors, or a file: GGUF, or safetensors with the others beside it.
    Path(PathBuf),
    /// Inside this program.
    Pocket(&'static PocketModel),
}

impl From<&Path> for ModelSource {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl From<&PathBuf> for ModelSource {
    fn from(path: &PathBuf) -> Self {
        Self::Path(path.clone())
    }
}

impl From<PathBuf> for ModelSource {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&'static PocketModel> for ModelSource {
    fn from(model: &'static PocketModel) -> Self {
        Self::Pocket(model)
    }
}

impl From<&Self> for ModelSource {
    fn from(source: &Self) -> Self {
        source.clone()
    }
}

impl fmt::Display for ModelSource {
    /// The path, or the name of a model inside this program.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Pocket(model) => f.write_str(model.name),
        }
    }
}

impl ModelSource {
    /// Opens the weights.
    ///
    /// # Errors
    /// See [`Weights::open`].
    pub fn weights(&self) -> Result<Weights> {
        match self {
            Self::Path(path) => Weights::open(path),
            Self::Pocket(model) => Weights::from_file(MappedFile::from(Bytes::from_static(model.weights))),
        }
    }

    /// The model's tokenizer and chat template, without its weights: out of a GGUF file, or beside the others.
    ///
    /// # Errors
    /// See [`Self::weights`] and [`TextFiles::open`].
    pub fn text(&self) -> Result<TextFiles> {
        match self.weights()?.gguf() {
            Some(gguf) => TextFiles::from_vocabulary(&gguf.vocabulary()?),
            None => TextFiles::of(&self.beside()),
        }
    }

    /// What lies beside the weights.
    #[must_use]
    pub fn beside(&self) -> Beside {
        match self {
            Self::Path(path) if path.is_dir() => Beside::Folder(path.clone()),
            Self::Path(path) => Beside::Folder(path.parent().unwrap_or(path).to_owned()),
            Self::Pocket(model) => Beside::Pocket(model),
        }
    }
}

/// The small files beside a model's weights, by name.
#[derive(Clone, Debug)]
pub enum Beside {
    /// In a folder.
    Folder(PathBuf),
    /// Inside this program.
    Pocket(&'static PocketModel),
}

impl From<&Path> for Beside {
    fn from(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Pocket(model) => f.write_str(model.name),
        }
    }
}

impl Beside {
    /// A file's content, at most `max` bytes; `None` where there is no file of that name. Errors are of `field`.
    ///
    /// # Errors
    /// `configuration` for what cannot be read, `limit_exceeded` for a larger one.
    pub fn read(&self, name: &str, field: &'static str, max: u64) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                if path.exists() { read(&path, field, max).map(Some) } else { Ok(None) }
            }
            Self::Pocket(model) => Ok(model.file(name).map(<[u8]>::to_vec)),
        }
    }

    /// A text file's content, as [`Self::read`].
    ///
    /// # Errors
    /// As [`Self::read`]; `decode` for bytes that are no UTF-8.
    pub fn text(&self, name: &str, field: &'static str, max: u64) -> Result<Option<String>> {
        let Some(bytes) = self.read(name, field, max)? else { return Ok(None) };
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|error| Error::new(ErrorClass::Decode, field, "UTF-8", error.to_string()))
    }
}

/// A file's content, at most `max` bytes.
pub(crate) fn read(path: &Path, field: &'static str, max: u64) -> Result<Vec<u8>> {
    let unreadable = |error: String| {
        let found = format!("{}: {error}", path.display());
        Error::new(ErrorClass::Configuration, field, "a file that can be read", found)
    };
    // Asked before opening: opening a pipe would wait for its other end.
    if !path.metadata().map_err(|error| unreadable(error.to_string()))?.is_file() {
        return Err(unreadable("not a file".into()));
    }
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > max {
        let found = format!("more in {}", path.display());
        return Err(Error::new(ErrorClass::LimitExceeded, field, format!("at most {max} bytes"), found));
    }
    Ok(bytes)
}
