//! What is asked.

use std::borrow::Cow;
use std::io;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::MAX_JSON;
use super::answer::Refusal;
use super::frame::protocol;
use crate::error::{Error, ErrorClass};
use crate::wire::{DataType, Dialect};

/// A frame's JSON. Unknown keys are ignored.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    pub(super) id: u64,
    #[serde(borrow, default)]
    pub(super) op: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    spec: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
    #[serde(borrow, default)]
    parts: Vec<PartHead<'a>>,
    /// Only in the framing of lines.
    #[serde(borrow, default)]
    pub(super) blob: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct PartHead<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    len: usize,
    #[serde(borrow, default)]
    dtype: Option<Cow<'a, str>>,
    #[serde(default)]
    shape: Option<Vec<u64>>,
}

impl<'a> Envelope<'a> {
    pub(super) fn parse(json: &'a [u8]) -> io::Result<Self> {
        serde_json::from_slice(json).map_err(|error| protocol(error.to_string()))
    }
}

/// A named piece of the blob.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) dtype: Option<&'a str>,
    shape: Option<&'a [u64]>,
}

/// A request that is cut into its parts.
pub(super) struct Request<'a> {
    pub(super) op: &'a str,
    /// The dialect that the request is made in.
    pub(super) dialect: Dialect,
    args: &'a str,
    parts: Vec<Part<'a>>,
}

impl<'a> Request<'a> {
    /// `op` stands for the operation of an envelope that names none.
    pub(super) fn new(
        envelope: &'a Envelope<'_>,
        blob: &'a [u8],
        op: Option<&'a str>,
    ) -> Result<Self, Error> {
        let op = envelope.op.as_deref().or(op).ok_or_else(|| invalid("op", "an operation", "none"))?;
        let dialect = match envelope.spec.as_deref() {
            Some("0.2") => Dialect::V02,
            None | Some("0.4") => Dialect::V04,
            Some(other) => return Err(invalid("spec", "0.2 or 0.4", other)),
        };
        let mut rest = blob;
        let mut parts = Vec::with_capacity(envelope.parts.len());
        for head in &envelope.parts {
            let Some((bytes, behind)) = rest.split_at_checked(head.len) else {
                return Err(invalid(
                    "parts",
                    "lengths that add up to the blob",
                    format!("{} at its end", head.name),
                ));
            };
            rest = behind;
            parts.push(Part {
                name: &head.name,
                bytes,
                dtype: head.dtype.as_deref(),
                shape: head.shape.as_deref(),
            });
        }
        if !rest.is_empty() {
            return Err(invalid(
                "parts",
                "lengths that add up to the blob",
                format!("{} bytes more", rest.len()),
            ));
        }
        Ok(Self { op, dialect, args: envelope.args.map_or("{}", RawValue::get), parts })
    }

    /// The arguments in the form that the operation takes.
    pub(super) fn args<T: Deserialize<'a>>(&self) -> Result<T, Refusal> {
        serde_json::from_str(self.args)
            .map_err(|error| invalid("args", "arguments of this operation", error.to_string()).into())
    }

    /// The part of that name.
    pub(super) fn part(&self, name: &str) -> Result<Part<'a>, Refusal> {
        let found = self.parts.iter().find(|part| part.name == name);
        found.copied().ok_or_else(|| invalid("parts", name.to_owned(), "no such part").into())
    }

    /// All parts.
    pub(super) fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }
}

impl<'a> Part<'a> {
    /// Dimensions, outermost first. Without any: one dimension of `elements`.
    pub(super) fn shape(&self, element: usize) -> Cow<'a, [u64]> {
        match self.shape {
            Some(shape) => Cow::Borrowed(shape),
            None => Cow::Owned(vec![(self.bytes.len() / element.max(1)) as u64]),
        }
    }

    /// Element type, where it is one of the protocol's.
    pub(super) fn data_type(&self) -> Result<DataType, Error> {
        match self.dtype {
            Some("f32") => Ok(DataType::Float32),
            Some("f16") => Ok(DataType::Float16),
            Some("bf16") => Ok(DataType::BFloat16),
            Some("i8") => Ok(DataType::Int8),
            other => Err(invalid("parts", "dtype f32, f16, bf16 or i8", other.unwrap_or("none"))),
        }
    }
}

/// The short name of an element type in this protocol.
pub(super) fn short_name(dtype: DataType) -> &'static str {
    match dtype {
        DataType::Float32 => "f32",
        DataType::Float16 => "f16",
        DataType::BFloat16 => "bf16",
        DataType::Int8 => "i8",
    }
}

pub(super) fn invalid(field: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::new(ErrorClass::InvalidArgument, field, expected, found)
}

pub(super) fn too_long(json_len: usize) -> Error {
    let expected = format!("at most {MAX_JSON} bytes of JSON for this operation");
    Error::new(ErrorClass::LimitExceeded, "frame", expected, format!("{json_len} bytes"))
}
