//! `adapter list`, `adapter setup`, `run --adapter`.

use std::fs;
use std::path::Path;

use super::{Ran, binary, ran};

/// A folder of adapters with one that has to be set up, and a folder for what setup makes.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mine = folder.path().join("adapters/mine");
        fs::create_dir_all(mine.join("baseline")).unwrap();
        let reference = env!("CARGO_BIN_EXE_avp-conformance");
        let description = format!(
            "name: mine\ndescription: The reference under another name.\nlanguage: rust\nversions:\n  \
             - {{version: \"2\", specs: [\"0.4\"], baseline: baseline/2.toml}}\n  - {{version: \"1\", specs: [\"0.2\"]}}\n\
             needs: [sh]\nsetup:\n  - [sh, -c, 'echo preparing; cp \"$0\" \"$1\"', \"{{dir}}/start.sh\", \"{{build}}/start.sh\"]\n\
             command: [sh, \"{{build}}/start.sh\", \"{reference}\"]\n"
        );
        fs::write(mine.join("adapter.yaml"), description).unwrap();
        fs::write(mine.join("start.sh"), "exec \"$1\" __reference\n").unwrap();
        fs::write(
            mine.join("baseline/2.toml"),
            "[[expect]]\ncheck = \"hdr/version/**\"\nkind = \"flaky\"\nreason = \"an example\"\n",
        )
        .unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn avp(&self, args: &[&str]) -> Ran {
        let mut command = binary();
        command.args(args);
        command.env("AVP_ADAPTERS_DIR", self.path().join("adapters"));
        command.env("AVP_CONFORMANCE_HOME", self.path().join("home"));
        ran(command.output().unwrap())
    }
}

const RUN: [&str; 5] = ["run", "--vectors-only", "--timeout-scale=20", "--id=hdr/version/**", "--adapter"];

fn run(project: &Project, name: &str) -> Ran {
    let args: Vec<&str> = RUN.iter().copied().chain([name]).collect();
    project.avp(&args)
}

#[test]
fn an_adapter_is_set_up_and_then_judged() {
    let project = Project::new();
    project.avp(&["adapter", "list"]).assert_code(0).assert_says("mine@2 AVP 0.4 not set up");
    run(&project, "mine").assert_code(3).assert_says("avp-conformance adapter setup mine@2");
    project
        .avp(&["adapter", "setup", "mine"])
        .assert_code(0)
        .assert_says("preparing")
        .assert_says("mine@2 is ready");
    project.avp(&["adapter", "list"]).assert_code(0).assert_says("mine@2 AVP 0.4 ready");
    run(&project, "mine").assert_code(0).assert_says("baseline: 0 deviations as listed");
    run(&project, "mine@1").assert_code(3).assert_says("mine@1 is not set up");
    project.avp(&["doctor", "mine"]).assert_code(0).assert_says("avp-conformance run --adapter mine@2");
    // Only the cache folder was written to.
    assert_eq!(fs::read_dir(project.path().join("adapters/mine")).unwrap().count(), 3);
}

#[test]
fn changed_sources_have_to_be_set_up_again() {
    let project = Project::new();
    project.avp(&["adapter", "setup", "mine@2"]).assert_code(0);
    let source = project.path().join("adapters/mine/start.sh");
    fs::write(&source, "# changed\nexec \"$1\" __reference\n").unwrap();
    run(&project, "mine").assert_code(3).assert_says("from another description or other sources");
}

#[test]
fn a_setup_that_fails_does_not_count() {
    let project = Project::new();
    fs::remove_file(project.path().join("adapters/mine/start.sh")).unwrap();
    project.avp(&["adapter", "setup", "mine"]).assert_code(3).assert_says("exit status: 1");
    run(&project, "mine").assert_code(3).assert_says("is not set up");
}

#[test]
fn a_name_that_is_unknown_comes_with_those_that_are_known() {
    let project = Project::new();
    run(&project, "mina").assert_code(2).assert_says("did you mean mine?");
    run(&project, "mine@9").assert_code(2).assert_says("it has 2, 1");
}

#[test]
fn the_adapters_of_the_project_are_described_rightly() {
    let list = ran(binary().args(["adapter", "list"]).output().unwrap());
    list.assert_code(0);
    for name in ["avp-python@0.6.2", "minimal-node@1"] {
        list.assert_says(name);
    }
}
