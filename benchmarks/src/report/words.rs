//! Numbers as people read them.

use crate::analysis::three_digits;
use crate::stats::Interval;

/// `88.3 (81.0–93.1)`: percent with its interval.
#[must_use]
pub(super) fn share(interval: Interval) -> String {
    let percent = |value: f64| format!("{:.1}", value * 100.0);
    format!("{} ({}–{})", percent(interval.estimate), percent(interval.low), percent(interval.high))
}

/// `12.4 kB`: thousands, as links count.
#[must_use]
pub(super) fn bytes(value: f64) -> String {
    let units = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let (unit, size) = units.into_iter().find(|&(_, size)| value >= size).unwrap_or(("B", 1.0));
    format!("{} {unit}", number(value / size))
}

/// Three significant digits, or whole above that; a dash for what is no number.
#[must_use]
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = three_digits(value);
    if text == "-0" { "0".to_owned() } else { text.replace('-', "−") }
}

/// `< 0.001` or four places less.
#[must_use]
pub(super) fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// `0.84 (0.80–0.89)`.
#[must_use]
pub(super) fn ratio(interval: Interval) -> String {
    if !interval.estimate.is_finite() {
        return "–".to_owned();
    }
    format!("{:.2} ({:.2}–{:.2})", interval.estimate, interval.low, interval.high)
}

/// `12.4 (11.9–13.0)`: a quantity with its interval, three digits each.
#[must_use]
pub(super) fn measured(interval: Interval) -> String {
    format!("{} ({}–{})", number(interval.estimate), number(interval.low), number(interval.high))
}

/// `−1.7 (−8.1 to 4.3)`, with that many places.
#[must_use]
pub(super) fn difference(interval: Interval, scale: f64, places: usize) -> String {
    let number = |value: f64| self::places(value * scale, places);
    if !interval.estimate.is_finite() {
        return "–".to_owned();
    }
    format!("{} ({} to {})", number(interval.estimate), number(interval.low), number(interval.high))
}

/// So many places behind the point, a minus sign that is one, and none before a zero.
pub(super) fn places(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let zero = text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.'));
    if zero { text.trim_start_matches('-').to_owned() } else { text.replace('-', "−") }
}
