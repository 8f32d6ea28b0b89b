//! Map files of the Python SDK: a zip archive with a pickle and tensor data (AVP-MAP-006, A-034).
//!
//! Nothing in such a file is ever run. The pickle reader knows the opcodes and the names that a saved map needs and refuses
//! every other one.

mod pickle;
mod value;
mod zip;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use half::{bf16, f16};

use self::pickle::Pickle;
use self::value::{Element, Tensor, Value};
use self::zip::Archive;
use super::file::MAX_FILE;
use super::{MapModel, ProjectionMap, SharedTokens};
use crate::error::{Error, ErrorClass, Result, excerpt};
use crate::session::ProjectionMethod;
use crate::wire::Dialect;

/// Longest pickle: 64 KiB. One of a map takes some 900 bytes and the models' names.
const MAX_PICKLE: usize = 64 << 10;

impl ProjectionMap {
    /// Reads a map file of the Python SDK from its path.
    ///
    /// # Errors
    /// As [`from_pt`](Self::from_pt); `configuration` for a file that can't be read.
    pub fn import(path: &Path) -> Result<Self> {
        let unusable = |error: std::io::Error| {
            let found = format!("{}: {error}", path.display());
            Error::new(ErrorClass::Configuration, "map.file", "a readable file", found)
        };
        let mut bytes = Vec::new();
        // Asked before opening: opening a pipe would wait for its other end, and a device has none.
        if !path.metadata().map_err(unusable)?.is_file() {
            return Err(unusable(std::io::Error::other("not a regular file")));
        }
        File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
            .map_err(unusable)?;
        if bytes.len() as u64 > MAX_FILE {
            let expected = format!("at most {MAX_FILE} bytes");
            return Err(Error::new(ErrorClass::LimitExceeded, "map.file", expected, "more"));
        }
        Self::from_pt(&bytes)
    }

    /// Reads the bytes of a map file of the Python SDK, learned maps of 0.2 included.
    ///
    /// # Errors
    /// `decode` or one of its kinds for what is no such file.
    pub fn from_pt(bytes: &[u8]) -> Result<Self> {
        let archive = Archive::open(bytes)?;
        let pickle = archive.entry("data.pkl")?;
        if pickle.len() > MAX_PICKLE {
            let (expected, found) = (format!("at most {MAX_PICKLE} bytes"), pickle.len().to_string());
            return Err(Error::new(ErrorClass::LimitExceeded, "pt.pickle", expected, found));
        }
        let fields = Fields { pickle: Pickle::read(pickle)?, archive };
        let method = fields.text("method")?;
        let method = ProjectionMethod::from_name(method, Dialect::V02)
            .map_err(|error| Error { class: ErrorClass::Decode, ..error })?;
        let shared = match (fields.tensor("src_indices")?, fields.tensor("tgt_indices")?) {
            (Some(source), Some(target)) => {
                Some(SharedTokens { source_ids: fields.ids(source)?, target_ids: fields.ids(target)? })
            }
            (None, None) => None,
            _ => return Err(wrong("pt.indices", "ids of both sides", "those of one")),
        };
        let target = fields.model("target")?;
        let w_map = fields.tensor("w_map")?.ok_or_else(|| wrong("pt.w_map", "a tensor", "none"))?;
        if !matches!(w_map.shape[..], [_, cols] if cols == target.dim) {
            let expected = format!("[n, {}]", target.dim);
            return Err(wrong("pt.w_map", expected, format!("{:?}", w_map.shape)));
        }
        let map = Self {
            source: fields.model("source")?,
            target,
            method,
            w_map: fields.floats(w_map)?,
            bias: fields.tensor("bias")?.map(|bias| fields.floats(bias)).transpose()?,
            target_norm: fields.scalar("target_norm")? as f32,
            anchor_count: fields.count("anchor_count")?,
            validation_score: fields.scalar("validation_score")?,
            shared,
            // Older files have none (AVP-MAP-005).
            overlap_count: fields.count("overlap_count")?,
            overlap_ratio: fields.get("overlap_ratio").map_or(Ok(0.0), |_| fields.scalar("overlap_ratio"))?,
        };
        map.check().map_err(|error| Error { class: ErrorClass::Decode, ..error })?;
        Ok(map)
    }
}

/// The members of the pickled dictionary.
struct Fields<'a> {
    pickle: Pickle<'a>,
    archive: Archive<'a>,
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.pickle.member(name).filter(|value| !matches!(value, Value::None))
    }

    fn text(&self, name: &'static str) -> Result<&'a str> {
        match self.get(name) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(wrong("pt.fields", format!("a text in {name}"), "none")),
        }
    }

    fn count(&self, name: &'static str) -> Result<u64> {
        match self.get(name) {
            None => Ok(0),
            Some(Value::Int(count)) if *count >= 0 => Ok(count.unsigned_abs()),
            Some(_) => Err(wrong("pt.fields", format!("a count in {name}"), "something else")),
        }
    }

    fn model(&self, side: &str) -> Result<MapModel> {
        let (id, hash, dim) = match side {
            "source" => ("source_model_id", "source_hash", "source_dim"),
            _ => ("target_model_id", "target_hash", "target_dim"),
        };
        let dim = usize::try_from(self.count(dim)?).map_err(|_| wrong("pt.fields", "a width", "more"))?;
        Ok(MapModel { model_id: self.text(id)?.to_owned(), hash: self.text(hash)?.to_owned(), dim })
    }

    /// A number, or a tensor of one.
    fn scalar(&self, name: &'static str) -> Result<f64> {
        match self.get(name) {
            Some(Value::Float(number)) => Ok(*number),
            Some(Value::Int(number)) => Ok(*number as f64),
            Some(Value::Tensor(tensor)) => match self.floats(tensor)?[..] {
                [number] => Ok(number.into()),
                _ => Err(wrong("pt.fields", format!("one number in {name}"), "others")),
            },
            _ => Err(wrong("pt.fields", format!("a number in {name}"), "none")),
        }
    }

    fn tensor(&self, name: &'static str) -> Result<Option<&Tensor<'a>>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Tensor(tensor)) => Ok(Some(tensor)),
            Some(_) => Err(wrong("pt.fields", format!("a tensor in {name}"), "something else")),
        }
    }

    fn floats(&self, tensor: &Tensor<'a>) -> Result<Vec<f32>> {
        let size = tensor.storage.element.size();
        let read: fn(&[u8]) -> f32 = match tensor.storage.element {
            Element::F32 => |bytes| f32::from_le_bytes(fixed(bytes)),
            Element::F64 => |bytes| f64::from_le_bytes(fixed(bytes)) as f32,
            Element::F16 => |bytes| f16::from_le_bytes(fixed(bytes)).to_f32(),
            Element::BF16 => |bytes| bf16::from_le_bytes(fixed(bytes)).to_f32(),
            Element::I32 | Element::I64 => {
                return Err(wrong("pt.storage", "floating point numbers", "whole ones"));
            }
        };
        let data = self.data(tensor)?;
        Ok(tensor.places().map(|place| read(&data[place * size..][..size])).collect())
    }

    fn ids(&self, tensor: &Tensor<'a>) -> Result<Vec<u32>> {
        let size = tensor.storage.element.size();
        let read: fn(&[u8]) -> i64 = match tensor.storage.element {
            Element::I64 => |bytes| i64::from_le_bytes(fixed(bytes)),
            Element::I32 => |bytes| i32::from_le_bytes(fixed(bytes)).into(),
            _ => return Err(wrong("pt.storage", "whole numbers", "floating point")),
        };
        let data = self.data(tensor)?;
        let narrow =
            |id: i64| u32::try_from(id).map_err(|_| wrong("pt.indices", "ids of 32 bits", id.to_string()));
        tensor.places().map(|place| narrow(read(&data[place * size..][..size]))).collect()
    }

    /// The data of a tensor's storage, which every place of the tensor lies in.
    fn data(&self, tensor: &Tensor<'a>) -> Result<&'a [u8]> {
        let storage = &tensor.storage;
        let data = self.archive.entry(&format!("data/{}", storage.key))?;
        let expected = storage.count.checked_mul(storage.element.size());
        if expected != Some(data.len()) {
            let expected = format!("{} elements in storage {}", storage.count, excerpt(storage.key));
            return Err(wrong("pt.storage", expected, format!("{} bytes", data.len())));
        }
        Ok(data)
    }
}

/// A piece of as many bytes as an element has.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut element = [0; N];
    element.copy_from_slice(bytes);
    element
}

fn wrong(field: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::new(ErrorClass::Decode, field, expected, found)
}

#[cfg(test)]
mod tests;
