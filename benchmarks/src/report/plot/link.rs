//! Time of an answer against the link's bandwidth.

use plotters::prelude::*;

use super::{Drawn, Frame, GREY, Plot, colour, faint, label};
use crate::analysis::{Panel, Summary, bandwidth};
use crate::link_model::{BANDWIDTHS, Crossover, ROUND_TRIPS_MS};
use crate::record::ArmKind;

const HEIGHT: u32 = 270;

/// The arms that are drawn: the first of a kind, of the latent ones the leading one.
fn drawn(panel: &Panel) -> Vec<&Summary> {
    let first = |kind: ArmKind| panel.arms.iter().find(|arm| arm.kind == kind);
    let lead = panel.lead.as_ref().and_then(|lead| panel.arm(lead));
    let arms = [first(ArmKind::Direct), lead, first(ArmKind::Text), first(ArmKind::Rosetta)];
    arms.into_iter().flatten().filter(|arm| arm.wall_ms > 0.0).collect()
}

/// Time by bandwidth, with the links at which the leading arm draws level.
pub(super) fn crossover(panel: &Panel) -> Drawn<Option<Plot>> {
    let arms = drawn(panel);
    let round_trip = ROUND_TRIPS_MS[0];
    let (from, to) = (BANDWIDTHS[0], BANDWIDTHS[BANDWIDTHS.len() - 1]);
    let times = |arm: &Summary| {
        let demand = arm.demand();
        BANDWIDTHS.map(|bits| (bits, demand.milliseconds(bits, round_trip)))
    };
    let all = || arms.iter().flat_map(|arm| times(arm)).map(|(_, time)| time);
    let (low, high) = (all().fold(f64::INFINITY, f64::min) * 0.8, all().fold(0.0, f64::max) * 1.25);
    if arms.is_empty() || !(low > 0.0 && high.is_finite()) {
        return Ok(None);
    }
    let frame = Frame {
        name: "link",
        title: "Time of an answer by the link's bandwidth",
        alt: format!("Milliseconds of an answer by bandwidth on {}, with crossovers", panel.name()),
        height: HEIGHT,
        legend: arms.iter().map(|arm| (arm.label.clone(), colour(arm.kind))).collect(),
    };
    let crossings: Vec<f64> = panel
        .links
        .iter()
        .filter(|link| Some(&link.arm) == panel.lead.as_ref())
        .filter(|link| arms.iter().any(|arm| arm.arm == link.against))
        .filter_map(|link| match link.crossovers[0] {
            Crossover::Above(bits) | Crossover::Below(bits) => Some(bits),
            Crossover::Always | Crossover::Never => None,
        })
        .filter(|bits| (from..=to).contains(bits))
        .collect();
    frame.draw(panel, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_right(30)
            .margin_top(8)
            .margin_bottom(4)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d((from..to).log_scale(), (low..high).log_scale())?;
        chart
            .configure_mesh()
            .bold_line_style(faint())
            .light_line_style(TRANSPARENT)
            .x_labels(6)
            .y_labels(5)
            .x_desc(format!("bandwidth, log scale; round trip {round_trip} ms"))
            .y_desc("milliseconds, log scale")
            .axis_desc_style(label())
            .label_style(label())
            .x_label_formatter(&|bits| bandwidth(*bits))
            .y_label_formatter(&|ms| super::super::words::number(*ms))
            .draw()?;
        for &bits in &crossings {
            let line = vec![(bits, low), (bits, high)];
            chart.draw_series([PathElement::new(line, GREY.stroke_width(1))])?;
            let (x, y) = chart.plotting_area().map_coordinate(&(bits, high));
            let corner = area.get_base_pixel();
            let text = label().color(&GREY);
            area.draw_text(&bandwidth(bits), &text, (x - corner.0 + 4, y - corner.1 + 2))?;
        }
        for arm in &arms {
            chart.draw_series(LineSeries::new(times(arm), colour(arm.kind).stroke_width(2)))?;
        }
        Ok(())
    })
}
