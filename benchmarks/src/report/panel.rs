//! One task in one layout → its tables.

use super::document::{Block, Table};
use super::words;
use crate::analysis::{
    COMPAT, Comparison, Families, Finding, MARGIN, Panel, Question, STRICT, Summary, crossover_text,
};
use crate::link_model::ROUND_TRIPS_MS;
use crate::record::ArmKind;

/// The blocks of a panel; `families` says how many comparisons are corrected together.
pub(super) fn panel(panel: &Panel, families: Families, plots: Vec<String>) -> Vec<Block> {
    let layout = match panel.layout.as_str() {
        "withheld" => "The last agent is told the question alone: what was handed over must carry the rest.",
        "repeated" => {
            "The last agent's prompt repeats what the first one read: a hand-over is a second copy of it."
        }
        _ => "",
    };
    let mde = match panel.mde {
        Some(mde) => {
            format!("Detectable difference of one comparison by itself: {:.1} points.", mde * 100.0)
        }
        None => "Too few items for a detectable difference.".to_owned(),
    };
    let answers = match panel.replicates {
        0 | 1 => String::new(),
        times => format!(", each answered {times} times under every arm"),
    };
    let mut blocks = vec![
        Block::Heading(2, panel.name()),
        Block::Text(format!("{} items{answers}. {mde} {layout}", panel.items).trim().to_owned()),
        Block::Plots(plots),
        Block::Table(arms(panel)),
        Block::Table(pays(panel, families.pays)),
    ];
    let asked = |question| panel.comparisons.iter().any(|comparison| comparison.question == question);
    if asked(Question::Carries) {
        blocks.push(Block::Table(carries(panel, families.carries)));
    }
    blocks.extend(scorers(panel));
    blocks.extend([Block::Table(tokens(panel)), Block::Table(times(panel))]);
    blocks.extend(energy(panel).map(Block::Table));
    if !panel.links.is_empty() {
        blocks.push(Block::Table(links(panel)));
    }
    blocks.extend(oracle(panel).map(Block::Text));
    blocks
}

fn count(counts: u64) -> String {
    if counts == 0 { "–".to_owned() } else { counts.to_string() }
}

fn arms(panel: &Panel) -> Table {
    let note = format!(
        "n = {} items. Right answers with Wilson's 95 % interval. Gained: bits by which the gold answer is likelier than without a \
         context, a mean of items with Student's 95 % interval.",
        panel.items
    );
    let head = [
        "arm",
        "right answers, %",
        "n",
        "no answer",
        "cut",
        "failed",
        "nats a token",
        "gained, bits an item",
    ];
    let mut table = Table::new("Right answers", &head, note);
    for arm in &panel.arms {
        table.row([
            arm.label.clone(),
            words::share(arm.accuracy),
            arm.items.to_string(),
            count(arm.outcomes.no_answer),
            count(arm.outcomes.truncated),
            count(arm.outcomes.error),
            arm.nll_a_token.map_or_else(|| "–".to_owned(), |nats| format!("{nats:.3}")),
            arm.gained_bits.map_or_else(|| "–".to_owned(), |bits| words::difference(bits, 1.0, 1)),
        ]);
    }
    table
}

fn finding(comparison: &Comparison) -> String {
    match comparison.paired.finding {
        Finding::Better => "more right".to_owned(),
        Finding::Worse => "fewer right".to_owned(),
        Finding::Matches => format!("match (±{:.0})", MARGIN * 100.0),
        Finding::Undecided => "undecided".to_owned(),
    }
}

/// Which items tell the two apart, by how much they differ, and what the tests say.
fn tested(panel: &Panel, comparison: &Comparison) -> Vec<String> {
    let paired = &comparison.paired;
    let apart = paired.discordance;
    let difference = match apart.share() {
        0.0 => "0.0 (no item differs)".to_owned(),
        _ => words::difference(paired.difference, 100.0, 1),
    };
    vec![
        panel.label(&comparison.arm).to_owned(),
        panel.label(&comparison.against).to_owned(),
        paired.items.to_string(),
        format!("{} / {}", words::number(apart.first), words::number(apart.second)),
        difference,
        words::difference(paired.score, 100.0, 1),
        words::probability(paired.p_holm),
        words::probability(paired.match_p_holm),
        finding(comparison),
    ]
}

const TESTED: [&str; 9] = [
    "arm",
    "against",
    "n",
    "only it / only the other right",
    "difference, points (bootstrap)",
    "(score interval)",
    "p, Holm",
    "match p, Holm",
    "right answers",
];

fn tests_note(family: u64) -> String {
    format!(
        "95 % intervals: paired percentile bootstrap over items, and Tango's score interval. p: exact McNemar, Holm over {family} \
         comparisons. Match: two one-sided score tests, margin ±{:.0} points, Holm over the same.",
        MARGIN * 100.0
    )
}

fn pays(panel: &Panel, family: u64) -> Table {
    let head: Vec<&str> =
        TESTED.into_iter().chain(["time ratio", "computed tokens saved, %", "break-even, tokens"]).collect();
    let note = format!("{} Time: ratio of medians, bootstrap. No link's time is in it.", tests_note(family));
    let mut table = Table::new("Hand-over against what one would do instead", &head, note);
    for comparison in panel.comparisons.iter().filter(|comparison| comparison.question == Question::Pays) {
        let paired = &comparison.paired;
        let more = [
            words::ratio(paired.time),
            words::number(paired.saving * 100.0),
            paired.break_even.map_or_else(|| "–".to_owned(), words::number),
        ];
        table.row(tested(panel, comparison).into_iter().chain(more));
    }
    table
}

fn carries(panel: &Panel, family: u64) -> Table {
    let head: Vec<&str> = TESTED.into_iter().chain(["ΔNLL, nats an item", "p, Holm"]).collect();
    let note = format!(
        "{} ΔNLL: the gold answer's nats under the arm less those under the control, Student's 95 % interval; below 0 the arm makes \
         it likelier.",
        tests_note(family)
    );
    let mut table = Table::new("Against controls: is it what was handed over?", &head, note);
    for comparison in panel.comparisons.iter().filter(|comparison| comparison.question == Question::Carries) {
        let nll = comparison.paired.nll;
        let more = [
            nll.map_or_else(|| "–".to_owned(), |nll| words::difference(nll.nats, 1.0, 2)),
            nll.map_or_else(|| "–".to_owned(), |nll| words::probability(nll.p_holm)),
        ];
        table.row(tested(panel, comparison).into_iter().chain(more));
    }
    table
}

fn tokens(panel: &Panel) -> Table {
    let note = format!(
        "Means of an answer, n = {} items. Computed: own prompts, pasted, latent and written; reused ones are attended to, not \
         computed. Bits a kB: what the gold answer becomes likelier by than without a context, for 1000 bytes on the wire.",
        panel.items
    );
    let head = [
        "arm",
        "own prompt",
        "pasted",
        "latent",
        "written",
        "computed",
        "reused",
        "saved against Direct, %",
        "saved against Text, %",
        "wire",
        "bits a kB",
    ];
    let mut table = Table::new("Tokens and bytes", &head, note);
    // The arm that gives the kind its name, before others of it.
    let computed = |id, kind| {
        let arm = panel.arm(id).or_else(|| panel.arms.iter().find(|arm| arm.kind == kind))?;
        Some(arm.tokens.computed())
    };
    let (direct, text) = (computed("direct", ArmKind::Direct), computed("text", ArmKind::Text));
    for arm in &panel.arms {
        let t = &arm.tokens;
        let saved = |other: Option<f64>| match other {
            Some(other) if other > 0.0 => words::number((1.0 - t.computed() / other) * 100.0),
            _ => "–".to_owned(),
        };
        let sent = if arm.wire_bytes > 0.0 { words::bytes(arm.wire_bytes) } else { "–".to_owned() };
        let numbers = [t.fresh, t.pasted, t.latent, t.decoded, t.computed(), t.reused].map(words::number);
        let rest =
            [saved(direct), saved(text), sent, arm.bits_a_kb.map_or_else(|| "–".to_owned(), words::number)];
        table.row([arm.label.clone()].into_iter().chain(numbers).chain(rest));
    }
    table
}

fn times(panel: &Panel) -> Table {
    let note = format!(
        "Milliseconds of an answer, n = {} items: means by phase, medians of the whole and of the last agent's first token. Harness: the \
         part in which neither a model nor the codec worked. What a control does to a context is in no time.",
        panel.items
    );
    let head = [
        "arm",
        "reading",
        "latent",
        "encode",
        "decode",
        "writing",
        "whole, median",
        "first token, median",
        "harness, %",
    ];
    let mut table = Table::new("Time", &head, note);
    for arm in &panel.arms {
        let p = &arm.phases;
        let numbers = [p.prefill, p.latent, p.encode, p.decode, p.generate, arm.wall_ms, arm.first_token_ms];
        let harness = words::number(arm.overhead * 100.0);
        table.row([arm.label.clone()].into_iter().chain(numbers.map(words::number)).chain([harness]));
    }
    table
}

/// Joules; nothing where they were not read.
fn energy(panel: &Panel) -> Option<Table> {
    if panel.arms.iter().all(|arm| arm.energy_j.is_none()) {
        return None;
    }
    let note = format!(
        "Joules of an answer, n = {} items: means with bootstrap intervals over items, 95 %. All that the counters of the run's record \
         hold, idle power and other programs included; what a control does to a context is in none. Ratios are of means; the other arm \
         is Direct or Text.",
        panel.items
    );
    let head = ["arm", "joules an answer", "Wh for 1000 answers", "times Direct", "times Text"];
    let mut table = Table::new("Energy", &head, note);
    for arm in &panel.arms {
        let ratio = |against: &str| {
            let here = |one: &&Comparison| one.arm == arm.arm && one.against == against;
            let found = panel.comparisons.iter().find(here).and_then(|one| one.paired.energy);
            found.map_or_else(|| "–".to_owned(), words::ratio)
        };
        let joules = arm.energy_j.map_or_else(|| "–".to_owned(), words::measured);
        // 1000 answers of so many joules, 3600 joules a watt-hour.
        let hours = arm.energy_j.map_or(f64::NAN, |joules| joules.estimate / 3.6);
        table.row([arm.label.clone(), joules, words::number(hours), ratio("direct"), ratio("text")]);
    }
    Some(table)
}

/// What other scorers say of the same answers.
fn scorers(panel: &Panel) -> Vec<Block> {
    let mut names: Vec<&str> = panel.marks.iter().map(|mark| mark.mark.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Vec::new();
    }
    let note = format!(
        "n = {} items, but for cells that say otherwise. compat: the upstream project's scorer by its rules; strict: ours, where the task counts by the upstream one. Wilson's 95 % interval \
         for marks of 0 or 1, a bootstrap's over items for others; of differences Tango's score interval. Verdicts and comparisons are by right answers.",
        panel.items
    );
    let titles: Vec<String> = names.iter().map(|name| format!("{name}, %")).collect();
    // The scorer that the task does not count by: ours is a mark where the upstream one counts.
    let other = [STRICT, COMPAT].into_iter().find(|name| names.contains(name));
    let compat = other.map(|name| format!("less {name}, points"));
    let head: Vec<&str> = ["arm", "right answers, %"]
        .into_iter()
        .chain(titles.iter().map(String::as_str))
        .chain(compat.as_deref())
        .collect();
    let mut table = Table::new("Other scorers", &head, note);
    let mut apart = Vec::new();
    for arm in &panel.arms {
        let mark = |name: &str| panel.marks.iter().find(|mark| mark.arm == arm.arm && mark.mark == name);
        let cell = |name: &&str| {
            let Some(mark) = mark(name) else { return "–".to_owned() };
            let few = if mark.items == arm.items { String::new() } else { format!(", n = {}", mark.items) };
            format!("{}{few}", words::share(mark.mean))
        };
        let difference = other.and_then(mark).and_then(|mark| Some((mark, mark.difference?)));
        let points =
            difference.map_or_else(|| "–".to_owned(), |(_, points)| words::difference(points, 100.0, 1));
        table.row(
            [arm.label.clone(), words::share(arm.accuracy)]
                .into_iter()
                .chain(names.iter().map(cell))
                .chain(other.map(|_| points)),
        );
        if let Some((_, points)) = difference.filter(|(mark, _)| mark.is_apart()) {
            apart.push(format!("{} ({})", arm.label, words::places(points.estimate * 100.0, 1)));
        }
    }
    let mut blocks = vec![Block::Table(table)];
    if !apart.is_empty() {
        blocks.push(Block::Text(format!(
            "Our scorer and the upstream one differ on the same answers by more than their paired interval leaves open; points, \
             right answers less the mark {}: {}.",
            other.unwrap_or_default(),
            apart.join(", ")
        )));
    }
    blocks
}

fn links(panel: &Panel) -> Table {
    let note = "Faster there than the other arm, by the link model and the measured times; 8 · bytes / B + RTT a hop is all that the \
                link adds."
        .to_owned();
    let trips = ROUND_TRIPS_MS.map(|ms| format!("round trip {ms} ms"));
    let head: Vec<&str> =
        ["arm", "against", "sends"].into_iter().chain(trips.iter().map(String::as_str)).collect();
    let mut table = Table::new("Which link it needs", &head, note);
    for link in &panel.links {
        let sends = panel.arm(&link.arm).map_or(0.0, |arm: &Summary| arm.wire_bytes);
        let names =
            [panel.label(&link.arm).to_owned(), panel.label(&link.against).to_owned(), words::bytes(sends)];
        table.row(names.into_iter().chain(link.crossovers.map(crossover_text)));
    }
    table
}

fn oracle(panel: &Panel) -> Option<String> {
    let oracle = panel.oracle.as_ref()?;
    let gap = oracle.nll_gap.map_or_else(String::new, |gap| format!(", likelihoods within {gap:.2e} nats"));
    Some(format!(
        "The harness's own check: {} and {} wrote the same text on {} of {} items{gap}.",
        panel.label(&oracle.arm),
        panel.label(&oracle.against),
        oracle.same,
        oracle.items
    ))
}
