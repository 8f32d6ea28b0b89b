//! Events → SARIF 2.1.0, for pages of code scanning.
//!
//! One result is one cause: what probably is one defect, under the first requirement that it breaks. A rule is a
//! requirement with its sentence and source. What the baseline expects is there and suppressed, with its reason.
//!
//! An implementation behind a pipe has no line of code to point at. A result's place is the program that was judged when
//! the command names one in the working folder, and the name of the suite otherwise; the check stands as a logical
//! location.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Subject, words};
use crate::{
    baseline::Standing,
    case::Level,
    requirement::area_of,
    tally::{Cause, RequirementVerdict, counts},
};

/// The form of the document.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Most results: GitHub shows no more of a run.
pub const RESULTS: usize = 5000;

/// Most characters of a rule's description: GitHub cuts there.
const DESCRIPTION: usize = 1000;

/// Most characters of what an implementation said in a message.
const SAID: usize = 600;

/// Most checks of a cause that are named.
const CHECKS: usize = 20;

/// Renders the document, indented, with a newline at the end.
///
/// # Errors
/// Never in practice: every value in it can be written as JSON.
pub fn render(subject: &Subject<'_>) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(&document(subject))?;
    text.push('\n');
    Ok(text)
}

fn document(subject: &Subject<'_>) -> Value {
    let start = &subject.tally.start;
    let causes = subject.tally.causes();
    let mut rules: Vec<&str> = Vec::new();
    let mut results = Vec::new();
    for cause in causes.iter().take(RESULTS) {
        let id = cause.requirements.first().copied().unwrap_or("AVP");
        let index = rules.iter().position(|rule| *rule == id).unwrap_or_else(|| {
            rules.push(id);
            rules.len() - 1
        });
        results.push(result(subject, cause, id, index));
    }
    let started = i64::try_from(start.started).ok().and_then(|at| DateTime::from_timestamp(at, 0));
    let mut invocation = json!({
        "executionSuccessful": subject.tally.is_complete() && !subject.tally.is_dishonest(),
        "toolExecutionNotifications": notifications(subject, &causes),
    });
    if let Some(at) = started {
        invocation["startTimeUtc"] = json!(at.to_rfc3339_opts(SecondsFormat::Secs, true));
    }
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "avp-conformance",
                "semanticVersion": start.suite,
                "rules": rules.iter().map(|id| rule(subject, id)).collect::<Vec<_>>(),
            }},
            // Runs against several implementations stand side by side.
            "automationDetails": {"id": format!("avp-conformance/{}/", words::shorten(&start.hello.name, 100))},
            "columnKind": "utf16CodeUnits",
            "invocations": [invocation],
            "results": results,
            "properties": {
                "verdict": words::headline(subject).word,
                "profile": subject.profile.name,
                "implementation": words::shorten(&words::implementation(start), 200),
                "vectors": start.vectors,
                "seed": start.seed,
            },
        }],
    })
}

/// What a reader of the results must know: they may not be all, or not to be believed.
fn notifications(subject: &Subject<'_>, causes: &[Cause<'_>]) -> Vec<Value> {
    let headline = words::headline(subject);
    let level = if headline.good == Some(true) { "note" } else { "warning" };
    let mut told = vec![(level, format!("{}: {}", headline.word, headline.rest))];
    if causes.len() > RESULTS {
        told.push(("warning", format!("{} causes are left out", causes.len() - RESULTS)));
    }
    for probe in subject.tally.probes.iter().filter(|probe| probe.passed == Some(false)) {
        told.push(("error", format!("an honesty probe failed: {}: {}", probe.name, probe.note)));
    }
    told.iter().map(|(level, text)| json!({"level": level, "message": {"text": message(text)}})).collect()
}

fn rule(subject: &Subject<'_>, id: &str) -> Value {
    let Some(RequirementVerdict { brief, .. }) = subject.tally.requirement(id) else {
        let text = "A requirement that the events do not describe.";
        return json!({
            "id": id,
            "shortDescription": {"text": text},
            "fullDescription": {"text": text},
            "help": {"text": text},
        });
    };
    let level = words::level(brief.level);
    let sentence = words::shorten(&brief.sentence, DESCRIPTION);
    let source = words::shorten(&brief.source, DESCRIPTION);
    json!({
        "id": brief.id,
        "name": brief.id,
        "shortDescription": {"text": message(&format!("{level}: {}", words::shorten(&brief.sentence, 200)))},
        "fullDescription": {"text": message(&sentence)},
        "defaultConfiguration": {"level": if brief.level == Level::Must { "error" } else { "warning" }},
        "help": {
            "text": message(&format!("{level}: {sentence}\nSource: {source}\nMore: avp-conformance show {}", brief.id)),
            "markdown": format!(
                "**{}** {level}: {}\n\nSource: {}\n\n`avp-conformance show {}` explains it with its bytes.",
                super::markdown::escape(&brief.id),
                super::markdown::escape(&sentence),
                super::markdown::escape(&source),
                brief.id.replace('`', "'"),
            ),
        },
        "properties": {
            "tags": ["avp", area_of(&brief.id), level],
            "precision": "very-high",
            "problem.severity": if brief.level == Level::Must { "error" } else { "warning" },
        },
    })
}

fn result(subject: &Subject<'_>, cause: &Cause<'_>, id: &str, index: usize) -> Value {
    let first = &cause.misses[0];
    let mut text = format!(
        "{}: {} ({} in {}).",
        cause.name,
        words::shorten(&first.case.why, SAID),
        words::count(cause.misses.len(), "check"),
        words::count(cause.cases(), "case")
    );
    let outcome = words::outcome(first.check.outcome);
    text.push_str(&format!("\n{}: {outcome}", first.name()));
    if !first.check.note.is_empty() {
        text.push_str(&format!(", {}", words::shorten(&first.check.note, SAID)));
    }
    for (label, value) in [("expected", &first.check.expected), ("actual", &first.check.actual)] {
        if !value.is_null() {
            text.push_str(&format!("\n{label}: {}", words::value(value, SAID)));
        }
    }
    text.push_str(&format!("\nrepeat: {}", words::repeat(&subject.tally.start, first.case)));
    // The same defect is the same alert in every run: neither the seed nor the number of its cases changes it.
    let print: String = Sha256::digest(format!("{}\0{id}", cause.name))
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut result = json!({
        "ruleId": id,
        "ruleIndex": index,
        "kind": "fail",
        "level": if counts(cause.level, subject.strict) { "error" } else { "warning" },
        "message": {"text": message(&text)},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": place(&subject.tally.start.repeat)},
                "region": {"startLine": 1},
            },
            "logicalLocations": [{"fullyQualifiedName": words::shorten(&first.name(), 300), "kind": "member"}],
        }],
        "partialFingerprints": {"primaryLocationLineHash": format!("{print}:1"), "avpCause/v1": print},
        "properties": {
            "requirements": cause.requirements,
            "checks": cause.misses.iter().take(CHECKS).map(crate::tally::Miss::name).collect::<Vec<_>>(),
            "checkCount": cause.misses.len(),
        },
    });
    if let Some(reason) = excuse(subject, cause) {
        result["suppressions"] = json!([{"kind": "external", "status": "accepted", "justification": reason}]);
    }
    result
}

/// The reason of the baseline, when it expects all that the cause broke.
fn excuse(subject: &Subject<'_>, cause: &Cause<'_>) -> Option<String> {
    let mut reason = None;
    for miss in &cause.misses {
        match subject.listed(miss.case, miss.check) {
            Standing::Expected(entry) => reason = reason.or_else(|| Some(entry.reason.clone())),
            _ => return None,
        }
    }
    reason
}

/// The program that was judged, as a relative address; the suite's name where none is to be found.
fn place(repeat: &str) -> String {
    const NOWHERE: &str = "avp-conformance";
    let Some((_, command)) = repeat.split_once("-- ") else { return NOWHERE.to_owned() };
    let words = shlex::split(command).unwrap_or_default();
    let inside = |word: &&String| {
        let path = word.strip_prefix("./").unwrap_or(word);
        !path.starts_with(['-', '/', '~'])
            && path.contains(['.', '/'])
            && !path.contains([':', '\\'])
            && path.split('/').all(|part| !part.is_empty() && part != "..")
    };
    let found = words.iter().find(inside).map(|word| encoded(word.strip_prefix("./").unwrap_or(word)));
    found.unwrap_or_else(|| NOWHERE.to_owned())
}

/// A path as a relative address.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Text of a message: brackets would be links and braces places to fill.
fn message(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '[' | ']' | '\\' => out.extend(['\\', c]),
            '{' | '}' => out.extend([c, c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        baseline::{Baseline, Date, Seen},
        tally::{Tally, sample},
    };

    fn parsed(subject: &Subject<'_>) -> Value {
        serde_json::from_str(&render(subject).unwrap()).unwrap()
    }

    fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
        let text = value.pointer(pointer).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{pointer} of {value:#}"))
    }

    /// What GitHub's page on supported properties asks of a document.
    fn assert_fit(document: &Value) {
        assert_eq!(text(document, "/version"), "2.1.0");
        assert!(text(document, "/$schema").contains("sarif"));
        let run = &document["runs"][0];
        text(run, "/tool/driver/name");
        text(run, "/tool/driver/semanticVersion");
        assert!(text(run, "/automationDetails/id").ends_with('/'));
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for rule in rules {
            for pointer in ["/id", "/shortDescription/text", "/fullDescription/text", "/help/text"] {
                assert!(text(rule, pointer).chars().count() <= 3000, "{pointer}");
            }
            assert!(text(rule, "/fullDescription/text").chars().count() <= 1024);
            assert!(["error", "warning", "note"].contains(&text(rule, "/defaultConfiguration/level")));
            assert!(rule["properties"]["tags"].as_array().unwrap().len() <= 10);
        }
        let mut prints = Vec::new();
        for result in run["results"].as_array().unwrap() {
            let index = result["ruleIndex"].as_u64().unwrap();
            assert_eq!(rules[usize::try_from(index).unwrap()]["id"], result["ruleId"]);
            assert!(["error", "warning", "note"].contains(&text(result, "/level")));
            text(result, "/message/text");
            let uri = text(result, "/locations/0/physicalLocation/artifactLocation/uri");
            assert!(!uri.starts_with('/') && !uri.contains(".."), "{uri}");
            assert!(result["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64().unwrap() >= 1);
            prints.push(text(result, "/partialFingerprints/primaryLocationLineHash").to_owned());
        }
        prints.sort();
        let all = prints.len();
        prints.dedup();
        assert_eq!(prints.len(), all, "one alert a cause");
    }

    #[test]
    fn the_document_has_what_code_scanning_needs() {
        let tally = sample::tally();
        let document = parsed(&Subject::new(&tally));
        assert_fit(&document);
        let results = document["runs"][0]["results"].as_array().unwrap();
        assert_eq!(results.len(), tally.causes().len());
        assert_eq!(results[0]["level"], "error");
        let said = text(&results[0], "/message/text");
        assert!(
            said.contains("metadata-length-unchecked") && said.contains("--id 'hdr/metadata-longer"),
            "{said}"
        );
        assert!(said.contains("{{"), "braces are text");
    }

    #[test]
    fn an_alert_stays_the_same_when_cases_come_and_go() {
        let print = |tally: &Tally| {
            parsed(&Subject::new(tally))["runs"][0]["results"][0]["partialFingerprints"].clone()
        };
        let mut start = sample::start();
        start.seed = 77;
        let mut more = sample::cases();
        let mut again = more[3].clone();
        again.key = "hdr/metadata-longer-again@0.4".into();
        more.push(again);
        assert_eq!(print(&sample::tally()), print(&Tally::new(sample::stream(start, more)).unwrap()));
    }

    #[test]
    fn what_the_baseline_expects_is_suppressed_with_its_reason() {
        let tally = sample::tally();
        let baseline = Baseline::parse(
            "[[expect]]\ncheck = \"kv/giant-layer-count\"\nkind = \"crash\"\nreason = \"known\"\n",
        )
        .unwrap();
        let applied = baseline.apply(&Seen::new(&tally.cases), Date::from_ymd_opt(2026, 11, 20).unwrap());
        let document = parsed(&Subject { baseline: Some(&applied), ..Subject::new(&tally) });
        assert_fit(&document);
        let results = document["runs"][0]["results"].as_array().unwrap();
        let suppressed: Vec<&Value> =
            results.iter().filter(|result| result.get("suppressions").is_some()).collect();
        assert_eq!(suppressed.len(), 1);
        assert_eq!(suppressed[0]["suppressions"][0]["justification"], "known");
        assert_eq!(suppressed[0]["ruleId"], "AVP-KV-010");
    }

    #[test]
    fn strict_raises_what_only_warns() {
        let mut case = sample::cases().remove(3);
        case.checks.remove(0);
        let tally = Tally::new(sample::stream(sample::start(), vec![case])).unwrap();
        let level = |strict| {
            parsed(&Subject { strict, ..Subject::new(&tally) })["runs"][0]["results"][0]["level"].clone()
        };
        assert_eq!((level(false), level(true)), (json!("warning"), json!("error")));
    }

    #[test]
    fn a_hostile_name_changes_no_structure() {
        let mut start = sample::start();
        start.hello.name = "\"}],\"x\":[{\u{0}".into();
        start.repeat = "-- ../../etc/passwd 'a b/c%.py'".into();
        let document = parsed(&Subject::new(&Tally::new(sample::stream(start, sample::cases())).unwrap()));
        assert_fit(&document);
    }

    #[test]
    fn the_place_is_the_program_where_there_is_one() {
        for (repeat, wanted) in [
            ("-- python3 my_adapter.py --port 1.5", "my_adapter.py"),
            ("--framing ndjson -- ./build/adapter", "build/adapter"),
            ("-- node 'my adapters/a.js'", "my%20adapters/a.js"),
            ("-- /usr/bin/adapter", "avp-conformance"),
            ("-- ../outside/adapter", "avp-conformance"),
            ("-- adapter", "avp-conformance"),
            ("--adapter avp-python@0.6.2", "avp-conformance"),
            ("", "avp-conformance"),
        ] {
            assert_eq!(place(repeat), wanted, "{repeat}");
        }
    }
}
