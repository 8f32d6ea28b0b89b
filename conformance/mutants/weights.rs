//! The tensors of a safetensors file, to be damaged in place.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::rows::Rows;

/// A file of float32 tensors.
pub(crate) struct Weights<'a> {
    data: &'a mut [u8],
    /// Name, rows, and where the tensor lies.
    tensors: Vec<(String, usize, Range<usize>)>,
}

impl<'a> Weights<'a> {
    pub(crate) fn of(file: &'a mut [u8]) -> Option<Self> {
        let (length, rest) = file.split_first_chunk_mut()?;
        let (header, data) = rest.split_at_mut_checked(u64::from_le_bytes(*length) as usize)?;
        let header: Map<String, Value> = serde_json::from_slice(header).ok()?;
        let tensors = header.into_iter().filter_map(|(name, entry)| {
            let number = |at: &str| entry.pointer(at).and_then(Value::as_u64).map(|number| number as usize);
            Some((name, number("/shape/0")?, number("/data_offsets/0")?..number("/data_offsets/1")?))
        });
        Some(Self { data, tensors: tensors.collect() })
    }

    /// The tensor of a name, as numbers.
    pub(crate) fn rows(&self, name: &str) -> Option<Rows> {
        let (_, rows, range) = self.tensors.iter().find(|(known, _, _)| known == name)?;
        let bytes = self.data.get(range.clone())?.as_chunks::<4>().0;
        let values: Vec<f64> = bytes.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect();
        Some(Rows { dim: values.len() / rows.max(&1), values })
    }

    /// Rewrites the tensors whose name holds `part`, row by row. The elements of a vector are its rows.
    pub(crate) fn each(&mut self, part: &str, edit: impl Fn(&mut [Vec<u8>])) {
        for (_, rows, range) in self.tensors.iter().filter(|(name, _, _)| name.contains(part)) {
            let Some(bytes) = self.data.get_mut(range.clone()) else { continue };
            let mut split: Vec<Vec<u8>> =
                bytes.chunks(bytes.len() / rows.max(&1)).map(<[u8]>::to_vec).collect();
            edit(&mut split);
            bytes.copy_from_slice(&split.concat());
        }
    }
}
