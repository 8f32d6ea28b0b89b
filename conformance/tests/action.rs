//! The composite action: its description holds together, and its script does what the description says.

#![expect(clippy::unwrap_used, reason = "what prepares a test may end it too")]
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("action")
}

/// A step of a workflow that runs the script.
struct Step {
    folder: tempfile::TempDir,
    inputs: Vec<(String, String)>,
    path: Option<PathBuf>,
}

struct Ended {
    code: i32,
    out: String,
    outputs: BTreeMap<String, String>,
}

impl Step {
    fn new(inputs: &[(&str, &str)]) -> Self {
        let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { folder: tempfile::tempdir().unwrap(), inputs, path: None }
    }

    /// Names a program that writes its arguments to `args` and each report that it is asked for, and ends with `code`.
    fn with_fake(mut self, code: i32) -> Self {
        let program = self.folder.path().join("fake judge");
        write_program(&program, &fake(code));
        self.inputs.push(("BINARY".into(), program.to_str().unwrap().into()));
        self
    }

    fn run(&self) -> Ended {
        let output = self.folder.path().join("output");
        let mut command = Command::new("bash");
        command.arg(folder().join("judge.sh")).current_dir(self.folder.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("INPUT_") || name.to_string_lossy().starts_with("GITHUB_") {
                command.env_remove(name);
            }
        }
        command.env("GITHUB_OUTPUT", &output).env("RUNNER_TEMP", self.folder.path());
        command.envs(self.inputs.iter().map(|(name, value)| (format!("INPUT_{name}"), value)));
        if let Some(path) = &self.path {
            let rest = std::env::var("PATH").unwrap();
            command.env("PATH", format!("{}:{rest}", path.display()));
        }
        let ended = command.output().unwrap();
        let outputs = fs::read_to_string(output).unwrap_or_default();
        Ended {
            code: ended.status.code().unwrap(),
            out: format!(
                "{}{}",
                String::from_utf8_lossy(&ended.stdout),
                String::from_utf8_lossy(&ended.stderr)
            ),
            outputs: outputs
                .lines()
                .map(|line| line.split_once('=').map(|(name, value)| (name.into(), value.into())).unwrap())
                .collect(),
        }
    }

    /// What the fake was started with, one list a call.
    fn calls(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.folder.path().join("args")).unwrap_or_default();
        let calls = text.split_terminator('\u{1}');
        calls.map(|call| call.split_terminator('\0').map(str::to_owned).collect()).collect()
    }
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn fake(code: i32) -> String {
    format!(
        "#!/usr/bin/env bash\n\
         {{ printf '%s\\0' \"$@\"; printf '\\1'; }} >> \"${{RUNNER_TEMP}}/args\"\n\
         if [ \"$1\" = report ]; then echo not_conformant; exit {code}; fi\n\
         if [ \"$1\" = adapter ]; then exit 0; fi\n\
         while [ $# -gt 0 ]; do case \"$1\" in --events) : > \"$2\" ;; --report) : > \"${{2#*=}}\" ;; esac; shift; done\n\
         exit {code}\n"
    )
}

#[test]
fn hostile_inputs_are_words_and_never_code() {
    let hostile = "a'b c\" \"$(touch owned)\" '`touch owned`' ; touch owned & | > owned \\$HOME *";
    let command = hostile.replace("a'b c\"", "'a b'");
    let step = Step::new(&[
        ("COMMAND", &command),
        ("ARGS", "--id 'hdr/*' --skip \"$(touch owned)\""),
        ("PROFILE", "$(touch owned)"),
        ("BASELINE", "`touch owned` x.toml"),
        ("STRICT", "true"),
    ])
    .with_fake(1);
    let ended = step.run();
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(!step.folder.path().join("owned").exists());
    let calls = step.calls();
    let run = &calls[0];
    assert_eq!(
        run[..8],
        [
            "run",
            "--strict",
            "--profile=$(touch owned)",
            "--baseline=`touch owned` x.toml",
            "--id",
            "hdr/*",
            "--skip",
            "$(touch owned)"
        ]
    );
    let at = run.iter().position(|word| word == "--").unwrap();
    assert_eq!(
        run[at + 1..],
        [
            "a b",
            "$(touch owned)",
            "`touch owned`",
            ";",
            "touch",
            "owned",
            "&",
            "|",
            ">",
            "owned",
            "$HOME",
            "*"
        ]
    );
    assert_eq!(calls[1][..4], ["report", "avp-conformance/events.ndjson", "--to", "verdict"]);
}

#[test]
fn the_exit_code_and_the_reports_come_out() {
    for code in [0, 1, 5] {
        let step = Step::new(&[("COMMAND", "./mine"), ("REPORTS", "the reports")]).with_fake(code);
        let ended = step.run();
        assert_eq!(ended.code, code, "{}", ended.out);
        assert_eq!(ended.outputs["exit-code"], code.to_string());
        assert_eq!(ended.outputs["verdict"], "not_conformant");
        for name in ["events", "html", "json", "junit", "sarif", "badge"] {
            let path = Path::new(&ended.outputs[name]);
            assert!(path.is_absolute() && path.is_file(), "{name}: {}", path.display());
        }
    }
}

#[test]
fn what_makes_no_sense_is_told_and_nothing_runs() {
    for (inputs, told) in [
        (&[][..], "0 are given"),
        (&[("COMMAND", "x"), ("URL", "https://y")], "2 are given"),
        (&[("COMMAND", "python3 'x")], "input command: a quote has no end"),
        (&[("COMMAND", "  ")], "no word in it"),
        (&[("COMMAND", "x"), ("STRICT", "yes")], "input strict: true or false"),
        (&[("COMMAND", "x"), ("REPORTS", "a\nverdict=conformant")], "no line end"),
    ] {
        let step = Step::new(inputs).with_fake(0);
        let ended = step.run();
        assert_eq!(ended.code, 2, "{inputs:?}");
        assert!(
            ended.out.contains("::error title=AVP conformance::") && ended.out.contains(told),
            "{}",
            ended.out
        );
        assert!(step.calls().is_empty() && ended.outputs.is_empty(), "{inputs:?}");
    }
}

#[test]
fn an_adapter_is_set_up_and_a_server_judged_as_http() {
    let step = Step::new(&[("ADAPTER", "avp-python@0.6.2")]).with_fake(0);
    step.run();
    assert_eq!(step.calls()[0], ["adapter", "setup", "--", "avp-python@0.6.2"]);
    assert_eq!(step.calls()[1].last().unwrap(), "--adapter=avp-python@0.6.2");
    let step = Step::new(&[("URL", "https://agents.example.org")]).with_fake(0);
    step.run();
    assert_eq!(step.calls()[0].last().unwrap(), "--url=https://agents.example.org");
    assert!(step.calls()[1].contains(&"--profile=http".to_owned()));
}

#[test]
fn what_an_earlier_step_left_is_no_result() {
    let mut step = Step::new(&[("COMMAND", "./mine"), ("BINARY", "./dies")]);
    write_program(&step.folder.path().join("dies"), "#!/usr/bin/env bash\nexit 3\n");
    let reports = step.folder.path().join("avp-conformance");
    fs::create_dir(&reports).unwrap();
    fs::write(reports.join("events.ndjson"), "old").unwrap();
    fs::write(reports.join("report.html"), "old").unwrap();
    let ended = step.run();
    assert_eq!(ended.code, 3, "{}", ended.out);
    assert_eq!(ended.outputs["verdict"], "none");
    assert!(!ended.outputs.contains_key("html"));
    step.inputs.retain(|(name, _)| name != "BINARY");
    step.inputs.push(("BINARY".into(), "./nowhere".into()));
    assert!(step.run().out.contains("no program at ./nowhere"));
}

#[test]
fn without_a_binary_the_actions_own_commit_is_built() {
    let mut step = Step::new(&[("COMMAND", "./mine")]);
    let tools = step.folder.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let cargo = "#!/usr/bin/env bash\nprintf '%s\\n' \"$@\" > \"$RUNNER_TEMP/cargo\"\n\
         mkdir -p \"$RUNNER_TEMP/avp-conformance-build/release\"\n\
         cp \"$RUNNER_TEMP/fake\" \"$RUNNER_TEMP/avp-conformance-build/release/avp-conformance\"\n";
    write_program(&tools.join("cargo"), cargo);
    write_program(&step.folder.path().join("fake"), &fake(0));
    step.path = Some(tools);
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.out);
    let built = fs::read_to_string(step.folder.path().join("cargo")).unwrap();
    let manifest = built.lines().skip_while(|word| *word != "--manifest-path").nth(1).unwrap();
    let root = folder().join("../..").canonicalize().unwrap();
    assert_eq!(Path::new(manifest), root.join("Cargo.toml"));
    assert!(built.lines().any(|word| word == "--locked"));
    assert_eq!(step.calls()[0][0], "run");
}

#[test]
fn the_real_thing() {
    let binary = env!("CARGO_BIN_EXE_avp-conformance");
    let command = format!("\"{binary}\" __reference");
    let args = "--vectors-only --timeout-scale=20 --id 'hdr/version/**' --no-github";
    let step = Step::new(&[("COMMAND", &command), ("ARGS", args), ("BINARY", binary)]);
    let ended = step.run();
    assert_eq!(ended.code, 0, "{}", ended.out);
    // Narrowed to some cases: no verdict on conformance, and the action does not make one up.
    assert_eq!(ended.outputs["verdict"], "not_judged");
    let page = fs::read_to_string(&ended.outputs["html"]).unwrap();
    assert!(page.contains("AVP-HDR-"));
}

/// The action's description and what else names its inputs and outputs agree.
#[test]
fn the_description_holds_together() {
    let text = fs::read_to_string(folder().join("action.yml")).unwrap();
    let action: Value = serde_yaml::from_str(&text).unwrap();
    let names = |key: &str| -> BTreeSet<String> {
        let map = action[key].as_mapping().unwrap();
        map.keys().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let script = fs::read_to_string(folder().join("judge.sh")).unwrap();
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let step = &action["runs"]["steps"][0];
    assert_eq!(action["runs"]["using"].as_str(), Some("composite"));
    assert_eq!(action["runs"]["steps"].as_sequence().unwrap().len(), 1);
    // No expression inside code, where its text would be code too.
    let run = step["run"].as_str().unwrap();
    assert!(!run.contains("${{") && run.contains("$GITHUB_ACTION_PATH/judge.sh"));
    assert!(!script.contains("${{") && !script.contains("eval "));
    for input in names("inputs") {
        assert!(readme.contains(&format!("| `{input}` |")), "README: {input}");
        if input == "working-directory" {
            assert_eq!(step["working-directory"].as_str(), Some("${{ inputs.working-directory }}"));
            continue;
        }
        let variable = format!("INPUT_{}", input.to_uppercase());
        assert_eq!(step["env"][variable.as_str()].as_str().unwrap(), format!("${{{{ inputs.{input} }}}}"));
        assert!(script.contains(&variable), "{variable}");
    }
    for output in names("outputs") {
        assert!(readme.contains(&format!("`{output}`")), "README: {output}");
        let value = action["outputs"][output.as_str()]["value"].as_str().unwrap();
        assert_eq!(value, format!("${{{{ steps.judge.outputs.{output} }}}}"));
        assert!(
            script.contains(&format!("output {output} ")) || script.contains(&format!(" {output}=")),
            "{output}"
        );
    }
}
