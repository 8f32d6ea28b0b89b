//! How far numeric answers are from the oracle's, for people.

use super::text::Layout;
use crate::event::{Summary, UlpErrors};

/// The part of the numbers that a line speaks for: nearly all, without the few that say more about an input than about
/// an implementation.
const MOST: f64 = 0.99;

/// Width of a bar in characters.
const BAR: usize = 20;

/// One line, or one an operation when all is told. Empty when no numbers were answered.
pub(super) fn text(summary: &Summary, layout: &Layout, verbose: bool) -> String {
    let mut all = UlpErrors::new("", "");
    summary.ulp.iter().for_each(|errors| all.add(errors));
    if all.total() == 0 {
        return String::new();
    }
    let mut out = layout.labelled(1, "numbers", &told(&all));
    if verbose {
        for errors in &summary.ulp {
            let name = format!("{} {}", errors.op, errors.dtype);
            out.push_str(&layout.labelled(1, "", &format!("{name}: {}", told(errors))));
            out.push_str(&layout.labelled(1, "", &histogram(errors)));
        }
    }
    out
}

/// A table of the operations.
pub(super) fn markdown(summary: &Summary) -> String {
    if summary.ulp.is_empty() {
        return String::new();
    }
    let mut out =
        "### Numbers\n\nErrors against double precision, in units in the last place of a row's largest \
                   number.\n\n| operation | type | numbers | exact | 99 % within | worst | not finite |\n\
                   |---|---|--:|--:|--:|--:|--:|\n"
            .to_owned();
    for errors in &summary.ulp {
        let exact = errors.buckets.first().copied().unwrap_or_default();
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            errors.op,
            errors.dtype,
            errors.total(),
            percent(exact, errors.total()),
            errors.within(MOST).map_or_else(|| "more".to_owned(), |units| format!("{units}")),
            units(errors.worst),
            errors.not_finite,
        ));
    }
    out.push('\n');
    out
}

fn told(errors: &UlpErrors) -> String {
    let within = match errors.within(MOST) {
        Some(units) => format!("99 % within {units} ULP"),
        None => "less than 99 % within 65536 ULP".to_owned(),
    };
    let odd = match errors.not_finite {
        0 => String::new(),
        count => format!(", {count} not finite"),
    };
    let worst = match errors.worst == 0.0 {
        true => String::new(),
        false => format!(", worst {} ULP in {}", units(errors.worst), errors.worst_case),
    };
    format!("{} against double precision: {within}{worst}{odd}", errors.total())
}

/// The buckets that hold something, each with its share.
fn histogram(errors: &UlpErrors) -> String {
    let most = errors.buckets.iter().copied().max().unwrap_or_default().max(1);
    let filled = errors.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
    let bars: Vec<String> = filled
        .map(|(bucket, count)| {
            let bar = "▪".repeat((*count as f64 / most as f64 * BAR as f64).ceil() as usize);
            format!("{} {bar} {}", border(bucket), percent(*count, errors.total()))
        })
        .collect();
    bars.join("  ")
}

/// What a bucket holds, in units.
fn border(bucket: usize) -> String {
    match bucket {
        0 => "0".to_owned(),
        bucket if bucket + 1 < crate::event::ULP_BUCKETS => format!("≤{}", 1u64 << (bucket - 1)),
        _ => ">65536".to_owned(),
    }
}

/// Three digits, without an exponent as long as that is shorter.
pub(super) fn units(count: f64) -> String {
    match count {
        count if count >= 1e6 => format!("{count:.1e}"),
        count if count >= 100.0 => format!("{count:.0}"),
        count if count >= 10.0 => format!("{count:.1}"),
        count => format!("{count:.2}"),
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / whole.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let mut errors = UlpErrors::new("normalize", "f32");
        for n in 0..200 {
            errors.count(if n < 150 { 0.0 } else { 1.5 }, "gen/normalize/1@0.4");
        }
        errors.count(f64::INFINITY, "gen/normalize/2@0.4");
        Summary { ulp: vec![errors], ..Summary::default() }
    }

    #[test]
    fn numbers_are_told_in_a_line_and_in_full() {
        let layout = Layout { color: false, width: 100 };
        let line = text(&summary(), &layout, false);
        assert!(line.contains("99 % within 2 ULP, worst 1.50 ULP in gen/normalize/1@0.4"), "{line}");
        assert!(line.contains("1 not finite"), "{line}");
        let full = text(&summary(), &layout, true);
        assert!(full.contains("normalize f32") && full.contains("≤2"), "{full}");
        assert_eq!(text(&Summary::default(), &layout, true), "");
    }

    #[test]
    fn a_table_has_a_row_an_operation() {
        let table = markdown(&summary());
        assert!(table.contains("| normalize | f32 | 201 | 74.6 % | 2 | 1.50 | 1 |"), "{table}");
        assert_eq!(markdown(&Summary::default()), "");
    }
}
