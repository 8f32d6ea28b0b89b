//! Numbers → frames.

use polars::prelude::DataFrame;

use super::{Columns, Result, word};
use crate::analysis::{Analysis, Comparison, Link, Mark, Panel, Summary, crossover_text};
use crate::link_model::{BANDWIDTHS, Crossover, ROUND_TRIPS_MS};

/// A row an arm.
pub(super) fn arms(analysis: &Analysis) -> Result<DataFrame> {
    let mut rows: Vec<(&Panel, &Summary, String)> = Vec::new();
    for panel in &analysis.panels {
        rows.extend(panel.arms.iter().map(|arm| (panel, arm, word(arm.kind))));
    }
    setting(Columns::of(&rows), |row| row.0)
        .text("arm", |row| &row.1.arm)
        .text("label", |row| &row.1.label)
        .text("kind", |row| &row.2)
        .maybe("latent_steps", |row| row.1.latent_steps.map(f64::from))
        .count("items", |row| row.1.items)
        .interval("accuracy", |row| Some(row.1.accuracy))
        .count("correct", |row| row.1.outcomes.correct)
        .count("wrong", |row| row.1.outcomes.wrong)
        .count("no_answer", |row| row.1.outcomes.no_answer)
        .count("truncated", |row| row.1.outcomes.truncated)
        .count("error", |row| row.1.outcomes.error)
        .maybe("nll_a_token", |row| row.1.nll_a_token)
        .interval("gained_bits", |row| row.1.gained_bits)
        .maybe("bits_a_kb", |row| row.1.bits_a_kb)
        .number("fresh", |row| row.1.tokens.fresh)
        .number("pasted", |row| row.1.tokens.pasted)
        .number("latent", |row| row.1.tokens.latent)
        .number("decoded", |row| row.1.tokens.decoded)
        .number("computed", |row| row.1.tokens.computed())
        .number("reused", |row| row.1.tokens.reused)
        .number("wire_bytes", |row| row.1.wire_bytes)
        .number("hops", |row| row.1.hops)
        .number("prefill_ms", |row| row.1.phases.prefill)
        .number("latent_ms", |row| row.1.phases.latent)
        .number("encode_ms", |row| row.1.phases.encode)
        .number("decode_ms", |row| row.1.phases.decode)
        .number("generate_ms", |row| row.1.phases.generate)
        .number("median_wall_ms", |row| row.1.wall_ms)
        .number("median_first_token_ms", |row| row.1.first_token_ms)
        .number("overhead", |row| row.1.overhead)
        .interval("energy_j", |row| row.1.energy_j)
        .count("peak_memory", |row| row.1.peak_memory)
        .frame()
}

/// A row an arm and a mark.
pub(super) fn marks(analysis: &Analysis) -> Result<DataFrame> {
    let mut rows: Vec<(&Panel, &Mark)> = Vec::new();
    for panel in &analysis.panels {
        rows.extend(panel.marks.iter().map(|mark| (panel, mark)));
    }
    setting(Columns::of(&rows), |row| row.0)
        .text("arm", |row| &row.1.arm)
        .text("mark", |row| &row.1.mark)
        .count("items", |row| row.1.items)
        .interval("mean", |row| Some(row.1.mean))
        .interval("strict", |row| Some(row.1.strict))
        .interval("strict_less_mark", |row| row.1.difference)
        .frame()
}

/// A row a comparison.
pub(super) fn comparisons(analysis: &Analysis) -> Result<DataFrame> {
    let mut rows: Vec<(&Panel, &Comparison, [String; 2])> = Vec::new();
    for panel in &analysis.panels {
        rows.extend(panel.comparisons.iter().map(|one| (panel, one, words(one))));
    }
    setting(Columns::of(&rows), |row| row.0)
        .text("arm", |row| &row.1.arm)
        .text("against", |row| &row.1.against)
        .text("question", |row| &row.2[0])
        .count("items", |row| row.1.paired.items)
        .number("arm_share", |row| row.1.paired.share)
        .number("against_share", |row| row.1.paired.other_share)
        .number("only_arm", |row| row.1.paired.discordance.first)
        .number("only_against", |row| row.1.paired.discordance.second)
        .interval("difference_bootstrap", |row| Some(row.1.paired.difference))
        .interval("difference_score", |row| Some(row.1.paired.score))
        .number("p", |row| row.1.paired.p)
        .number("p_holm", |row| row.1.paired.p_holm)
        .number("match_p", |row| row.1.paired.match_p)
        .number("match_p_holm", |row| row.1.paired.match_p_holm)
        .text("finding", |row| &row.2[1])
        .maybe("mde", |row| row.1.paired.mde)
        .interval("nll_difference", |row| Some(row.1.paired.nll?.nats))
        .maybe("nll_p", |row| Some(row.1.paired.nll?.p))
        .maybe("nll_p_holm", |row| Some(row.1.paired.nll?.p_holm))
        .interval("time_ratio", |row| Some(row.1.paired.time))
        .interval("energy_ratio", |row| row.1.paired.energy)
        .number("computed_saving", |row| row.1.paired.saving)
        .maybe("break_even_tokens", |row| row.1.paired.break_even)
        .frame()
}

fn words(comparison: &Comparison) -> [String; 2] {
    [word(comparison.question), word(comparison.paired.finding)]
}

/// A row a pair of arms and a round trip.
pub(super) fn links(analysis: &Analysis) -> Result<DataFrame> {
    let mut rows: Vec<(&Panel, &Link, f64, Crossover, String)> = Vec::new();
    for panel in &analysis.panels {
        for link in &panel.links {
            for (round_trip, crossover) in ROUND_TRIPS_MS.into_iter().zip(link.crossovers) {
                rows.push((panel, link, round_trip, crossover, crossover_text(crossover)));
            }
        }
    }
    setting(Columns::of(&rows), |row| row.0)
        .text("arm", |row| &row.1.arm)
        .text("against", |row| &row.1.against)
        .number("round_trip_ms", |row| row.2)
        .text("faster", |row| &row.4)
        .maybe("bits_a_second", |row| match row.3 {
            Crossover::Above(bits) | Crossover::Below(bits) => Some(bits),
            Crossover::Always | Crossover::Never => None,
        })
        .frame()
}

/// A row an arm, a bandwidth and a round trip.
pub(super) fn sweep(analysis: &Analysis) -> Result<DataFrame> {
    let mut rows: Vec<(&Panel, &Summary, f64, f64)> = Vec::new();
    for panel in &analysis.panels {
        for arm in &panel.arms {
            for round_trip in ROUND_TRIPS_MS {
                rows.extend(BANDWIDTHS.map(|bits| (panel, arm, round_trip, bits)));
            }
        }
    }
    setting(Columns::of(&rows), |row| row.0)
        .text("arm", |row| &row.1.arm)
        .number("round_trip_ms", |row| row.2)
        .number("bits_a_second", |row| row.3)
        .number("milliseconds", |row| row.1.demand().milliseconds(row.3, row.2))
        .frame()
}

fn setting<'a, R>(columns: Columns<'a, R>, panel: impl Fn(&'a R) -> &'a Panel) -> Columns<'a, R> {
    columns.text("task", |row| &panel(row).task).text("layout", |row| &panel(row).layout)
}
