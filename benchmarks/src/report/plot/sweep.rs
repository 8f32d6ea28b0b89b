//! Right answers against latent steps, and against bytes on the wire.

use plotters::coord::combinators::LogCoord;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::{Area, BLUE, Drawn, Frame, GREY, Plot, colour, faint, label};
use crate::analysis::{PREFIX, Panel, Summary};
use crate::record::ArmKind;
use crate::stats::Interval;

const HEIGHT: u32 = 240;

type Shares<'a, 'b, X> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, RangedCoordf64>>;

/// A plane with percent upwards.
fn plane<'a, 'b, X: Ranged<ValueType = f64> + ValueFormatter<f64>>(
    area: &'a Area<'b>,
    x: X,
    unit: &str,
    tick: &dyn Fn(&f64) -> String,
) -> Drawn<Shares<'a, 'b, X>> {
    let mut chart = ChartBuilder::on(area)
        .margin_right(20)
        .margin_top(8)
        .margin_bottom(4)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(x, 0.0..100.0)?;
    chart
        .configure_mesh()
        .bold_line_style(faint())
        .light_line_style(TRANSPARENT)
        .x_labels(6)
        .y_labels(6)
        .x_desc(unit)
        .y_desc("right answers, %")
        .axis_desc_style(label())
        .label_style(label())
        .x_label_formatter(&tick)
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    Ok(chart)
}

/// An interval upright, its estimate as a dot.
fn mark<X: Ranged<ValueType = f64>>(
    chart: &mut Shares<'_, '_, X>,
    x: f64,
    share: Interval,
    colour: RGBColor,
) -> Drawn<()> {
    let line = vec![(x, share.low * 100.0), (x, share.high * 100.0)];
    chart.draw_series([PathElement::new(line, colour.stroke_width(2))])?;
    chart.draw_series([Circle::new((x, share.estimate * 100.0), 4, colour.filled())])?;
    Ok(())
}

/// Right answers by latent steps; the prefix's cache is that of none.
pub(super) fn latent_steps(panel: &Panel) -> Drawn<Option<Plot>> {
    let steps = |arm: &Summary| match arm.kind {
        ArmKind::Latent => arm.latent_steps,
        _ if arm.arm == PREFIX => Some(0),
        _ => None,
    };
    let mut points: Vec<(f64, Interval)> =
        panel.arms.iter().filter_map(|arm| Some((f64::from(steps(arm)?), arm.accuracy))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some(most) = points.last().map(|point| point.0).filter(|most| *most > 0.0) else { return Ok(None) };
    let frame = Frame {
        name: "steps",
        title: "Right answers by latent steps",
        alt: format!("Share of right answers by latent steps on {}, with 95 % intervals", panel.name()),
        height: HEIGHT,
        legend: Vec::new(),
    };
    frame.draw(panel, |area| {
        let range: RangedCoordf64 = ((-0.05 * most)..(1.05 * most)).into();
        let mut chart = plane(area, range, "latent steps (0 is the prefix alone)", &|x| format!("{x:.0}"))?;
        let line = points.iter().map(|(x, share)| (*x, share.estimate * 100.0));
        chart.draw_series(LineSeries::new(line, GREY.stroke_width(1)))?;
        points.iter().try_for_each(|(x, share)| mark(&mut chart, *x, *share, BLUE))
    })
}

/// Right answers by bytes on the wire, for arms that send any and are of use.
pub(super) fn wire_bytes(panel: &Panel) -> Drawn<Option<Plot>> {
    let useful = |arm: &&Summary| {
        let kind = !matches!(arm.kind, ArmKind::Control | ArmKind::Oracle) || arm.arm == PREFIX;
        kind && arm.wire_bytes > 0.0
    };
    let arms: Vec<&Summary> = panel.arms.iter().filter(useful).collect();
    if arms.is_empty() {
        return Ok(None);
    }
    let low = arms.iter().map(|arm| arm.wire_bytes).fold(f64::INFINITY, f64::min) / 3.0;
    let high = arms.iter().map(|arm| arm.wire_bytes).fold(0.0, f64::max) * 3.0;
    let legend = arms.iter().enumerate().map(|(number, arm)| {
        let bytes = super::super::words::bytes(arm.wire_bytes);
        (format!("{} {}, {bytes}", number + 1, arm.label), colour(arm.kind))
    });
    let frame = Frame {
        name: "wire",
        title: "Right answers by bytes on the wire",
        alt: format!("Share of right answers by bytes on the wire on {}", panel.name()),
        height: HEIGHT,
        legend: legend.collect(),
    };
    frame.draw(panel, |area| {
        let range: LogCoord<f64> = (low..high).log_scale().into();
        let mut chart =
            plane(area, range, "bytes an answer, log scale", &|x| super::super::words::bytes(*x))?;
        let corner = area.get_base_pixel();
        let mut taken: Vec<(i32, i32)> = Vec::new();
        for (number, arm) in arms.iter().enumerate() {
            mark(&mut chart, arm.wire_bytes, arm.accuracy, colour(arm.kind))?;
            let point = (arm.wire_bytes, arm.accuracy.estimate * 100.0);
            let (x, y) = chart.plotting_area().map_coordinate(&point);
            let (x, mut y) = (x - corner.0 + 8, y - corner.1 - 6);
            // Numbers of arms that send and know the same stand below each other.
            while taken.iter().any(|&(a, b)| (a - x).abs() < 14 && (b - y).abs() < 12) {
                y += 12;
            }
            taken.push((x, y));
            area.draw_text(&(number + 1).to_string(), &label(), (x, y))?;
        }
        Ok(())
    })
}
