//! Runs in real processes of the program: killed and resumed, in shards, changed, broken on purpose.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod command_line;
mod faults;
mod folders;
mod parallel;
mod published;
mod topologies;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// Every arm on few items, answers short.
const RUN: &str = "name: small
models:
  a: pocket-a
  b: pocket-b
device: cpu
threads: 1
tasks:
  - kind: relay
latent_steps: [3]
rosetta_vectors: [2]
replicates: 1
decoding:
  max_tokens: 12
  note_tokens: 12
limits:
  items: 4
";

/// A place with a run file.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(run: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("run.yaml"), run).unwrap();
        Self { folder }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// `avp-bench run` of the run file, with more arguments.
    fn command(&self, more: &[&str]) -> Command {
        let mut command = program();
        command.current_dir(self.folder.path()).args(["run", "run.yaml", "--out", "out"]).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    /// What the merged run came to.
    fn hash(&self) -> String {
        let text = fs::read_to_string(self.out().join("results.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["results_sha256"].as_str().unwrap().to_owned()
    }

    fn traces(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.out().join("traces.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_avp-bench"));
    // Maps and matrices of the test's own.
    command.env("AVP_CACHE_DIR", cache());
    command
}

/// One cache for all tests of this process.
fn cache() -> &'static Path {
    static CACHE: OnceLock<TempDir> = OnceLock::new();
    CACHE.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

/// The uninterrupted run, once for all tests.
fn whole() -> &'static Place {
    static WHOLE: OnceLock<Place> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = Place::new(RUN);
        assert_done(&place.run(&[]));
        place
    })
}
