//! Published data sets in full, where they are on this machine, and the scorers of answers in words and numbers on them.

use std::path::PathBuf;

use avp_bench::dataset;

/// The folder of data sets, or why there is nothing to test.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(dataset::DATA_VARIABLE).map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: {} does not name a folder of data sets", dataset::DATA_VARIABLE);
    }
    folder
}

#[test]
fn every_file_has_its_sum_and_its_items() {
    let Some(folder) = folder() else { return };
    for descriptor in dataset::all().unwrap() {
        let (path, entry) = dataset::find(descriptor, Some(&folder)).unwrap();
        let loaded = dataset::load(&descriptor.name, Some(&folder)).unwrap();
        assert_eq!(loaded.sha256, entry.sha256);
        assert_eq!(std::fs::metadata(path).unwrap().len(), entry.bytes, "{}", descriptor.name);
        assert_eq!(loaded.items.len() as u64, entry.items, "{}", descriptor.name);
        let mut ids: Vec<_> = loaded.items.iter().map(|item| &item.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), loaded.items.len(), "{}", descriptor.name);
    }
}
