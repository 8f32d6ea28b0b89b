//! FILE → MEMORY: a file mapped read-only, handed out as [`Bytes`] without a copy.

use std::{fs::File, ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use memmap2::Mmap;

use crate::error::{Error, ErrorClass, Result};

/// A file in memory. Clones and slices share one mapping, which lives as long as the last of them.
///
/// The file may not shrink while it is mapped: the system answers a read behind its end with a fault. Replacing the file by
/// a rename is fine.
#[derive(Clone, Debug)]
pub struct MappedFile {
    bytes: Bytes,
    /// `None` for bytes that never were a file.
    map: Option<Arc<Mmap>>,
}

/// What [`Bytes`] keeps alive.
struct Owner(Arc<Mmap>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl MappedFile {
    /// Maps a file. Nothing is read before it is looked at.
    ///
    /// # Errors
    /// `configuration` for a path that is no readable regular file.
    pub fn open(path: &Path) -> Result<Self> {
        let wrong = |found: String| {
            let found = format!("{}: {found}", path.display());
            Error::new(ErrorClass::Configuration, "weights.file", "a readable file", found)
        };
        // Asked before opening: opening a pipe would wait for its other end.
        if !path.metadata().map_err(|e| wrong(e.to_string()))?.is_file() {
            return Err(wrong("not a regular file".into()));
        }
        let map = File::open(path).and_then(|file| map(&file)).map_err(|e| wrong(e.to_string()))?;
        let map = Arc::new(map);
        Ok(Self { bytes: Bytes::from_owner(Owner(Arc::clone(&map))), map: Some(map) })
    }

    /// All bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Takes the pages of a range out of the process's resident memory. The bytes stay valid: whoever looks at them again
    /// has them read again. Only a hint, and on Linux only; elsewhere nothing happens.
    ///
    /// Pages that the range covers in part are released too.
    pub fn release(&self, range: Range<usize>) {
        #[cfg(target_os = "linux")]
        if let Some(map) = &self.map
            && range.start < range.end
            && range.end <= map.len()
        {
            // SAFETY: the mapping is shared, read-only and backed by a file. Dropping its pages leaves the mapping in place,
            // and a page that is touched again comes back from the file with the same bytes, so references stay valid.
            let advised = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len())
            };
            // The pages merely stay where they are.
            drop(advised);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }
}

impl From<Bytes> for MappedFile {
    /// Bytes that are in memory already, as if they were a file. Releasing them does nothing.
    fn from(bytes: Bytes) -> Self {
        Self { bytes, map: None }
    }
}

fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is read-only and private to this module. Rust's rule that bytes behind `&[u8]` never change holds as
    // long as nobody writes to the file meanwhile, which no program can enforce; model files are written once and then
    // replaced as a whole. Readers of these bytes check every length and offset against what they read, and none of their
    // safety depends on reading the same value twice.
    unsafe { Mmap::map(file) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn slices_outlive_the_map_and_survive_a_release() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        file.write_all(&content).unwrap();
        let mapped = MappedFile::open(file.path()).unwrap();
        let slice = mapped.bytes().slice(5000..300_000);
        mapped.release(0..content.len());
        mapped.release(0..content.len() + 1);
        mapped.release(7..7);
        assert_eq!(slice, content[5000..300_000]);
        // The same memory, not a copy.
        assert_eq!(slice.as_ptr(), mapped.bytes()[5000..].as_ptr());
        drop(mapped);
        assert_eq!(slice, content[5000..300_000]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn released_pages_are_not_resident() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; 32 << 20]).unwrap();
        let mapped = MappedFile::open(file.path()).unwrap();
        let resident = || {
            let start = format!("{:x}-", mapped.bytes().as_ptr() as usize);
            let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&start));
            let line = lines.find(|line| line.starts_with("Rss:")).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        assert_eq!(mapped.bytes().iter().map(|&b| u64::from(b)).sum::<u64>(), 7 * (32 << 20));
        assert!(resident() >= 32 << 10);
        mapped.release(16 << 20..32 << 20);
        let half = resident();
        assert!((15 << 10..17 << 10).contains(&half), "{half} KiB resident");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing")] {
            let error = MappedFile::open(&path).unwrap_err();
            assert_eq!((error.class, error.field), (ErrorClass::Configuration, "weights.file"));
        }
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert!(MappedFile::open(empty.path()).unwrap().bytes().is_empty());
    }
}
