//! Every requirement is tested, or it is said why not.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use avp_conformance::case::{Case, Spec};
use avp_conformance::check;
use avp_conformance::coverage::{Count, Coverage};

/// Requirements that must have a test; what is left may only be excluded.
const LEAST_TESTED: usize = 380;

static SUITE: LazyLock<Coverage> = LazyLock::new(|| Coverage::embedded().unwrap());

#[test]
fn every_requirement_has_a_test_or_a_reason() {
    let gaps = SUITE.gaps();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
    let Count { requirements, tested, excluded } = SUITE.count(|_| true);
    assert_eq!(requirements, tested + excluded);
    assert!(tested >= LEAST_TESTED, "{tested}");
}

#[test]
fn the_readme_shows_the_count() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let count = SUITE.count(|_| true).to_string();
    assert!(readme.contains(&count), "README.md does not say `{count}`");
}

/// Two cases of the suite: one wants a text, one refuses a context.
fn cases() -> Vec<Case> {
    let ids = ["gen/model-text/0", "gen/model-foreign-context/0"];
    ids.map(|id| check::generated_case(id, Spec::V04, 1).unwrap()).into()
}

#[test]
fn generated_cases_count_and_say_what_they_need() {
    let coverage = Coverage::of(&cases(), "").unwrap();
    let text = &coverage.tested["AVP-API-002"];
    assert!(text.is_tested() && !text.wants_refusal());
    assert_eq!(text.needs(), "needs generate");
    assert!(text.properties.contains_key("gen/model-text"));
    assert!(coverage.tested["AVP-CTX-011"].wants_refusal());
    assert!(!coverage.tested["AVP-HDR-001"].is_tested());
    let told = coverage.count(|id| id.starts_with("AVP-API-")).to_string();
    assert_eq!(told, "1 of 20 accounted for: 1 tested, 0 excluded");
}

#[test]
fn what_is_missing_or_stale_is_told() {
    let gaps = |excluded: &str| Coverage::of(&cases(), excluded).unwrap().gaps();
    let says = |excluded: &str, words: &str| gaps(excluded).iter().any(|gap| gap.contains(words));
    let unaccounted = "AVP-HDR-001 has neither a test nor a reason";
    assert!(says("", unaccounted));
    assert!(!says("AVP-HDR-001: Nothing can be seen of it.", unaccounted));
    assert!(says("AVP-HDR-001: \"\"", "AVP-HDR-001 is excluded without a reason"));
    assert!(says("AVP-HDR-999: No such thing.", "AVP-HDR-999 is excluded, but is no requirement"));
    assert!(says("AVP-API-002: It was hard.", "AVP-API-002 is excluded, but cases test it"));
    assert!(says("AVP-CTX-011: It was hard.", "AVP-CTX-011 is excluded, but cases test it"));
    assert!(Coverage::of(&[], "[a list]").is_err());
}

#[test]
fn a_refusal_that_nobody_asks_for_is_told() {
    let mut cases = cases();
    cases[0].requirements = vec!["AVP-CTX-011".to_owned()];
    cases.truncate(1);
    let words = "AVP-CTX-011 names an error class, but no case asks for a refusal";
    let coverage = |excluded: &str| Coverage::of(&cases, excluded).unwrap();
    assert!(coverage("").gaps().iter().any(|gap| gap == words));
    let explained = coverage("AVP-CTX-011: Nobody is asked to refuse it.");
    assert!(!explained.gaps().iter().any(|gap| gap.contains("AVP-CTX-011")));
    assert_eq!(explained.reason("AVP-CTX-011"), None, "it is tested all the same");
}
