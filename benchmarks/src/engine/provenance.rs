//! What a run ran on.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::cast::Cast;
use super::energy::Meter;
use crate::record::Provenance;
use crate::sandbox::Sandbox;
use crate::task::Task;

/// The folder that this program was built from.
const SOURCES: &str = env!("CARGO_MANIFEST_DIR");

/// What is known of the program, the models, the data and the machine.
pub(super) fn provenance(
    cast: &Cast,
    tasks: &[Task],
    sandbox: Option<&Sandbox>,
    threads: usize,
    meter: &Meter,
) -> Provenance {
    let versions = [
        ("avp-bench", env!("CARGO_PKG_VERSION")),
        ("avp", env!("CARGO_PKG_VERSION")),
        ("protocol", avp::session::AVP_VERSION),
    ];
    let mut machine = BTreeMap::from([
        ("system".to_owned(), format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ("threads".to_owned(), threads.to_string()),
        ("energy".to_owned(), meter.describe()),
    ]);
    machine.extend(sandbox.map(|sandbox| ("sandbox".to_owned(), sandbox.name().to_owned())));
    machine.extend(processor().map(|name| ("processor".to_owned(), name)));
    machine.extend(card().map(|name| ("card".to_owned(), name)));
    Provenance {
        versions: versions.map(|(name, version)| (name.to_owned(), version.to_owned())).into(),
        commit: commit(),
        models: cast.facts().clone(),
        data: tasks.iter().flat_map(sums).collect(),
        machine,
        started: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    }
}

/// Of a task the sum of its data, and, of one with a descriptor, that of everything the descriptor says: other words, other run.
fn sums(task: &Task) -> impl Iterator<Item = (String, String)> {
    let described = task.form.sha256().map(|sum| (format!("{}, descriptor", task.name), sum));
    [(task.name.clone(), task.sha256.clone())].into_iter().chain(described)
}

/// The commit of the checkout that this program was built from, as it stands when the run begins.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(SOURCES).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if !Path::new(SOURCES).is_dir() {
        return None;
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    Some(if changed { commit + "+" } else { commit })
}

/// What the system calls its processor.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The NVIDIA card, as its driver names it.
fn card() -> Option<String> {
    let folders = std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
    let texts =
        folders.filter_map(|folder| std::fs::read_to_string(folder.ok()?.path().join("information")).ok());
    let mut names: Vec<_> = texts
        .filter_map(|text| {
            let line = text.lines().find(|line| line.starts_with("Model"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .collect();
    names.dedup();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Resident memory at its highest since the process began, in bytes; 0 where it can't be read.
pub(super) fn peak_memory() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) << 10
}
