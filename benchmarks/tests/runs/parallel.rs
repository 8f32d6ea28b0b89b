//! Shards by a launcher: GNU parallel, where the machine has it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Place, RUN, assert_done, cache, stderr, whole};

#[test]
fn gnu_parallel_runs_shards_and_what_failed_again() {
    let there = Command::new("parallel").arg("--version").output();
    if !there.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("GNU parallel")) {
        eprintln!("skipped: no GNU parallel on this machine");
        return;
    }
    let place = Place::new(RUN);
    // Names may have spaces.
    fs::rename(place.folder.path().join("run.yaml"), place.folder.path().join("my run.yaml")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("slurm/parallel.sh");
    let launch = |program: &str| {
        let mut command = Command::new("bash");
        command.arg(&script).args(["my run.yaml", "out", "3", "--jobs", "1"]);
        command.current_dir(place.folder.path()).env("AVP_BENCH", program).env("AVP_CACHE_DIR", cache());
        command.env("HOME", place.folder.path()).output().unwrap()
    };
    // A program that fails for the second shard, without a word.
    let broken = place.folder.path().join("broken.sh");
    let program = env!("CARGO_BIN_EXE_avp-bench");
    let text = format!("#!/bin/sh\ncase \"$*\" in *2/3*) exit 7;; esac\nexec '{program}' \"$@\"\n");
    fs::write(&broken, text).unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&broken).status().unwrap().success());
    let output = launch(broken.to_str().unwrap());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("shard 2 of 3 is not done"), "{}", stderr(&output));
    assert!(place.out().join("shards/1-of-3.done").exists());
    assert_done(&launch(program));
    assert_eq!(place.hash(), whole().hash());
}
