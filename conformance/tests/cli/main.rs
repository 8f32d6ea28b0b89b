//! The binary as people and scripts use it.

#![expect(clippy::unwrap_used, reason = "what prepares a test may end it too")]

mod black_box;
mod claims;
mod counterexamples;
mod doctor;
mod exit_codes;
mod look_up;
mod matrix;
mod project_adapters;
mod records;
mod useless;
mod workflow;

use std::path::PathBuf;
use std::process::{Command, Output};

/// What a command line printed and how it ended.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// The binary, without anything of the user's surroundings.
fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_avp-conformance"));
    for name in [
        "AVP_ADAPTERS_DIR",
        "AVP_CONFORMANCE_HOME",
        "CLICOLOR_FORCE",
        "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY",
        "NO_COLOR",
    ] {
        command.env_remove(name);
    }
    command
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn avp(args: &[&str]) -> Ran {
    ran(binary().args(args).output().unwrap())
}

/// The words that start the reference with a defect.
fn proxy(mode: &str) -> Vec<String> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cli/proxy.py");
    let reference = env!("CARGO_BIN_EXE_avp-conformance");
    ["python3", script.to_str().unwrap(), mode, reference, "__reference"].map(str::to_owned).to_vec()
}

/// `args`, then `--` and the reference with a defect.
fn avp_against(mode: &str, args: &[&str]) -> Ran {
    ran(binary().args(args).arg("--").args(proxy(mode)).output().unwrap())
}

/// Some vectors that are quick and that every area of the header has.
const SOME: [&str; 5] = ["run", "--vectors-only", "--timeout-scale=20", "--id=hdr/version/**", "--workers=1"];

impl Ran {
    #[track_caller]
    fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn assert_says(&self, wanted: &str) -> &Self {
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let all = squeeze(&format!("{} {}", self.out, self.err));
        assert!(all.contains(&squeeze(wanted)), "{wanted}\nstdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}
