//! Two runs beside each other.

mod synthetic;

use avp_bench::analysis::{Finding, Merged, RunPair};
use avp_bench::report::compare_table;
use avp_bench::trace::Trace;
use synthetic::{arm, told, whole};

#[test]
fn the_same_run_twice_shows_no_difference() {
    let run = whole(6);
    let mut again = run.clone();
    // Another day's times.
    for trace in &mut again.traces {
        trace.wall_ms *= 1.1;
        trace.agents.iter_mut().for_each(|agent| agent.times.generate_ms *= 1.2);
    }
    let pair = RunPair::of(&run, &again, &[]);
    assert!(pair.identical && pair.unpaired.is_empty());
    assert_eq!(pair.arms.len(), 2 * 19);
    assert!(pair.arms.iter().all(|arm| arm.answers == 6 && arm.identical == 6));
    let text = compare_table(&pair);
    assert!(text.contains("No difference: every answer") && text.contains("1.10 (1.10–1.10)"), "{text}");
}

/// Direct and a latent arm with other steps, right on the items that are given.
fn run(latent: &'static str, right: &[bool]) -> Merged {
    told(&[(arm("direct"), &vec![true; right.len()]), (arm(latent), right)])
}

#[test]
fn half_the_steps_show_the_paired_difference() {
    let ten: Vec<bool> = (0..60).map(|item| item % 20 != 0).collect();
    let five: Vec<bool> = (0..60).map(|item| item % 4 != 0).collect();
    let pair = RunPair::of(&run("latent@10", &ten), &run("latent@5", &five), &[]);
    assert!(!pair.identical && pair.unpaired.is_empty());
    let latent = pair.arms.iter().find(|pair| pair.arms == ["latent@10", "latent@5"]).unwrap();
    let paired = &latent.paired;
    // 15 items lost, 3 of which the first run lost, too.
    assert_eq!((paired.discordance.first, paired.discordance.second), (0.0, 12.0));
    assert!(
        (paired.score.estimate + 0.2).abs() < 1e-12 && paired.score.low < -0.2 && paired.score.high < 0.0
    );
    assert_eq!(paired.finding, Finding::Worse);
    assert!((paired.p - 2.0 / 4096.0).abs() < 1e-12);
    let text = compare_table(&pair);
    assert!(
        text.contains("Latent, 5 steps against Latent, 10 steps") && text.contains("fewer are right"),
        "{text}"
    );
    assert!(!text.contains("No difference:"));
}

#[test]
fn tasks_of_one_run_alone_and_other_questions_are_said() {
    let run = whole(4);
    let mut other = run.clone();
    for trace in other.traces.iter_mut().filter(|trace| trace.layout == "repeated") {
        trace.layout = "twice".to_owned();
    }
    let pair = RunPair::of(&run, &other, &[]);
    assert!(!pair.identical && pair.warnings.is_empty());
    let alone: Vec<&str> = pair.unpaired.iter().map(|(_, what)| what.as_str()).collect();
    assert_eq!(alone, ["relay, repeated", "relay, twice"]);
    assert!(!compare_table(&pair).contains("No difference:"));

    let mut changed = run.clone();
    changed.traces.iter_mut().for_each(|trace| trace.gold.push('?'));
    changed.record.provenance.machine.insert("threads".to_owned(), "2".to_owned());
    let pair = RunPair::of(&run, &changed, &[]);
    assert_eq!(pair.warnings.len(), 2, "{:?}", pair.warnings);
    assert!(compare_table(&pair).contains("warning: 4 items have another gold answer"));
}

#[test]
fn arms_without_a_partner_are_named_and_can_be_paired() {
    let all = [true; 5];
    let two = told(&[(arm("latent@5"), &all), (arm("latent@10"), &all)]);
    let other = told(&[(arm("prefix"), &all), (arm("text"), &all)]);
    let pair = RunPair::of(&two, &other, &[]);
    assert!(pair.arms.is_empty() && pair.unpaired.len() == 4);
    let chosen = [("latent@5".to_owned(), "prefix".to_owned())];
    let pair = RunPair::of(&two, &other, &chosen);
    assert_eq!(pair.arms.len(), 1);
    assert!(compare_table(&pair).contains("latent@10 of told has no partner"));
}

#[test]
fn items_of_one_run_alone_do_not_count() {
    let pair = RunPair::of(&run("latent@10", &[true; 12]), &run("latent@10", &[true; 7]), &[]);
    assert!(!pair.identical);
    assert!(pair.arms.iter().all(|arm| arm.paired.items == 7));
}

#[test]
fn another_text_is_a_difference() {
    let first = run("latent@10", &[true; 6]);
    let mut second = first.clone();
    let changed: &mut Trace = &mut second.traces[0];
    changed.agents[0].text.push('!');
    assert!(!RunPair::of(&first, &second, &[]).identical);
}
