//! `list`, `show`, `export`, `vectors`: what can be known without running anything.

use super::{avp, binary};

#[test]
fn every_area_of_the_suite_is_listed_with_its_cases() {
    let areas = avp(&["list", "areas", "--json", "--cases=20"]);
    let list: Vec<serde_json::Value> = serde_json::from_str(&areas.assert_code(0).out).unwrap();
    for code in ["HDR", "META", "ENUM", "PAY", "CMP", "KV", "HASH", "HS", "SES", "JSON"] {
        let area = list.iter().find(|area| area["code"] == code).unwrap_or_else(|| panic!("{code}"));
        assert!(area["cases"].as_u64().unwrap() > 0, "{area}");
    }
}

#[test]
fn coverage_names_a_case_or_a_reason_for_every_requirement() {
    let coverage = avp(&["list", "--coverage", "--json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&coverage.assert_code(0).out).unwrap();
    assert_eq!(rows.len(), 421);
    let tested = |row: &serde_json::Value| {
        ["positive", "negative", "properties"].iter().any(|side| !row[side].as_array().unwrap().is_empty())
    };
    let [with, without]: [Vec<_>; 2] =
        [true, false].map(|wanted| rows.iter().filter(|row| tested(row) == wanted).collect());
    for row in &without {
        assert!(row["excluded"].is_string(), "{row}");
    }
    for row in &with {
        assert!(row["excluded"].is_null() && !row["needs_one_of"].as_array().unwrap().is_empty(), "{row}");
    }
    let count = format!("421 of 421 accounted for: {} tested, {} excluded", with.len(), without.len());
    avp(&["list", "--coverage"])
        .assert_code(0)
        .assert_says(&count)
        .assert_says("needs think: gen/model-think");
    avp(&["list", "--coverage", "--area", "XFR"]).assert_code(0).assert_says("29 of 29 accounted for");
    avp(&["show", "AVP-CTX-011"]).assert_code(0).assert_says("gen/model-foreign-context (needs");
}

#[test]
fn a_selection_narrows_the_list() {
    let all = avp(&["list"]).out.lines().count();
    let some = avp(&["list", "--area", "KV", "--level", "must"]);
    some.assert_code(0);
    assert!(some.out.lines().count() < all && some.out.contains("AVP-KV-"), "{}", some.out);
    avp(&["list", "--cases=1", "--id", "gen/**"]).assert_code(0).assert_says("gen/");
    avp(&["list", "profiles"]).assert_code(0).assert_says("handshake");
    avp(&["list", "--area", "NONE"]).assert_code(2);
}

#[test]
fn a_requirement_is_explained() {
    let shown = avp(&["show", "AVP-HDR-005"]);
    shown
        .assert_code(0)
        .assert_says("A decoder refuses every other version byte.")
        .assert_says("hdr/version");
    avp(&["show", "avp-hdr-003"]).assert_code(0).assert_says("nothing:");
}

#[test]
fn a_case_is_shown_with_its_bytes() {
    let list = avp(&["list", "--id", "hdr/version/**"]);
    let id = list.out.split_whitespace().next().unwrap().to_owned();
    let shown = avp(&["show", &id]);
    shown
        .assert_code(0)
        .assert_says("magic")
        .assert_says("\"AV\"")
        .assert_says("a refusal, best with the class unsupported_version");
    let one = avp(&["show", &format!("{id}@0.4#rejects")]);
    one.assert_code(0);
    assert!(one.out.len() < shown.out.len());
    let bytes = binary().args(["show", &id, "--bytes", "message"]).output().unwrap();
    assert_eq!(&bytes.stdout[..2], b"AV");
    avp(&["show", &id, "--bytes", "k0"]).assert_code(2).assert_says("its parts: message");
    avp(&["show", "hdr/version"]).assert_code(2).assert_says("it has variants");
}

#[test]
fn the_golden_vectors_are_what_the_recipes_make_and_can_be_taken_along() {
    let check = avp(&["vectors", "check"]);
    check.assert_code(0).assert_says("vectors are what the recipes make").assert_says("one fault: ");
    let twins = avp(&["vectors", "check", "--twins"]);
    twins
        .assert_code(0)
        .assert_says("by the reader, patched from vec2")
        .assert_says("differs in args.temperature");
    let folder = tempfile::tempdir().unwrap();
    avp(&["export", folder.path().to_str().unwrap()]).assert_code(0);
    assert!(folder.path().join("0.4/manifest.json").is_file());
    assert!(folder.path().join("README.md").is_file());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    use std::io::Read as _;
    let mut child =
        binary().args(["list", "--coverage"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn every_subcommand_has_help_with_examples() {
    for command in [
        &["run"][..],
        &["list"],
        &["show"],
        &["doctor"],
        &["replay"],
        &["report"],
        &["merge"],
        &["export"],
        &["vectors", "check"],
        &["vectors", "generate"],
        &["baseline", "check"],
        &["baseline", "update"],
        &["adapter", "list"],
        &["adapter", "setup"],
    ] {
        let args: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        avp(&args).assert_code(0).assert_says("Examples:");
    }
}
