//! The folder `vectors/`: writing `dist/` and `ids.lock`, and comparing them with what the recipes say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::case::{Case, Spec};

use super::digest::Digest;
use super::embedded;
use super::lock::Lock;
use super::manifest::{ManifestWriter, blob_path};
use super::proof::{Disagreement, Proof, UnpairedList, disagreements};
use super::{Recipes, RecipesError, read_folder};

/// What cannot be done with the folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The recipes or the list of ids are wrong.
    #[error(transparent)]
    Recipes(#[from] RecipesError),
    /// Vectors that our own reader does not agree with.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Disagreements(Vec<Disagreement>),
    /// The list of refusals without a twin.
    #[error("unpaired.yaml: {0}; it is a list of entries with `vectors`, patterns of ids, and `because`")]
    Unpaired(#[from] serde_yaml::Error),
    /// A file that can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A place where the folder is not what the recipes make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A file that should be there.
    Missing(String),
    /// A file that should not.
    Extra(String),
    /// A file with other bytes.
    Changed {
        /// Path under `vectors/`.
        path: String,
        /// Offset of the first byte that differs.
        at: usize,
        /// Length of what is there.
        found: usize,
        /// Length of what should be there.
        expected: usize,
    },
    /// An id that `ids.lock` does not know as it is now.
    Id {
        /// The id.
        id: String,
        /// What is the matter.
        what: IdChange,
    },
}

/// What happened to an id since `ids.lock` was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdChange {
    /// It is new.
    Added,
    /// Its input changed; this would be its revision.
    Revised(u32),
    /// Its recipe is gone.
    Retired,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{path} is missing"),
            Self::Extra(path) => write!(f, "{path} should not be there"),
            Self::Changed { path, at, found, expected } => {
                write!(f, "{path} differs from byte {at} on ({found} bytes, expected {expected})")
            }
            Self::Id { id, what } => match what {
                IdChange::Added => write!(f, "ids.lock: {id} is new"),
                IdChange::Revised(rev) => {
                    write!(f, "ids.lock: {id} has another input; its revision becomes {rev}")
                }
                IdChange::Retired => write!(f, "ids.lock: {id} has no recipe any more; it retires"),
            },
        }
    }
}

/// What the recipes make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dist {
    /// Bytes of every file, by its path under `vectors/`.
    pub files: BTreeMap<String, Arc<[u8]>>,
    /// Vectors, dialects counted separately.
    pub cases: usize,
    /// Against the list of ids that was given.
    pub id_changes: Vec<(String, IdChange)>,
}

impl Dist {
    /// Everything that these recipe files (name, text) make, with the ids issued so far.
    ///
    /// # Errors
    /// [`FolderError`] when the recipes are wrong, reuse an id, or contradict our own reader.
    pub fn make(files: &[(String, String)], lock: &Lock) -> Result<Self, FolderError> {
        let recipes = Recipes::read(files);
        let expanded = recipes.expand()?;
        let mut writer = ManifestWriter::default();
        let inputs: BTreeMap<String, Digest> =
            expanded.iter().map(|one| (one.recipe.id.clone(), writer.input(&one.steps))).collect();
        let next = lock.advanced(&inputs).map_err(RecipesError::from)?;
        let wrong = disagreements(&expanded);
        if !wrong.is_empty() {
            return Err(FolderError::Disagreements(wrong));
        }
        let cases: Vec<Case> = expanded.into_iter().flat_map(|one| one.into_cases(&next)).collect();

        let mut writer = ManifestWriter::default();
        let mut made = BTreeMap::new();
        for spec in [Spec::V02, Spec::V04] {
            let of_spec: Vec<&Case> = cases.iter().filter(|case| case.spec == spec).collect();
            let text = writer.manifest(spec, &of_spec);
            made.insert(format!("dist/{}/manifest.json", spec.as_str()), text.into_bytes().into());
        }
        for (digest, bytes) in writer.blobs {
            made.insert(format!("dist/{}", blob_path(&digest)), bytes);
        }
        made.insert("ids.lock".to_owned(), next.to_text().into_bytes().into());
        Ok(Self { files: made, cases: cases.len(), id_changes: id_changes(lock, &next) })
    }

    /// What this binary carries, for people with a test framework of their own.
    ///
    /// # Errors
    /// As [`Dist::make`].
    pub fn embedded() -> Result<Self, FolderError> {
        let lock = Lock::parse(embedded::LOCK).map_err(RecipesError::from)?;
        Self::make(&embedded::files(), &lock)
    }

    /// Writes manifests, blobs, schema and description into a folder, which is made when it is not there.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn export(&self, folder: &Path) -> Result<usize, FolderError> {
        let dist =
            self.files.iter().filter_map(|(path, bytes)| Some((path.strip_prefix("dist/")?, &bytes[..])));
        let more = [
            ("README.md", embedded::README.as_bytes()),
            ("schema/manifest.schema.json", embedded::SCHEMA.as_bytes()),
            ("requirements.yaml", embedded::REQUIREMENTS.as_bytes()),
        ];
        let mut count = 0;
        for (path, bytes) in dist.chain(more) {
            write(&folder.join(path), bytes)?;
            count += 1;
        }
        Ok(count)
    }
}

/// What [`VectorFolder::generate`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Vectors, dialects counted separately.
    pub cases: usize,
    /// What was different before.
    pub changed: Vec<Difference>,
}

/// The folder `vectors/` of a clone.
#[derive(Clone, Debug)]
pub struct VectorFolder(PathBuf);

impl VectorFolder {
    /// The folder with `recipes/`, `dist/` and `ids.lock`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Regenerates everything in memory and lists what the folder has otherwise. Nothing is written.
    ///
    /// # Errors
    /// [`FolderError`] when the folder can't be read or its recipes are wrong.
    pub fn check(&self) -> Result<Vec<Difference>, FolderError> {
        let dist = self.make()?;
        self.compare(&dist)
    }

    /// Writes `dist/` and `ids.lock` as the recipes make them, and removes what no recipe makes any more.
    ///
    /// # Errors
    /// [`FolderError`] when the folder can't be read or written, or its recipes are wrong; nothing is written then.
    pub fn generate(&self) -> Result<Generated, FolderError> {
        let dist = self.make()?;
        let changed = self.compare(&dist)?;
        for difference in &changed {
            match difference {
                Difference::Extra(path) => {
                    let path = self.0.join(path);
                    std::fs::remove_file(&path).map_err(|source| FolderError::Io { path, source })?;
                }
                Difference::Missing(path) | Difference::Changed { path, .. } => {
                    write(&self.0.join(path), &dist.files[path])?;
                }
                Difference::Id { .. } => {}
            }
        }
        Ok(Generated { cases: dist.cases, changed })
    }

    /// The one-fault proof of every refusal in the recipes. Nothing is written.
    ///
    /// # Errors
    /// [`FolderError`] when the folder can't be read, or its recipes or the list `unpaired.yaml` are wrong.
    pub fn proof(&self) -> Result<Proof, FolderError> {
        let unpaired = self.read("unpaired.yaml")?.unwrap_or_default();
        proof_of(&self.recipes()?, &unpaired)
    }

    fn make(&self) -> Result<Dist, FolderError> {
        let lock = match self.read("ids.lock")? {
            Some(text) => Lock::parse(&text).map_err(RecipesError::from)?,
            None => Lock::default(),
        };
        Dist::make(&self.recipes()?, &lock)
    }

    fn recipes(&self) -> Result<Vec<(String, String)>, FolderError> {
        let recipes = self.0.join("recipes");
        read_folder(&recipes).map_err(|source| FolderError::Io { path: recipes, source })
    }

    /// A text file of the folder, where there is one.
    fn read(&self, name: &str) -> Result<Option<String>, FolderError> {
        let path = self.0.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FolderError::Io { path, source }),
        }
    }

    fn compare(&self, dist: &Dist) -> Result<Vec<Difference>, FolderError> {
        let mut differences: Vec<_> =
            dist.id_changes.iter().map(|(id, what)| Difference::Id { id: id.clone(), what: *what }).collect();
        let mut there = BTreeSet::new();
        list_files(&self.0.join("dist"), "dist", &mut there)?;
        for path in there.iter().filter(|path| !dist.files.contains_key(*path)) {
            differences.push(Difference::Extra(path.clone()));
        }
        for (name, expected) in &dist.files {
            let path = self.0.join(name);
            match std::fs::read(&path) {
                Ok(found) if found[..] == expected[..] => {}
                Ok(found) => differences.push(Difference::Changed {
                    path: name.clone(),
                    at: found.iter().zip(expected.iter()).take_while(|(a, b)| a == b).count(),
                    found: found.len(),
                    expected: expected.len(),
                }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    differences.push(Difference::Missing(name.clone()));
                }
                Err(source) => return Err(FolderError::Io { path, source }),
            }
        }
        Ok(differences)
    }
}

/// The one-fault proof of these recipe files (name, text).
pub(super) fn proof_of(files: &[(String, String)], unpaired: &str) -> Result<Proof, FolderError> {
    let unpaired = UnpairedList::parse(unpaired)?;
    Ok(Proof::of(&Recipes::read(files).expand()?, unpaired))
}

fn id_changes(before: &Lock, after: &Lock) -> Vec<(String, IdChange)> {
    let change = |(id, entry): (&String, &super::lock::LockEntry)| {
        let what = match before.0.get(id) {
            None => IdChange::Added,
            Some(old) if old.live && !entry.live => IdChange::Retired,
            Some(old) if old.rev != entry.rev => IdChange::Revised(entry.rev),
            Some(_) => return None,
        };
        Some((id.clone(), what))
    };
    after.0.iter().filter_map(change).collect()
}

/// Paths of all files under a folder, with `/` between their parts; none when the folder is not there.
fn list_files(folder: &Path, name: &str, into: &mut BTreeSet<String>) -> Result<(), FolderError> {
    let io_error = |source| FolderError::Io { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(io_error(source)),
    };
    for entry in entries {
        let entry = entry.map_err(io_error)?;
        let path = format!("{name}/{}", entry.file_name().to_string_lossy());
        match entry.file_type().map_err(io_error)?.is_dir() {
            true => list_files(&entry.path(), &path, into)?,
            false => _ = into.insert(path),
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let io_error = |source| FolderError::Io { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io_error)?;
    }
    std::fs::write(path, bytes).map_err(io_error)
}
