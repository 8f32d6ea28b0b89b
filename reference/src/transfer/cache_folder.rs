//! Where files lie that are kept between runs, and how they are put there.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorClass, Result, excerpt};

/// Overrides the root of all caches (AVP-RLN-016, AVP-MAP-003).
const ROOT_VARIABLE: &str = "AVP_CACHE_DIR";
/// Longest hash. SHA-256 has 64 digits; twice that leaves room for another, and file systems allow 255.
const MAX_HASH_DIGITS: usize = 128;

/// The root of all caches: `$AVP_CACHE_DIR`, or `~/.avp` where that is unset or empty. Read anew with each call.
///
/// # Errors
/// `configuration` when there is neither.
pub(super) fn from_env() -> Result<PathBuf> {
    located(env::var_os(ROOT_VARIABLE), env::home_dir())
}

/// As [`from_env`], for this value of the variable and this home folder.
///
/// # Errors
/// As there.
pub(super) fn located(variable: Option<OsString>, home: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(root) = variable.filter(|value| !value.is_empty()) {
        return Ok(root.into());
    }
    match home.filter(|home| !home.as_os_str().is_empty()) {
        Some(home) => Ok(home.join(".avp")),
        None => {
            let expected = format!("{ROOT_VARIABLE} or a home folder");
            Err(Error::new(ErrorClass::Configuration, "cache", expected, "neither"))
        }
    }
}

/// Whether a hash can become part of a file's name; it may come from a peer.
///
/// # Errors
/// `invalid_argument` for one that is not lowercase hex digits.
pub(super) fn check_hash(field: &'static str, hash: &str) -> Result<()> {
    let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if (1..=MAX_HASH_DIGITS).contains(&hash.len()) && hash.bytes().all(digits) {
        return Ok(());
    }
    let expected = format!("1 to {MAX_HASH_DIGITS} lowercase hex digits");
    Err(Error::new(ErrorClass::InvalidArgument, field, expected, excerpt(hash)))
}

/// Writes beside the file, then puts it in place in one step: whoever reads at the same time sees the old file or the new
/// one, whole. Makes the folder.
pub(super) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let beside = path.with_extension(format!("{:016x}.tmp", u64::from_le_bytes(random)));
    let written = File::create_new(&beside).and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.flush()?;
        file.get_ref().sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&beside, path));
    if placed.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    placed
}

/// A file that the system won't open, read or write.
pub(super) fn unusable(path: &Path, error: &io::Error) -> Error {
    let expected = format!("a usable file {}", path.display());
    Error::new(ErrorClass::Configuration, "cache", expected, error.to_string())
}
