//! Right answers by arm and by length, and what each arm adds to the gold answer's likelihood.

use plotters::prelude::*;

use super::rows::{Rows, height, rows};
use super::{BLUE, Drawn, Frame, GREY, ORANGE, PURPLE, Plot, colour};
use crate::analysis::{LENGTHS, Panel, Summary};
use crate::record::ArmKind;
use crate::stats::Interval;

/// The kinds that are in the picture, with their colours.
fn kinds<'a>(arms: impl IntoIterator<Item = &'a Summary>) -> Vec<(String, RGBColor)> {
    let mut kinds: Vec<ArmKind> = arms.into_iter().map(|arm| arm.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.into_iter().map(|kind| (format!("{kind:?}"), colour(kind))).collect()
}

/// An interval as a line, its estimate as a dot.
fn mark(chart: &mut Rows<'_, '_>, y: f64, interval: Interval, scale: f64, colour: RGBColor) -> Drawn<()> {
    let Interval { estimate, low, high } = interval;
    chart
        .draw_series([PathElement::new(vec![(low * scale, y), (high * scale, y)], colour.stroke_width(2))])?;
    chart.draw_series([Circle::new((estimate * scale, y), 4, colour.filled())])?;
    Ok(())
}

/// Share of right answers of each arm, with Wilson's interval.
pub(super) fn by_arm(panel: &Panel) -> Drawn<Option<Plot>> {
    let names: Vec<String> = panel.arms.iter().map(|arm| arm.label.clone()).collect();
    let frame = Frame {
        name: "accuracy",
        title: "Right answers by arm",
        alt: format!(
            "Share of right answers of {} arms on {}, with 95 % intervals",
            names.len(),
            panel.name()
        ),
        height: height(names.len()),
        legend: kinds(&panel.arms),
    };
    frame.draw(panel, |area| {
        rows(
            area,
            &names,
            0.0..100.0,
            "right answers, % (Wilson, 95 %)",
            |x| format!("{x:.0}"),
            |chart| {
                for (row, arm) in panel.arms.iter().enumerate() {
                    mark(chart, row as f64 + 0.5, arm.accuracy, 100.0, colour(arm.kind))?;
                }
                Ok(())
            },
        )
    })
}

/// Share of right answers by the length of the prompt.
pub(super) fn by_length(panel: &Panel) -> Drawn<Option<Plot>> {
    const COLOURS: [RGBColor; LENGTHS.len() + 1] = [BLUE, ORANGE, PURPLE];
    let names = [
        format!("below {} tokens", LENGTHS[0]),
        format!("{} to {}", LENGTHS[0], LENGTHS[1] - 1),
        format!("{} and more", LENGTHS[1]),
    ];
    let mut arms: Vec<&str> = panel.lengths.iter().map(|share| share.arm.as_str()).collect();
    arms.dedup();
    if arms.is_empty() {
        return Ok(None);
    }
    let here = |bucket: usize| panel.lengths.iter().filter(move |share| share.bucket == bucket);
    let legend = names.into_iter().zip(COLOURS).enumerate().map(|(bucket, (name, colour))| {
        let items = here(bucket).map(|share| share.items).max().unwrap_or(0);
        (format!("{name} ({items})"), colour)
    });
    let frame = Frame {
        name: "length",
        title: "Right answers by the length of the prompt",
        alt: format!("Share of right answers by arm and length of the prompt on {}", panel.name()),
        height: height(arms.len()),
        legend: legend.collect(),
    };
    let labels: Vec<String> = arms.iter().map(|arm| panel.label(arm).to_owned()).collect();
    frame.draw(panel, |area| {
        rows(
            area,
            &labels,
            0.0..100.0,
            "right answers, % (Wilson, 95 %)",
            |x| format!("{x:.0}"),
            |chart| {
                for share in &panel.lengths {
                    let row = arms.iter().position(|arm| *arm == share.arm).unwrap_or(0) as f64;
                    let y = row + [0.25, 0.5, 0.75][share.bucket];
                    mark(chart, y, share.accuracy, 100.0, COLOURS[share.bucket])?;
                }
                Ok(())
            },
        )
    })
}

/// By how many bits the gold answer is likelier than without a context.
pub(super) fn likelihood(panel: &Panel) -> Drawn<Option<Plot>> {
    let shown: Vec<(&Summary, Interval)> =
        panel.arms.iter().filter_map(|arm| Some((arm, arm.gained_bits?))).collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = shown.iter().map(|(arm, _)| arm.label.clone()).collect();
    let low = shown.iter().map(|(_, bits)| bits.low).fold(0.0, f64::min);
    let high = shown.iter().map(|(_, bits)| bits.high).fold(1.0, f64::max);
    let room = (high - low) * 0.04;
    let frame = Frame {
        name: "likelihood",
        title: "What each arm adds to the gold answer's likelihood",
        alt: format!("Bits by which the gold answer is likelier than without a context on {}", panel.name()),
        height: height(names.len()),
        legend: kinds(shown.iter().map(|(arm, _)| *arm)),
    };
    let unit = "bits an item against no context (Student, 95 %)";
    frame.draw(panel, |area| {
        rows(
            area,
            &names,
            (low - room)..(high + room),
            unit,
            |x| format!("{x:.0}"),
            |chart| {
                let end = shown.len() as f64;
                chart.draw_series([PathElement::new(vec![(0.0, 0.0), (0.0, end)], GREY.stroke_width(1))])?;
                for (row, (arm, bits)) in shown.iter().enumerate() {
                    mark(chart, row as f64 + 0.5, *bits, 1.0, colour(arm.kind))?;
                }
                Ok(())
            },
        )
    })
}
