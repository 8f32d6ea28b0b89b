//! Numbers of synthetic runs whose answers are known.

mod synthetic;

use avp_bench::analysis::{Analysis, Comparison, Finding, Merged, Panel, Payment, Question};
use avp_bench::link_model::Crossover;
use avp_bench::record::ArmKind;
use avp_bench::trace::Outcome;
use synthetic::{Made, arm, told, trace, whole};

fn first(analysis: &Analysis) -> &Panel {
    &analysis.panels[0]
}

fn comparison<'a>(panel: &'a Panel, arm: &str, against: &str) -> &'a Comparison {
    let found = panel.comparisons.iter().find(|one| one.arm == arm && one.against == against);
    found.unwrap_or_else(|| panic!("{arm} against {against}"))
}

fn verdict(analysis: &Analysis, against: &str) -> Payment {
    let found = analysis.answer.verdicts.iter().find(|one| one.arm == "latent@10" && one.against == against);
    found.unwrap_or_else(|| panic!("against {against}")).payment
}

/// Direct, Latent and Text right on the items that are given.
fn three(direct: &[bool], latent: &[bool], text: &[bool]) -> Merged {
    told(&[(arm("direct"), direct), (arm("latent@10"), latent), (arm("text"), text)])
}

#[test]
fn ten_items_lost_are_a_difference() {
    let all = [true; 40];
    let latent: Vec<bool> = (0..40).map(|item| item >= 10).collect();
    let analysis = Analysis::of(&three(&all, &latent, &all));
    let against = comparison(first(&analysis), "latent@10", "direct");
    let paired = &against.paired;
    // 0 and 10 of 10 coins: 2 · 2⁻¹⁰; three comparisons, two of them with that p.
    assert!((paired.p - 2.0 / 1024.0).abs() < 1e-12, "{}", paired.p);
    assert!((paired.p_holm - 6.0 / 1024.0).abs() < 1e-12, "{}", paired.p_holm);
    assert_eq!((paired.items, paired.finding), (40, Finding::Worse));
    assert!((paired.difference.estimate + 0.25).abs() < 1e-12);
    assert_eq!(verdict(&analysis, "direct"), Payment::DoesNotPay);
    assert!(analysis.answer.headline.contains("does not pay"), "{}", analysis.answer.headline);
}

#[test]
fn enough_equal_items_match_and_time_decides() {
    let all = [true; 300];
    let analysis = Analysis::of(&three(&all, &all, &all));
    let panel = first(&analysis);
    assert_eq!(comparison(panel, "latent@10", "direct").paired.finding, Finding::Matches);
    // The synthetic Latent reads as much as Direct and takes ten steps more; Text decodes 34 tokens.
    assert!(comparison(panel, "latent@10", "direct").paired.time.low > 1.0);
    assert!(comparison(panel, "latent@10", "text").paired.time.high < 1.0);
    assert_eq!(verdict(&analysis, "direct"), Payment::DoesNotPay);
    assert_eq!(verdict(&analysis, "text"), Payment::Pays);
}

#[test]
fn few_equal_items_are_no_match() {
    let all = [true; 12];
    let analysis = Analysis::of(&three(&all, &all, &all));
    assert_eq!(comparison(first(&analysis), "latent@10", "direct").paired.finding, Finding::Undecided);
    assert_eq!(verdict(&analysis, "direct"), Payment::Slower);
    assert_eq!(verdict(&analysis, "text"), Payment::Faster);
    let words = format!("{} {}", analysis.answer.headline, analysis.answer.evidence.join(" "));
    assert!(
        !words.contains("it pays") && words.contains("neither a difference nor a match shown"),
        "{words}"
    );
    assert_eq!(first(&analysis).mde, None);
}

/// Times of one arm, an item's made so many times as long.
fn slowed(mut run: Merged, arm: &str, times: impl Fn(usize) -> f64) -> Merged {
    for (item, trace) in run.traces.iter_mut().filter(|trace| trace.arm == arm).enumerate() {
        trace.wall_ms *= times(item);
    }
    run
}

#[test]
fn more_right_answers_pay_only_in_less_time() {
    let (some, all): (Vec<bool>, _) = ((0..60).map(|item| item % 4 != 0).collect(), [true; 60]);
    let with = |times: fn(usize) -> f64| Analysis::of(&slowed(three(&some, &all, &some), "latent@10", times));
    let even = with(|item| if item % 2 == 0 { 0.2 } else { 4.0 });
    assert_eq!(comparison(first(&even), "latent@10", "direct").paired.finding, Finding::Better);
    assert_eq!(verdict(&even, "direct"), Payment::Gains);
    assert!(!even.answer.headline.contains("pays:"), "{}", even.answer.headline);
    assert_eq!(verdict(&with(|_| 0.1), "direct"), Payment::Pays);
    assert_eq!(verdict(&with(|_| 9.0), "direct"), Payment::Trades);
}

#[test]
fn a_small_difference_that_was_shown_is_no_match() {
    let (all, latent): (_, Vec<bool>) = ([true; 900], (0..900).map(|item| item % 50 != 0).collect());
    let analysis = Analysis::of(&slowed(three(&all, &latent, &all), "latent@10", |_| 0.1));
    let paired = &comparison(first(&analysis), "latent@10", "direct").paired;
    // 18 of 900 lost: certain, and within five points.
    assert!(paired.p_holm < 1e-3 && paired.is_within_margin());
    assert_eq!(paired.finding, Finding::Worse);
    assert_eq!(verdict(&analysis, "direct"), Payment::Concedes);
    let words = analysis.answer.evidence.join(" ");
    assert!(words.contains("fewer are right, by less than 5 points"), "{words}");
}

#[test]
fn five_items_call_no_arm_faster() {
    let (five, six) = ([true; 5], [true; 6]);
    let quick = |all: &[bool]| Analysis::of(&slowed(three(all, all, all), "latent@10", |_| 0.01));
    assert_eq!(verdict(&quick(&five), "direct"), Payment::Undecided);
    assert_eq!(verdict(&quick(&six), "direct"), Payment::Faster);
}

#[test]
fn direct_is_the_arm_of_that_name_wherever_it_stands() {
    let all = [true; 8];
    let others = [("prompt-matched", ArmKind::Direct), ("text-cross", ArmKind::Text)];
    let made = others.map(|(id, kind)| Made { id, label: id, kind, ..arm("direct") });
    let arms = [made[0], made[1], arm("latent@10"), arm("text"), arm("direct")];
    let analysis = Analysis::of(&told(&arms.map(|made| (made, &all[..]))));
    let panel = first(&analysis);
    assert!(panel.comparisons.iter().any(|one| one.arm == "latent@10" && one.against == "text"));
    let (direct, evidence) = (panel.label("direct"), analysis.answer.evidence.join(" "));
    assert!(evidence.contains(&format!("times {direct}'s time")), "{evidence}");
    assert!(!evidence.contains("prompt-matched"), "{evidence}");
}

#[test]
fn errors_say_nothing_about_an_arm() {
    let all = [true; 20];
    let mut run = three(&all, &all, &all);
    for trace in run.traces.iter_mut().filter(|trace| trace.arm == "latent@10").take(5) {
        trace.outcome = Outcome::Error;
    }
    let analysis = Analysis::of(&run);
    let summary = first(&analysis).arm("latent@10").unwrap();
    assert_eq!((summary.items, summary.outcomes.error, summary.outcomes.correct), (15, 5, 15));
    assert!((summary.accuracy.estimate - 1.0).abs() < f64::EPSILON);
    assert_eq!(comparison(first(&analysis), "latent@10", "direct").paired.items, 15);
}

#[test]
fn replicates_do_not_make_more_items() {
    let half: Vec<bool> = (0..50).map(|item| item % 2 == 0).collect();
    let once = told(&[(arm("direct"), &half), (arm("latent@10"), &[true; 50])]);
    let mut traces = once.traces.clone();
    for replicate in 1..4 {
        traces.extend(once.traces.iter().cloned().map(|mut trace| {
            trace.replicate = replicate;
            trace
        }));
    }
    let four = Merged::new(once.record.clone(), traces);
    let (one, four) = (Analysis::of(&once), Analysis::of(&four));
    assert_eq!(first(&four).replicates, 4);
    let of = |analysis: &Analysis| first(analysis).arm("direct").unwrap().accuracy;
    assert_eq!(of(&one), of(&four));
    let paired = |analysis: &Analysis| comparison(first(analysis), "latent@10", "direct").paired.clone();
    assert!(
        (paired(&one).p - paired(&four).p).abs() < 1e-12,
        "the same items four times are no more evidence"
    );
    assert_eq!(paired(&one).difference, paired(&four).difference);
}

#[test]
fn tokens_and_break_even_by_hand() {
    // 60 + 7 tokens read and written on average against 60 alone: every time is set below.
    let all = [true; 8];
    let mut run = three(&all, &all, &all);
    for trace in &mut run.traces {
        let (wall, generate) = match trace.arm.as_str() {
            "direct" => (100.0, 40.0),
            "latent@10" => (150.0, 40.0),
            _ => (400.0, 240.0),
        };
        trace.wall_ms = wall;
        for agent in &mut trace.agents {
            (agent.times, agent.ledger) = Default::default();
        }
        let last = trace.agents.last_mut().unwrap();
        last.times.generate_ms = generate;
        last.ledger.decoded = if trace.arm == "text" { 24 } else { 4 };
        last.ledger.prefill = if trace.arm == "latent@10" { 50 } else { 96 };
        last.ledger.latent = if trace.arm == "latent@10" { 10 } else { 0 };
        last.ledger.reused = if trace.arm == "latent@10" { 60 } else { 0 };
        last.ledger.wire_bytes = if trace.arm == "latent@10" { 1_000_000 } else { 0 };
    }
    let analysis = Analysis::of(&run);
    let panel = first(&analysis);
    let direct = &comparison(panel, "latent@10", "direct").paired;
    // 64 positions computed rather than 100; 50 ms longer at 10 ms a token.
    assert!((direct.saving - 0.36).abs() < 1e-12, "{}", direct.saving);
    assert!((direct.break_even.unwrap() - 5.0).abs() < 1e-9);
    assert!((direct.time.estimate - 1.5).abs() < 1e-12 && direct.time.low == direct.time.high);
    let text = &comparison(panel, "latent@10", "text").paired;
    assert!((text.break_even.unwrap() + 25.0).abs() < 1e-9);
    // A megabyte that saves 250 ms less a round trip of 0.1 ms: 8 Mbit in 249.9 ms.
    let link = panel.links.iter().find(|link| link.against == "text").unwrap();
    let Crossover::Above(bits) = link.crossovers[0] else { panic!("{:?}", link.crossovers) };
    assert!((bits - 8e6 / 0.2499).abs() < 1.0, "{bits}");
    let link = panel.links.iter().find(|link| link.against == "direct").unwrap();
    assert_eq!(link.crossovers[0], Crossover::Never);
}

#[test]
fn bits_are_counted_against_no_context() {
    let all = [true; 10];
    let mut run = told(&[(arm("no-context"), &all), (arm("latent@10"), &all), (arm("foreign@10"), &all)]);
    for trace in &mut run.traces {
        let item = f64::from(trace.prompt_tokens % 3) * 0.01;
        trace.nll =
            Some(item + if trace.arm == "no-context" { 8.0 } else { 8.0 - 4.0 * std::f64::consts::LN_2 });
        trace.agents.last_mut().unwrap().ledger.wire_bytes = if trace.arm == "latent@10" { 2000 } else { 0 };
    }
    let analysis = Analysis::of(&run);
    let latent = first(&analysis).arm("latent@10").unwrap();
    assert!((latent.gained_bits.unwrap().estimate - 4.0).abs() < 1e-9);
    assert!((latent.bits_a_kb.unwrap() - 2.0).abs() < 1e-9);
    let control = comparison(first(&analysis), "latent@10", "no-context");
    assert_eq!(control.question, Question::Carries);
    assert!((control.paired.nll.unwrap().nats.estimate + 4.0 * std::f64::consts::LN_2).abs() < 1e-9);
}

#[test]
fn the_oracle_is_held_against_the_prefix() {
    let all = [true; 6];
    let mut run = told(&[(arm("prefix"), &all), (arm("oracle"), &all)]);
    for trace in &mut run.traces {
        trace.nll = Some(1.0);
    }
    let agrees = Analysis::of(&run).panels[0].oracle.clone().unwrap();
    assert_eq!((agrees.items, agrees.same, agrees.nll_gap), (6, 6, Some(0.0)));
    let broken = run.traces.iter_mut().find(|trace| trace.arm == "oracle").unwrap();
    "another".clone_into(&mut broken.agents[0].text);
    broken.nll = Some(1.5);
    let broken = Analysis::of(&run).panels[0].oracle.clone().unwrap();
    assert_eq!((broken.same, broken.nll_gap), (5, Some(0.5)));
}

#[test]
fn a_whole_run_asks_everything() {
    let analysis = Analysis::of(&whole(30));
    assert_eq!(analysis.panels.len(), 2);
    for panel in &analysis.panels {
        assert_eq!((panel.items, panel.arms.len()), (30, 19));
        assert_eq!(panel.lead.as_deref(), Some("latent@10"));
        for control in panel.arms.iter().filter(|arm| format!("{:?}", arm.kind) == "Control") {
            let lead = if control.arm.starts_with("rosetta") { "rosetta@1:b" } else { "latent@10" };
            assert_eq!(comparison(panel, lead, &control.arm).question, Question::Carries);
        }
        for against in ["direct", "prompt-matched", "text"] {
            assert_eq!(comparison(panel, "latent@5", against).question, Question::Pays);
        }
        assert_eq!(comparison(panel, "rosetta@4:b", "text-cross:b").question, Question::Pays);
    }
    let withheld = analysis.panels.iter().find(|panel| panel.layout == "withheld").unwrap();
    let control = comparison(withheld, "latent@10", "foreign@10");
    assert_eq!(control.paired.finding, Finding::Better);
    let families: u64 = analysis.families.pays + analysis.families.carries;
    assert_eq!(families, analysis.panels.iter().map(|panel| panel.comparisons.len() as u64).sum::<u64>());
}

#[test]
fn folders_that_are_no_merged_run_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = told(&[(arm("direct"), &[true, false])]);
    synthetic::save(&run, folder.path()).unwrap();
    assert_eq!(Merged::open(folder.path()).unwrap(), run);
    let path = folder.path().join("traces.jsonl");
    let lines = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let refused = |text: String| {
        std::fs::write(&path, text).unwrap();
        Merged::open(folder.path()).unwrap_err().to_string()
    };
    assert!(refused(format!("{}\n{}\n", lines[1], lines[0])).contains("sorted"));
    assert!(refused(format!("{}\n{}\n", lines[0], lines[0])).contains("none twice"));
    assert!(refused(lines[0][..40].to_owned()).contains("line 1"));
    let other = Made { id: "unknown", ..arm("direct") };
    let line = serde_json::to_string(&trace(&other, "withheld", 0, true)).unwrap();
    assert!(refused(format!("{line}\n")).contains("an arm of the record"));
    assert!(refused(line).contains("a whole trace on line 1"));
    std::fs::remove_file(folder.path().join("record.json")).unwrap();
    assert!(Merged::open(folder.path()).unwrap_err().to_string().contains("record.json"));
}
