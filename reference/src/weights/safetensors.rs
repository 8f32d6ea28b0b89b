//! SAFETENSORS → TENSORS: one file, or a folder with one file or an index of several.
//!
//! A file is eight bytes with the header's length, the header (JSON: element type, shape and offsets of each tensor), and the
//! data. Any element type opens; values can be read of F32, F16 and BF16. Tensors cover the data without gap or overlap,
//! as the format's own reader demands. Names are the file's.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read,
    path::Path,
};

use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::Deserialize;

use super::{
    element::ElementType,
    map::MappedFile,
    tensor::{Change, Stored, TensorInfo},
};
use crate::error::{Error, ErrorClass, Result, excerpt};

/// Longest header: 16 MiB. A tensor takes some 120 bytes of it, so this is room for 100,000 of them, ten times what large
/// models have in one file. Decoded, a header takes up to some twenty times its length.
pub const MAX_HEADER: usize = 16 << 20;
/// Longest index: 16 MiB. The index of a model with 90,000 tensors takes 9 MB.
pub const MAX_INDEX: u64 = 16 << 20;
/// Most files of one model. The largest published ones have some two hundred; each takes a mapping.
pub const MAX_SHARDS: usize = 1024;
/// Most axes of a tensor. Weights have two, convolutions five at most.
pub const MAX_AXES: usize = 8;

/// The file's name when there is one only.
const SINGLE: &str = "model.safetensors";
/// The index's name when there are several.
const INDEX: &str = "model.safetensors.index.json";

/// Opens a folder: `model.safetensors`, else the files of `model.safetensors.index.json`.
pub(super) fn open_folder(folder: &Path) -> Result<(Vec<MappedFile>, Vec<Stored>)> {
    let single = folder.join(SINGLE);
    if single.exists() {
        let file = MappedFile::open(&single)?;
        let tensors = parse(file.bytes(), 0)?;
        return Ok((vec![file], tensors));
    }
    let mut files = Vec::new();
    let mut tensors = Vec::new();
    for (shard, names) in parse_index(&read_index(&folder.join(INDEX))?)? {
        let file = MappedFile::open(&folder.join(&shard))?;
        let stored = parse(file.bytes(), files.len())?;
        files.push(file);
        tensors.extend(of_shard(&shard, &names, stored)?);
    }
    Ok((files, tensors))
}

/// Whether a folder holds what [`open_folder`] opens.
pub(super) fn is_in(folder: &Path) -> bool {
    folder.join(SINGLE).exists() || folder.join(INDEX).exists()
}

/// The tensors of one file, in the order of their data.
pub(super) fn parse(bytes: &[u8], file: usize) -> Result<Vec<Stored>> {
    let wrong =
        |class, expected: &str, found: String| Error::new(class, "safetensors.header", expected, found);
    if let Some(length) = bytes.first_chunk::<8>()
        && u64::from_le_bytes(*length) > MAX_HEADER as u64
    {
        let found = format!("{} bytes", u64::from_le_bytes(*length));
        return Err(wrong(ErrorClass::LimitExceeded, "at most 16 MiB", found));
    }
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| {
        let found = match e {
            // The others of its messages quote names and numbers, these two may quote anything.
            SafeTensorError::InvalidHeaderDeserialization(e) => excerpt(&e.to_string()),
            SafeTensorError::InvalidOffset(name) => format!("a gap or an overlap before {}", excerpt(&name)),
            e => e.to_string(),
        };
        wrong(ErrorClass::Decode, "a safetensors header that describes the file", found)
    })?;
    let data = 8 + header;
    let mut tensors = Vec::new();
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        if info.shape.len() > MAX_AXES {
            let found = format!("{} in {}", info.shape.len(), excerpt(&name));
            return Err(wrong(ErrorClass::LimitExceeded, "at most 8 axes", found));
        }
        let (start, end) = info.data_offsets;
        tensors.push(Stored {
            info: TensorInfo { shape: info.shape.clone(), element: element(info.dtype) },
            file,
            range: data + start..data + end,
            change: Change::None,
            name,
        });
    }
    Ok(tensors)
}

fn element(dtype: Dtype) -> ElementType {
    match dtype {
        Dtype::F32 => ElementType::F32,
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::BF16,
        Dtype::F64 => ElementType::Other("F64"),
        Dtype::F8_E4M3 => ElementType::Other("F8_E4M3"),
        Dtype::F8_E5M2 => ElementType::Other("F8_E5M2"),
        Dtype::BOOL => ElementType::Other("BOOL"),
        Dtype::U8 => ElementType::Other("U8"),
        Dtype::I8 => ElementType::Other("I8"),
        Dtype::U16 => ElementType::Other("U16"),
        Dtype::I16 => ElementType::Other("I16"),
        Dtype::U32 => ElementType::Other("U32"),
        Dtype::I32 => ElementType::Other("I32"),
        Dtype::U64 => ElementType::Other("U64"),
        Dtype::I64 => ElementType::Other("I64"),
        _ => ElementType::Other("an exotic type"),
    }
}

fn read_index(path: &Path) -> Result<Vec<u8>> {
    let wrong = |found: String| {
        let found = format!("{}: {found}", path.display());
        Error::new(ErrorClass::Configuration, "safetensors.index", "a readable file", found)
    };
    if !path.metadata().map_err(|e| wrong(e.to_string()))?.is_file() {
        return Err(wrong("not a regular file".into()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| wrong(e.to_string()))?;
    file.take(MAX_INDEX + 1).read_to_end(&mut bytes).map_err(|e| wrong(e.to_string()))?;
    Ok(bytes)
}

/// Tensor names of each file, by the file's name.
pub(crate) fn parse_index(json: &[u8]) -> Result<BTreeMap<String, Vec<String>>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: HashMap<String, String>,
    }
    let wrong =
        |class, expected: &str, found: String| Error::new(class, "safetensors.index", expected, found);
    if json.len() as u64 > MAX_INDEX {
        return Err(wrong(ErrorClass::LimitExceeded, "at most 16 MiB", "more".into()));
    }
    let index: Index = serde_json::from_slice(json).map_err(|e| {
        wrong(ErrorClass::Decode, "JSON with a `weight_map` of names to files", excerpt(&e.to_string()))
    })?;
    let mut shards: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (tensor, shard) in index.weight_map {
        if !is_plain(&shard) {
            return Err(wrong(ErrorClass::Decode, "names of files beside the index", excerpt(&shard)));
        }
        shards.entry(shard).or_default().push(tensor);
        if shards.len() > MAX_SHARDS {
            return Err(wrong(ErrorClass::LimitExceeded, "at most 1024 files", "more".into()));
        }
    }
    Ok(shards)
}

/// Whether a file of this name lies in the folder itself: no separators of any system, no drive, nothing hidden.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | ':');
    name.ends_with(".safetensors") && !name.starts_with('.') && name.chars().all(plain)
}

/// Those tensors of a file that the index names.
fn of_shard(shard: &str, names: &[String], stored: Vec<Stored>) -> Result<Vec<Stored>> {
    let mut stored: HashMap<String, Stored> = stored.into_iter().map(|t| (t.name.clone(), t)).collect();
    names
        .iter()
        .map(|name| {
            stored.remove(name).ok_or_else(|| {
                let expected = format!("{} in {}", excerpt(name), excerpt(shard));
                Error::new(ErrorClass::Decode, "safetensors.index", expected, "no such tensor in that file")
            })
        })
        .collect()
}
