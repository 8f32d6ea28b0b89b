//! SAFETENSORS → TENSORS: one file, or a folder with one file or an index of several.
//!
//! A file is eight bytes with the header's length, the header (JSON: element type, shape and offsets of each tensor), and the
//! data. Any element type opens; values can be read of F32, F16 and BF16. Tensors cover the data without gap or overlap,
//! as the format's own reader demands. Names are the file's.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    fs::File,
    io::Read,
    path::Path,
};

use safetensors::{Dtype, SafeTensorError, tensor::Metadata};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    element::ElementType,
    map::MappedFile,
    tensor::{Change, Stored, TensorInfo},
};
use crate::error::{Error, ErrorClass, Result, excerpt};

/// Longest header: 8 MiB. A tensor takes some 120 bytes of it, so this is room for 60,000 of them, several times what large
/// models have in one file. Once read, a header takes up to some ten times its length.
pub const MAX_HEADER: u64 = 8 << 20;
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
    let decode = |found: String| wrong(ErrorClass::Decode, "a header that describes the file", found);
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(decode(format!("{} bytes", bytes.len())));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err(wrong(ErrorClass::LimitExceeded, "at most 8 MiB", format!("{length} bytes")));
    }
    let Some((header, data)) = rest.split_at_checked(length as usize) else {
        return Err(decode(format!("{length} bytes of header in {} bytes of file", bytes.len())));
    };
    let Header(mut entries) = serde_json::from_slice(header).map_err(|e| decode(excerpt(&e.to_string())))?;
    let mut names = HashSet::new();
    if let Some((name, _)) = entries.iter().find(|(name, _)| !names.insert(name)) {
        return Err(decode(format!("{} twice", excerpt(name))));
    }
    entries.sort_by_key(|(_, info)| info.data_offsets);
    // Shapes, types and offsets in agreement, without a gap or an overlap, and no size beyond what a number holds.
    let metadata = Metadata::new(None, entries.clone()).map_err(|e| match e {
        SafeTensorError::InvalidOffset(name) => decode(format!("a gap or an overlap at {}", excerpt(&name))),
        e => decode(e.to_string()),
    })?;
    if metadata.data_len() != data.len() {
        return Err(decode(format!("{} bytes of data for {}", data.len(), metadata.data_len())));
    }
    let base = bytes.len() - data.len();
    let stored = entries.into_iter().map(|(name, info)| Stored {
        name,
        info: TensorInfo { element: element(info.dtype), shape: info.shape },
        file,
        range: base + info.data_offsets.0..base + info.data_offsets.1,
        change: Change::None,
    });
    Ok(stored.collect())
}

/// Names and entries of a header. The crate's own type reads every entry into a tree of JSON first, at thirty times the
/// size of a long list.
struct Header(Vec<(String, safetensors::tensor::TensorInfo)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let Entry { dtype, shape: Shape(shape), data_offsets } = map.next_value()?;
                    entries.push((name, safetensors::tensor::TensorInfo { dtype, shape, data_offsets }));
                }
                Ok(Header(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[derive(Deserialize)]
struct Entry {
    dtype: Dtype,
    shape: Shape,
    data_offsets: (usize, usize),
}

/// Axes, no more than [`MAX_AXES`].
struct Shape(Vec<usize>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Axes;

        impl<'de> Visitor<'de> for Axes {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX_AXES} axes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
                let mut axes = Vec::new();
                while let Some(axis) = list.next_element()? {
                    if axes.len() == MAX_AXES {
                        return Err(A::Error::invalid_length(MAX_AXES + 1, &self));
                    }
                    axes.push(axis);
                }
                Ok(Shape(axes))
            }
        }

        deserializer.deserialize_seq(Axes)
    }
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
