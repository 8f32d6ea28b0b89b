//! Where data sets lie on this machine.

use std::path::{Path, PathBuf};

/// A folder with one folder a data set, read and never written.
pub const DATA_VARIABLE: &str = "AVP_BENCH_DATA";
/// The root of all caches of AVP, as for models.
const ROOT_VARIABLE: &str = "AVP_CACHE_DIR";

/// The folder that fetched data sets go to: `datasets` under `$AVP_CACHE_DIR`, or under `~/.avp` where that is unset or empty.
/// `None` where there is no home folder either.
#[must_use]
pub fn cache() -> Option<PathBuf> {
    let root = variable(ROOT_VARIABLE).or_else(|| std::env::home_dir().map(|home| home.join(".avp")))?;
    Some(root.join("datasets"))
}

/// Where to look, in order.
pub(super) fn folders(chosen: Option<&Path>) -> Vec<PathBuf> {
    match chosen {
        Some(folder) => vec![folder.to_owned()],
        None => variable(DATA_VARIABLE).into_iter().chain(cache()).collect(),
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
