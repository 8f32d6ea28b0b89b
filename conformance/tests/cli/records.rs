//! Events and what is made of them: reports, merged parts, replays, baselines.

use std::fs;
use std::path::Path;

use super::{Ran, SOME, avp, avp_against, binary, ran};

fn recorded(mode: &str, folder: &Path) -> String {
    let events = folder.join(format!("{mode}.ndjson")).to_str().unwrap().to_owned();
    let mut args = SOME.to_vec();
    args.extend(["--events", &events]);
    avp_against(mode, &args);
    events
}

#[test]
fn a_report_from_events_is_the_report_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("run.ndjson");
    let mut args = SOME.to_vec();
    args.extend(["--events", events.to_str().unwrap()]);
    let run = avp_against("accepts-version", &args);
    let report = avp(&["report", events.to_str().unwrap()]);
    assert_eq!(report.out, run.out);
    report.assert_code(1);
}

#[test]
fn every_form_is_written_in_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let option = |form: &str| format!("--report={form}={}", file(form).display());
    let forms = ["text", "json", "junit", "md", "html", "sarif", "badge"];
    let options: Vec<String> = forms.iter().map(|form| option(form)).collect();
    let mut args = SOME.to_vec();
    args.extend(options.iter().map(String::as_str));
    args.push("--json");
    let run = avp_against("accepts-version", &args);
    run.assert_code(1);
    assert_eq!(run.out, fs::read_to_string(file("json")).unwrap());
    let document: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["schema"], "avp-conformance/1");
    assert_eq!(document["verdict"]["standing"], "not_conformant");
    assert!(fs::read_to_string(file("text")).unwrap().starts_with("NOT CONFORMANT"));
    assert!(fs::read_to_string(file("junit")).unwrap().contains("<testsuites"));
    assert!(fs::read_to_string(file("md")).unwrap().starts_with("## ❌ NOT CONFORMANT"));
    assert!(
        fs::read_to_string(file("html")).unwrap().contains("<strong class=\"fail\">NOT CONFORMANT</strong>")
    );
    assert!(fs::read_to_string(file("badge")).unwrap().contains(">not conformant, "));
    let sarif: serde_json::Value = serde_json::from_str(&fs::read_to_string(file("sarif")).unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["level"], "error");
}

#[test]
fn colours_follow_the_terminal_and_the_wish() {
    assert!(!avp(&SOME).out.contains('\x1b'));
    let mut args = SOME.to_vec();
    args.push("--color=always");
    assert!(avp(&args).out.contains('\x1b'));
    let forced = |no_color: bool| {
        let mut command = binary();
        command.args(SOME).env("CLICOLOR_FORCE", "1");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        ran(command.output().unwrap()).out.contains('\x1b')
    };
    assert!(forced(false));
    assert!(!forced(true));
}

#[test]
fn parts_of_a_run_make_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let run = |more: &[&str]| {
        let mut args = vec!["run", "--vectors-only", "--timeout-scale=20", "--area=KV"];
        args.extend(more);
        avp(&args)
    };
    run(&["--events", &file("whole")]).assert_code(0);
    for part in ["0/2", "1/2"] {
        run(&["--shard", part, "--events", &file(&part.replace('/', "-"))]).assert_code(0);
    }
    avp(&["merge", &file("0-2"), &file("1-2"), "-o", &file("merged")]).assert_code(0);
    let counts = |name: &str| {
        let report = avp(&["report", &file(name), "--to", "json"]);
        let document: serde_json::Value = serde_json::from_str(&report.out).unwrap();
        (document["areas"].clone(), document["requirements"].clone(), document["verdict"].clone())
    };
    assert_eq!(counts("merged"), counts("whole"));
    avp(&["merge", &file("0-2"), &file("0-2")]).assert_code(2).assert_says("is in two parts");
}

#[test]
fn a_replay_tells_what_became_of_each_failure() {
    let folder = tempfile::tempdir().unwrap();
    let events = recorded("accepts-version", folder.path());
    let same = avp(&["replay", &events]);
    same.assert_code(1).assert_says("FAILED  hdr/version");
    let fixed = avp_against("honest", &["replay", &events]);
    fixed.assert_code(0).assert_says("FIXED  hdr/version").assert_says("0 failed");
    avp_against("no-ops", &["replay", &events]).assert_code(5).assert_says("ERROR");
    let nothing = recorded("honest", folder.path());
    avp(&["replay", &nothing]).assert_code(5).assert_says("nothing was missed");
}

#[test]
fn a_baseline_is_written_held_to_and_kept_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known.toml").to_str().unwrap().to_owned();
    fs::write(&file, "# By hand.\n").unwrap();
    let bad = recorded("accepts-version", folder.path());
    let good = recorded("honest", folder.path());
    let update = |events: &str| -> Ran { avp(&["baseline", "update", &file, events]) };
    let check = |events: &str| -> Ran { avp(&["baseline", "check", &file, events]) };

    check(&bad).assert_code(1).assert_says("not listed: hdr/version");
    update(&bad).assert_code(0).assert_says("added:");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# By hand.\n") && text.contains("[[expect]]"), "{text}");
    check(&bad).assert_code(0).assert_says("as listed");
    update(&bad).assert_code(0).assert_says("nothing to change");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);

    let mut args = SOME.to_vec();
    args.extend(["--baseline", &file]);
    avp_against("accepts-version", &args).assert_code(0).assert_says("as listed, 0 not listed");
    check(&good).assert_code(4).assert_says("stale: hdr/version");
    update(&good).assert_code(0).assert_says("removed:");
    assert_eq!(fs::read_to_string(&file).unwrap(), "# By hand.\n");
}

#[test]
fn events_that_are_cut_off_are_never_green() {
    let folder = tempfile::tempdir().unwrap();
    let events = recorded("honest", folder.path());
    let text = fs::read_to_string(&events).unwrap();
    let cut = folder.path().join("cut.ndjson");
    fs::write(&cut, &text[..text.len() / 2]).unwrap();
    avp(&["report", cut.to_str().unwrap()]).assert_code(5).assert_says("the events end in the middle");
    fs::write(&cut, "not events\n").unwrap();
    avp(&["report", cut.to_str().unwrap()]).assert_code(2).assert_says("line 1");
}
