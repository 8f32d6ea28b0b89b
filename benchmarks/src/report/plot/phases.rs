//! Where tokens and time go: bars of parts.

use plotters::prelude::*;

use super::rows::{height, rows};
use super::{BLUE, Drawn, Frame, GREEN, GREY, ORANGE, PURPLE, Plot, RED};
use crate::analysis::{Panel, Summary};
use crate::record::ArmKind;

/// The arms that someone would use: what a control or a check takes says nothing.
fn useful(panel: &Panel) -> Vec<&Summary> {
    let useful = |arm: &&Summary| !matches!(arm.kind, ArmKind::Control | ArmKind::Oracle);
    panel.arms.iter().filter(useful).collect()
}

/// Bars of parts, in the legend's order.
fn bars(panel: &Panel, frame: Frame<'_>, unit: &str, bars: &[(String, Vec<f64>)]) -> Drawn<Option<Plot>> {
    let most = bars.iter().map(|(_, parts)| parts.iter().sum::<f64>()).fold(0.0, f64::max);
    if bars.is_empty() || !(most.is_finite() && most > 0.0) {
        return Ok(None);
    }
    let names: Vec<String> = bars.iter().map(|(name, _)| name.clone()).collect();
    let colours: Vec<RGBColor> = frame.legend.iter().map(|entry| entry.1).collect();
    frame.draw(panel, |area| {
        rows(
            area,
            &names,
            0.0..most * 1.04,
            unit,
            |x| super::super::words::number(*x),
            |chart| {
                for (row, (_, parts)) in bars.iter().enumerate() {
                    let (mut from, top) = (0.0, row as f64 + 0.2);
                    for (part, colour) in parts.iter().zip(&colours).filter(|(part, _)| **part > 0.0) {
                        let bar = [(from, top), (from + part, top + 0.6)];
                        chart.draw_series([Rectangle::new(bar, colour.filled())])?;
                        from += part;
                    }
                }
                Ok(())
            },
        )
    })
}

fn legend<const N: usize>(entries: [(&str, RGBColor); N]) -> Vec<(String, RGBColor)> {
    entries.map(|(name, colour)| (name.to_owned(), colour)).into()
}

/// Tokens of an answer: computed, and attended to.
pub(super) fn tokens(panel: &Panel) -> Drawn<Option<Plot>> {
    let arms = useful(panel);
    let frame = Frame {
        name: "tokens",
        title: "Tokens of an answer by where they come from",
        alt: format!("Tokens an answer takes, by arm and source, on {}", panel.name()),
        height: height(arms.len()),
        legend: legend([
            ("own prompt", BLUE),
            ("pasted", ORANGE),
            ("latent", PURPLE),
            ("written", GREEN),
            ("reused, not computed", GREY),
        ]),
    };
    let rows = arms.iter().map(|arm| {
        let t = &arm.tokens;
        (arm.label.clone(), vec![t.fresh, t.pasted, t.latent, t.decoded, t.reused])
    });
    bars(panel, frame, "tokens, mean of an answer", &rows.collect::<Vec<_>>())
}

/// Time of an answer.
pub(super) fn times(panel: &Panel) -> Drawn<Option<Plot>> {
    let arms = useful(panel);
    let frame = Frame {
        name: "time",
        title: "Time of an answer by phase",
        alt: format!("Milliseconds an answer takes, by arm and phase, on {}", panel.name()),
        height: height(arms.len()),
        legend: legend([
            ("reading", BLUE),
            ("latent steps", PURPLE),
            ("codec", RED),
            ("writing", GREEN),
            ("rest", GREY),
        ]),
    };
    let rows = arms.iter().map(|arm| {
        let p = &arm.phases;
        let named = [p.prefill, p.latent, p.codec(), p.generate];
        let rest = (arm.mean_wall_ms - named.iter().sum::<f64>()).max(0.0);
        (arm.label.clone(), named.into_iter().chain([rest]).collect())
    });
    bars(panel, frame, "milliseconds, mean of an answer, no link", &rows.collect::<Vec<_>>())
}
