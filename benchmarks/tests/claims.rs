//! Published figures: the file, its reader, and each verdict on runs with known answers.

mod synthetic;

use std::collections::BTreeSet;
use std::path::Path;

use avp_bench::analysis::Merged;
use avp_bench::claim::{Checked, Claim, Metric, Verdict, check, published, read};
use avp_bench::report::Report;
use avp_bench::trace::Outcome;
use proptest::prelude::*;
use serde_json::json;
use synthetic::{Made, arm, told};

const MODEL: &str = "Qwen/Qwen2.5-7B-Instruct";

/// Right answers an arm: as many as said, spread over the items so that arms differ by chance as well.
fn right(items: usize, share: f64, step: usize) -> Vec<bool> {
    let wanted = (items as f64 * share).round() as usize;
    let mut outcomes = vec![false; items];
    (0..wanted).for_each(|number| outcomes[(number * step + step) % items] = true);
    outcomes
}

/// A run of the published form of HumanEval: Direct, Latent with 20 steps and Text, right that often.
fn humaneval(items: usize, shares: [f64; 3]) -> Merged {
    let latent = Made { id: "latent@20", steps: Some(20), ..arm("latent@10") };
    // The same step: an item that is hard for one arm is hard for all.
    let outcomes = shares.map(|share| right(items, share, 1));
    let mut run = told(&[(arm("direct"), &outcomes[0]), (latent, &outcomes[1]), (arm("text"), &outcomes[2])]);
    run.record.run = json!({
        "name": "humaneval",
        "models": {"a": format!("hf:{MODEL}@main")},
        "answerer": "a",
        "tasks": [{"name": "humaneval-compat"}],
    });
    for trace in &mut run.traces {
        trace.task = "humaneval-compat".to_owned();
        trace.layout = "repeated".to_owned();
        let compat = f64::from(u8::from(trace.outcome == Outcome::Correct));
        trace.marks.insert("compat".to_owned(), compat);
        // Our own scorer has another mind: published figures are not held against it.
        trace.outcome = Outcome::Wrong;
    }
    run
}

fn of(run: &Merged, id: &str) -> Checked {
    let checked = check(&published().unwrap_or_else(|error| panic!("{error}")), run);
    checked.into_iter().find(|one| one.claim.id == id).unwrap_or_else(|| panic!("{id}"))
}

fn verdict(run: &Merged, id: &str) -> Verdict {
    of(run, id).verdict
}

#[test]
fn every_published_figure_has_a_name_of_its_own_and_a_source() {
    let claims = published().unwrap();
    let ids: BTreeSet<&str> = claims.iter().map(|claim| claim.id.as_str()).collect();
    assert_eq!(ids.len(), claims.len());
    assert!(claims.len() > 120, "{}", claims.len());
    for claim in &claims {
        assert!(
            claim.sources.iter().all(|source| !source.contains('/') || source.contains("docs/")),
            "{}",
            claim.id
        );
        assert!(!claim.figure().is_empty(), "{}", claim.id);
    }
    let tasks: BTreeSet<&str> = claims.iter().filter_map(|claim| claim.task.as_deref()).collect();
    let known =
        ["debugbench", "gsm8k-2agent", "gsm8k-4agent", "gsm8k-fanout", "hotpotqa", "humaneval", "math500"];
    assert_eq!(tasks.into_iter().collect::<Vec<_>>(), known);
}

#[test]
fn a_figure_that_comes_out_again_is_reproduced() {
    let run = humaneval(164, [0.585, 0.671, 0.530]);
    for id in ["humaneval-qwen7b-direct", "humaneval-qwen7b-latent", "humaneval-qwen7b-text"] {
        let checked = of(&run, id);
        assert_eq!(checked.verdict, Verdict::Reproduced, "{id}: {}", checked.why);
        assert_eq!(checked.measured.unwrap().items, 164);
        assert!((checked.mde.unwrap() - avp_bench::stats::standard_mde(164).unwrap()).abs() < 1e-12);
    }
    assert_eq!(verdict(&run, "humaneval-qwen7b-latent-over-text"), Verdict::Reproduced);
    assert_eq!(of(&run, "humaneval-qwen7b-latent").found().unwrap(), "67.1 % right (59.6 to 73.8, n = 164)");
}

#[test]
fn a_task_that_counts_by_the_published_scorer_has_its_right_answers() {
    let mut run = humaneval(164, [0.585, 0.671, 0.530]);
    for trace in &mut run.traces {
        let taken = trace.marks.remove("compat") == Some(1.0);
        trace.outcome = if taken { Outcome::Correct } else { Outcome::Wrong };
        trace.marks.insert("strict".to_owned(), 0.0);
    }
    assert_eq!(verdict(&run, "humaneval-qwen7b-latent"), Verdict::Reproduced);
}

#[test]
fn few_items_leave_a_figure_inside_its_interval() {
    let run = humaneval(60, [0.6, 0.65, 0.55]);
    let checked = of(&run, "humaneval-qwen7b-latent");
    assert_eq!(checked.verdict, Verdict::Inside);
    assert!(checked.why.contains("60 items"), "{}", checked.why);
    // Outside the run's own interval, and yet no more than chance where both have few items.
    let run = humaneval(164, [0.585, 0.585, 0.530]);
    let checked = of(&run, "humaneval-qwen7b-latent");
    assert_eq!((checked.verdict, checked.p_holm.unwrap() > 0.05), (Verdict::Inside, true));
    assert!(checked.why.starts_with("outside the run's own interval"), "{}", checked.why);
}

#[test]
fn a_figure_that_does_not_come_out_is_contradicted() {
    let run = humaneval(164, [0.85, 0.85, 0.85]);
    for id in [
        "humaneval-qwen7b-direct",
        "humaneval-qwen7b-latent",
        "humaneval-qwen7b-text",
        "humaneval-qwen7b-latent-over-text",
    ] {
        let checked = of(&run, id);
        assert_eq!(checked.verdict, Verdict::Contradicted, "{id}: {}", checked.why);
        assert!(checked.p.unwrap() <= checked.p_holm.unwrap());
    }
    // As much right as each other, and the claim that Latent is ahead of another arm of the same run.
    let claims = claims("above", "latent@20", "text");
    assert_eq!(check(&claims, &humaneval(164, [0.6, 0.4, 0.8]))[0].verdict, Verdict::Contradicted);
    assert_eq!(check(&claims, &humaneval(164, [0.6, 0.8, 0.4]))[0].verdict, Verdict::Reproduced);
    assert_eq!(check(&claims, &humaneval(164, [0.6, 0.61, 0.6]))[0].verdict, Verdict::Inside);
}

/// One claim on two arms of HumanEval.
fn claims(metric: &str, arm: &str, against: &str) -> Vec<Claim> {
    let text = format!(
        "sources: {{s: a paper}}\nmodels: {{m: {MODEL}}}\nclaims:\n  - {{id: x, source: [s], task: humaneval, model: m, arm: {arm}, \
         against: [{against}], n: 164, metric: {metric}}}\n"
    );
    read(&text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn equality_must_be_shown() {
    let claims = claims("equal", "latent@20", "text, direct");
    assert_eq!(check(&claims, &humaneval(164, [0.6, 0.6, 0.6]))[0].verdict, Verdict::Reproduced);
    assert_eq!(check(&claims, &humaneval(60, [0.6, 0.55, 0.6]))[0].verdict, Verdict::Inside);
    // Against one of the two is enough to be wrong.
    assert_eq!(check(&claims, &humaneval(164, [0.9, 0.6, 0.6]))[0].verdict, Verdict::Contradicted);
}

#[test]
fn tokens_and_times_are_ratios_of_means() {
    let text = |metric: &str, value: &str| {
        format!(
            "sources: {{s: a paper}}\nmodels: {{m: {MODEL}}}\nclaims:\n  - {{id: x, source: [s], task: humaneval, model: m, arm: latent@20, \
             against: [text], n: 40, metric: {metric}, value: {value}}}\n"
        )
    };
    let mut run = humaneval(80, [0.6, 0.6, 0.6]);
    for (number, trace) in run.traces.iter_mut().enumerate() {
        let factor = if trace.arm == "text" { 2.0 } else { 1.0 };
        trace.wall_ms = factor * (100.0 + (number % 7) as f64);
        for agent in &mut trace.agents {
            agent.ledger.latent = 0;
            agent.ledger.decoded = 0;
            agent.ledger.prefill = (factor * (100.0 + (number % 5) as f64)) as u64;
        }
    }
    let verdict = |run: &Merged, metric, value| check(&read(&text(metric, value)).unwrap(), run)[0].clone();
    assert_eq!(verdict(&run, "token_saving", "0.5").verdict, Verdict::Reproduced);
    assert_eq!(verdict(&run, "token_saving", "0.2").verdict, Verdict::Contradicted);
    let cpu = verdict(&run, "speed_up", "2.0");
    assert_eq!((cpu.verdict, cpu.why.starts_with("other hardware")), (Verdict::NotRun, true));
    run.record.provenance.machine.insert("card".to_owned(), "NVIDIA A100-SXM4-80GB".to_owned());
    assert_eq!(verdict(&run, "speed_up", "2.0").verdict, Verdict::Reproduced);
    assert_eq!(verdict(&run, "speed_up", "4.3").verdict, Verdict::Contradicted);
}

#[test]
fn nothing_is_held_against_another_model_task_or_arm() {
    let good = humaneval(164, [0.585, 0.671, 0.530]);
    let id = "humaneval-qwen7b-latent";
    let why = |run: &Merged| {
        let checked = of(run, id);
        assert_eq!((checked.verdict, checked.measured), (Verdict::NotRun, None), "{}", checked.why);
        checked.why
    };
    let mut run = good.clone();
    run.record.run["models"]["a"] = "hf:Qwen/Qwen2.5-7B-Instruct-AWQ".into();
    assert_eq!(why(&run), "another model: hf:Qwen/Qwen2.5-7B-Instruct-AWQ");
    run.record.provenance.models.entry("a".to_owned()).or_default().insert("id".to_owned(), MODEL.to_owned());
    assert_eq!(verdict(&run, id), Verdict::Reproduced);
    run.record.run["quantised"] = true.into();
    why(&run);
    let mut run = good.clone();
    run.traces.iter_mut().for_each(|trace| trace.task = "humaneval".to_owned());
    assert!(why(&run).contains("our own words"));
    run.traces.iter_mut().for_each(|trace| trace.task = "relay".to_owned());
    assert_eq!(why(&run), "the run has no humaneval-compat");
    let mut run = good.clone();
    run.traces.iter_mut().for_each(|trace| trace.marks.clear());
    assert_eq!(why(&run), "no answer has the published scorer's mark");
    let mut run = good.clone();
    for arm in &mut run.record.arms {
        arm.id = arm.id.replace("@20", "@10");
    }
    assert_eq!(why(&run), "the run has no latent@20");
    assert_eq!(why(&humaneval(29, [0.5; 3])), "29 items, fewer than 30");
    assert_eq!(of(&good, "package-hotpotqa-latent").why, "the source gives no number of items");
    assert_eq!(of(&good, "gate-humaneval-500-up").why, "the source names no model");
    assert_eq!(of(&good, "overlap").why, "no run measures it");
}

#[test]
fn arms_between_two_models_are_of_those_models() {
    let made = Made { id: "rosetta@1", ..arm("rosetta@1:b") };
    let outcomes = right(164, 0.79, 1);
    let mut run = humaneval(164, [0.585, 0.6, 0.6]);
    let mut other = told(&[(made, &outcomes)]);
    for trace in &mut other.traces {
        trace.task = "humaneval-compat".to_owned();
        trace.layout = "repeated".to_owned();
        trace.marks.insert("compat".to_owned(), f64::from(u8::from(trace.outcome == Outcome::Correct)));
    }
    run.traces.append(&mut other.traces);
    run.record.arms.append(&mut other.record.arms);
    run.record.run["models"]["b"] = "meta-llama/Llama-3.2-3B-Instruct".into();
    let id = "humaneval-llama3b-to-qwen7b-rosetta";
    assert_eq!(verdict(&run, id), Verdict::Reproduced);
    assert_eq!(verdict(&run, "humaneval-llama3b-to-qwen7b-over-solo"), Verdict::Reproduced);
    run.record.run["models"]["b"] = "Qwen/Qwen2.5-3B-Instruct".into();
    assert_eq!(verdict(&run, id), Verdict::NotRun);
    // With three models ids say which.
    run.record.run["models"]["c"] = "meta-llama/Llama-3.2-3B-Instruct".into();
    assert_eq!(verdict(&run, id), Verdict::NotRun);
    let rename = |name: &mut String| *name = name.replace("rosetta@1", "rosetta@1:c");
    run.record.arms.iter_mut().for_each(|arm| rename(&mut arm.id));
    run.traces.iter_mut().for_each(|trace| rename(&mut trace.arm));
    assert_eq!(verdict(&run, id), Verdict::Reproduced);
}

#[test]
fn the_report_shows_claims_of_its_tasks_alone() {
    let report = Report::of(&humaneval(164, [0.85, 0.85, 0.85])).unwrap();
    assert!(report.claims.iter().all(|one| one.claim.task.as_deref() == Some("humaneval")));
    for name in ["report.md", "index.html"] {
        let text = String::from_utf8_lossy(&report.files[Path::new(name)]).into_owned();
        for part in ["Published claims", "contradicted", "humaneval-qwen7b-latent", "another model"] {
            assert!(text.contains(part), "{name}: {part}");
        }
        assert!(!text.contains("gsm8k-qwen7b-latent"));
    }
    let relay = Report::of(&synthetic::whole(4)).unwrap();
    assert!(relay.claims.is_empty());
    assert!(!String::from_utf8_lossy(&relay.files[Path::new("report.md")]).contains("Published claims"));
}

/// A file of claims with one of them, whose lines are given.
fn file(entry: &str) -> String {
    format!("sources: {{s: a paper}}\nmodels: {{m: {MODEL}}}\nclaims:\n  - {{{entry}}}\n")
}

#[test]
fn what_is_no_claim_is_refused() {
    let good = "id: x, source: [s], arm: direct, metric: accuracy, value: 0.5";
    assert_eq!(read(&file(good)).unwrap()[0].metric, Metric::Accuracy);
    for (entry, named) in [
        ("id: x, source: [s], arm: direct, metric: accuracy, value: 0.5, colour: red", "colour"),
        ("id: x, id: y, source: [s], arm: direct, metric: accuracy, value: 0.5", "duplicate"),
        ("id: x, source: [t], arm: direct, metric: accuracy, value: 0.5", "\"t\""),
        ("id: x, source: [], arm: direct, metric: accuracy, value: 0.5", "source"),
        ("id: x, source: [s], model: q, arm: direct, metric: accuracy, value: 0.5", "\"q\""),
        ("id: x, source: [s], arm: direct, metric: accuracy", "value"),
        ("id: x, source: [s], arm: direct, metric: accuracy, value: 58.5", "58.5"),
        ("id: x, source: [s], arm: direct, metric: accuracy, value: .nan", "NaN"),
        ("id: x, source: [s], arm: direct, metric: accuracy, value: 0.5, range: [0.1, 0.2]", "both"),
        ("id: x, source: [s], arm: direct, metric: accuracy, range: [0.3, 0.2]", "0.3"),
        ("id: x, source: [s], arm: direct, metric: accuracy, value: 0.5, against: [text]", "against"),
        ("id: x, source: [s], metric: accuracy, value: 0.5", "an arm"),
        ("id: x, source: [s], arm: Direct, metric: accuracy, value: 0.5", "Direct"),
        ("id: X y, source: [s], arm: direct, metric: accuracy, value: 0.5", "an id"),
        ("id: x, source: [s], arm: direct, metric: accuracy, value: 0.5, n: 0", "items"),
        ("id: x, source: [s], arm: latent@20, metric: above", "against"),
        ("id: x, source: [s], arm: latent@20, metric: above, against: [text], value: 0.1", "neither"),
        ("id: x, source: [s], metric: other", "says"),
        ("id: x, source: [s], arm: direct, metric: speed, value: 0.5", "speed"),
    ] {
        let error = read(&file(entry)).unwrap_err().to_string();
        assert!(error.contains(named), "{entry}: {error}");
    }
    for text in [
        "",
        "claims: []",
        "sources: {}\nmodels: {}\nclaims: []\nmore: 1",
        "sources: {s: a, s: b}\nmodels: {}\nclaims: []",
        "sources: {s: a}\nmodels: {m: a, m: b}\nclaims: []",
        &" ".repeat(2 << 20),
    ] {
        assert!(read(text).is_err(), "{:.40}", text);
    }
    let twice = format!("{0}  - {{{good}}}\n", file(good));
    assert!(read(&twice).unwrap_err().to_string().contains("twice"));
}

proptest! {
    #[test]
    fn readers_do_not_panic(text in "\\PC{0,80}", entry in "[a-z0-9:,\\[\\]{} .@*\"'-]{0,80}") {
        let _ = read(&text);
        let _ = read(&file(&entry));
    }

    #[test]
    fn unknown_keys_and_names_that_stand_twice_are_refused(key in "[a-z_]{1,12}", line in 0_usize..133) {
        let text = include_str!("../claims/published.yaml");
        let known = ["id", "source", "says", "task", "model", "from", "arm", "against", "n", "metric", "value", "range"];
        let claims: Vec<&str> = text.lines().filter(|line| line.starts_with("  - {")).collect();
        let chosen = claims[line % claims.len()];
        // The same claim again.
        let twice = format!("{text}{chosen}\n");
        prop_assert!(read(&twice).is_err());
        if !known.contains(&key.as_str()) {
            let spoilt = chosen.replacen('{', &format!("{{{key}: 1, "), 1);
            prop_assert!(read(&text.replacen(chosen, &spoilt, 1)).is_err());
        }
    }

    #[test]
    fn verdicts_are_a_matter_of_distance(items in 30_usize..400, share in 0.0_f64..1.0) {
        let run = humaneval(items, [share; 3]);
        let checked = of(&run, "humaneval-qwen7b-latent");
        let measured = checked.measured.clone().unwrap();
        let apart = (measured.value.estimate - 0.671).abs();
        match checked.verdict {
            Verdict::Reproduced => prop_assert!(items >= 164 && measured.value.low <= 0.671 && measured.value.high >= 0.671),
            // Two standard errors of the smaller sample at least.
            Verdict::Contradicted => prop_assert!(apart > 0.05),
            Verdict::Inside => prop_assert!(apart < 0.5),
            Verdict::NotRun => prop_assert!(false, "{}", checked.why),
        }
    }
}
