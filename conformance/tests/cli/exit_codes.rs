//! Each exit code by what causes it.

use std::fs;

use super::{SOME, avp, avp_against, binary, ran};

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SOME.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn the_help_has_the_table() {
    let help = avp(&["--help"]);
    help.assert_code(0);
    for code in ["0", "1", "2", "3", "4", "5", "6", "130"] {
        assert!(
            help.out.lines().any(|line| line.trim_start().starts_with(&format!("{code}  "))),
            "{}",
            help.out
        );
    }
}

#[test]
fn code_0_for_a_right_answer() {
    avp(&SOME).assert_code(0).assert_says("PASSED");
    avp_against("honest", &SOME).assert_code(0).assert_says("PASSED");
}

#[test]
fn code_1_for_a_failure_with_all_there_is_to_say() {
    let failed = avp_against("accepts-version", &SOME);
    failed.assert_code(1);
    for wanted in [
        "AVP-HDR-005",
        "A decoder refuses every other version byte.",
        "hdr/version",
        "version 255 in place of 1",
        "avp-conformance run --id 'hdr/version",
        "-- python3",
    ] {
        failed.assert_says(wanted);
    }
}

#[test]
fn the_repeat_command_repeats_the_failure() {
    let failed = avp_against("accepts-version", &SOME);
    let line = failed.out.lines().find(|line| line.contains("avp-conformance run")).unwrap();
    let words = shlex::split(line.split_once("avp-conformance ").unwrap().1).unwrap();
    let again = ran(binary().args(words).output().unwrap());
    again.assert_code(1).assert_says("Failures: 1 cause");
}

#[test]
fn warnings_fail_only_under_strict() {
    avp_against("coarse", &SOME).assert_code(0).assert_says("Warnings");
    avp_against("coarse", &with(&["--strict"])).assert_code(1);
}

#[test]
fn code_2_for_what_was_asked_wrongly() {
    avp(&["run", "--no-such-option"]).assert_code(2);
    avp(&["run", "--vectors-only", "--id", "hdr/magic/swaped"])
        .assert_code(2)
        .assert_says("did you mean `hdr/magic/swapped");
    avp(&["run", "--vectors-only", "--area", "XYZ"]).assert_code(2).assert_says("HDR, META");
    avp(&["run", "--vectors-only", "--requirement", "AVP-HDR-999"]).assert_code(2);
    avp(&["run", "--shard", "3/3"]).assert_code(2);
    avp(&["run", "--profile", "everything"])
        .assert_code(2)
        .assert_says("core, kv, handshake, latent, http, full");
    avp(&["run", "--baseline", "no-such-file.toml"]).assert_code(2).assert_says("no-such-file.toml");
    avp(&["report", "no-such-file.ndjson"]).assert_code(2);
    avp(&["show", "AVP-HDR-9999"]).assert_code(2).assert_says("did you mean");
}

#[test]
fn code_2_for_a_baseline_that_fits_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known.toml");
    let entry = |check: &str| format!("[[expect]]\ncheck = \"{check}\"\nkind = \"fail\"\nreason = \"r\"\n");
    let run = |text: String| {
        fs::write(&file, text).unwrap();
        avp_against("accepts-version", &with(&["--baseline", file.to_str().unwrap()]))
    };
    run(entry("hdr/vershion/**#rejects")).assert_code(2).assert_says("did you mean");
    run(entry("hdr/version/**#rejcts")).assert_code(2).assert_says("fits no check");
    let twice = format!("{}{}", entry("hdr/version/**"), entry("hdr/version/*#rejects"));
    run(twice).assert_code(2).assert_says("claimed by entry 1 and by entry 2");
    run("[[expect]]\ncheck = 1\n".to_owned()).assert_code(2);
}

#[test]
fn code_3_for_an_adapter_that_can_not_be_judged() {
    let mut missing = SOME.to_vec();
    missing.extend(["--", "no-such-program-anywhere"]);
    avp(&missing).assert_code(3).assert_says("doctor -- no-such-program-anywhere");
    avp_against("no-hello", &SOME).assert_code(3).assert_says("a module is missing");
    avp_against("prints", &SOME).assert_code(3).assert_says("stdout is for frames only");
    avp_against("accepts-magic", &SOME).assert_code(3).assert_says("broken-magic");
    let deaths = [
        "run",
        "--vectors-only",
        "--timeout-scale=20",
        "--id=hdr/encode-metadata-length/**,hdr/encode-payload-length/**",
        "--workers=1",
    ];
    // What came before the end is told.
    avp_against("dies", &deaths).assert_code(3).assert_says("20 cases in a row").assert_says("out of luck");
}

#[test]
fn a_forced_run_goes_on_after_a_probe_and_is_no_success() {
    let forced = avp_against("accepts-magic", &with(&["--force"]));
    forced.assert_code(3).assert_says("dishonest").assert_says("HDR");
}

#[test]
fn code_4_for_a_listed_failure_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known.toml");
    fs::write(&file, "[[expect]]\ncheck = \"hdr/version/**#rejects\"\nkind = \"fail\"\nreason = \"r\"\n")
        .unwrap();
    let args = with(&["--baseline", file.to_str().unwrap()]);
    avp_against("accepts-version", &args).assert_code(0).assert_says("NOT CONFORMANT");
    avp(&args).assert_code(4).assert_says("passes now");
}

#[test]
fn code_5_for_a_run_that_proves_nothing() {
    avp_against("no-ops", &SOME).assert_code(5).assert_says("NOTHING VERIFIED");
    let all = ["run", "--timeout-scale=20"];
    avp_against("only-decode", &all).assert_code(5).assert_says("INCOMPLETE");
}

#[test]
fn code_6_for_vectors_that_drifted() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("recipes")).unwrap();
    let check = avp(&["vectors", "check", "--folder", folder.path().to_str().unwrap()]);
    check.assert_code(6).assert_says("not what the recipes make");
}

#[test]
fn code_6_for_a_refusal_that_is_not_proven() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let recipe = "- {id: qg/alone, req: [AVP-QG-001], specs: [\"0.4\"], why: A test., op: assess_transfer, args: {prompt_tokens: -1}, \
                  expect: {reject: [invalid_argument]}}\n";
    fs::create_dir(folder.path().join("recipes")).unwrap();
    fs::write(folder.path().join("recipes/qg.yaml"), recipe).unwrap();
    avp(&["vectors", "generate", "--folder", path]).assert_code(0);
    let check = avp(&["vectors", "check", "--folder", path]);
    check.assert_code(6).assert_says("qg/alone@0.4").assert_says("not proven to have one fault");
    fs::write(folder.path().join("unpaired.yaml"), "- {vectors: [qg/*], because: A test.}\n").unwrap();
    avp(&["vectors", "check", "--folder", path]).assert_code(0).assert_says("listed as unpaired");
}

#[cfg(unix)]
#[test]
fn code_130_keeps_what_was_judged() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("run.ndjson");
    let events = events.to_str().unwrap();
    let args =
        ["run", "--vectors-only", "--timeout-scale=20", "--area=HDR", "--workers=1", "--events", events];
    // The adapter presses Ctrl-C after a few cases.
    let ended = avp_against("interrupts", &args);
    ended.assert_code(130).assert_says("cases were judged");
    avp(&["report", events]).assert_code(130).assert_says("cases were judged");
}

#[test]
fn max_fail_ends_early_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("run.ndjson");
    let args = with(&["--max-fail=2", "--events", events.to_str().unwrap()]);
    avp_against("accepts-version", &args).assert_code(1).assert_says("--max-fail");
    avp(&["report", events.to_str().unwrap()]).assert_code(1).assert_says("--max-fail");
}

#[test]
fn when_everything_fails_the_adapter_is_suspected() {
    let args =
        ["run", "--vectors-only", "--timeout-scale=20", "--id=hdr/version/**", "--workers=1", "--force"];
    avp_against("fails-all", &args).assert_code(1).assert_says("Nothing came out well").assert_says("doctor");
}
