//! Rows with a name at the left and something drawn beside it: most pictures of arms.

use std::ops::Range;

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::{Area, Drawn, LABEL, faint, label, short};

/// Units of a row's height.
const ROW: u32 = 22;
/// Units below the rows: the axis and its name.
const AXIS: u32 = 48;

/// The height of so many rows.
pub(super) fn height(rows: usize) -> u32 {
    ROW * rows as u32 + AXIS
}

/// The rows' coordinates: what is drawn, and the number of the row from above.
pub(super) type Rows<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws the axis, the names, and what `paint` draws in each row.
pub(super) fn rows(
    area: &Area<'_>,
    names: &[String],
    range: Range<f64>,
    unit: &str,
    tick: impl Fn(&f64) -> String,
    paint: impl FnOnce(&mut Rows<'_, '_>) -> Drawn<()>,
) -> Drawn<()> {
    let count = names.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .margin_right(16)
        .margin_bottom(4)
        .x_label_area_size(40)
        .y_label_area_size(206)
        .build_cartesian_2d(range, count..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .bold_line_style(faint())
        .light_line_style(TRANSPARENT)
        .x_labels(6)
        .x_desc(unit)
        .axis_desc_style(label())
        .x_label_style(label())
        .x_label_formatter(&tick)
        .y_labels(0)
        .draw()?;
    let (_, top) = area.get_base_pixel();
    for (row, name) in names.iter().enumerate() {
        let (_, y) = chart.plotting_area().map_coordinate(&(0.0, row as f64 + 0.5));
        area.draw_text(&short(name), &label(), (10, y - top - LABEL as i32 / 2))?;
    }
    paint(&mut chart)
}
