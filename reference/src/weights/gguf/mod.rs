//! GGUF → TENSORS, CONFIGURATION, VOCABULARY: one file with everything that a model needs.
//!
//! A file is a header, metadata (keys with typed values), a table of tensors, and the data, aligned. Versions 2 and 3,
//! little-endian, in one file. Element types F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K; a file with
//! another is refused as a whole. Not supported: version 1, whose lengths have 32 bits and which nothing has written since
//! 2023; big-endian files; files split in parts; mixtures of experts.
//!
//! Files of Llama and SmolLM3 hold the rows of queries and keys in another order than the Hugging Face checkpoint, and Gemma
//! files hold norms with one added. Both are undone on reading: see [`Weights::bytes`](super::Weights::bytes).

mod config;
mod metadata;
mod names;
mod reader;
mod vocabulary;

use std::{collections::HashSet, ops::Range};

use bytes::Bytes;

pub use metadata::{Array, MAX_ARRAY, MAX_ENTRIES, MAX_KEY, MAX_NESTING, MAX_STRING, Metadata, Value};
pub use names::Architecture;
use reader::Reader;

use super::{
    element::ElementType,
    tensor::{Change, Stored, TensorInfo},
};
use crate::error::{Error, ErrorClass, Result, excerpt};

/// First bytes of a file.
pub const MAGIC: &[u8; 4] = b"GGUF";
/// Most tensors. The largest dense models have some thousand.
pub const MAX_TENSORS: u64 = 1 << 16;
/// Longest name of a tensor, in bytes. The format says 64; room for a careless writer.
pub const MAX_NAME: u64 = 256;
/// Most axes of a tensor: the format's own bound.
pub const MAX_AXES: u32 = 4;
/// Alignment of the data where the metadata says nothing.
const DEFAULT_ALIGNMENT: usize = 32;
/// Largest alignment: a huge page. More would serve nothing and would allow a file of padding.
const MAX_ALIGNMENT: usize = 2 << 20;

/// A parsed file: metadata and the table of tensors.
#[derive(Clone, Debug)]
pub struct Gguf {
    bytes: Bytes,
    version: u32,
    metadata: Metadata,
    tensors: Vec<Tensor>,
}

/// An entry of the table, under the file's own name.
#[derive(Clone, Debug)]
struct Tensor {
    name: String,
    info: TensorInfo,
    /// In the file.
    range: Range<usize>,
}

impl Gguf {
    /// Reads header, metadata and the table of tensors. Of the data nothing is read; that it is there is checked.
    ///
    /// # Errors
    /// `decode` and `limit_exceeded`, with the byte; `decode` also for versions and element types that are not supported.
    pub fn parse(bytes: Bytes) -> Result<Self> {
        let mut reader = Reader::at(&bytes, 0);
        let wrong =
            |field, expected: &str, found: String| Error::new(ErrorClass::Decode, field, expected, found);
        if reader.take(4, "gguf.magic")? != MAGIC {
            return Err(wrong("gguf.magic", "GGUF", "other bytes".into()).at(0));
        }
        let version = reader.u32("gguf.version")?;
        if !matches!(version, 2 | 3) {
            let found = match version {
                1 => "version 1, to be converted anew".to_owned(),
                _ if matches!(version.swap_bytes(), 1..=3) => "a big-endian file".to_owned(),
                _ => version.to_string(),
            };
            return Err(wrong("gguf.version", "version 2 or 3, little-endian", found).at(4));
        }
        let tensors = reader.u64("gguf.tensors")?;
        // An entry takes at least the length of its key, its type and a byte.
        let entries = reader.count("gguf.metadata", 13, MAX_ENTRIES)?;
        let metadata = Metadata::read(&bytes, &mut reader, entries)?;
        // A tensor takes at least the length of its name, number of axes, type and offset.
        let most = (reader.remaining() / 24) as u64;
        if tensors > most.min(MAX_TENSORS) {
            let class = if tensors > most { ErrorClass::Decode } else { ErrorClass::LimitExceeded };
            let expected = format!("at most {}", most.min(MAX_TENSORS));
            return Err(Error::new(class, "gguf.tensors", expected, tensors.to_string()).at(8));
        }
        let tensors = read_table(&bytes, &mut reader, tensors as usize, alignment(&metadata)?)?;
        Ok(Self { bytes, version, metadata, tensors })
    }

    /// Version of the format, 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Keys and values.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The tensors under the file's own names, in the order of the table.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors.iter().map(|tensor| (tensor.name.as_str(), &tensor.info))
    }

    fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// The model's family.
    ///
    /// # Errors
    /// `decode` for a file without one, or of one that is not supported; the error names it and those that are.
    pub fn architecture(&self) -> Result<Architecture> {
        let name = self.metadata.text("general.architecture")?;
        name.and_then(Architecture::from_name).ok_or_else(|| {
            let expected = Architecture::ALL.map(Architecture::name).join(", ");
            let found = name.map_or_else(|| "none".to_owned(), excerpt);
            Error::new(ErrorClass::Decode, "gguf.architecture", expected, found)
        })
    }

    /// The tensors under their Hugging Face names; those without a counterpart keep the file's.
    pub(super) fn stored(&self) -> Result<Vec<Stored>> {
        let architecture = self.architecture()?;
        if let Some(parts) = self.metadata.count("split.count")?
            && parts > 1
        {
            let found = format!("one of {parts} parts");
            return Err(Error::new(ErrorClass::Decode, "gguf.split", "a whole model in one file", found));
        }
        self.tensors
            .iter()
            .map(|tensor| {
                let change = self.change(architecture, tensor)?;
                Ok(Stored {
                    name: architecture.hugging_face_name(&tensor.name).unwrap_or_else(|| tensor.name.clone()),
                    info: tensor.info.clone(),
                    file: 0,
                    range: tensor.range.clone(),
                    change,
                })
            })
            .collect()
    }

    fn change(&self, architecture: Architecture, tensor: &Tensor) -> Result<Change> {
        let name = tensor.name.as_str();
        if architecture.is_gemma() && name.ends_with("norm.weight") {
            return Ok(Change::PlusOne);
        }
        if !architecture.alternates_halves() || !name.starts_with("blk.") {
            return Ok(Change::None);
        }
        let part = name.rsplit('.').nth(1);
        let heads = match part {
            Some("attn_q") => self.heads()?.0,
            Some("attn_k") => self.heads()?.1,
            _ => return Ok(Change::None),
        };
        let rows = tensor.info.shape.first().copied().unwrap_or(0);
        if tensor.info.shape.len() > 2
            || rows == 0
            || heads == 0
            || !(rows / 2).is_multiple_of(heads)
            || !rows.is_multiple_of(2)
        {
            let expected = format!("rows in {heads} heads of even size in {}", excerpt(name));
            let found = format!("shape {:?}", tensor.info.shape);
            return Err(Error::new(ErrorClass::ShapeMismatch, "gguf.tensor.shape", expected, found));
        }
        Ok(Change::AlternatingHalves { heads })
    }
}

fn alignment(metadata: &Metadata) -> Result<usize> {
    let alignment = metadata.count("general.alignment")?.unwrap_or(DEFAULT_ALIGNMENT);
    if !alignment.is_power_of_two() || alignment > MAX_ALIGNMENT {
        let expected = format!("a power of two up to {MAX_ALIGNMENT}");
        return Err(Error::new(ErrorClass::Decode, "gguf.alignment", expected, alignment.to_string()));
    }
    Ok(alignment)
}

/// Reads the table. Offsets count from the first aligned byte behind it.
fn read_table(bytes: &Bytes, reader: &mut Reader<'_>, count: usize, alignment: usize) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    let mut names = HashSet::new();
    for _ in 0..count {
        let tensor = read_entry(bytes, reader)?;
        if !names.insert(tensor.0.clone()) {
            let found = format!("{} twice", excerpt(&tensor.0));
            return Err(Error::new(ErrorClass::Decode, "gguf.tensor.name", "every name once", found));
        }
        tensors.push(tensor);
    }
    let data = reader.position().next_multiple_of(alignment);
    let tensors: Vec<Tensor> = tensors
        .into_iter()
        .map(|(name, info, size, offset)| {
            let wrong = |expected: String, found: String| {
                let expected = format!("{expected} for {}", excerpt(&name));
                Error::new(ErrorClass::Decode, "gguf.tensor.offset", expected, found)
            };
            if !offset.is_multiple_of(alignment as u64) {
                return Err(wrong(format!("a multiple of {alignment}"), offset.to_string()));
            }
            let start = usize::try_from(offset).ok().and_then(|offset| data.checked_add(offset));
            let range = start.and_then(|start| Some(start..start.checked_add(size)?));
            match range.filter(|range| range.end <= bytes.len()) {
                Some(range) => Ok(Tensor { name, info, range }),
                None => {
                    let there = bytes.len().saturating_sub(data);
                    Err(wrong(
                        format!("{size} bytes within the {there} of the data"),
                        format!("offset {offset}"),
                    ))
                }
            }
        })
        .collect::<Result<_>>()?;
    // Tensors that share bytes would let a small file ask for the memory of a large model.
    let mut by_place: Vec<&Tensor> = tensors.iter().filter(|tensor| !tensor.range.is_empty()).collect();
    by_place.sort_unstable_by_key(|tensor| tensor.range.start);
    for pair in by_place.windows(2) {
        let [before, after] = pair else { continue };
        if before.range.end > after.range.start {
            let expected = format!("bytes of its own for {}", excerpt(&after.name));
            let found = format!("bytes of {}", excerpt(&before.name));
            return Err(
                Error::new(ErrorClass::Decode, "gguf.tensor.offset", expected, found).at(after.range.start)
            );
        }
    }
    Ok(tensors)
}

/// Name, shape and type, size in bytes, offset.
fn read_entry(bytes: &Bytes, reader: &mut Reader<'_>) -> Result<(String, TensorInfo, usize, u64)> {
    let at = reader.position();
    let name = reader.string("gguf.tensor.name", MAX_NAME)?;
    let Ok(name) = std::str::from_utf8(&bytes[name]) else {
        return Err(Error::new(ErrorClass::Decode, "gguf.tensor.name", "UTF-8", "other bytes").at(at));
    };
    let axes = reader.u32("gguf.tensor.axes")?;
    if axes > MAX_AXES {
        let expected = format!("at most {MAX_AXES} axes of {}", excerpt(name));
        return Err(Error::new(ErrorClass::Decode, "gguf.tensor.axes", expected, axes.to_string()).at(at));
    }
    let mut shape = (0..axes).map(|_| reader.u64("gguf.tensor.shape")).collect::<Result<Vec<_>>>()?;
    // The file begins with the contiguous axis.
    shape.reverse();
    let code = reader.u32("gguf.tensor.type")?;
    let element = element(code).ok_or_else(|| {
        let expected = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K";
        let found = format!("{} in {}", type_name(code), excerpt(name));
        Error::new(ErrorClass::Decode, "gguf.tensor.type", expected, found).at(at)
    })?;
    let offset = reader.u64("gguf.tensor.offset")?;
    let too_large = || {
        let (expected, found) =
            (format!("a size of {} that memory has", excerpt(name)), format!("{shape:?}"));
        Error::new(ErrorClass::LimitExceeded, "gguf.tensor.shape", expected, found).at(at)
    };
    let sizes: Option<Vec<usize>> = shape.iter().map(|&axis| usize::try_from(axis).ok()).collect();
    let sizes = sizes.ok_or_else(too_large)?;
    let len = sizes.iter().try_fold(1, |len: usize, &axis| len.checked_mul(axis)).ok_or_else(too_large)?;
    let block = element.block().ok_or_else(too_large)?;
    if !sizes.last().unwrap_or(&1).is_multiple_of(block.len) {
        let expected =
            format!("rows of a multiple of {} elements for {element} in {}", block.len, excerpt(name));
        let found = format!("shape {shape:?}");
        return Err(Error::new(ErrorClass::Decode, "gguf.tensor.shape", expected, found).at(at));
    }
    let size = (len / block.len).checked_mul(block.bytes).ok_or_else(too_large)?;
    Ok((name.to_owned(), TensorInfo { shape: sizes, element }, size, offset))
}

fn element(code: u32) -> Option<ElementType> {
    Some(match code {
        0 => ElementType::F32,
        1 => ElementType::F16,
        2 => ElementType::Q4_0,
        3 => ElementType::Q4_1,
        6 => ElementType::Q5_0,
        7 => ElementType::Q5_1,
        8 => ElementType::Q8_0,
        12 => ElementType::Q4K,
        13 => ElementType::Q5K,
        14 => ElementType::Q6K,
        30 => ElementType::BF16,
        _ => return None,
    })
}

/// Names of types that exist but are not read.
fn type_name(code: u32) -> String {
    let name = match code {
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return format!("type {code}"),
    };
    name.to_owned()
}
