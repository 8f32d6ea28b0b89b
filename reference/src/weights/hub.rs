//! Models from the hub: into its own cache, which other tools share, resumed where a download broke off.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use hf_hub::HFClientSync;
use hf_hub::progress::{DownloadEvent, ProgressEvent, ProgressHandler};

use super::Weights;
use super::registry::offline;
use crate::error::{Error, ErrorClass, Result, excerpt};

/// What a model needs; a repository holds more: other formats of the same weights, pictures, logs.
const WANTED: [&str; 3] = ["*.json", "*.safetensors", "*.jinja"];

/// Is told bytes done and bytes in all.
pub type OnBytes = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// A repository on the hub, `owner/name` or `owner/name@revision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubModel {
    owner: String,
    name: String,
    revision: Option<String>,
}

impl std::str::FromStr for HubModel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (repository, revision) = match text.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (text, None),
        };
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        // A branch may have slashes in its name.
        let revision_fits = revision.is_none_or(|revision| revision.split('/').all(plain));
        match repository.split_once('/') {
            Some((owner, name)) if plain(owner) && plain(name) && revision_fits => Ok(Self {
                owner: owner.to_owned(),
                name: name.to_owned(),
                revision: revision.map(str::to_owned),
            }),
            _ => {
                let expected = "owner/name or owner/name@revision";
                Err(Error::new(ErrorClass::Configuration, "model.hub", expected, excerpt(text)))
            }
        }
    }
}

impl HubModel {
    /// The model's folder, downloaded if it is not in the cache. With `HF_HUB_OFFLINE` set, only the cache is looked at.
    ///
    /// # Errors
    /// `transport` when the hub cannot be reached, does not have it, or it is not in the cache of an offline machine.
    pub fn pull(&self, on_bytes: Option<OnBytes>) -> Result<PathBuf> {
        self.fetch(offline(), on_bytes)
    }

    /// The model's folder in the cache.
    ///
    /// # Errors
    /// `transport` when it is not there.
    pub fn cached(&self) -> Result<PathBuf> {
        self.fetch(true, None)
    }

    fn fetch(&self, local_only: bool, on_bytes: Option<OnBytes>) -> Result<PathBuf> {
        let failed = |error: hf_hub::HFError| {
            let place =
                if local_only { "in the cache (HF_HUB_OFFLINE, or not pulled yet)" } else { "on the hub" };
            let expected = format!("{}/{} {place}", self.owner, self.name);
            Error::new(ErrorClass::Transport, "model.hub", expected, error.to_string())
        };
        let client = HFClientSync::new().map_err(failed)?;
        let repository = client.model(&self.owner, &self.name);
        let handler = on_bytes.map(|on_bytes| Counter { on_bytes, state: Mutex::default() });
        let folder = repository
            .snapshot_download()
            .maybe_revision(self.revision.clone())
            .allow_patterns(WANTED.map(str::to_owned).to_vec())
            .local_files_only(local_only)
            .maybe_progress(handler)
            .send()
            .map_err(failed)?;
        // The hub's client calls a folder cached as soon as it is there, also when a download broke off.
        if folder.join("config.json").is_file() && Weights::open(&folder).is_ok() {
            return Ok(folder);
        }
        let expected = format!("all files of {}/{}; pull it again", self.owner, self.name);
        let found = format!("a part of them in {}", folder.display());
        Err(Error::new(ErrorClass::Transport, "model.hub", expected, found))
    }
}

/// Adds up what the hub's events say of each file.
struct Counter {
    on_bytes: OnBytes,
    state: Mutex<Count>,
}

#[derive(Default)]
struct Count {
    total: u64,
    files: HashMap<String, u64>,
}

impl ProgressHandler for Counter {
    fn on_progress(&self, event: &ProgressEvent) {
        let ProgressEvent::Download(event) = event else { return };
        // A panic elsewhere leaves counts, not invariants, half done.
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let done = match event {
            DownloadEvent::Start { total_bytes, .. } => {
                state.total = *total_bytes;
                0
            }
            DownloadEvent::Progress { files } => {
                for file in files {
                    state.files.insert(file.filename.clone(), file.bytes_completed);
                }
                state.files.values().sum()
            }
            DownloadEvent::AggregateProgress { bytes_completed, .. } => *bytes_completed,
            DownloadEvent::Complete => state.total,
        };
        (self.on_bytes)(done, state.total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let model: HubModel = "Qwen/Qwen2.5-0.5B-Instruct@refs/pr/3".parse().unwrap();
        assert_eq!(
            (model.owner.as_str(), model.name.as_str(), model.revision.as_deref()),
            ("Qwen", "Qwen2.5-0.5B-Instruct", Some("refs/pr/3"))
        );
        for text in ["", "name", "a/b/c", "../b", "a/..", "a/b@", "a/b@../x", "a b/c", "/b", "a/"] {
            let error = text.parse::<HubModel>().unwrap_err();
            assert_eq!(error.class, ErrorClass::Configuration, "{text}");
        }
    }

    #[test]
    fn what_is_not_in_the_cache_is_a_transport_error() {
        let model: HubModel = "nobody/no-such-model-0".parse().unwrap();
        let error = model.cached().unwrap_err();
        assert_eq!(error.class, ErrorClass::Transport);
        assert!(error.expected.contains("nobody/no-such-model-0"), "{error}");
    }
}
