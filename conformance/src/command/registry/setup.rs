//! Preparing an adapter: its commands run in a folder outside the repository.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use avp_conformance::gate::Exit;
use sha2::{Digest as _, Sha256};

use super::Release;
use crate::command::Ended;

/// Written last, so that a setup that was cut off does not count. It holds what it was made from.
const READY: &str = ".ready";

/// Where a release's own files go.
pub(super) fn build_folder(release: &Release) -> PathBuf {
    home().join("adapters").join(&release.description.name).join(&release.version.version)
}

/// `AVP_CONFORMANCE_HOME`, or a folder of ours in the user's cache.
pub(in crate::command) fn home() -> PathBuf {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("AVP_CONFORMANCE_HOME")
        .or_else(|| Some(given("XDG_CACHE_HOME")?.join("avp-conformance")))
        .or_else(|| Some(given("LOCALAPPDATA")?.join("avp-conformance")))
        .or_else(|| Some(given("HOME")?.join(".cache").join("avp-conformance")))
        .unwrap_or_else(|| std::env::temp_dir().join("avp-conformance"))
}

impl Release {
    /// Whether it can be started as it is.
    pub(in crate::command) fn is_ready(&self) -> bool {
        self.description.setup.is_empty()
            || fs::read_to_string(build_folder(self).join(READY)).is_ok_and(|made| made == self.fingerprint())
    }

    /// The same as an error that says what to do.
    pub(in crate::command) fn check_ready(&self) -> anyhow::Result<()> {
        if self.is_ready() {
            return self.check_needs();
        }
        let stale = build_folder(self).join(READY).is_file();
        let told = if stale {
            format!("{} was set up from another description or other sources", self.name())
        } else {
            format!("{} is not set up", self.name())
        };
        let hint = format!("avp-conformance adapter setup {}", self.name());
        Err(Ended::new(Exit::Unusable, told).hint(hint).into())
    }

    /// Runs its setup commands in an empty folder. What they print goes to stderr.
    pub(in crate::command) fn set_up(&self) -> anyhow::Result<()> {
        self.check_needs()?;
        let folder = build_folder(self);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for words in &self.description.setup {
            let words: Vec<_> = words.iter().map(|word| self.fill(word)).collect();
            let Some((program, args)) = words.split_first() else { continue };
            let line: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
            let line = line.join(" ");
            eprintln!("+ {line}");
            let failed = |why: String| Ended::new(Exit::Unusable, format!("`{line}`: {why}"));
            let mut command = Command::new(program);
            command.args(args).current_dir(&folder).stdin(Stdio::null()).stdout(std::io::stderr());
            let status = command.status().map_err(|error| failed(error.to_string()))?;
            if !status.success() {
                return Err(failed(status.to_string()).into());
            }
        }
        fs::write(folder.join(READY), self.fingerprint()).with_context(|| folder.display().to_string())?;
        Ok(())
    }

    fn check_needs(&self) -> anyhow::Result<()> {
        let missing: Vec<&str> = self
            .description
            .needs
            .iter()
            .map(String::as_str)
            .filter(|program| !is_on_path(program))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let told = format!("{} needs {}, which is not on the PATH", self.name(), missing.join(" and "));
        Err(Ended::new(Exit::Unusable, told).into())
    }

    /// What a setup is made from: its commands, and the adapter's sources where the commands use them.
    fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        let setup = &self.description.setup;
        for word in setup.iter().flat_map(|words| words.iter().map(String::as_str).chain(["\n"])) {
            digest.update(word.as_bytes());
            digest.update([0]);
        }
        if setup.iter().flatten().any(|word| word.contains("{dir}")) {
            let mut sources: Vec<PathBuf> = fs::read_dir(&self.folder)
                .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
                .unwrap_or_default();
            let described = |path: &PathBuf| {
                path.extension().is_some_and(|kind| ["md", "toml", "yaml"].iter().any(|known| kind == *known))
            };
            sources.retain(|path| path.is_file() && !described(path));
            sources.sort();
            for path in sources {
                digest.update(path.file_name().unwrap_or_default().as_encoded_bytes());
                digest.update(fs::read(&path).unwrap_or_default());
            }
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn is_on_path(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    let suffixes: &[&str] = if cfg!(windows) { &["", ".exe", ".cmd", ".bat"] } else { &[""] };
    std::env::split_paths(&path)
        .any(|folder| suffixes.iter().any(|suffix| folder.join(format!("{program}{suffix}")).is_file()))
}
