//! LOSSES → SVG: the loss of a training run by step.

use std::path::Path;

use plotters::prelude::*;

use super::error::{Error, Result};
use super::trainer::Step;

/// Points of the drawn line at most: each is the mean of the steps that fall on it.
const POINTS: usize = 300;
const SIZE: (u32, u32) = (800, 400);

/// Draws the curve, the loss on a logarithmic axis.
///
/// # Errors
/// A file that cannot be written.
pub fn write(steps: &[Step], name: &str, path: &Path) -> Result<()> {
    let points = means(steps);
    let failed = |error: &dyn std::fmt::Display| Error::Curve(format!("{}: {error}", path.display()));
    let losses = points.iter().map(|point| point.1);
    let low = losses.clone().fold(f64::INFINITY, f64::min).clamp(1e-4, 1.0) * 0.8;
    let high = losses.fold(1.0, f64::max) * 1.2;
    let last = points.last().map_or(1.0, |point| point.0);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(|e| failed(&e))?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .caption(format!("{name}: loss by step"), ("sans-serif", 18))
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..last, (low..high).log_scale())
        .map_err(|e| failed(&e))?;
    chart
        .configure_mesh()
        .x_desc("step")
        .y_desc("nats a token")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&|loss| format!("{loss:.2}"))
        .light_line_style(WHITE)
        .draw()
        .map_err(|e| failed(&e))?;
    chart
        .draw_series(LineSeries::new(points, RGBColor(0, 90, 160).stroke_width(2)))
        .map_err(|e| failed(&e))?;
    root.present().map_err(|e| failed(&e))
}

/// Mean step and loss of runs of steps.
fn means(steps: &[Step]) -> Vec<(f64, f64)> {
    let size = steps.len().div_ceil(POINTS).max(1);
    let mean = |chunk: &[Step]| {
        let count = chunk.len() as f64;
        let step = chunk.iter().map(|step| step.step as f64).sum::<f64>() / count;
        (step, chunk.iter().map(|step| f64::from(step.loss)).sum::<f64>() / count)
    };
    steps.chunks(size).map(mean).collect()
}
