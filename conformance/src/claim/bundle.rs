//! A claim and its events in one file, and back.

use std::io::{self, Read, Write};

use super::{CLAIM_VERSION, Claim, EventsName};

/// Longest `claim.json`: that of an adapter that declares everything has a few thousand bytes.
pub const CLAIM_BYTES: u64 = 1024 * 1024;

/// Longest events, uncompressed: ten times those of a default run. They are read into memory.
pub const EVENTS_BYTES: u64 = 512 * 1024 * 1024;

/// Longest events as they are stored.
const STORED_BYTES: u64 = 128 * 1024 * 1024;

/// Name of the claim in a bundle.
const CLAIM: &str = "claim.json";
/// Name of the events in a bundle.
const EVENTS: &str = "events.ndjson.zst";

/// Compression of events: their lines are much alike, and higher levels take seconds for a few percent.
const LEVEL: i32 = 9;

/// A statement and what it follows from.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// What is stated.
    pub claim: Claim,
    /// The events, as they were recorded.
    pub events: Vec<u8>,
}

/// Why a file is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something in it that does not belong there.
    #[error("entry `{name}`: {what}; a bundle holds the files {CLAIM} and {EVENTS} alone")]
    Entry {
        /// Its name.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Something that has to be there.
    #[error("`{0}` is missing; this is no bundle of `avp-conformance claim`")]
    Missing(&'static str),
    /// Longer than it may be.
    #[error("`{name}` is longer than {limit} bytes")]
    TooLong {
        /// Which entry.
        name: &'static str,
        /// The limit.
        limit: u64,
    },
    /// No claim.
    #[error("{CLAIM}: {0}")]
    Claim(serde_json::Error),
    /// Of a later form.
    #[error("{CLAIM}: `claim` is {found}, and this program reads {CLAIM_VERSION}")]
    Version {
        /// What it says.
        found: u64,
    },
    /// Not what zstd made.
    #[error("{EVENTS}: {0}")]
    Compression(io::Error),
}

impl Bundle {
    /// Writes it. The same bundle is the same bytes.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(&self.claim)?;
        text.push(b'\n');
        let events = zstd::stream::encode_all(&self.events[..], LEVEL)?;
        let mut tar = tar::Builder::new(out);
        for (name, bytes) in [(CLAIM, &text), (EVENTS, &events)] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_cksum();
            tar.append_data(&mut header, name, &bytes[..])?;
        }
        tar.into_inner()?.flush()
    }

    /// Reads one, whoever wrote it: nothing is unpacked, and nothing is longer than its limit.
    ///
    /// # Errors
    /// [`BundleError`], which names the entry.
    pub fn read(input: impl Read) -> Result<Self, BundleError> {
        Self::read_within(input, EVENTS_BYTES)
    }

    /// The same with another limit for the events.
    pub(super) fn read_within(input: impl Read, most: u64) -> Result<Self, BundleError> {
        let (mut claim, mut events) = (None, None);
        for entry in tar::Archive::new(input).entries()? {
            let mut entry = entry?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let wrong = |what| BundleError::Entry { name: name.chars().take(100).collect(), what };
            if entry.header().entry_type() != tar::EntryType::Regular {
                return Err(wrong("is no plain file"));
            }
            let (slot, name, limit) = match name.as_str() {
                CLAIM => (&mut claim, CLAIM, CLAIM_BYTES),
                EVENTS => (&mut events, EVENTS, STORED_BYTES),
                _ => return Err(wrong("is not expected")),
            };
            if slot.is_some() {
                return Err(wrong("stands there twice"));
            }
            *slot = Some(limited(&mut entry, name, limit)?);
        }
        let claim = read_claim(&claim.ok_or(BundleError::Missing(CLAIM))?)?;
        let stored = events.ok_or(BundleError::Missing(EVENTS))?;
        let plain = zstd::stream::read::Decoder::new(&stored[..]).map_err(BundleError::Compression)?;
        let events = limited(plain, EVENTS, most).map_err(|error| match error {
            BundleError::Io(error) => BundleError::Compression(error),
            other => other,
        })?;
        Ok(Self { claim, events })
    }

    /// What the events are, rather than what the claim says of them.
    pub fn events_name(&self) -> EventsName {
        EventsName::of(&self.events)
    }
}

fn limited(input: impl Read, name: &'static str, limit: u64) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    input.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(BundleError::TooLong { name, limit });
    }
    Ok(bytes)
}

fn read_claim(text: &[u8]) -> Result<Claim, BundleError> {
    /// The version alone, which is read before anything that may have changed with it.
    #[derive(serde::Deserialize)]
    struct Version {
        claim: u64,
    }
    let Version { claim } = serde_json::from_slice(text).map_err(BundleError::Claim)?;
    if claim != u64::from(CLAIM_VERSION) {
        return Err(BundleError::Version { found: claim });
    }
    serde_json::from_slice(text).map_err(BundleError::Claim)
}
