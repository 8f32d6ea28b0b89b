//! The report of synthetic runs: what must be there, what must not, whatever a model wrote.

mod synthetic;

use std::collections::BTreeSet;

use avp_bench::analysis::Merged;
use avp_bench::report::{Report, escape_html, escape_markdown, terminal_table};
use avp_bench::trace::Trace;
use base64::Engine as _;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use synthetic::{arm, told, whole};

fn text<'a>(report: &'a Report, name: &str) -> &'a str {
    std::str::from_utf8(&report.files[std::path::Path::new(name)]).unwrap_or_default()
}

/// Every text of a run as hostile as it gets.
const HOSTILE: &str =
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> | `a` **b** \" ' & \u{202e}x\n# c\u{0}";

fn hostile() -> Report {
    let mut run = told(&[
        (arm("direct"), &[true, false]),
        (arm("latent@10"), &[true, true]),
        (arm("text"), &[true, true]),
    ]);
    run.record.run["name"] = HOSTILE.into();
    run.record.provenance.commit = Some(HOSTILE.to_owned());
    run.record.provenance.versions.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
    for arm in &mut run.record.arms {
        arm.label.push_str(HOSTILE);
        HOSTILE.clone_into(&mut arm.about);
    }
    for trace in &mut run.traces {
        trace.item.push_str(HOSTILE);
        trace.task = HOSTILE.to_owned();
        trace.layout = HOSTILE.to_owned();
        trace.answer = Some(HOSTILE.to_owned());
        trace.gold = HOSTILE.to_owned();
        trace.error = Some(HOSTILE.to_owned());
        for agent in &mut trace.agents {
            for text in [&mut agent.role, &mut agent.model, &mut agent.text] {
                HOSTILE.clone_into(text);
            }
        }
    }
    Report::of(&run).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let run = whole(8);
    let folder = tempfile::tempdir().unwrap();
    synthetic::save(&run, &folder.path().join("run")).unwrap();
    let out = folder.path().join("report");
    let written = avp_bench::report::write(&folder.path().join("run"), &out).unwrap();
    let read = Merged::open(&folder.path().join("run")).unwrap();
    assert!(written == Report::of(&read).unwrap(), "two reports of one folder differ");
    for (name, bytes) in &written.files {
        assert!(&std::fs::read(out.join(name)).unwrap() == bytes, "{}", name.display());
    }
}

#[test]
fn traces_that_were_not_merged_or_cannot_be_are_refused() {
    let mut run = whole(3);
    let folder = tempfile::tempdir().unwrap();
    let results = |sum: &str| format!("{{\"traces\":1,\"shards\":1,\"results_sha256\":\"{sum}\"}}");
    synthetic::save(&run, folder.path()).unwrap();
    // Of the traces as they are read: the synthetic likelihoods have more digits than JSON keeps.
    let read = Merged::open(folder.path()).unwrap();
    let sum = avp_bench::folder::results_hash(&read.traces);
    std::fs::write(folder.path().join("results.json"), results(&sum)).unwrap();
    assert!(Merged::open(folder.path()).unwrap().results_sha256.is_some());
    std::fs::write(folder.path().join("results.json"), results(&"ab".repeat(32))).unwrap();
    let error = Merged::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("merge the shards again"), "{error}");
    std::fs::remove_file(folder.path().join("results.json")).unwrap();
    for spoil in [|trace: &mut Trace| trace.nll = Some(1e200), |trace: &mut Trace| trace.wall_ms = -1e300] {
        let mut run = run.clone();
        spoil(&mut run.traces[1]);
        synthetic::save(&run, folder.path()).unwrap();
        let error = Merged::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
    run.traces[0].replicate = u32::MAX;
    run.traces
        .iter_mut()
        .flat_map(|trace| &mut trace.agents)
        .for_each(|agent| agent.ledger.wire_bytes = u64::MAX);
    assert!(Report::of(&run).is_ok());
}

#[test]
fn every_picture_and_table_is_there() {
    let report = Report::of(&whole(8)).unwrap();
    let names: BTreeSet<String> = report.files.keys().map(|name| name.display().to_string()).collect();
    for picture in ["accuracy", "tokens", "time", "steps", "length", "wire", "link", "likelihood"] {
        for layout in ["withheld", "repeated"] {
            let name = format!("plots/{picture}--relay-{layout}.svg");
            assert!(names.contains(&name), "{name} in {names:?}");
            let svg = text(&report, &name);
            assert!(
                svg.starts_with("<svg ")
                    && svg.trim_end().ends_with("</svg>")
                    && svg.contains("prefers-color-scheme")
            );
            assert!(svg.contains("currentColor") && !svg.contains("#000000"), "{name} in the page's colour");
            assert!(text(&report, "report.md").contains(&format!("]({name})")), "{name} in the Markdown");
        }
    }
    for table in ["items", "agents", "arms", "comparisons", "links", "sweep"] {
        assert!(report.files[std::path::Path::new(&format!("tables/{table}.parquet"))].starts_with(b"PAR1"));
        assert!(names.contains(&format!("tables/{table}.csv")));
    }
    let page = text(&report, "index.html");
    assert_eq!(page.matches("<figure>").count(), 16);
    assert_eq!(page.matches("<h2 ").count(), page.matches("<a href=\"#s").count());
}

#[test]
fn tables_hold_every_trace() {
    let run = whole(5);
    let report = Report::of(&run).unwrap();
    let rows = |name: &str| text(&report, name).lines().count() - 1;
    assert_eq!(rows("tables/items.csv"), run.traces.len());
    assert_eq!(rows("tables/agents.csv"), run.traces.iter().map(|trace| trace.agents.len()).sum::<usize>());
    assert_eq!(rows("tables/arms.csv"), 2 * 19);
    assert_eq!(rows("tables/sweep.csv"), 2 * 19 * 3 * 17);
    let comparisons: usize = report.analysis.panels.iter().map(|panel| panel.comparisons.len()).sum();
    assert_eq!(rows("tables/comparisons.csv"), comparisons);
    let head = text(&report, "tables/comparisons.csv").lines().next().unwrap();
    for column in [
        "p_holm",
        "difference_score_low",
        "match_p_holm",
        "time_ratio",
        "break_even_tokens",
        "nll_difference",
    ] {
        assert!(head.split(',').any(|name| name == column), "{column} in {head}");
    }
}

#[test]
fn tables_say_what_their_numbers_are() {
    let report = Report::of(&whole(8)).unwrap();
    for name in ["report.md", "index.html"] {
        let text = text(&report, name);
        for words in
            ["Wilson", "Holm over", "margin ±5 points", "Tango", "exact McNemar", "n = 8 items", "bootstrap"]
        {
            assert!(text.contains(words), "{words} in {name}");
        }
        assert!(text.contains(&report.analysis.answer.headline));
    }
    let lines: Vec<&str> = text(&report, "report.md").lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[0].starts_with('|') && pair[1].starts_with('|')) {
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        assert_eq!(cells(pair[0]), cells(pair[1]), "{pair:?}");
    }
}

#[test]
fn the_page_needs_nothing_else() {
    let report = Report::of(&whole(4)).unwrap();
    let page = text(&report, "index.html");
    let outside = page.replace("http://www.w3.org/2000/svg", "");
    for word in ["http://", "https://", "src=", "@import", "url(", "<link", "<iframe"] {
        assert!(!outside.contains(word), "{word}");
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("name=\"viewport\""));
    assert!(!page.contains(" style=\""), "the policy would refuse it");
    // The policy's sums are those of what stands in the page.
    for (tag, policy) in [("style", "style-src"), ("script", "script-src")] {
        let start = page.find(&format!("<{tag}>")).unwrap() + tag.len() + 2;
        let end = start + page[start..].find(&format!("</{tag}>")).unwrap();
        let sum = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&page[start..end]));
        assert!(page.contains(&format!("{policy} 'sha256-{sum}'")), "{tag}");
    }
}

#[test]
fn nothing_that_a_model_wrote_gets_out() {
    let report = hostile();
    let page = text(&report, "index.html");
    assert!(!page.contains("<script>alert") && !page.contains("<img"), "a tag got out");
    assert_eq!(page.matches("<script").count(), 3, "labels, data, the page's own");
    assert_eq!(page.matches("</script").count(), 3);
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let traces: Vec<serde_json::Value> = serde_json::from_str(data).unwrap();
    assert_eq!(traces.len(), 6);
    assert_eq!(traces[0]["agents"][0]["text"], HOSTILE, "and is shown as it is");
    for (name, bytes) in
        report.files.iter().filter(|(name, _)| name.extension().is_some_and(|end| end == "svg"))
    {
        let svg = String::from_utf8_lossy(bytes);
        assert!(!svg.contains("<script") && !svg.contains("<img"), "{}", name.display());
    }
    // The run file stands in a fence, where marks are text.
    let markdown = text(&report, "report.md").split("```").next().unwrap();
    assert!(!markdown.contains("<script") && !markdown.contains("<img"));
    assert!(!markdown.lines().any(|line| line.starts_with("# c")), "a heading of the model's");
    assert!(
        report
            .files
            .keys()
            .all(|name| name.components().count() <= 2 && !name.display().to_string().contains(".."))
    );
}

#[test]
fn long_runs_say_what_the_page_leaves_out() {
    let mut run = told(&[(arm("direct"), &[true; 4])]);
    for trace in &mut run.traces {
        trace.agents[0].text = "long ".repeat(700_000);
    }
    let report = Report::of(&run).unwrap();
    assert!(text(&report, "index.html").contains("1 answers of 4; the others are in tables/items.csv"));
}

#[test]
fn a_run_of_one_arm_has_a_report() {
    for run in [told(&[(arm("direct"), &[true])]), told(&[(arm("noise@10"), &[false, false])]), told(&[])] {
        let report = Report::of(&run).unwrap();
        assert_eq!(report.analysis.answer.headline, "No latent arm was run.");
        assert!(terminal_table(&report.analysis).contains("No latent arm"));
    }
}

#[test]
fn the_terminal_table_is_aligned() {
    let table = terminal_table(&Report::of(&whole(6)).unwrap().analysis);
    let lines: Vec<&str> = table.lines().skip(1).take(20).collect();
    assert!(lines[0].contains("right answers, %") && lines[1].contains("Direct"), "{table}");
    let width = lines[0].chars().count();
    assert!(lines.iter().all(|line| line.chars().count() == width), "{table}");
}

proptest! {
    #[test]
    fn escaped_text_has_no_marks(text in "\\PC*") {
        let escaped = escape_html(&text);
        prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        let back = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
        prop_assert_eq!(back.replace("&amp;", "&"), text);
    }

    #[test]
    fn escaped_markdown_stays_in_its_cell(text in "(?s).*") {
        let escaped = escape_markdown(&text);
        prop_assert!(!escaped.contains(['\n', '\r', '<']));
        prop_assert!(!escaped.replace("\\\\", "").replace("\\|", "").contains('|'));
    }
}
