//! Counterexamples that are kept: a folder with one file each, replayed first in the next run.
//!
//! A file holds the small case as a recipe of `vectors/`, with its bytes, arguments and expectation and without the seed
//! that it came from: it means the same after the generators have changed. What is read back goes through the same
//! grammar as any recipe.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::case::Case;
use crate::event::Counterexample;
use crate::vector::{COUNTEREXAMPLE, RecipesError, case_of};
use crate::verdict::Outcome;

/// Name and version of the form of a file. A reader that knows another version must refuse it.
const FORMAT: &str = "avp-counterexample/1";

/// Longest file that is read. The longest that is written is far below: a frame holds 64 MiB, and what is so long is not
/// small.
const FILE_LIMIT: u64 = 64 << 20;

/// A counterexample in its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// `avp-counterexample/1`.
    pub format: String,
    /// The check that it misses.
    pub check: String,
    /// How.
    pub outcome: Outcome,
    /// The generated case that it goes back to, for people.
    pub from: String,
    /// What it was found in, for people.
    pub implementation: String,
    /// What must be asked before, in words; empty for a case that fails by itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub needs: String,
    /// The case.
    pub recipe: Value,
}

/// Why a file is no counterexample.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// Its form.
    #[error("{path}: no counterexample: {what}")]
    Form {
        /// Which.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// Its case.
    #[error("{path}: {source}")]
    Recipe {
        /// Which.
        path: String,
        /// What is wrong with the recipe.
        source: RecipesError,
    },
}

impl Kept {
    /// What is kept of a counterexample; `None` for one that recipes have no words for.
    pub fn of(found: &Counterexample, implementation: &str) -> Option<Self> {
        Some(Self {
            format: FORMAT.to_owned(),
            check: found.check.clone(),
            outcome: found.outcome,
            from: found.key.clone(),
            implementation: implementation.to_owned(),
            needs: found.needed(),
            recipe: found.recipe.clone()?,
        })
    }

    /// Writes it into a folder, which is made where it is not there. Answers whether it is new: the same case has the
    /// same name.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, folder: &Path) -> io::Result<bool> {
        fs::create_dir_all(folder)?;
        let id = self.recipe.get("id").and_then(Value::as_str).unwrap_or_default();
        let name = id.strip_prefix(COUNTEREXAMPLE).unwrap_or(id).trim_start_matches('/');
        let path = folder.join(format!("{name}.json"));
        if path.exists() {
            return Ok(false);
        }
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        // A reader beside us sees all of it or nothing.
        let half = folder.join(format!(".{name}.{}", std::process::id()));
        fs::write(&half, text)?;
        fs::rename(&half, &path)?;
        Ok(true)
    }
}

/// Reads a file, or every `.json` of a folder by name, and makes the cases.
///
/// # Errors
/// [`LoadError`] with the first file that is no counterexample.
pub fn load(path: &Path) -> Result<Vec<(Kept, Case)>, LoadError> {
    let at = |path: &Path| path.display().to_string();
    let io = |source| LoadError::Io { path: at(path), source };
    let mut files: Vec<PathBuf> = Vec::new();
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(io)? {
            let file = entry.map_err(io)?.path();
            if file.extension() == Some(OsStr::new("json")) {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    files.iter().map(|file| load_one(file)).collect()
}

fn load_one(path: &Path) -> Result<(Kept, Case), LoadError> {
    let at = || path.display().to_string();
    let io = |source| LoadError::Io { path: at(), source };
    let form = |what: String| LoadError::Form { path: at(), what };
    let mut text = String::new();
    let read = File::open(path).map_err(io)?.take(FILE_LIMIT + 1).read_to_string(&mut text).map_err(io)?;
    if read as u64 > FILE_LIMIT {
        return Err(form(format!("longer than {FILE_LIMIT} bytes")));
    }
    let kept: Kept = serde_json::from_str(&text).map_err(|error| form(error.to_string()))?;
    if kept.format != FORMAT {
        return Err(form(format!("its format is {:?}; this suite reads {FORMAT}", kept.format)));
    }
    let case = case_of(&kept.recipe).map_err(|source| LoadError::Recipe { path: at(), source })?;
    if !case.id.starts_with(&format!("{COUNTEREXAMPLE}/")) {
        return Err(form(format!("its id is {}; expected {COUNTEREXAMPLE}/NAME", case.id)));
    }
    Ok((kept, case))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Source, Spec};
    use crate::{check, vector::recipe_of};

    fn kept() -> Kept {
        let case = check::generated_case("gen/magic/0", Spec::V04, 1).unwrap();
        Kept {
            format: FORMAT.to_owned(),
            check: "rejects".to_owned(),
            outcome: Outcome::Fail,
            from: case.key(),
            implementation: "test 1".to_owned(),
            needs: String::new(),
            recipe: recipe_of(&case).unwrap(),
        }
    }

    #[test]
    fn what_is_kept_is_read_back_as_its_case() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("deeper");
        assert!(kept().save(&place).unwrap() && !kept().save(&place).unwrap());
        let all = load(&place).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].0, kept());
        let case = check::generated_case("gen/magic/0", Spec::V04, 1).unwrap();
        assert_eq!((&all[0].1.steps, &all[0].1.source), (&case.steps, &Source::Counterexample));
    }

    #[test]
    fn what_is_none_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let told = |text: &str| {
            let path = folder.path().join("a.json");
            fs::write(&path, text).unwrap();
            let error = load(folder.path()).unwrap_err().to_string();
            assert!(error.contains("a.json"), "{error}");
            error
        };
        assert!(told("{").contains("no counterexample"));
        let other = serde_json::to_string(&Kept { format: "x/2".to_owned(), ..kept() }).unwrap();
        assert!(told(&other).contains("x/2"));
        let mut broken = kept();
        broken.recipe["steps"][0]["op"] = "nope".into();
        assert!(told(&serde_json::to_string(&broken).unwrap()).contains("unknown operation"));
        let mut posing = kept();
        posing.recipe["id"] = "hdr/magic".into();
        assert!(told(&serde_json::to_string(&posing).unwrap()).contains("hdr/magic"));
    }
}
