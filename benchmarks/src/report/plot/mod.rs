//! NUMBERS → SVG. One file a picture; what they share is here.
//!
//! Pictures are as wide as a phone's page, so that their text can be read there, and take the colour of their text from the page:
//! black of the plotting library becomes `currentColor`, and a style in the file itself sets that by the reader's scheme.

mod accuracy;
mod link;
mod phases;
mod rows;
mod sweep;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::analysis::{Analysis, Panel};
use crate::record::ArmKind;

/// Width of every picture.
const WIDTH: u32 = 480;
/// Sizes of text, in the picture's units.
const CAPTION: u32 = 16;
const LABEL: u32 = 13;

/// Colours with a contrast of 3 and more on white and on the page's dark ground (Okabe and Ito's, made a little darker or lighter).
const BLUE: RGBColor = RGBColor(45, 125, 200);
const ORANGE: RGBColor = RGBColor(214, 112, 10);
const GREEN: RGBColor = RGBColor(20, 145, 105);
const PURPLE: RGBColor = RGBColor(176, 98, 190);
const RED: RGBColor = RGBColor(214, 77, 77);
const GREY: RGBColor = RGBColor(130, 135, 142);

/// A picture with a name for its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plot {
    /// `accuracy-relay-withheld`.
    pub name: String,
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// The picture, without a style.
    svg: String,
}

/// What failed while drawing: a bug, since nothing is written to a disk.
pub(super) type Drawn<T> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

impl Plot {
    /// The picture as part of a page.
    #[must_use]
    pub fn inline(&self) -> String {
        let alt = super::html::escape(&self.alt);
        self.svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{alt}\" "), 1)
    }

    /// The picture as a file of its own, with its own light and dark.
    #[must_use]
    pub fn file(&self) -> String {
        const STYLE: &str = "<style>svg{color:#1d2125;background:#fff}\
            @media (prefers-color-scheme:dark){svg{color:#d7dbe0;background:#15181c}}</style>";
        match self.svg.split_once('>') {
            Some((head, rest)) => format!("{head}>\n{STYLE}{rest}"),
            None => self.svg.clone(),
        }
    }
}

/// Every picture of a run, panel by panel.
///
/// # Errors
/// What the plotting library refuses.
pub(super) fn all(analysis: &Analysis) -> Drawn<Vec<Plot>> {
    let mut plots = Vec::new();
    for panel in &analysis.panels {
        let drawn = [
            accuracy::by_arm(panel)?,
            phases::tokens(panel)?,
            phases::times(panel)?,
            sweep::latent_steps(panel)?,
            accuracy::by_length(panel)?,
            sweep::wire_bytes(panel)?,
            link::crossover(panel)?,
            accuracy::likelihood(panel)?,
        ];
        plots.extend(drawn.into_iter().flatten());
    }
    Ok(plots)
}

/// Which panel a picture belongs to.
#[must_use]
pub(super) fn of_panel<'a>(plots: &'a [Plot], panel: &Panel) -> Vec<&'a Plot> {
    let end = suffix(panel);
    plots.iter().filter(|plot| plot.name.ends_with(&end)).collect()
}

fn suffix(panel: &Panel) -> String {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
    };
    format!("--{}-{}", plain(&panel.task), plain(&panel.layout))
}

/// What a picture says about itself.
struct Frame<'a> {
    /// The first part of its name.
    name: &'a str,
    title: &'a str,
    alt: String,
    /// Of the part that is drawn, title and legend aside.
    height: u32,
    legend: Vec<(String, RGBColor)>,
}

impl Frame<'_> {
    /// Draws title, legend, and what `paint` draws below them.
    fn draw(self, panel: &Panel, paint: impl FnOnce(&Area<'_>) -> Drawn<()>) -> Drawn<Option<Plot>> {
        const LINE: i32 = 17;
        let places = places(&self.legend);
        let lines = places.last().map_or(0, |place| place.1 + 1);
        let head_height = 44 + lines * LINE;
        let mut svg = String::new();
        {
            let size = (WIDTH, self.height + head_height.unsigned_abs());
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let (head, body) = root.split_vertically(head_height);
            head.draw_text(self.title, &("sans-serif", CAPTION).into_text_style(&head), (10, 6))?;
            let small = ("sans-serif", LABEL).into_text_style(&head).color(&GREY);
            head.draw_text(&format!("{} · {} items", panel.name(), panel.items), &small, (10, 25))?;
            for ((name, colour), (x, line)) in self.legend.iter().zip(places) {
                let y = 44 + line * LINE;
                head.draw(&Rectangle::new([(x, y), (x + 10, y + 10)], colour.filled()))?;
                head.draw_text(name, &label(), (x + 15, y - 1))?;
            }
            paint(&body)?;
            root.present()?;
        }
        let svg = svg.replace("#000000", "currentColor");
        Ok(Some(Plot { name: format!("{}{}", self.name, suffix(panel)), alt: self.alt, svg }))
    }
}

/// Where the entries of a legend stand: left edge and line. Text is some 0.56 of its size wide.
fn places(legend: &[(String, RGBColor)]) -> Vec<(i32, i32)> {
    let (mut x, mut line) = (10, 0);
    let place = |(name, _): &(String, RGBColor)| {
        let width = 30 + (name.chars().count() as f64 * f64::from(LABEL) * 0.56) as i32;
        if x > 10 && x + width > WIDTH as i32 {
            (x, line) = (10, line + 1);
        }
        let here = (x, line);
        x += width;
        here
    };
    legend.iter().map(place).collect()
}

/// Where a picture is drawn.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// An arm's colour: that of its kind.
fn colour(kind: ArmKind) -> RGBColor {
    match kind {
        ArmKind::Direct => GREEN,
        ArmKind::Latent => BLUE,
        ArmKind::Text => ORANGE,
        ArmKind::Rosetta => PURPLE,
        ArmKind::Control => GREY,
        ArmKind::Oracle => RED,
    }
}

/// Cuts what would run into the picture; the tables have it whole.
fn short(label: &str) -> String {
    const MOST: usize = 31;
    if label.chars().count() <= MOST {
        return label.to_owned();
    }
    label.chars().take(MOST - 1).chain(['…']).collect()
}

/// Axis text.
fn label() -> TextStyle<'static> {
    ("sans-serif", LABEL).into_text_style(&(WIDTH, WIDTH))
}

/// Faint lines behind the marks.
fn faint() -> ShapeStyle {
    GREY.mix(0.25).stroke_width(1)
}
