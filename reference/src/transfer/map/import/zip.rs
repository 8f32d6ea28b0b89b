//! A zip archive of stored entries, as PyTorch writes it: its directory, and the entries by name.

use std::collections::HashMap;

use super::wrong;
use crate::error::{Error, ErrorClass, Result, excerpt};
use crate::wire::crc32;

/// Most entries. A map's archive has ten.
const MAX_ENTRIES: usize = 64;
/// Longest comment behind the directory, by the format's own field. PyTorch writes none.
const MAX_COMMENT: usize = 0xffff;
/// Stands for a number that is in the 64-bit fields instead.
const IN_64_BITS: u64 = 0xffff_ffff;

/// An archive in memory. All entries are under one folder, whose name does not matter.
pub(super) struct Archive<'a> {
    entries: HashMap<&'a str, &'a [u8]>,
}

impl<'a> Archive<'a> {
    /// Reads the directory and checks every entry against its sum.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        let (count, at) = directory(bytes)?;
        if count > MAX_ENTRIES as u64 {
            let expected = format!("at most {MAX_ENTRIES} entries");
            return Err(Error::new(ErrorClass::LimitExceeded, "pt.zip", expected, count.to_string()));
        }
        let mut directory = Reader { bytes, at: index(at)? };
        let mut entries = HashMap::new();
        for _ in 0..count {
            let (name, content) = entry(bytes, &mut directory)?;
            // `<folder>/data.pkl`.
            let name = name.split_once('/').map_or(name, |(_, name)| name);
            if entries.insert(name, content).is_some() {
                return Err(wrong("pt.zip", "every name once", excerpt(name)));
            }
        }
        Ok(Self { entries })
    }

    /// The content of an entry.
    pub(super) fn entry(&self, name: &str) -> Result<&'a [u8]> {
        self.entries.get(name).copied().ok_or_else(|| wrong("pt.zip", excerpt(name), "no such entry"))
    }
}

/// Little-endian numbers, one after the other.
#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(len);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| wrong("pt.zip", format!("{len} bytes"), "the end").at(self.at))?;
        self.at += len;
        Ok(taken)
    }

    fn number(&mut self, len: usize) -> Result<u64> {
        Ok(self.take(len)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn signature(&mut self, of: &[u8; 4]) -> Result<()> {
        if self.take(4)? == of { Ok(()) } else { Err(wrong("pt.zip", "a zip archive", "something else")) }
    }
}

fn index(offset: u64) -> Result<usize> {
    usize::try_from(offset).map_err(|_| wrong("pt.zip", "an offset inside the file", offset.to_string()))
}

/// How many entries there are, and where the first one's record lies.
fn directory(bytes: &[u8]) -> Result<(u64, u64)> {
    const END: usize = 22;
    let from = bytes.len().saturating_sub(END + MAX_COMMENT);
    let last = bytes[from..].windows(4).rposition(|window| window == b"PK\x05\x06");
    let Some(last) = last.map(|place| from + place) else {
        return Err(wrong("pt.zip", "a zip archive", "no directory"));
    };
    let mut end = Reader { bytes, at: last };
    end.take(10)?;
    let (count, _size, at) = (end.number(2)?, end.number(4)?, end.number(4)?);
    let comment = end.number(2)?;
    if index(comment)? != bytes.len() - end.at {
        return Err(wrong("pt.zip", "a directory that ends the file", "something behind it"));
    }
    if at != IN_64_BITS && count != 0xffff {
        return Ok((count, at));
    }
    let locator = last.checked_sub(20).ok_or_else(|| wrong("pt.zip", "a 64-bit directory", "none"))?;
    let mut locator = Reader { bytes, at: locator };
    locator.signature(b"PK\x06\x07")?;
    locator.take(4)?;
    let mut end = Reader { bytes, at: index(locator.number(8)?)? };
    end.signature(b"PK\x06\x06")?;
    end.take(28)?;
    let (count, _size, at) = (end.number(8)?, end.number(8)?, end.number(8)?);
    Ok((count, at))
}

/// The next entry of the directory: its name and content.
fn entry<'a>(bytes: &'a [u8], directory: &mut Reader<'a>) -> Result<(&'a str, &'a [u8])> {
    directory.signature(b"PK\x01\x02")?;
    directory.take(4)?;
    let (flags, method) = (directory.number(2)?, directory.number(2)?);
    directory.take(4)?;
    let sum = directory.number(4)?;
    let (mut packed, mut size) = (directory.number(4)?, directory.number(4)?);
    let (name, extra, comment) = (directory.number(2)?, directory.number(2)?, directory.number(2)?);
    directory.take(8)?;
    let mut at = directory.number(4)?;
    let name = std::str::from_utf8(directory.take(name as usize)?)
        .map_err(|_| wrong("pt.zip", "a name in UTF-8", "others"))?;
    let mut extra = Reader { bytes: directory.take(extra as usize)?, at: 0 };
    directory.take(comment as usize)?;
    while extra.at < extra.bytes.len() {
        let (kind, len) = (extra.number(2)?, extra.number(2)?);
        let mut field = Reader { bytes: extra.take(len as usize)?, at: 0 };
        if kind == 1 {
            for number in [&mut size, &mut packed, &mut at] {
                if *number == IN_64_BITS {
                    *number = field.number(8)?;
                }
            }
        }
    }
    // Bit 0: encrypted.
    if method != 0 || packed != size || flags & 1 != 0 {
        return Err(wrong("pt.zip", "entries that are stored as they are", excerpt(name)));
    }
    let mut local = Reader { bytes, at: index(at)? };
    local.signature(b"PK\x03\x04")?;
    local.take(22)?;
    let (name_len, extra_len) = (local.number(2)?, local.number(2)?);
    local.take(index(name_len + extra_len)?)?;
    let content = local.take(index(size)?)?;
    if u64::from(crc32(content)) != sum {
        return Err(wrong("pt.zip", "the checksum of the content", excerpt(name)));
    }
    Ok((name, content))
}
