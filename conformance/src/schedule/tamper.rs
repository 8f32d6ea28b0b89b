//! Files in a case's own folder, damaged on purpose between two requests.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::case::Tamper;

/// Most files that are touched: a case makes a handful.
const MAX_FILES: usize = 100;

/// Does to the files under a folder what a case says, in order.
///
/// # Errors
/// What the system says, or that there is no file to damage: the case would ask another question.
pub(super) fn tamper(folder: &Path, all: &[Tamper]) -> Result<(), String> {
    all.iter().try_for_each(|one| damage(folder, one))
}

fn damage(folder: &Path, tamper: &Tamper) -> Result<(), String> {
    let told = |error: io::Error| format!("the files of the case can't be changed: {error}");
    if let Tamper::Write { path, bytes } = tamper {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(told)?;
        }
        return fs::write(path, bytes).map_err(told);
    }
    let mut files = Vec::new();
    plain_files(folder, &mut files).map_err(told)?;
    if files.is_empty() {
        return Err("the steps before left no file to damage".to_owned());
    }
    files.iter().try_for_each(|path| change(path, tamper)).map_err(told)
}

fn change(path: &Path, tamper: &Tamper) -> io::Result<()> {
    let cut = |to: u64| OpenOptions::new().write(true).open(path)?.set_len(to);
    let len = || fs::metadata(path).map(|found| found.len());
    match tamper {
        Tamper::Keep(count) => cut((*count).min(len()?)),
        Tamper::Lose(count) => cut(len()?.saturating_sub(*count)),
        Tamper::Fill(bytes) => fs::write(path, bytes),
        Tamper::Rename { from, to } => match path.file_name().and_then(|name| name.to_str()) {
            Some(name) if name.contains(from) => {
                fs::rename(path, path.with_file_name(name.replace(from, to)))
            }
            _ => Ok(()),
        },
        Tamper::Write { .. } => Ok(()),
    }
}

/// Plain files under a folder; links are left alone.
fn plain_files(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            plain_files(&entry.path(), into)?;
        } else if kind.is_file() && into.len() < MAX_FILES {
            into.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_renamed_and_cut() {
        let folder = tempfile::tempdir().unwrap();
        let done = |all: &[Tamper]| tamper(folder.path(), all);
        assert!(done(&[Tamper::Keep(1)]).is_err(), "there is nothing yet");
        done(&[Tamper::Write { path: "a/b/one-two".into(), bytes: b"abcdef"[..].into() }]).unwrap();
        done(&[Tamper::Rename { from: "two".into(), to: "three".into() }, Tamper::Lose(1), Tamper::Keep(3)])
            .unwrap();
        let path = folder.path().join("a/b/one-three");
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        done(&[Tamper::Keep(100), Tamper::Lose(100)]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        done(&[Tamper::Fill(b"xy"[..].into())]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"xy");
    }
}
