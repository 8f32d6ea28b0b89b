//! Metadata of a GGUF file: checked once, decoded where it is asked for.

use std::{collections::HashMap, fmt};

use bytes::Bytes;

use super::reader::Reader;
use crate::error::{Error, ErrorClass, Result, excerpt};

/// Most entries. Real files have some fifty.
pub const MAX_ENTRIES: u64 = 1 << 16;
/// Longest key, in bytes: the format's own bound.
pub const MAX_KEY: u64 = (1 << 16) - 1;
/// Longest string: 64 MiB. A file may carry a whole tokenizer.json.
pub const MAX_STRING: u64 = 64 << 20;
/// Longest array. The largest vocabularies have 260,000 tokens and 500,000 merges.
pub const MAX_ARRAY: u64 = 1 << 24;
/// Arrays within arrays. The format allows them; no known key uses one.
pub const MAX_NESTING: usize = 4;

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

impl Kind {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let at = reader.position();
        Ok(match reader.u32("gguf.metadata.type")? {
            0 => Self::U8,
            1 => Self::I8,
            2 => Self::U16,
            3 => Self::I16,
            4 => Self::U32,
            5 => Self::I32,
            6 => Self::F32,
            7 => Self::Bool,
            8 => Self::Text,
            9 => Self::Array,
            10 => Self::U64,
            11 => Self::I64,
            12 => Self::F64,
            code => {
                let error = Error::new(ErrorClass::Decode, "gguf.metadata.type", "0 to 12", code.to_string());
                return Err(error.at(at));
            }
        })
    }

    /// Bytes of a value, for those that always take the same.
    fn fixed(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::Text | Self::Array => None,
        }
    }

    /// Steps over a value and checks it on the way.
    fn skip(self, reader: &mut Reader<'_>, depth: usize) -> Result<()> {
        const FIELD: &str = "gguf.metadata.value";
        match self {
            Self::Text => reader.string(FIELD, MAX_STRING).map(drop),
            Self::Array => {
                if depth == MAX_NESTING {
                    let expected = format!("at most {MAX_NESTING} arrays within each other");
                    let error = Error::new(ErrorClass::LimitExceeded, FIELD, expected, "more");
                    return Err(error.at(reader.position()));
                }
                let kind = Self::read(reader)?;
                // The shortest string is its length alone, the shortest array its type and its length.
                let least = kind.fixed().unwrap_or(if kind == Self::Text { 8 } else { 12 });
                let count = reader.count(FIELD, least, MAX_ARRAY)?;
                match kind.fixed() {
                    Some(size) => reader.take((count * size) as u64, FIELD).map(drop),
                    None => (0..count).try_for_each(|_| kind.skip(reader, depth + 1)),
                }
            }
            _ => reader.take(self.fixed().unwrap_or(0) as u64, FIELD).map(drop),
        }
    }

    /// A value that [`skip`](Self::skip) has checked.
    fn value<'a>(self, reader: &mut Reader<'a>) -> Option<Value<'a>> {
        fn bytes<'a, const N: usize>(reader: &mut Reader<'a>) -> Option<[u8; N]> {
            reader.take(N as u64, "gguf.metadata.value").ok()?.first_chunk().copied()
        }
        Some(match self {
            Self::U8 => Value::Unsigned(u8::from_le_bytes(bytes(reader)?).into()),
            Self::U16 => Value::Unsigned(u16::from_le_bytes(bytes(reader)?).into()),
            Self::U32 => Value::Unsigned(u32::from_le_bytes(bytes(reader)?).into()),
            Self::U64 => Value::Unsigned(u64::from_le_bytes(bytes(reader)?)),
            Self::I8 => Value::Signed(i8::from_le_bytes(bytes(reader)?).into()),
            Self::I16 => Value::Signed(i16::from_le_bytes(bytes(reader)?).into()),
            Self::I32 => Value::Signed(i32::from_le_bytes(bytes(reader)?).into()),
            Self::I64 => Value::Signed(i64::from_le_bytes(bytes(reader)?)),
            Self::F32 => Value::Float32(f32::from_le_bytes(bytes(reader)?)),
            Self::F64 => Value::Float64(f64::from_le_bytes(bytes(reader)?)),
            Self::Bool => Value::Bool(bytes::<1>(reader)? != [0]),
            Self::Text => {
                let len = u64::from_le_bytes(bytes(reader)?);
                Value::Text(reader.take(len, "gguf.metadata.value").ok()?)
            }
            Self::Array => {
                let kind = Self::read(reader).ok()?;
                let count = u64::from_le_bytes(bytes(reader)?) as usize;
                let elements = Array { kind, count, reader: *reader };
                // The next value of an outer array begins behind this one.
                (0..count).try_for_each(|_| kind.skip(reader, 0)).ok()?;
                Value::Array(elements)
            }
        })
    }
}

/// A value of the metadata. Strings and arrays are borrowed from the file.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// An unsigned number of any width.
    Unsigned(u64),
    /// A signed number of any width.
    Signed(i64),
    /// A binary32.
    Float32(f32),
    /// A binary64.
    Float64(f64),
    /// True or false.
    Bool(bool),
    /// A string; UTF-8 says the format, but nothing has checked.
    Text(&'a [u8]),
    /// Values of one type.
    Array(Array<'a>),
}

impl<'a> Value<'a> {
    /// The number, when it is whole and not negative.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(value),
            Self::Signed(value) => u64::try_from(value).ok(),
            _ => None,
        }
    }

    /// The number. A binary32 becomes the binary64 with the same shortest decimal digits (1e-5, not 9.99999975e-6), which is
    /// what stood in the configuration that the file was made from.
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Unsigned(value) => Some(value as f64),
            Self::Signed(value) => Some(value as f64),
            Self::Float32(value) => value.to_string().parse().ok(),
            Self::Float64(value) => Some(value),
            _ => None,
        }
    }

    /// The truth value.
    pub fn as_bool(self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(value) } else { None }
    }

    /// The string, when it is UTF-8.
    pub fn as_str(self) -> Option<&'a str> {
        if let Self::Text(text) = self { std::str::from_utf8(text).ok() } else { None }
    }

    /// The array.
    pub fn as_array(self) -> Option<Array<'a>> {
        if let Self::Array(array) = self { Some(array) } else { None }
    }
}

/// An array in the file. Elements are decoded as they are asked for.
#[derive(Clone, Copy)]
pub struct Array<'a> {
    kind: Kind,
    count: usize,
    reader: Reader<'a>,
}

impl<'a> Array<'a> {
    /// Elements.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let Self { kind, count, mut reader } = *self;
        (0..count).map_while(move |_| kind.value(&mut reader))
    }
}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:?}; {}]", self.kind, self.count)
    }
}

/// Keys and values.
#[derive(Clone, Debug)]
pub struct Metadata {
    bytes: Bytes,
    entries: Vec<Entry>,
    by_key: HashMap<String, usize>,
}

#[derive(Clone, Debug)]
struct Entry {
    key: String,
    kind: Kind,
    start: usize,
}

impl Metadata {
    /// Reads `count` entries at the reader's place in `bytes`.
    pub(super) fn read(bytes: &Bytes, reader: &mut Reader<'_>, count: usize) -> Result<Self> {
        let (mut entries, mut by_key) = (Vec::new(), HashMap::new());
        for i in 0..count {
            let at = reader.position();
            let wrong = |expected: &str, found| {
                Error::new(ErrorClass::Decode, "gguf.metadata.key", expected, found).at(at)
            };
            let key = reader.string("gguf.metadata.key", MAX_KEY)?;
            let Ok(key) = std::str::from_utf8(&bytes[key]) else {
                return Err(wrong("UTF-8", "other bytes".into()));
            };
            if by_key.insert(key.to_owned(), i).is_some() {
                return Err(wrong("every key once", format!("{} twice", excerpt(key))));
            }
            let kind = Kind::read(reader)?;
            entries.push(Entry { key: key.to_owned(), kind, start: reader.position() });
            kind.skip(reader, 0)?;
        }
        Ok(Self { bytes: bytes.clone(), entries, by_key })
    }

    /// Keys in the file's order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<Value<'_>> {
        let entry = &self.entries[*self.by_key.get(key)?];
        entry.kind.value(&mut Reader::at(&self.bytes, entry.start))
    }

    /// The value of a key in the form that `read` gives it, `None` where the key is absent.
    ///
    /// # Errors
    /// `decode` for a value of another type.
    pub(super) fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        read: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>> {
        self.get(key)
            .map(|value| {
                read(value).ok_or_else(|| {
                    let found = match value {
                        Value::Text(text) => excerpt(&String::from_utf8_lossy(&text[..text.len().min(200)])),
                        value => format!("{value:?}"),
                    };
                    let expected = format!("{expected} for {}", excerpt(key));
                    Error::new(ErrorClass::Decode, "gguf.metadata.value", expected, found)
                })
            })
            .transpose()
    }

    /// See [`typed`](Self::typed).
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>> {
        self.typed(key, "a whole number", |value| usize::try_from(value.as_u64()?).ok())
    }

    /// See [`typed`](Self::typed).
    pub(super) fn float(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// See [`typed`](Self::typed).
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// See [`typed`](Self::typed).
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "UTF-8 text", Value::as_str)
    }
}
