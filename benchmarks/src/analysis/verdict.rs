//! Numbers → the answer, in words that claim no more than the numbers do.

use std::fmt::Write as _;

use serde::Serialize;

use super::paired::{Finding, MARGIN, Paired};
use super::panel::{Comparison, PREFIX, Panel, Question};
use crate::link_model::Crossover;
use crate::record::ArmKind;

/// Whether an arm is worth it against another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Payment {
    /// As many right answers or more, in less time.
    Pays,
    /// More right answers; time does not tell.
    Gains,
    /// Fewer right answers, by less than the margin, in less time.
    Concedes,
    /// Fewer right answers; or as many, in more time.
    DoesNotPay,
    /// More right answers, in more time.
    Trades,
    /// Less time; that as many answers are right was not shown.
    Faster,
    /// More time; that more answers are right was not shown.
    Slower,
    /// Neither answers nor time tell.
    Undecided,
}

impl Payment {
    /// For a cell: `pays`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Pays => "pays",
            Self::Gains => "more right; time undecided",
            Self::Concedes => "faster, a little less right",
            Self::DoesNotPay => "does not pay",
            Self::Trades => "more right, slower",
            Self::Faster => "faster; a match not shown",
            Self::Slower => "slower; no gain shown",
            Self::Undecided => "undecided",
        }
    }

    /// For a sentence: `it pays`.
    fn clause(self) -> &'static str {
        match self {
            Self::Pays => "it pays",
            Self::Gains => "more is right, and time is undecided",
            Self::Concedes => "it is faster, and a little less is right",
            Self::DoesNotPay => "it does not pay",
            Self::Trades => "it buys right answers with time",
            Self::Faster => "it is faster, but as many right answers are not shown",
            Self::Slower => "it is slower and no gain is shown",
            Self::Undecided => "nothing is decided",
        }
    }
}

/// Items below which time says nothing: five that all come out the same way are one chance in sixteen, two-sided, and an interval
/// of a median of so few is too narrow.
const FEWEST_TIMED: u64 = 6;

/// Whether an arm is worth it. Time is the harness's, on one machine, without a link: what a link adds is [`crate::link_model`]'s.
#[must_use]
pub fn payment(paired: &Paired) -> Payment {
    let told = paired.items >= FEWEST_TIMED;
    let (faster, slower) = (told && paired.time.high < 1.0, told && paired.time.low > 1.0);
    match paired.finding {
        Finding::Worse if faster && paired.is_within_margin() => Payment::Concedes,
        Finding::Worse => Payment::DoesNotPay,
        Finding::Better if slower => Payment::Trades,
        Finding::Better if faster => Payment::Pays,
        Finding::Better => Payment::Gains,
        Finding::Matches if faster => Payment::Pays,
        Finding::Matches if slower => Payment::DoesNotPay,
        Finding::Undecided if faster => Payment::Faster,
        Finding::Undecided if slower => Payment::Slower,
        Finding::Matches | Finding::Undecided => Payment::Undecided,
    }
}

/// The answer to the run's question.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Answer {
    /// Whether latent hand-off pays: one sentence.
    pub headline: String,
    /// The numbers behind it: one sentence a panel.
    pub evidence: Vec<String>,
    /// Each hand-off against Direct and Text.
    pub verdicts: Vec<Verdict>,
}

/// An arm's verdict on a task in a layout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The task.
    pub task: String,
    /// The layout.
    pub layout: String,
    /// The arm.
    pub arm: String,
    /// The other one.
    pub against: String,
    /// Whether it is worth it.
    pub payment: Payment,
}

impl Answer {
    /// From corrected comparisons.
    #[must_use]
    pub fn of(panels: &[Panel]) -> Self {
        let verdicts = panels.iter().flat_map(|panel| {
            let asked = panel.comparisons.iter().filter(|comparison| comparison.question == Question::Pays);
            asked.map(|comparison| Verdict {
                task: panel.task.clone(),
                layout: panel.layout.clone(),
                arm: comparison.arm.clone(),
                against: comparison.against.clone(),
                payment: payment(&comparison.paired),
            })
        });
        let evidence: Vec<String> = panels.iter().filter_map(evidence).collect();
        Self { headline: headline(panels), evidence, verdicts: verdicts.collect() }
    }
}

/// The leading latent arm's comparison with Direct, or with Text.
fn lead_against(panel: &Panel, kind: ArmKind) -> Option<&Comparison> {
    panel.comparisons.iter().find(|comparison| {
        comparison.question == Question::Pays
            && panel.lead.as_ref() == Some(&comparison.arm)
            && panel.arm(&comparison.against).is_some_and(|arm| arm.kind == kind)
    })
}

fn headline(panels: &[Panel]) -> String {
    let mut parts = Vec::new();
    for (kind, name) in [(ArmKind::Direct, "Direct"), (ArmKind::Text, "Text")] {
        let found: Vec<(&Panel, Payment)> = panels
            .iter()
            .filter_map(|panel| Some((panel, payment(&lead_against(panel, kind)?.paired))))
            .collect();
        let Some(&(_, first)) = found.first() else { continue };
        let mut part = format!("against {name} ");
        if found.iter().all(|&(_, payment)| payment == first) {
            part.push_str(first.clause());
            part.push_str(&match found.len() {
                1 => String::new(),
                2 => ", in both settings".to_owned(),
                count => format!(", in all {count} settings"),
            });
        } else {
            let each =
                found.iter().map(|(panel, payment)| format!("{} ({})", payment.clause(), panel.name()));
            part.push_str(&each.collect::<Vec<_>>().join(", and "));
        }
        parts.push(part);
    }
    let lead = panels.iter().find_map(|panel| Some(panel.label(panel.lead.as_ref()?).to_owned()));
    match (lead, parts.is_empty()) {
        (Some(lead), false) => format!("Does latent hand-off pay? With {lead}, {}.", parts.join("; ")),
        (Some(lead), true) => format!("{lead} was run, but neither Direct nor Text to hold it against."),
        (None, _) => "No latent arm was run.".to_owned(),
    }
}

/// What the leading arm shows on one panel.
fn evidence(panel: &Panel) -> Option<String> {
    let lead = panel.arm(panel.lead.as_ref()?)?;
    let share = percent(lead.accuracy.estimate);
    let mut text = format!("{}, {} items: {} is right on {share}", panel.name(), panel.items, lead.label);
    for kind in [ArmKind::Direct, ArmKind::Text] {
        let Some(comparison) = lead_against(panel, kind) else { continue };
        let (paired, label) = (&comparison.paired, panel.label(&comparison.against));
        let (other, time) = (percent(paired.other_share), paired.time.estimate);
        let _ = write!(text, "; {label} on {other} ({}), in {time:.2} times {label}'s time", finding(paired));
    }
    let _ = match panel.mde {
        Some(mde) => write!(
            text,
            ". One comparison of so many items, by itself, shows differences of {:.0} points or more.",
            mde * 100.0
        ),
        None => write!(text, ". So few items show no difference of the usual size."),
    };
    let unbeaten = panel.comparisons.iter().filter(|comparison| {
        comparison.question == Question::Carries
            && comparison.paired.finding != Finding::Better
            && panel.lead.as_ref() == Some(&comparison.arm)
    });
    let (prefix, unbeaten): (Vec<_>, Vec<_>) = unbeaten.partition(|comparison| comparison.against == PREFIX);
    if !prefix.is_empty() {
        text.push_str(" Latent steps are not shown to add to the prefix alone.");
    }
    let names: Vec<String> =
        unbeaten.iter().map(|comparison| panel.label(&comparison.against).to_owned()).collect();
    match names.len() {
        0 => {}
        1..=3 => {
            let _ = write!(text, " Not shown to beat: {}.", list(&names));
        }
        count => {
            let _ = write!(text, " Not shown to beat {count} of the controls, {} among them.", names[0]);
        }
    }
    Some(text)
}

/// `a match within 5 points`, `neither a difference nor a match shown`.
#[must_use]
pub fn finding(paired: &Paired) -> String {
    let by = if paired.is_within_margin() {
        format!(", by less than {:.0} points", MARGIN * 100.0)
    } else {
        String::new()
    };
    match paired.finding {
        Finding::Better => format!("more are right{by}"),
        Finding::Worse => format!("fewer are right{by}"),
        Finding::Matches => format!("a match within {:.0} points", MARGIN * 100.0),
        Finding::Undecided => "neither a difference nor a match shown".to_owned(),
    }
}

/// A crossover in words.
#[must_use]
pub fn crossover_text(crossover: Crossover) -> String {
    match crossover {
        Crossover::Always => "on every link".to_owned(),
        Crossover::Never => "on no link".to_owned(),
        Crossover::Above(bits) => format!("above {}", bandwidth(bits)),
        Crossover::Below(bits) => format!("below {}", bandwidth(bits)),
    }
}

/// `2.5 Gb/s`.
#[must_use]
pub fn bandwidth(bits: f64) -> String {
    let (unit, size) = [("Tb/s", 1e12), ("Gb/s", 1e9), ("Mb/s", 1e6), ("kb/s", 1e3)]
        .into_iter()
        .find(|&(_, size)| bits >= size)
        .unwrap_or(("b/s", 1.0));
    format!("{} {unit}", three_digits(bits / size))
}

/// Smallest number that is written out; below, powers of ten are easier to read than zeros.
const WRITTEN_OUT: f64 = 1e-4;

/// Three significant digits at most, without zeros behind the point.
pub(crate) fn three_digits(value: f64) -> String {
    let size = value.abs();
    if size > 0.0 && size < WRITTEN_OUT {
        return format!("{value:.1e}");
    }
    let places = match size {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        0.1.. => 3,
        0.01.. => 4,
        0.001.. => 5,
        _ => 6,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// `a, b and c`.
fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::three_digits;

    #[test]
    fn three_digits_are_kept_whatever_the_size() {
        let shown =
            [1234.0, 99.97, 12.345, 1.5, 0.375, 0.0374, 0.003_71, 0.000_271, 2.7e-5, 0.0].map(three_digits);
        assert_eq!(
            shown,
            ["1234", "100", "12.3", "1.5", "0.375", "0.0374", "0.00371", "0.000271", "2.7e-5", "0"]
        );
        assert_eq!(three_digits(-0.0042), "-0.0042");
    }
}
