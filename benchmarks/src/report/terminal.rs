//! NUMBERS → a few lines for a terminal.

use std::fmt::Write as _;

use super::words;
use crate::analysis::{Analysis, ArmPair, RunPair, finding};

/// The table that `run` and `report` print: the arms of each panel, and the answer.
#[must_use]
pub fn table(analysis: &Analysis) -> String {
    let mut text = String::new();
    for panel in &analysis.panels {
        let _ = writeln!(text, "{} ({} items)", panel.name(), panel.items);
        let head = ["arm", "right answers, %", "computed", "wire", "ms", "bits gained"];
        let rows = panel.arms.iter().map(|arm| {
            [
                arm.label.clone(),
                words::share(arm.accuracy),
                words::number(arm.tokens.computed()),
                if arm.wire_bytes > 0.0 { words::bytes(arm.wire_bytes) } else { "–".to_owned() },
                words::number(arm.wall_ms),
                arm.gained_bits.map_or_else(|| "–".to_owned(), |bits| words::places(bits.estimate, 1)),
            ]
        });
        aligned(&mut text, head, rows.collect());
        text.push('\n');
    }
    let _ = writeln!(text, "{}", analysis.answer.headline);
    analysis.answer.evidence.iter().for_each(|evidence| {
        let _ = writeln!(text, "  {evidence}");
    });
    text
}

/// The table that `compare` prints.
#[must_use]
pub fn compare_table(pair: &RunPair) -> String {
    let sums = pair.run_sha256.each_ref().map(|sum| sum.get(..12).unwrap_or(sum));
    let [first, second] = &pair.runs;
    let mut text = format!("{second} ({}) against {first} ({})\n", sums[1], sums[0]);
    if pair.identical {
        text.push_str("No difference: every answer, likelihood and token count is the same.\n");
    }
    let mut settings: Vec<(&str, &str)> =
        pair.arms.iter().map(|arm| (arm.task.as_str(), arm.layout.as_str())).collect();
    settings.dedup();
    for (task, layout) in settings {
        let _ = writeln!(text, "\n{task}, {layout}");
        let head = [
            "arm",
            "n",
            "first, %",
            "second, %",
            "difference, points (95 %)",
            "p, Holm",
            "right answers",
            "nats an item",
            "time ratio",
        ];
        let here = pair.arms.iter().filter(|arm| (arm.task.as_str(), arm.layout.as_str()) == (task, layout));
        aligned(&mut text, head, here.map(row).collect());
    }
    if !pair.unpaired.is_empty() {
        text.push('\n');
    }
    for (run, what) in &pair.unpaired {
        let _ = writeln!(text, "{what} of {run} has no partner (--pair names one for an arm)");
    }
    for warning in &pair.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

fn row(pair: &ArmPair) -> [String; 9] {
    let paired = &pair.paired;
    let [first, second] = &pair.labels;
    [
        if first == second { first.clone() } else { format!("{second} against {first}") },
        paired.items.to_string(),
        format!("{:.1}", paired.other_share * 100.0),
        format!("{:.1}", paired.share * 100.0),
        words::difference(paired.score, 100.0, 1),
        words::probability(paired.p_holm),
        if pair.identical == pair.answers { "no difference".to_owned() } else { finding(paired) },
        paired.nll.map_or_else(|| "–".to_owned(), |nll| words::difference(nll.nats, 1.0, 4)),
        words::ratio(paired.time),
    ]
}

/// Names at the left, numbers at the right.
fn aligned<const N: usize>(text: &mut String, head: [&str; N], rows: Vec<[String; N]>) {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in &rows {
        let mut line = format!("  {:<width$}", row[0], width = widths[0]);
        for column in 1..N {
            let _ = write!(line, "  {:>width$}", row[column], width = widths[column]);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}
