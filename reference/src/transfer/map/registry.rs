//! Maps by pair of models: in memory, then on disk, else made (AVP-MAP-010).

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::ProjectionMap;
use super::file::Header;
use crate::error::{Error, ErrorClass, Result};
use crate::session::MapLookup;
use crate::session::resolve::map_id;
use crate::transfer::cache_folder::{self, check_hash, unusable};

/// Name of the folder under the root of all caches (AVP-MAP-003).
const FOLDER: &str = "maps";
/// Ending of a map's file. The SDK's own files end in `.pt`; they come in through [`ProjectionMap::from_pt`].
const EXTENSION: &str = "avp-map";
/// Maps that stay in memory. A map is as large as an embedding; an agent talks to few models at a time.
const MAX_IN_MEMORY: usize = 4;

/// Where a map comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapOrigin {
    /// It was there already.
    Memory,
    /// From its file; nothing was computed.
    Disk,
    /// Made and kept.
    Calibrated,
    /// Made and kept in place of a file that could not be used, for this reason.
    Replaced(Error),
    /// Made, and not kept for this reason: the next process makes it again.
    NotKept(Error),
}

impl MapOrigin {
    /// `memory`, `disk` or `calibrated`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Calibrated | Self::Replaced(_) | Self::NotKept(_) => "calibrated",
        }
    }

    /// What somebody should hear of.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Replaced(error) => Some(format!("a stored projection map was made anew: {error}")),
            Self::NotKept(error) => Some(format!("the projection map was not kept: {error}")),
            _ => None,
        }
    }
}

/// Projection maps of this user. Safe to share between threads.
#[derive(Debug, Default)]
pub struct MapRegistry {
    folder: Option<PathBuf>,
    /// The latest used last.
    memory: Mutex<Vec<Arc<ProjectionMap>>>,
}

impl MapRegistry {
    /// The maps of this user: `maps` under `$AVP_CACHE_DIR`, or under `~/.avp` where that is unset or empty.
    ///
    /// # Errors
    /// `configuration` when there is neither.
    pub fn from_env() -> Result<Self> {
        Ok(Self { folder: Some(cache_folder::from_env()?.join(FOLDER)), ..Self::default() })
    }

    /// As [`from_env`](Self::from_env), for this value of the variable and this home folder.
    ///
    /// # Errors
    /// As there.
    pub fn located(variable: Option<OsString>, home: Option<PathBuf>) -> Result<Self> {
        Ok(Self { folder: Some(cache_folder::located(variable, home)?.join(FOLDER)), ..Self::default() })
    }

    /// Maps that are kept in memory only.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// The file of a pair.
    ///
    /// # Errors
    /// `invalid_argument` for hashes that are not lowercase hex digits; `configuration` without a folder.
    pub fn path(&self, source_hash: &str, target_hash: &str) -> Result<PathBuf> {
        check_hash("map.source_hash", source_hash)?;
        check_hash("map.target_hash", target_hash)?;
        let folder = self.folder.as_ref().ok_or_else(|| {
            Error::new(ErrorClass::Configuration, "map", "a folder for maps", "memory only")
        })?;
        Ok(folder.join(format!("{}.{EXTENSION}", map_id(source_hash, target_hash))))
    }

    /// Keeps a map on disk (AVP-MAP-003). Whoever reads at the same time sees the old file or the new one, whole.
    ///
    /// # Errors
    /// As [`path`](Self::path) and [`ProjectionMap::to_bytes`]; `configuration` when the file can't be written.
    pub fn save(&self, map: &ProjectionMap) -> Result<PathBuf> {
        let path = self.path(&map.source.hash, &map.target.hash)?;
        let header = map.header()?;
        cache_folder::write_whole(&path, |file| {
            file.write_all(&header)?;
            map.write_tensors(file)
        })
        .map_err(|error| unusable(&path, &error))?;
        Ok(path)
    }

    /// The file of exactly that pair, in that order (AVP-MAP-002). The names of two pairs can be one: the full hashes in
    /// the file decide.
    ///
    /// # Errors
    /// As [`path`](Self::path); `decode` or one of its kinds for a file whose header is none.
    pub fn find(&self, source_hash: &str, target_hash: &str) -> Result<Option<PathBuf>> {
        let path = self.path(source_hash, target_hash)?;
        let Some((mut file, len)) = open(&path)? else { return Ok(None) };
        Ok(Header::read(&mut file, len)?.is_of(source_hash, target_hash).then_some(path))
    }

    /// The map of exactly that pair, from its file.
    ///
    /// # Errors
    /// As [`path`](Self::path); `decode` or one of its kinds for a damaged file, and for one that another pair has under
    /// the same name (AVP-MAP-007).
    pub fn load(&self, source_hash: &str, target_hash: &str) -> Result<Option<ProjectionMap>> {
        let path = self.path(source_hash, target_hash)?;
        let Some((mut file, len)) = open(&path)? else { return Ok(None) };
        let map = ProjectionMap::read(&mut file, len)?;
        if (&*map.source.hash, &*map.target.hash) != (source_hash, target_hash) {
            return Err(Error::new(
                ErrorClass::Decode,
                ANOTHER_PAIR,
                "this pair of hashes",
                "another pair's",
            ));
        }
        Ok(Some(map))
    }

    /// The map of a pair: from memory, from disk, or made and kept (AVP-MAP-009, 010). `usable` says why a map that was
    /// found is not to be used; it is made anew then. One map is made at a time.
    ///
    /// A file that can't be read is replaced, but for one of another pair under the same name, which stays. A folder that
    /// can't be written is no reason to fail. Both are told in the [`MapOrigin`].
    ///
    /// # Errors
    /// `invalid_argument` for hashes that are not lowercase hex digits; what `make` refuses.
    pub fn load_or_make(
        &self,
        source_hash: &str,
        target_hash: &str,
        usable: impl Fn(&ProjectionMap) -> Result<()>,
        make: impl FnOnce() -> Result<ProjectionMap>,
    ) -> Result<(Arc<ProjectionMap>, MapOrigin)> {
        check_hash("map.source_hash", source_hash)?;
        check_hash("map.target_hash", target_hash)?;
        // Nothing is half done when the lock is given back, so a panic in another thread is no reason to stop.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let held = memory
            .iter()
            .position(|map| (&*map.source.hash, &*map.target.hash) == (source_hash, target_hash));
        let mut unusable = None;
        if let Some(place) = held {
            let map = memory.remove(place);
            match usable(&map) {
                Ok(()) => {
                    memory.push(Arc::clone(&map));
                    return Ok((map, MapOrigin::Memory));
                }
                Err(error) => unusable = Some(error),
            }
        }
        let on_disk = match self.folder {
            Some(_) => self.load(source_hash, target_hash),
            None => Ok(None),
        };
        let found = on_disk.and_then(|map| map.map(|map| usable(&map).map(|()| map)).transpose());
        let (map, origin) = match found {
            Ok(Some(map)) => (Arc::new(map), MapOrigin::Disk),
            Ok(None) => {
                let map = make()?;
                let origin = unusable.map_or(MapOrigin::Calibrated, MapOrigin::Replaced);
                self.keep(map, origin)
            }
            Err(error) if error.field == ANOTHER_PAIR => (Arc::new(make()?), MapOrigin::NotKept(error)),
            Err(error) => self.keep(make()?, MapOrigin::Replaced(error)),
        };
        if memory.len() == MAX_IN_MEMORY {
            memory.remove(0);
        }
        memory.push(Arc::clone(&map));
        Ok((map, origin))
    }

    fn keep(&self, map: ProjectionMap, kept: MapOrigin) -> (Arc<ProjectionMap>, MapOrigin) {
        let saved = self.folder.as_ref().map_or(Ok(()), |_| self.save(&map).map(|_| ()));
        (Arc::new(map), saved.map_or_else(MapOrigin::NotKept, |()| kept))
    }
}

/// Field of the error that tells of a file that another pair has.
const ANOTHER_PAIR: &str = "map.hashes";

/// Rule 4 of the handshake. What can't be read is not there.
impl MapLookup for MapRegistry {
    fn has_map(&self, source_hash: &str, target_hash: &str) -> bool {
        matches!(self.find(source_hash, target_hash), Ok(Some(_)))
    }
}

/// A file and its length, when it is there.
fn open(path: &Path) -> Result<Option<(BufReader<File>, u64)>> {
    // Asked before opening: opening a pipe would wait for its other end, and a device has none.
    let opened = path.metadata().and_then(|about| match about.is_file() {
        true => Ok((File::open(path)?, about.len())),
        false => Err(io::Error::other("not a regular file")),
    });
    match opened {
        Ok((file, len)) => Ok(Some((BufReader::new(file), len))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::samples::{SOURCE, TARGET, mediated, overlap};
    use super::*;

    fn registry(folder: &tempfile::TempDir) -> MapRegistry {
        MapRegistry::located(Some(folder.path().into()), None).unwrap()
    }

    fn never() -> Result<ProjectionMap> {
        panic!("made although it is there")
    }

    fn get(registry: &MapRegistry, make: fn() -> Result<ProjectionMap>) -> (ProjectionMap, MapOrigin) {
        let (map, origin) = registry.load_or_make(SOURCE, TARGET, |_| Ok(()), make).unwrap();
        ((*map).clone(), origin)
    }

    #[test]
    fn memory_then_disk_then_made() {
        let folder = tempfile::tempdir().unwrap();
        let first = registry(&folder);
        assert_eq!(get(&first, || Ok(overlap())), (overlap(), MapOrigin::Calibrated));
        assert_eq!(get(&first, never), (overlap(), MapOrigin::Memory));
        assert_eq!(get(&registry(&folder), never), (overlap(), MapOrigin::Disk));
        let names: Vec<_> =
            fs::read_dir(folder.path().join("maps")).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(names, [format!("{}_{}.avp-map", &SOURCE[..16], &TARGET[..16]).as_str()]);
        let memory = MapRegistry::in_memory();
        assert_eq!(get(&memory, || Ok(mediated())).1, MapOrigin::Calibrated);
        assert_eq!(get(&memory, never).1, MapOrigin::Memory);
    }

    #[test]
    fn a_map_is_found_for_its_own_pair_in_its_own_order() {
        let folder = tempfile::tempdir().unwrap();
        let registry = registry(&folder);
        assert_eq!(registry.find(SOURCE, TARGET).unwrap(), None);
        let path = registry.save(&mediated()).unwrap();
        assert_eq!(registry.find(SOURCE, TARGET).unwrap(), Some(path));
        assert_eq!(registry.find(TARGET, SOURCE).unwrap(), None);
        assert!(registry.has_map(SOURCE, TARGET) && !registry.has_map(TARGET, SOURCE));
        // The same name, another hash.
        let other = format!("{}{}", &SOURCE[..16], "0".repeat(48));
        assert_eq!(registry.find(&other, TARGET).unwrap(), None);
        assert_eq!(registry.load(&other, TARGET).unwrap_err().class, ErrorClass::Decode);
        let (_, origin) = registry.load_or_make(&other, TARGET, |_| Ok(()), || Ok(overlap())).unwrap();
        assert!(matches!(origin, MapOrigin::NotKept(_)), "{origin:?}");
        assert_eq!(registry.load(SOURCE, TARGET).unwrap(), Some(mediated()));
    }

    #[test]
    fn what_cannot_be_used_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = registry(&folder).save(&mediated()).unwrap();
        fs::write(&path, "no map").unwrap();
        assert!(!registry(&folder).has_map(SOURCE, TARGET));
        let (map, origin) = get(&registry(&folder), || Ok(mediated()));
        assert!(matches!(origin, MapOrigin::Replaced(_)), "{origin:?}");
        assert!(origin.warning().is_some());
        assert_eq!(registry(&folder).load(SOURCE, TARGET).unwrap(), Some(map));
        // In memory and on disk alike.
        let held = registry(&folder);
        get(&held, never);
        let refuse = |map: &ProjectionMap| match map.shared {
            Some(_) => Ok(()),
            None => Err(Error::new(ErrorClass::Projection, "map", "shared tokens", "none")),
        };
        let (_, origin) = held.load_or_make(SOURCE, TARGET, refuse, || Ok(overlap())).unwrap();
        assert!(matches!(origin, MapOrigin::Replaced(_)), "{origin:?}");
        assert_eq!(get(&held, never), (overlap(), MapOrigin::Memory));
        assert_eq!(get(&registry(&folder), never), (overlap(), MapOrigin::Disk));
    }

    #[test]
    fn a_folder_that_cannot_be_written_fails_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("maps"), "a file where the folder should be").unwrap();
        let registry = registry(&folder);
        let (map, origin) = get(&registry, || Ok(mediated()));
        assert_eq!(map, mediated());
        assert!(origin.warning().is_some(), "{origin:?}");
        assert_eq!(get(&registry, never).1, MapOrigin::Memory);
    }

    #[test]
    fn a_hash_leaves_the_folder_on_no_way() {
        let folder = tempfile::tempdir().unwrap();
        let registry = registry(&folder);
        for hash in ["", "../ff", "/ff", "ABC", "a/b", "a.b", "a\0", "sha256:ff", &"a".repeat(129)] {
            for (source, target) in [(hash, TARGET), (SOURCE, hash)] {
                assert_eq!(registry.find(source, target).unwrap_err().class, ErrorClass::InvalidArgument);
                let refused = registry.load_or_make(source, target, |_| Ok(()), never).unwrap_err();
                assert_eq!(refused.class, ErrorClass::InvalidArgument, "{hash:?}");
                assert!(!registry.has_map(source, target));
            }
        }
    }

    #[test]
    fn memory_keeps_the_latest_used() {
        let registry = MapRegistry::in_memory();
        let of = |number: usize| {
            let mut map = mediated();
            map.target.hash = format!("{number:064x}");
            map
        };
        let ask = |number| {
            let map = of(number);
            registry.load_or_make(SOURCE, &map.target.hash.clone(), |_| Ok(()), || Ok(map)).unwrap().1
        };
        (0..MAX_IN_MEMORY).for_each(|number| assert_eq!(ask(number), MapOrigin::Calibrated));
        assert_eq!(ask(0), MapOrigin::Memory);
        assert_eq!(ask(MAX_IN_MEMORY), MapOrigin::Calibrated);
        assert_eq!(ask(0), MapOrigin::Memory);
        assert_eq!(ask(1), MapOrigin::Calibrated);
    }
}
