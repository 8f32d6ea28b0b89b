//! `matrix`: recordings of one's own, and those that it makes itself.

use std::fs;
use std::path::Path;

use super::{Ran, SOME, avp, avp_against, binary, ran};

#[test]
fn recordings_become_a_page_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (good, bad, out) = (file("good.ndjson"), file("bad.ndjson"), file("out"));
    let with = |events: &str| SOME.iter().map(|arg| (*arg).to_owned()).chain([format!("--events={events}")]);
    let args: Vec<String> = with(&good).collect();
    avp(&args.iter().map(String::as_str).collect::<Vec<_>>()).assert_code(0);
    let args: Vec<String> = with(&bad).collect();
    avp_against("accepts-version", &args.iter().map(String::as_str).collect::<Vec<_>>()).assert_code(1);

    let table = avp(&["matrix", &good, &bad]);
    table.assert_code(0).assert_says("AVP-HDR-005 | MUST | ✓ | ✗");
    avp(&["matrix", &good, &bad, "-o", &out, "--each"]).assert_code(0);
    assert_eq!(fs::read_to_string(Path::new(&out).join("matrix.md")).unwrap(), table.out);
    let page = fs::read_to_string(Path::new(&out).join("matrix.html")).unwrap();
    assert!(page.contains("id=\"AVP-HDR-005\""));
    assert!(!page.contains(folder.path().to_str().unwrap()), "no path of this machine");
    assert!(fs::read_dir(Path::new(&out).join("runs")).unwrap().count() >= 1);
}

#[test]
fn what_is_no_recording_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    fs::write(&file, "{\"version\": 1}\n").unwrap();
    avp(&["matrix", file.to_str().unwrap()]).assert_code(2);
    avp(&["matrix"]).assert_code(2);
    avp(&["matrix", "--all", "--only", "nobody"]).assert_code(2).assert_says("there is none");
}

/// A project with an adapter that can't be set up.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("adapters/broken");
    fs::create_dir_all(&broken).unwrap();
    let description = "name: broken\ndescription: It has no compiler.\nlanguage: none\nversions:\n  - {version: \"1\", specs: [\"0.4\"]}\n\
                       needs: [a-compiler-that-nobody-has]\nsetup:\n  - [a-compiler-that-nobody-has]\ncommand: [x]\n";
    fs::write(broken.join("adapter.yaml"), description).unwrap();
    folder
}

fn all(project: &Path) -> Ran {
    let mut command = binary();
    command.args([
        "matrix",
        "--all",
        "--only=broken",
        "--only=example",
        "--vectors-only",
        "--timeout-scale=20",
        "-o",
    ]);
    command.arg(project.join("out"));
    command
        .env("AVP_ADAPTERS_DIR", project.join("adapters"))
        .env("AVP_CONFORMANCE_HOME", project.join("home"));
    ran(command.output().unwrap())
}

#[test]
fn who_can_not_be_run_ends_nothing_and_what_is_recorded_is_not_run_again() {
    let project = project();
    let first = all(project.path());
    first.assert_code(5).assert_says("broken@1: not run: broken@1 needs a-compiler-that-nobody-has");
    let read = |name: &str| fs::read_to_string(project.path().join("out").join(name)).unwrap();
    let (page, table) = (read("matrix.html"), read("matrix.md"));
    assert!(table.contains("not run: broken@1 needs a-compiler-that-nobody-has"), "{table}");
    assert!(table.contains("| example 1 | 0.4 | no verdict"), "{table}");
    assert!(table.contains("## Who understands whom"), "{table}");
    assert!(!page.contains(project.path().to_str().unwrap()), "no path of this machine");
    let second = all(project.path());
    second
        .assert_code(5)
        .assert_says("example: recorded already")
        .assert_says("cross-reading: recorded already");
    assert_eq!((read("matrix.html"), read("matrix.md")), (page, table));
}
