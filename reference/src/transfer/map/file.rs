//! A map as a file `.avp-map`: safetensors, with everything that is no tensor in the header's metadata (AVP-MAP-006).
//!
//! Eight bytes with the header's length, the header (JSON), and the tensors `w_map` and `bias` (F32), `src_indices` and
//! `tgt_indices` (U32) in this order. Any reader of safetensors opens it. The metadata also has the data's CRC-32, which a
//! reader here checks where it is there.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{MapModel, ProjectionMap, SharedTokens};
use crate::error::{Error, ErrorClass, Result, excerpt};
use crate::session::ProjectionMethod;
use crate::wire::Dialect;

/// Longest header: 64 KiB. One takes some 900 bytes and the models' names.
pub(super) const MAX_HEADER: u64 = 64 << 10;
/// Longest file: 8 GiB and a header, for the embedding of 256 Ki tokens, 8192 wide. No published model needs more.
pub(super) const MAX_FILE: u64 = (8 << 30) + 8 + MAX_HEADER;
/// Bytes that are read and converted at a time. A file that claims more than it has takes no more memory than it has.
const CHUNK: usize = 64 << 10;

/// What the metadata's `format` says.
const FORMAT: &str = "avp-map";

/// The header's metadata, and where the tensors lie.
pub(super) struct Header {
    metadata: BTreeMap<String, String>,
    /// Name, element type, shape, length in bytes, in the order of the data.
    tensors: Vec<(String, String, Vec<u64>, u64)>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl ProjectionMap {
    /// The map as the bytes of a file.
    ///
    /// # Errors
    /// What [`ProjectionMap::check`] refuses; `invalid_argument` for a learned map, which is read and never written
    /// and for names that no header holds.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut out = self.header()?;
        // Writing into memory does not fail.
        let _ = self.write_tensors(&mut out);
        Ok(out)
    }

    /// Length and header of the file.
    pub(super) fn header(&self) -> Result<Vec<u8>> {
        self.check()?;
        if matches!(self.method, ProjectionMethod::Ridge | ProjectionMethod::Procrustes) {
            let expected = "a map through a vocabulary";
            return Err(Error::new(
                ErrorClass::InvalidArgument,
                "map.method",
                expected,
                self.method.as_str(),
            ));
        }
        let mut crc = crc32fast::Hasher::new();
        // Sums up what is written; that does not fail either.
        let _ = self.write_tensors(&mut Summing(&mut crc));
        let metadata = json!({
            "format": FORMAT,
            "source_model_id": self.source.model_id,
            "source_hash": self.source.hash,
            "source_dim": self.source.dim.to_string(),
            "target_model_id": self.target.model_id,
            "target_hash": self.target.hash,
            "target_dim": self.target.dim.to_string(),
            "method": self.method.as_str(),
            // Rust writes the shortest text that reads back as the same number.
            "target_norm": self.target_norm.to_string(),
            "anchor_count": self.anchor_count.to_string(),
            "validation_score": self.validation_score.to_string(),
            "overlap_count": self.overlap_count.to_string(),
            "overlap_ratio": self.overlap_ratio.to_string(),
            "data_crc32": format!("{:08x}", crc.finalize()),
        });
        let mut header = Map::from_iter([("__metadata__".to_owned(), metadata)]);
        let mut offset = 0;
        let mut add = |name: &str, dtype: &str, shape: &[usize]| {
            let len = 4 * shape.iter().product::<usize>();
            let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len]});
            header.insert(name.to_owned(), entry);
            offset += len;
        };
        add("w_map", "F32", &[self.w_map.len() / self.target.dim, self.target.dim]);
        if let Some(bias) = &self.bias {
            add("bias", "F32", &[bias.len()]);
        }
        if let Some(shared) = &self.shared {
            add("src_indices", "U32", &[shared.source_ids.len()]);
            add("tgt_indices", "U32", &[shared.target_ids.len()]);
        }
        let mut text = Value::Object(header).to_string().into_bytes();
        // Tensors begin at a multiple of eight, as other writers of the format have it.
        text.resize(text.len().next_multiple_of(8), b' ');
        let total = text.len() as u64 + offset as u64;
        if text.len() as u64 > MAX_HEADER || total > MAX_FILE - 8 {
            let expected = format!("a header of at most {MAX_HEADER} bytes, a file of at most {MAX_FILE}");
            return Err(Error::new(ErrorClass::InvalidArgument, "map", expected, format!("{total} bytes")));
        }
        let mut out = (text.len() as u64).to_le_bytes().to_vec();
        out.append(&mut text);
        Ok(out)
    }

    /// The data behind the header.
    pub(super) fn write_tensors(&self, out: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(CHUNK);
        let floats = [Some(&self.w_map), self.bias.as_ref()].into_iter().flatten();
        for values in floats.flat_map(|values| values.chunks(CHUNK / 4)) {
            bytes.clear();
            values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
            out.write_all(&bytes)?;
        }
        let shared = self.shared.iter().flat_map(|shared| [&shared.source_ids, &shared.target_ids]);
        for ids in shared.flat_map(|ids| ids.chunks(CHUNK / 4)) {
            bytes.clear();
            ids.iter().for_each(|id| bytes.extend_from_slice(&id.to_le_bytes()));
            out.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// `decode` or one of its kinds for what is no map.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        Self::read(&mut rest, bytes.len() as u64)
    }

    /// Reads a file of that length.
    pub(super) fn read(reader: &mut impl Read, len: u64) -> Result<Self> {
        let header = Header::read(reader, len)?;
        let mut crc = crc32fast::Hasher::new();
        let (mut floats, mut ids) = (BTreeMap::new(), BTreeMap::new());
        for (name, dtype, shape, len) in &header.tensors {
            match (&**name, &**dtype, &shape[..]) {
                ("w_map", "F32", [_, _]) | ("bias", "F32", [_]) => {
                    floats.insert(&**name, elements(reader, *len, &mut crc, f32::from_le_bytes)?);
                }
                ("src_indices" | "tgt_indices", "U32", [_]) => {
                    ids.insert(&**name, elements(reader, *len, &mut crc, u32::from_le_bytes)?);
                }
                _ => {
                    let expected = "w_map and bias in F32, src_indices and tgt_indices in U32";
                    return Err(wrong(
                        "map.tensors",
                        expected,
                        format!("{} {dtype} {shape:?}", excerpt(name)),
                    ));
                }
            }
        }
        if header.text("data_crc32").is_some_and(|sum| sum != format!("{:08x}", crc.finalize())) {
            return Err(wrong("map.data_crc32", "the checksum of the data", "another"));
        }
        let shape = header.tensors.iter().find(|(name, ..)| name == "w_map").map(|(_, _, shape, _)| shape);
        let (source, target) = (header.model("source")?, header.model("target")?);
        if shape.and_then(|shape| shape.get(1)) != Some(&(target.dim as u64)) {
            return Err(wrong("map.w_map", format!("rows of {} values", target.dim), format!("{shape:?}")));
        }
        let method = header.text("method").unwrap_or_default();
        let method = ProjectionMethod::from_name(method, Dialect::V04)
            .map_err(|error| Error { class: ErrorClass::Decode, ..error })?;
        let shared = match (ids.remove("src_indices"), ids.remove("tgt_indices")) {
            (Some(source_ids), Some(target_ids)) => Some(SharedTokens { source_ids, target_ids }),
            (None, None) => None,
            _ => return Err(wrong("map.indices", "ids of both sides", "those of one")),
        };
        let map = Self {
            source,
            target,
            method,
            w_map: floats.remove("w_map").unwrap_or_default(),
            bias: floats.remove("bias"),
            target_norm: header.number::<f32>("target_norm", None)?,
            anchor_count: header.number("anchor_count", Some(0))?,
            validation_score: header.number("validation_score", Some(0.0))?,
            shared,
            // Older files have none (AVP-MAP-005).
            overlap_count: header.number("overlap_count", Some(0))?,
            overlap_ratio: header.number("overlap_ratio", Some(0.0))?,
        };
        map.check().map_err(|error| Error { class: ErrorClass::Decode, ..error })?;
        Ok(map)
    }
}

impl Header {
    /// Reads the header of a file of that length.
    pub(super) fn read(reader: &mut impl Read, len: u64) -> Result<Self> {
        let decode = |found: String| wrong("map.header", "a header that describes the file", found);
        if len > MAX_FILE {
            let expected = format!("at most {MAX_FILE} bytes");
            return Err(Error::new(ErrorClass::LimitExceeded, "map", expected, format!("{len} bytes")));
        }
        let mut length = [0; 8];
        reader.read_exact(&mut length).map_err(|error| decode(error.to_string()))?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER {
            let expected = format!("at most {MAX_HEADER} bytes");
            return Err(Error::new(
                ErrorClass::LimitExceeded,
                "map.header",
                expected,
                format!("{length} bytes"),
            ));
        }
        let Some(data) = len.checked_sub(8 + length) else {
            return Err(decode(format!("{length} bytes of header in a file of {len}")));
        };
        let mut text = vec![0; length as usize];
        reader.read_exact(&mut text).map_err(|error| decode(error.to_string()))?;
        let mut members: Map<String, Value> =
            serde_json::from_slice(&text).map_err(|error| decode(excerpt(&error.to_string())))?;
        let metadata = members.remove("__metadata__").unwrap_or_default();
        let metadata: BTreeMap<String, String> =
            serde_json::from_value(metadata).map_err(|error| decode(excerpt(&error.to_string())))?;
        let mut entries = Vec::new();
        for (name, entry) in members {
            let entry: Entry =
                serde_json::from_value(entry).map_err(|error| decode(excerpt(&error.to_string())))?;
            entries.push((name, entry));
        }
        entries.sort_by_key(|(_, entry)| entry.data_offsets);
        let mut end = 0;
        let mut tensors = Vec::new();
        for (name, Entry { dtype, shape, data_offsets: [from, to] }) in entries {
            let count = shape.iter().try_fold(1u64, |count, axis| count.checked_mul(*axis));
            let len = to.checked_sub(from).filter(|len| count.and_then(|c| c.checked_mul(4)) == Some(*len));
            match len {
                Some(len) if from == end => tensors.push((name, dtype, shape, len)),
                _ => return Err(decode(format!("a gap, an overlap or another size at {}", excerpt(&name)))),
            }
            end = to;
        }
        if end != data {
            return Err(decode(format!("{data} bytes of data for {end}")));
        }
        Ok(Self { metadata, tensors })
    }

    /// Whether it is the map of that pair, by full hashes (AVP-MAP-007).
    pub(super) fn is_of(&self, source_hash: &str, target_hash: &str) -> bool {
        self.text("source_hash") == Some(source_hash) && self.text("target_hash") == Some(target_hash)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    fn number<T: std::str::FromStr>(&self, key: &'static str, missing: Option<T>) -> Result<T> {
        match self.text(key) {
            Some(text) => {
                let refused = |_| wrong("map.metadata", format!("a number in {key}"), excerpt(text));
                text.parse().map_err(refused)
            }
            None => missing.ok_or_else(|| wrong("map.metadata", key, "none")),
        }
    }

    fn model(&self, side: &str) -> Result<MapModel> {
        let text = |what: &str| self.text(&format!("{side}_{what}"));
        let dim = text("dim").unwrap_or_default();
        Ok(MapModel {
            model_id: text("model_id").unwrap_or_default().to_owned(),
            hash: text("hash").unwrap_or_default().to_owned(),
            dim: dim
                .parse()
                .map_err(|_| wrong("map.metadata", format!("a number in {side}_dim"), excerpt(dim)))?,
        })
    }
}

/// Elements of four bytes.
fn elements<T>(
    reader: &mut impl Read,
    len: u64,
    crc: &mut crc32fast::Hasher,
    element: impl Fn([u8; 4]) -> T,
) -> Result<Vec<T>> {
    let mut buffer = vec![0; CHUNK.min(usize::try_from(len).unwrap_or(CHUNK))];
    let (mut left, mut out) = (len, Vec::new());
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(CHUNK).min(buffer.len());
        let bytes = &mut buffer[..part];
        reader
            .read_exact(bytes)
            .map_err(|error| wrong("map.tensors", format!("{left} bytes"), error.to_string()))?;
        crc.update(bytes);
        out.extend(bytes.as_chunks::<4>().0.iter().map(|bytes| element(*bytes)));
        left -= part as u64;
    }
    Ok(out)
}

fn wrong(field: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::new(ErrorClass::Decode, field, expected, found)
}

/// Sums up what is written.
struct Summing<'a>(&'a mut crc32fast::Hasher);

impl Write for Summing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
