use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::{
    event::{CaseEvent, PartDump},
    tally::{Tally, sample},
};

fn page(tally: &Tally) -> String {
    render(&Subject::new(tally))
}

/// Every tag is closed in order, and nothing stands outside: a page that a browser need not repair.
fn assert_well_formed(page: &str) {
    const VOID: [&str; 4] = ["meta", "br", "input", "!doctype"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').expect("a tag ends");
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap_or_default();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "before {}", &rest[..rest.len().min(80)]);
        } else if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name);
            if name == "style" || name == "script" {
                rest = &rest[rest.find("</").expect("it ends")..];
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn every_requirement_is_a_row_and_every_miss_is_told() {
    let tally = sample::tally();
    let page = page(&tally);
    assert_well_formed(&page);
    for requirement in &tally.requirements {
        assert!(page.contains(&format!("<span class=\"id\">{}</span>", requirement.brief.id)));
    }
    assert_eq!(page.matches("<details class=\"row\"").count(), tally.requirements.len());
    for (case, check) in tally.checks().filter(|(_, check)| check.missed()) {
        assert!(page.contains(&format!("<h5><code>{}#{}</code>", case.key, check.name)), "{}", case.key);
    }
    for wanted in [
        "<mark>ff 00 00 00</mark>",
        "avp-conformance run --adapter avp-python@0.6.2 --id &#39;kv/giant-layer-count@0.4&#39;",
        "MemoryError",
        "the operation `session_script` is not declared",
        "reads what is not there",
        "limit_exceeded",
        "5f2c",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
}

#[test]
fn the_page_needs_nothing_else() {
    let page = page(&sample::tally());
    for outside in ["src=", "@import", "url(", "<link", "http://", "<iframe", "style=\""] {
        assert!(!page.contains(outside), "{outside}");
    }
    // The policy names the style and the script as they stand in the page.
    for (tag, text) in [("style", STYLE), ("script", SCRIPT)] {
        assert!(page.contains(&format!("<{tag}>{text}</{tag}>")));
        let sum = STANDARD.encode(Sha256::digest(text));
        assert!(page.contains(&format!("{tag}-src 'sha256-{sum}'")));
    }
}

/// Puts a hostile text wherever an adapter has a say.
fn hostile(text: &str) -> Tally {
    let mut start = sample::start();
    start.adapter = text.to_owned();
    start.hello.name = text.to_owned();
    start.hello.version = text.to_owned();
    start.hello.language = text.to_owned();
    start.hello.url = Some(text.to_owned());
    start.hello.ops = vec![text.to_owned()];
    start.hello.features.insert(text.to_owned(), serde_json::json!({text: [text]}));
    start.hello.limits.insert(text.to_owned(), serde_json::json!(text));
    let mut cases = sample::cases();
    for case in &mut cases {
        case.stderr = format!("{text}\n{text}");
        case.first_try = Some(text.to_owned());
        for check in &mut case.checks {
            check.note = text.to_owned();
            check.actual = serde_json::json!({text: text});
        }
        for step in &mut case.steps {
            let part =
                PartDump { name: text.to_owned(), dtype: Some(text.to_owned()), ..step.parts[0].clone() };
            step.answer = crate::event::AnswerDump::Ok {
                ok: serde_json::Map::from_iter([(text.to_owned(), serde_json::json!(text))]),
                parts: vec![part],
            };
        }
    }
    let mut events = sample::stream(start, cases);
    let probe = crate::event::Probe { name: text.to_owned(), passed: Some(false), note: text.to_owned() };
    events.insert(1, crate::event::Event::Probe(probe));
    Tally::new(events).unwrap()
}

#[test]
fn what_an_adapter_says_stays_text() {
    let clean = page(&hostile("quiet"));
    let count = |page: &str, tag: &str| page.matches(tag).count();
    for text in [
        "</pre></script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\" onmouseover=\"alert(1)\" x=\"",
        "' autofocus onfocus='alert(1)",
        "--><!--<style>*{display:none}</style>",
        "&lt;b&gt;\u{202e}gnol\u{0}\u{1b}[31m",
    ] {
        let page = page(&hostile(text));
        assert_well_formed(&page);
        for tag in ["<script", "<style", "<img", "<!--", "<h5", "<details", "<pre"] {
            assert_eq!(count(&page, tag), count(&clean, tag), "{tag} after {text}");
        }
        assert!(!page.contains("\" onmouseover") && !page.contains("' autofocus"), "{text}");
        assert!(!page.contains('\u{202e}') && !page.contains('\u{0}') && !page.contains('\u{1b}'));
    }
}

#[test]
fn a_flood_of_misses_is_named_and_not_told() {
    let one = sample::cases().remove(3);
    let cases: Vec<CaseEvent> = (0..500)
        .map(|number| {
            let mut case = one.clone();
            case.id = format!("hdr/flood/{number}");
            case.key = format!("hdr/flood/{number}@0.4");
            case.stderr = "x".repeat(100_000);
            case.checks[0].note = "y".repeat(100_000);
            case.checks[0].actual = serde_json::json!("z".repeat(100_000));
            case
        })
        .collect();
    let tally = Tally::new(sample::stream(sample::start(), cases)).unwrap();
    let page = page(&tally);
    assert_well_formed(&page);
    assert!(page.len() < 200_000, "{}", page.len());
    assert_eq!(page.matches("<article class=\"miss\"").count(), 5);
    assert!(page.contains("and 955 more"), "the rest is counted");
}

#[test]
fn a_miss_of_two_requirements_is_told_once_and_linked_once() {
    let mut cases = sample::cases();
    cases[5].checks[0].requirements.push("AVP-KV-001".into());
    let tally = Tally::new(sample::stream(sample::start(), cases)).unwrap();
    let page = page(&tally);
    let name = "<code>kv/giant-layer-count@0.4#rejects</code>";
    assert_eq!(page.matches(&format!("<h5>{name}")).count(), 1);
    assert_eq!(page.matches(&format!("\">{name}</a>")).count(), 1);
}

#[test]
fn a_counterexample_is_told_as_the_smallest_message() {
    let mut cases = sample::cases();
    let small = cases[3].clone();
    let drawn = &mut cases[3];
    drawn.key = "gen/messages/7@0.4".into();
    drawn.source = crate::case::Source::Generated { seed: 1, index: 7 };
    let found = crate::event::Counterexample {
        key: drawn.key.clone(),
        check: "rejects".into(),
        outcome: crate::verdict::Outcome::Fail,
        requirements: vec!["AVP-HDR-019".into()],
        bytes_before: 4113,
        bytes_after: 25,
        runs: 85,
        settled: true,
        needs: Vec::new(),
        minimal: Box::new(small),
        recipe: Some(serde_json::json!({"id": "</pre><script>"})),
    };
    let mut events = sample::stream(sample::start(), cases);
    events.insert(events.len() - 1, crate::event::Event::Counterexample(Box::new(found)));
    let page = page(&Tally::new(events).unwrap());
    assert_well_formed(&page);
    assert!(
        page.contains("The smallest message that shows it") && page.contains("from 4,113 to 25 bytes"),
        "{page}"
    );
    assert!(page.contains("As it was generated") && page.contains("As a recipe"));
    assert_eq!(page.matches("<script").count(), 1);
}
