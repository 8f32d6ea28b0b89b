//! FILES → TENSORS: safetensors and GGUF, mapped into memory, bounded, under the names of the Hugging Face layout.
//!
//! ```text
//!  folder ─▶ model.safetensors ─────────┐
//!         └▶ …index.json ─▶ its files ──┼▶ safetensors ─┐
//!  file ──▶ MappedFile ─────────────────┤               ├▶ Weights: name ─▶ shape, bytes, 32-bit floats
//!                                       └▶ gguf ────────┘        └▶ Gguf ─▶ config.json, Vocabulary
//! ```
//!
//! Opening reads headers only. Every offset and size is checked against the file then, so that reading a tensor later
//! fails for two reasons only: a name that is not there, or an element type that has no values here.

mod codes;
mod dequantise;
mod element;
pub mod gguf;
#[cfg(feature = "hub")]
pub mod hub;
mod map;
pub mod pocket;
pub mod registry;
pub mod safetensors;
mod source;
mod tensor;
pub mod vocabulary;

use std::{collections::HashMap, fs, path::Path};

use bytes::Bytes;

use codes::Codes;
#[cfg(feature = "model")]
pub(crate) use codes::Coding;
pub use element::{Block, ElementType};
pub use gguf::Gguf;
pub use map::MappedFile;
pub(crate) use source::read;
pub use source::{Beside, ModelSource};
#[cfg(feature = "model")]
pub(crate) use tensor::CodedRun;
pub use tensor::TensorInfo;
use tensor::{Change, Stored};
pub use vocabulary::{TokenKind, Vocabulary, VocabularyKind};

use crate::error::{Error, ErrorClass, Result, excerpt};

/// Tensors of a model, under the names and in the layout of its Hugging Face checkpoint, wherever they are stored.
#[derive(Debug)]
pub struct Weights {
    files: Vec<MappedFile>,
    tensors: Vec<Stored>,
    by_name: HashMap<String, usize>,
    gguf: Option<Gguf>,
}

impl Weights {
    /// Opens a model: a `.gguf` file, a safetensors file, or a folder with `model.safetensors`, with
    /// `model.safetensors.index.json` and the files that it names, or with a single `.gguf` file, in this order.
    ///
    /// # Errors
    /// `configuration` for a path without a model; `decode` and `limit_exceeded` for a malformed or oversized file, and for
    /// a GGUF file of an architecture or element type that is not supported.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            if safetensors::is_in(path) {
                let (files, tensors) = safetensors::open_folder(path)?;
                return Self::new(files, tensors, None);
            }
            return Self::from_file(MappedFile::open(&single_gguf(path)?)?);
        }
        Self::from_file(MappedFile::open(path)?)
    }

    /// Opens one file, GGUF or safetensors by its first bytes.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_file(file: MappedFile) -> Result<Self> {
        if file.bytes().starts_with(gguf::MAGIC) {
            let gguf = Gguf::parse(file.bytes().clone())?;
            let tensors = gguf.stored()?;
            return Self::new(vec![file], tensors, Some(gguf));
        }
        let tensors = safetensors::parse(file.bytes(), 0)?;
        Self::new(vec![file], tensors, None)
    }

    fn new(files: Vec<MappedFile>, tensors: Vec<Stored>, gguf: Option<Gguf>) -> Result<Self> {
        let mut by_name = HashMap::with_capacity(tensors.len());
        for (i, tensor) in tensors.iter().enumerate() {
            if by_name.insert(tensor.name.clone(), i).is_some() {
                let found = format!("{} twice", excerpt(&tensor.name));
                return Err(Error::new(ErrorClass::Decode, "weights.tensor", "every name once", found));
            }
        }
        Ok(Self { files, tensors, by_name, gguf })
    }

    /// One tensor of those bytes.
    #[cfg(all(test, feature = "model"))]
    pub(crate) fn of_one(name: &str, shape: [usize; 2], element: ElementType, bytes: Vec<u8>) -> Self {
        let info = TensorInfo { shape: shape.to_vec(), element };
        let range = 0..bytes.len();
        let stored = Stored { name: name.to_owned(), info, file: 0, range, change: Change::None };
        Self {
            files: vec![Bytes::from(bytes).into()],
            tensors: vec![stored],
            by_name: HashMap::from([(name.to_owned(), 0)]),
            gguf: None,
        }
    }

    /// Names, in the order in which the tensors are stored.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|tensor| tensor.name.as_str())
    }

    /// Shape and element type of a tensor.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.get(name).map(|tensor| &tensor.info)
    }

    fn get(&self, name: &str) -> Option<&Stored> {
        self.by_name.get(name).map(|&i| &self.tensors[i])
    }

    /// A tensor that must be there, in a shape that must be its.
    ///
    /// # Errors
    /// `decode` for a missing tensor, `shape_mismatch` for another shape; both name the tensor and the shape.
    pub fn require(&self, name: &str, shape: &[usize]) -> Result<&TensorInfo> {
        let Some(info) = self.info(name) else {
            let expected = format!("`{name}` of shape {shape:?}");
            return Err(Error::new(ErrorClass::Decode, "weights.tensor", expected, "no such tensor"));
        };
        if info.shape != shape {
            let (expected, found) = (format!("`{name}` of shape {shape:?}"), format!("{:?}", info.shape));
            return Err(Error::new(ErrorClass::ShapeMismatch, "weights.shape", expected, found));
        }
        Ok(info)
    }

    /// The bytes of a tensor as stored (little-endian), shared with the mapping. `None` for a name that is not there, and for
    /// tensors whose stored values are not those of the Hugging Face layout: queries and keys of Llama and SmolLM3, norms of
    /// Gemma in GGUF files.
    ///
    /// Nothing promises an alignment: GGUF files align to 32 bytes, most safetensors files to 8, some to 1.
    pub fn bytes(&self, name: &str) -> Option<Bytes> {
        let tensor = self.get(name).filter(|tensor| tensor.change == Change::None)?;
        Some(self.files[tensor.file].bytes().slice(tensor.range.clone()))
    }

    /// The values of a tensor, as 32-bit floats in row-major order; `out` has one place for each element.
    ///
    /// # Errors
    /// See [`read_rows_f32`](Self::read_rows_f32).
    pub fn read_f32(&self, name: &str, out: &mut [f32]) -> Result<()> {
        let tensor = self.present(name)?;
        if tensor.info.len() != out.len() {
            let expected = format!("room for the {} elements of `{name}`", tensor.info.len());
            return Err(Error::new(
                ErrorClass::InvalidArgument,
                "weights.rows",
                expected,
                out.len().to_string(),
            ));
        }
        self.read_rows_f32(name, 0, out)
    }

    /// The values of some rows of a tensor, beginning with row `first`. A row is the run along the last axis; `out` takes
    /// whole rows. Threads may read parts of one tensor at the same time.
    ///
    /// # Errors
    /// `decode` for a missing tensor or an element type without values; `invalid_argument` when `out` is not whole rows or
    /// reaches beyond the last.
    pub fn read_rows_f32(&self, name: &str, first: usize, out: &mut [f32]) -> Result<()> {
        let tensor = self.present(name)?;
        tensor.read_rows(&self.files[tensor.file].bytes()[tensor.range.clone()], first, out)
    }

    /// Tells the codes of a quantised matrix, row by row, in runs of 32.
    ///
    /// # Errors
    /// `decode` for a missing tensor.
    #[cfg(feature = "model")]
    pub(crate) fn each_run(
        &self,
        name: &str,
        rows: std::ops::Range<usize>,
        tell: impl FnMut(CodedRun<'_>),
    ) -> Result<()> {
        let tensor = self.present(name)?;
        tensor.each_run(&self.files[tensor.file].bytes()[tensor.range.clone()], rows, tell);
        Ok(())
    }

    fn present(&self, name: &str) -> Result<&Stored> {
        self.get(name).ok_or_else(|| {
            Error::new(ErrorClass::Decode, "weights.tensor", format!("`{name}`"), "no such tensor")
        })
    }

    /// Takes a tensor's pages out of resident memory once its values have been read. See [`MappedFile::release`].
    pub fn release(&self, name: &str) {
        if let Some(tensor) = self.get(name) {
            self.files[tensor.file].release(tensor.range.clone());
        }
    }

    /// The GGUF file behind the tensors, when it is one.
    pub fn gguf(&self) -> Option<&Gguf> {
        self.gguf.as_ref()
    }
}

/// The only `.gguf` file of a folder.
fn single_gguf(folder: &Path) -> Result<std::path::PathBuf> {
    let wrong = |found: String| {
        let expected = "a folder with model.safetensors, an index of such files or one .gguf file";
        let found = format!("{} with {found}", folder.display());
        Error::new(ErrorClass::Configuration, "weights.file", expected, found)
    };
    let entries = fs::read_dir(folder).map_err(|e| wrong(e.to_string()))?;
    let mut paths =
        entries.flatten().map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|e| e == "gguf"));
    match (paths.next(), paths.next()) {
        (Some(path), None) => Ok(path),
        (None, _) => Err(wrong("none of them".into())),
        _ => Err(wrong("several .gguf files".into())),
    }
}
