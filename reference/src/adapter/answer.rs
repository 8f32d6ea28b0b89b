//! What is answered.

use std::borrow::Cow;
use std::io;

use serde_json::{Value, json};

use super::MAX_BLOB;
use crate::error::{Error, ErrorClass};

/// A named piece of the answer's blob.
pub(super) struct OutPart<'a> {
    name: Cow<'static, str>,
    dtype: Option<&'static str>,
    shape: Option<Vec<u64>>,
    pub(super) bytes: Cow<'a, [u8]>,
}

/// What an operation gives.
pub(super) struct Answer<'a> {
    ok: Value,
    parts: Vec<OutPart<'a>>,
}

/// What an operation returns.
pub(super) type Outcome<'a> = Result<Answer<'a>, Refusal>;

impl<'a> Answer<'a> {
    /// An answer without parts; `ok` is an object.
    pub(super) fn new(ok: Value) -> Self {
        Self { ok, parts: Vec::new() }
    }

    /// Whether all parts together fit a blob.
    fn fits(&self) -> bool {
        self.parts.iter().map(|part| part.bytes.len()).sum::<usize>() <= MAX_BLOB
    }

    /// The same with one more part of bytes.
    pub(super) fn part(
        mut self,
        name: impl Into<Cow<'static, str>>,
        bytes: impl Into<Cow<'a, [u8]>>,
    ) -> Self {
        self.parts.push(OutPart { name: name.into(), dtype: None, shape: None, bytes: bytes.into() });
        self
    }

    /// The same with one more tensor.
    pub(super) fn tensor(
        mut self,
        name: impl Into<Cow<'static, str>>,
        dtype: &'static str,
        shape: &[u64],
        bytes: impl Into<Cow<'a, [u8]>>,
    ) -> Self {
        let shape = Some(shape.to_vec());
        self.parts.push(OutPart { name: name.into(), dtype: Some(dtype), shape, bytes: bytes.into() });
        self
    }
}

/// Why an operation gives nothing.
pub(super) enum Refusal {
    /// The library refused.
    Error(Error),
    /// This is not implemented here.
    Unsupported(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A frame's answer.
pub(super) enum Reply<'a> {
    Ok(Answer<'a>),
    Err(Error),
    Unsupported(String),
    Fault(String),
}

impl From<Refusal> for Reply<'_> {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Error(error) => Self::Err(error),
            Refusal::Unsupported(why) => Self::Unsupported(why),
        }
    }
}

impl<'a> Reply<'a> {
    /// In place of an answer whose JSON does not fit a frame.
    pub(super) fn too_large(json: usize, limit: usize) -> Self {
        let expected = format!("an answer of at most {limit} bytes of JSON");
        Self::Err(Error::new(ErrorClass::LimitExceeded, "frame", expected, json.to_string()))
    }

    /// The parts that travel with it: none when they don't fit a blob. They are announced all the same.
    pub(super) fn parts(&self) -> &[OutPart<'a>] {
        match self {
            Self::Ok(answer) if answer.fits() => &answer.parts,
            _ => &[],
        }
    }

    pub(super) fn blob_len(&self) -> usize {
        self.parts().iter().map(|part| part.bytes.len()).sum()
    }

    /// Appends the frame's JSON.
    pub(super) fn write_json(&self, id: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let reply = match self {
            Self::Ok(answer) => {
                out.extend_from_slice(format!("{{\"id\":{id},\"ok\":").as_bytes());
                serde_json::to_writer(&mut *out, &answer.ok)?;
                if !answer.parts.is_empty() {
                    out.extend_from_slice(b",\"parts\":");
                    let fits = answer.fits();
                    let heads: Vec<Value> = answer.parts.iter().map(|part| part.head(fits)).collect();
                    serde_json::to_writer(&mut *out, &heads)?;
                }
                out.push(b'}');
                return Ok(());
            }
            Self::Err(error) => {
                let mut told = json!({"code": error.class.code(), "detail": error.to_string()});
                if let Some(status) = error.status {
                    told["status"] = json!(status);
                }
                json!({"id": id, "err": told})
            }
            Self::Unsupported(why) => json!({"id": id, "unsupported": why}),
            Self::Fault(text) => json!({"id": id, "fault": text}),
        };
        serde_json::to_writer(out, &reply)?;
        Ok(())
    }
}

impl OutPart<'_> {
    fn head(&self, travels: bool) -> Value {
        let mut head = match travels {
            true => json!({"name": self.name, "len": self.bytes.len()}),
            false => json!({"name": self.name, "len": 0, "omitted": self.bytes.len()}),
        };
        if let Some(dtype) = self.dtype {
            head["dtype"] = dtype.into();
        }
        if let Some(shape) = &self.shape {
            head["shape"] = shape.as_slice().into();
        }
        head
    }
}
