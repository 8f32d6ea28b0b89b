//! Recordings of `--all`: one file a run, with a name that says what it was made from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

/// Digits of a digest in a file's name: enough that no two inputs of one person meet.
const DIGITS: usize = 24;

/// The folder of recordings.
pub(super) struct Store {
    folder: PathBuf,
    /// Digest of this binary and of the questions: with another judge or other questions, a recording says something else.
    base: String,
    again: bool,
}

impl Store {
    /// `questions` names what is asked.
    pub(super) fn new(folder: &Path, questions: &str, again: bool) -> anyhow::Result<Self> {
        let judge = std::env::current_exe()?;
        let mut digest = Sha256::new();
        digest.update(Sha256::digest(fs::read(&judge).with_context(|| judge.display().to_string())?));
        digest.update(questions);
        Ok(Self { folder: folder.to_owned(), base: hex(&digest.finalize()), again })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the recording `name` made from `inputs` is, or will be.
    pub(super) fn path(&self, name: &str, inputs: &str, kind: &str) -> PathBuf {
        let digest = hex(&Sha256::digest(format!("{}\n{inputs}", self.base)));
        self.folder.join(format!("{}.{}.{kind}", super::file_name(name), &digest[..DIGITS]))
    }

    /// Whether it is there and is to be used.
    pub(super) fn has(&self, path: &Path) -> bool {
        !self.again && path.is_file()
    }

    /// Where to write until it is whole.
    pub(super) fn partial(path: &Path) -> PathBuf {
        path.with_extension("part")
    }

    /// Keeps what was written to [`Store::partial`], and removes what older suites left of the same name.
    pub(super) fn keep(&self, path: &Path, name: &str, kind: &str) -> anyhow::Result<()> {
        fs::rename(Self::partial(path), path).with_context(|| path.display().to_string())?;
        let (prefix, suffix) = (format!("{}.", super::file_name(name)), format!(".{kind}"));
        for entry in fs::read_dir(&self.folder)? {
            let old = entry?.path();
            let own = old.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
                let digest = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(&suffix));
                digest.is_some_and(|digest| {
                    digest.len() == DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
                })
            });
            if own && old != path {
                fs::remove_file(&old).with_context(|| old.display().to_string())?;
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_used_for_its_own_inputs_only_and_replaces_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let store = |questions: &str, again| Store::new(folder.path(), questions, again).unwrap();
        let record = |store: &Store| {
            let path = store.path("a@1", "x", "ndjson");
            fs::write(Store::partial(&path), "").unwrap();
            store.keep(&path, "a@1", "ndjson").unwrap();
            path
        };
        let first = record(&store("seed 1", false));
        let other = folder.path().join("a@1.notes.ndjson");
        fs::write(&other, "").unwrap();
        assert!(store("seed 1", false).has(&first));
        assert!(!store("seed 1", true).has(&first));
        assert_ne!(store("seed 1", false).path("a@1", "y", "ndjson"), first);
        let second = record(&store("seed 2", false));
        assert_ne!(first, second);
        assert!(second.is_file() && !first.exists() && other.is_file());
    }
}
