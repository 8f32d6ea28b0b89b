//! Where files lie that are kept between runs, and how they are put there.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{Error, ErrorClass, Result, excerpt};

/// Overrides the root of all caches (AVP-RLN-016, AVP-MAP-003).
const ROOT_VARIABLE: &str = "AVP_CACHE_DIR";
/// Longest hash. SHA-256 has 64 digits; twice that leaves room for another, and file systems allow 255.
const MAX_HASH_DIGITS: usize = 128;

/// Ending of files that are being written.
const UNFINISHED: &str = "tmp";
/// How old an unfinished file is before it counts as left behind by a process that has died. No write takes a day.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

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
/// one, whole. Makes the folder, and clears away what processes that died in the midst of it have left behind.
pub(super) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
        clear(folder, SystemTime::now());
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let beside = path.with_extension(format!("{:016x}.{UNFINISHED}", u64::from_le_bytes(random)));
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

/// Removes unfinished files that nobody writes any more. What can't be removed is in nobody's way.
fn clear(folder: &Path, now: SystemTime) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let modified = entry.metadata().and_then(|about| about.modified());
        let age = modified.ok().and_then(|modified| now.duration_since(modified).ok()).unwrap_or_default();
        if path.extension().is_some_and(|ending| ending == UNFINISHED) && age > LEFT_BEHIND {
            let _ = fs::remove_file(path);
        }
    }
}

/// A file that the system won't open, read or write.
pub(super) fn unusable(path: &Path, error: &io::Error) -> Error {
    let expected = format!("a usable file {}", path.display());
    Error::new(ErrorClass::Configuration, "cache", expected, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_processes_left_is_cleared_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let old = now - LEFT_BEHIND - Duration::from_secs(60);
        for (name, modified) in [("a.0.tmp", old), ("a.1.tmp", now), ("b.avp", old), ("tmp", old)] {
            let file = File::create_new(folder.path().join(name)).unwrap();
            file.set_modified(modified).unwrap();
        }
        write_whole(&folder.path().join("c.avp"), |file| file.write_all(b"x")).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a.1.tmp", "b.avp", "c.avp", "tmp"]);
    }

    #[test]
    fn what_could_not_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.avp");
        write_whole(&path, |file| file.write_all(b"old")).unwrap();
        write_whole(&path, |file| {
            file.write_all(&[7; 100_000])?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
