//! How far numeric answers are from the oracle's: a histogram an operation and element type.

use super::short;
use crate::{
    event::{ULP_BUCKETS, UlpErrors},
    report::{numbers, words},
    tally::Tally,
};

/// Most histograms: there are as many as operations that answer numbers, for each of a few types.
const HISTOGRAMS: usize = 60;
/// Width of a bar in the picture, and the room between two.
const BAR: usize = 10;
const GAP: usize = 2;
/// Height of the highest bar.
const HEIGHT: f64 = 48.0;

pub(super) fn write(out: &mut String, tally: &Tally) {
    let all = tally.summary.as_ref().map(|summary| summary.ulp.as_slice()).unwrap_or_default();
    let measured: Vec<&UlpErrors> = all.iter().filter(|errors| errors.total() > 0).collect();
    if measured.is_empty() {
        return;
    }
    out.push_str(
        "<h2 id=\"numbers\">Numeric errors</h2>\n<p class=\"note\">How far answered numbers are from those of an oracle in \
         double precision, in units in the last place (ULP) of the largest number of their row. Bars, from the left: exact, \
         up to 1, 2, 4 … 65,536 units, and more; their heights are logarithms of counts. None of this is a verdict.</p>\n\
         <div class=\"wide\"><table class=\"ulp\">\n<thead><tr><th scope=\"col\">Operation</th><th scope=\"col\">Type</th>\
         <th scope=\"col\">Distribution</th><th scope=\"col\" class=\"n\">Numbers</th><th scope=\"col\" class=\"n\">Exact</th>\
         <th scope=\"col\" class=\"n\">99 % within</th><th scope=\"col\" class=\"n\">Worst</th>\
         <th scope=\"col\">In</th></tr></thead>\n<tbody>\n",
    );
    for errors in measured.iter().take(HISTOGRAMS) {
        row(out, errors);
    }
    out.push_str("</tbody></table></div>\n");
    if measured.len() > HISTOGRAMS {
        out.push_str(&format!("<p class=\"note\">and {} more</p>\n", measured.len() - HISTOGRAMS));
    }
}

fn row(out: &mut String, errors: &UlpErrors) {
    let exact = errors.buckets.first().copied().unwrap_or_default() as f64 / errors.total().max(1) as f64;
    let within = match errors.within(0.99) {
        Some(0.0) => "exact".to_owned(),
        Some(units) => format!("{units} ULP"),
        None => "more".to_owned(),
    };
    let mut worst = format!("{} ULP", numbers::units(errors.worst));
    if errors.not_finite > 0 {
        worst.push_str(&format!(", {} not finite", errors.not_finite));
    }
    out.push_str(&format!(
        "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.1} %</td>\
         <td class=\"n\">{within}</td><td class=\"n\">{worst}</td><td><code>{}</code></td></tr>\n",
        short(&errors.op, 60),
        short(&errors.dtype, 20),
        picture(errors),
        errors.total(),
        exact * 100.0,
        if errors.worst > 0.0 { short(&errors.worst_case, 120) } else { "–".to_owned() },
    ));
}

fn picture(errors: &UlpErrors) -> String {
    let most = errors.buckets.iter().copied().max().unwrap_or_default().max(1) as f64;
    let buckets = errors.buckets.iter().take(ULP_BUCKETS);
    let width = ULP_BUCKETS * (BAR + GAP);
    let told: Vec<String> = buckets
        .clone()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(bucket, count)| format!("{}: {count}", border(bucket)))
        .collect();
    let mut text = format!(
        "<svg class=\"histogram\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\
         <path d=\"M0 {HEIGHT}H{width}\"/>",
        short(&told.join(", "), 400)
    );
    for (bucket, count) in buckets.enumerate().filter(|(_, count)| **count > 0) {
        // A single number among a million still has a height.
        let height = (HEIGHT * (1.0 + *count as f64).ln() / (1.0 + most).ln()).max(2.0);
        let class = if bucket == ULP_BUCKETS - 1 { " class=\"fail\"" } else { "" };
        text.push_str(&format!(
            "<rect{class} x=\"{}\" y=\"{:.1}\" width=\"{BAR}\" height=\"{height:.1}\"><title>{}: {}</title></rect>",
            bucket * (BAR + GAP),
            HEIGHT - height,
            border(bucket),
            words::count(usize::try_from(*count).unwrap_or(usize::MAX), "number"),
        ));
    }
    text.push_str("</svg>");
    text
}

/// What a bucket holds.
fn border(bucket: usize) -> String {
    match bucket {
        0 => "exact".to_owned(),
        bucket if bucket == ULP_BUCKETS - 1 => format!("more than {} ULP", 1u64 << (bucket - 2)),
        bucket => format!("up to {} ULP", 1u64 << (bucket - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Event, tally::sample};

    #[test]
    fn a_histogram_an_operation_and_none_without_numbers() {
        let mut plain = String::new();
        write(&mut plain, &sample::tally());
        assert!(plain.is_empty(), "{plain}");
        let mut errors = UlpErrors::new("normalize<script>", "f32");
        for units in [0.0, 0.0, 0.75, 3.0, 90_000.0, f64::NAN] {
            errors.count(units, "rln/<b>@0.4");
        }
        let mut events = sample::stream(sample::start(), sample::cases());
        if let Some(Event::Summary(summary)) = events.last_mut() {
            summary.ulp = vec![errors];
        }
        let mut page = String::new();
        write(&mut page, &Tally::new(events).unwrap());
        assert_eq!(page.matches("<rect").count(), 4, "{page}");
        assert!(page.contains("exact: 2, up to 1 ULP: 1, up to 4 ULP: 1, more than 65536 ULP: 1"), "{page}");
        assert!(page.contains("90000 ULP, 1 not finite"), "{page}");
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
    }
}
