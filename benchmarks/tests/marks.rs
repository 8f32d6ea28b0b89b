//! Other scorers' marks and joules: from traces to the report.

mod synthetic;

use std::path::Path;

use avp_bench::analysis::{Analysis, MAX_MARKS, Merged, mark_names};
use avp_bench::folder::results_hash;
use avp_bench::report::{Block, Report};
use synthetic::{arm, told};

/// Direct is right on 30 of 40 items; the other scorer takes the first `taken` answers, right ones first.
fn marked(taken: usize) -> Merged {
    let right: Vec<bool> = (0..40).map(|item| item < 30).collect();
    let mut run = told(&[(arm("direct"), &right), (arm("latent@10"), &right), (arm("text"), &right)]);
    for trace in &mut run.traces {
        let item: usize = trace.item[trace.item.len() - 5..].parse().unwrap_or(usize::MAX);
        if trace.arm == "direct" {
            trace.marks.insert("compat".to_owned(), f64::from(u8::from(item < taken)));
        }
        if trace.arm == "text" && item < 8 {
            trace.marks.insert("f1".to_owned(), item as f64 / 8.0);
        }
    }
    run
}

fn points(report: &Report) -> Vec<String> {
    let lists = report.blocks.iter().filter_map(|block| match block {
        Block::List(points) => Some(points.clone()),
        _ => None,
    });
    lists.flatten().collect()
}

#[test]
fn marks_stand_beside_right_answers() {
    let analysis = Analysis::of(&marked(20));
    let marks = &analysis.panels[0].marks;
    let names: Vec<_> =
        marks.iter().map(|mark| (mark.arm.as_str(), mark.mark.as_str(), mark.items)).collect();
    assert_eq!(names, [("direct", "compat", 40), ("text", "f1", 8)]);
    let compat = &marks[0];
    assert!(compat.is_share && compat.mean.estimate == 0.5 && compat.strict.estimate == 0.75);
    let difference = compat.difference.unwrap();
    // 10 of 40 items are right by our scorer alone, none by the other alone.
    assert!((difference.estimate - 0.25).abs() < 1e-12 && difference.low > 0.1 && difference.high < 0.42);
    assert!(compat.is_apart());
    let f1 = &marks[1];
    assert!(!f1.is_share && f1.difference.is_none() && !f1.is_apart());
    assert!((f1.mean.estimate - 0.4375).abs() < 1e-12 && f1.mean.low > 0.2 && f1.mean.high < 0.7);
    assert_eq!(f1.strict.estimate, 1.0);
}

#[test]
fn only_a_difference_that_was_shown_is_said() {
    for (taken, said) in [(20, true), (30, false), (29, false)] {
        let report = Report::of(&marked(taken)).unwrap();
        let is_said = |block: &Block| matches!(block, Block::Text(words) if words.starts_with("Our scorer and the upstream one differ"));
        let found = report.blocks.iter().any(is_said);
        assert_eq!(found, said, "{taken}");
        let page = String::from_utf8_lossy(&report.files[Path::new("report.md")]).into_owned();
        assert!(page.contains("**Other scorers**"));
        let csv = String::from_utf8_lossy(&report.files[Path::new("tables/items.csv")]).into_owned();
        assert!(csv.lines().next().unwrap().ends_with("mark_compat,mark_f1"));
    }
    let plain = Report::of(&told(&[(arm("direct"), &[true]), (arm("text"), &[true])])).unwrap();
    assert!(!String::from_utf8_lossy(&plain.files[Path::new("report.md")]).contains("Other scorers"));
}

#[test]
fn answers_that_failed_have_no_marks_and_names_do_not_grow_a_table_without_end() {
    let mut run = marked(20);
    for trace in run.traces.iter_mut().filter(|trace| trace.marks.get("compat") == Some(&0.0)) {
        trace.outcome = avp_bench::trace::Outcome::Error;
    }
    assert_eq!(Analysis::of(&run).panels[0].marks[0].items, 20);
    for (number, trace) in run.traces.iter_mut().enumerate() {
        trace.marks.insert(format!("m{number}"), 0.5);
    }
    assert_eq!(mark_names(&run.traces).len(), MAX_MARKS);
    assert!(Report::of(&run).is_ok());
}

#[test]
fn marks_out_of_range_are_no_trace() {
    for value in [1.5, -0.1] {
        let mut run = marked(20);
        run.traces[3].marks.insert("compat".to_owned(), value);
        let folder = tempfile::tempdir().unwrap();
        synthetic::save(&run, folder.path()).unwrap();
        assert!(Merged::open(folder.path()).unwrap_err().to_string().contains("line 4"));
    }
}

#[test]
fn joules_are_shown_where_they_were_read_and_are_in_no_hash() {
    let plain = marked(20);
    let mut run = plain.clone();
    run.record.provenance.machine.insert("energy".to_owned(), "RAPL package-0, RAPL package-1".to_owned());
    for (number, trace) in run.traces.iter_mut().enumerate() {
        let joules = match trace.arm.as_str() {
            "direct" => 2.0,
            "text" => 4.0,
            _ => 1.0,
        };
        let half = joules / 2.0 + 0.01 * (number % 5) as f64;
        trace.energy_j = [("package-0".to_owned(), half), ("package-1".to_owned(), half)].into();
    }
    assert_eq!(results_hash(&run.traces), results_hash(&plain.traces));
    let report = Report::of(&run).unwrap();
    let latent = report.analysis.panels[0].arm("latent@10").unwrap();
    let joules = latent.energy_j.unwrap();
    assert!(
        (joules.estimate - 1.04).abs() < 0.01
            && joules.low < joules.estimate
            && joules.high > joules.estimate
    );
    let pays = report.analysis.panels[0].comparisons.iter().find(|one| one.against == "text").unwrap();
    assert!((pays.paired.energy.unwrap().estimate - 0.25).abs() < 0.02);
    let page = String::from_utf8_lossy(&report.files[Path::new("report.md")]).into_owned();
    assert!(page.contains("**Energy**") && page.contains("(RAPL package-0, RAPL package-1)"));
    // One item without: no mean of the others.
    run.traces.iter_mut().find(|trace| trace.arm == "latent@10").unwrap().energy_j.clear();
    let analysis = Analysis::of(&run);
    assert!(analysis.panels[0].arm("latent@10").unwrap().energy_j.is_none());
    assert!(analysis.panels[0].arm("direct").unwrap().energy_j.is_some());
    let why = "not readable: /sys/class/powercap: not there";
    run = plain;
    run.record.provenance.machine.insert("energy".to_owned(), why.to_owned());
    let report = Report::of(&run).unwrap();
    let said = "Energy was not measured: /sys/class/powercap: not there.";
    assert!(points(&report).iter().any(|point| point == said));
    assert!(!String::from_utf8_lossy(&report.files[Path::new("report.md")]).contains("**Energy**"));
}
