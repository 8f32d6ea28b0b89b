//! The rules: what a run says of a published figure.

use serde::Serialize;

use super::measure::{self, Item, Place};
use super::{Claim, Metric};
use crate::analysis::{MARGIN, Merged};
use crate::stats::{
    ALPHA, Bootstrap, DISCORDANCE, Discordance, Interval, chance_beyond, holm, mean, share_difference,
    shares_match, sign_flip, standard_mde, wilson,
};

/// Items below which a run says nothing of a figure: a share of fewer has an interval of 35 points and more, and nearly any
/// figure is in that.
pub const MIN_ITEMS: u64 = 30;
/// Half of the last digit that savings are published to.
const SAVING_DIGIT: f64 = 0.005;
/// And speed-ups.
const SPEED_DIGIT: f64 = 0.05;

/// What a run says of a published figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It came out again, on items enough to say so.
    Reproduced,
    /// It may be: nothing speaks against it, and not enough for it.
    Inside,
    /// It did not.
    Contradicted,
    /// There is nothing to hold it against.
    NotRun,
}

impl Verdict {
    /// For a table.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::Inside => "inside its interval",
            Self::Contradicted => "contradicted",
            Self::NotRun => "not run",
        }
    }
}

/// What the run found where the claim says something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The task, with the suffix of its variant.
    pub task: String,
    /// The layout.
    pub layout: String,
    /// The arm, as the run calls it.
    pub arm: String,
    /// Items.
    pub items: u64,
    /// In the claim's own unit, 95 %; of several arms the one that speaks most against it.
    pub value: Interval,
}

/// A claim, held against a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// What was published.
    #[serde(flatten)]
    pub claim: Claim,
    /// What the run says of it.
    pub verdict: Verdict,
    /// Why nothing, or what it rests on.
    pub why: String,
    /// What the run found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// That the published figure and the run are of one population.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// After Holm's correction over all claims that the run tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_holm: Option<f64>,
    /// The smallest difference between two arms that the published number of items shows four times out of five.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mde: Option<f64>,
}

impl Checked {
    /// What the run found, in the claim's unit: `64.0 % right (56.4 to 71.0, n = 164)`.
    #[must_use]
    pub fn found(&self) -> Option<String> {
        let measured = self.measured.as_ref()?;
        let Interval { estimate, low, high } = measured.value;
        let [low, high] = [low, high].map(|value| self.claim.number(value));
        Some(format!("{} ({low} to {high}, n = {})", self.claim.in_unit([estimate; 2]), measured.items))
    }
}

/// Before the correction.
struct Tested {
    measured: Measured,
    p: f64,
    /// Whether it counts as reproduced where it is not contradicted, or why it does not.
    holds: Result<(), String>,
}

/// Holds every claim against a run.
#[must_use]
pub fn check(claims: &[Claim], run: &Merged) -> Vec<Checked> {
    let tested: Vec<Result<Tested, String>> = claims.iter().map(|claim| test(claim, run)).collect();
    let p: Vec<f64> = tested.iter().flatten().map(|tested| tested.p).collect();
    let mut p_holm = holm(&p).into_iter();
    let judged = |(claim, tested): (&Claim, Result<Tested, String>)| {
        let mut checked = Checked {
            claim: claim.clone(),
            verdict: Verdict::NotRun,
            why: String::new(),
            measured: None,
            p: None,
            p_holm: None,
            mde: claim.n.and_then(standard_mde),
        };
        match tested {
            Err(why) => checked.why = why,
            Ok(tested) => {
                let p_holm = p_holm.next().unwrap_or(1.0);
                (checked.verdict, checked.why) = match tested.holds {
                    _ if p_holm < ALPHA => (Verdict::Contradicted, format!("p = {p_holm:.2e} after Holm")),
                    Ok(()) => (Verdict::Reproduced, format!("{} items", tested.measured.items)),
                    Err(why) => (Verdict::Inside, why),
                };
                (checked.measured, checked.p, checked.p_holm) =
                    (Some(tested.measured), Some(tested.p), Some(p_holm));
            }
        }
        checked
    };
    claims.iter().zip(tested).map(judged).collect()
}

fn test(claim: &Claim, run: &Merged) -> Result<Tested, String> {
    let place = measure::place(claim, run)?;
    let own = measure::items(run, &place, place.arm, claim.metric);
    if own.is_empty() {
        return Err("no answer has the published scorer's mark".to_owned());
    }
    if place.against.is_empty() {
        let values: Vec<f64> = own.values().map(|item| item.mark).collect();
        return enough(values.len()).map(|items| share(claim, &place, &values, items));
    }
    let mut tested = Vec::new();
    for other in &place.against {
        let others = measure::items(run, &place, other, claim.metric);
        let pairs: Vec<[Item; 2]> =
            own.iter().filter_map(|(name, item)| Some([*item, *others.get(name)?])).collect();
        let items = enough(pairs.len())?;
        tested.push(match claim.metric {
            Metric::TokenSaving | Metric::SpeedUp => ratio(claim, &place, &pairs, items),
            _ => compared(claim, &place, &pairs, items),
        });
    }
    // A claim on several arms is as false as any part of it, and as true as all of them.
    let parts = tested.len() as f64;
    let refusal = tested.iter().find_map(|part| part.holds.clone().err());
    let worst = tested.into_iter().min_by(|a, b| a.p.total_cmp(&b.p));
    let worst = worst.ok_or_else(|| "nothing to compare with".to_owned())?;
    Ok(Tested { p: (worst.p * parts).min(1.0), holds: refusal.map_or(Ok(()), Err), ..worst })
}

fn enough(items: usize) -> Result<u64, String> {
    let items = items as u64;
    if items < MIN_ITEMS { Err(format!("{items} items, fewer than {MIN_ITEMS}")) } else { Ok(items) }
}

fn measured(place: &Place<'_>, items: u64, value: Interval) -> Measured {
    let [task, layout, arm] = [place.task, place.layout, place.arm].map(str::to_owned);
    Measured { task, layout, arm, items, value }
}

/// A published figure that lies in the run's interval, of a run with as many items.
fn holds(claim: &Claim, value: Interval, [low, high]: [f64; 2], items: u64) -> Result<(), String> {
    if low > value.high || high < value.low {
        return Err("outside the run's own interval, and not by more than both samples leave open".to_owned());
    }
    match claim.n {
        Some(n) if items < n => Err(format!("{items} items, and the published figure has {n}")),
        _ => Ok(()),
    }
}

/// The part of a published range that is nearest.
fn nearest(estimate: f64, [low, high]: [f64; 2]) -> f64 {
    estimate.clamp(low, high)
}

/// A share, or a mean of numbers from 0 to 1, against another one of `n` items.
fn share(claim: &Claim, place: &Place<'_>, values: &[f64], items: u64) -> Tested {
    let published = claim.published.unwrap_or_default();
    let (runs, theirs) = (items as f64, claim.n.unwrap_or(1) as f64);
    let estimate = mean(values.iter().copied());
    let (low, high) = wilson(estimate, runs);
    let value = Interval { estimate, low, high };
    let figure = nearest(estimate, published);
    let pooled = (estimate * runs + figure * theirs) / (runs + theirs);
    let error = (pooled * (1.0 - pooled) * (1.0 / runs + 1.0 / theirs)).sqrt();
    Tested {
        p: beyond(estimate - figure, error),
        holds: holds(claim, value, published, items),
        measured: measured(place, items, value),
    }
}

/// Two-sided chance of a normal number so many errors from 0.
fn beyond(difference: f64, error: f64) -> f64 {
    if difference == 0.0 { 1.0 } else { chance_beyond(difference / error) }
}

/// One arm's right answers against another's.
fn compared(claim: &Claim, place: &Place<'_>, pairs: &[[Item; 2]], items: u64) -> Tested {
    let differences: Vec<f64> = pairs.iter().map(|[a, b]| a.mark - b.mark).collect();
    let counts = Discordance::of(&differences);
    let value = share_difference(counts, 1.0 - ALPHA);
    // In answers rather than shares, so that their signed sums are those of whole numbers.
    let answers = pairs.iter().map(|[a, b]| a.of.max(b.of)).fold(1.0, f64::max);
    let whole: Vec<i64> = differences.iter().map(|d| (d * answers).round() as i64).collect();
    let exact = sign_flip(&whole);
    let (p, holds) = match (claim.metric, claim.published) {
        (Metric::Difference, Some(published)) => {
            let figure = nearest(value.estimate, published);
            let own = error_of(value);
            let share = DISCORDANCE.max(figure.abs());
            let theirs = (share - figure * figure) / claim.n.unwrap_or(1) as f64;
            let shown = if figure > 0.0 { value.low > 0.0 } else { figure == 0.0 || value.high < 0.0 };
            let held = holds(claim, value, published, items);
            let held = held.and_then(|()| {
                if shown {
                    Ok(())
                } else {
                    Err("the run's own interval has no difference in it, too".to_owned())
                }
            });
            (beyond(value.estimate - figure, (own * own + theirs).sqrt()), held)
        }
        (Metric::Equal, _) => {
            let alike = shares_match(counts, MARGIN) < ALPHA;
            let why = format!("not shown to lie within {:.0} points", MARGIN * 100.0);
            (exact, if alike { Ok(()) } else { Err(why) })
        }
        _ => {
            let p = if value.estimate < 0.0 { exact } else { 1.0 };
            let why = "the run's own interval has no difference in it, too".to_owned();
            (p, if value.low > 0.0 { Ok(()) } else { Err(why) })
        }
    };
    Tested { measured: measured(place, items, value), p, holds }
}

/// Standard error that a 95 % interval stands for.
fn error_of(value: Interval) -> f64 {
    const NORMAL: f64 = 1.959_963_984_540_054;
    (value.high - value.low) / (2.0 * NORMAL)
}

/// Tokens or time of two arms.
fn ratio(claim: &Claim, place: &Place<'_>, pairs: &[[Item; 2]], items: u64) -> Tested {
    let saves = claim.metric == Metric::TokenSaving;
    let statistic = |chosen: &[usize]| {
        let sum = |arm: usize| {
            let item = |&i: &usize| if saves { pairs[i][arm].tokens } else { pairs[i][arm].wall_ms };
            chosen.iter().map(item).sum::<f64>()
        };
        if saves { 1.0 - sum(0) / sum(1) } else { sum(1) / sum(0) }
    };
    let value = Bootstrap::default().interval(pairs.len(), statistic);
    let digit = if saves { SAVING_DIGIT } else { SPEED_DIGIT };
    let published = claim.published.map_or([f64::NAN; 2], |[low, high]| [low - digit, high + digit]);
    let own = error_of(value);
    let theirs = own * (items as f64 / claim.n.unwrap_or(1) as f64).sqrt();
    let difference = value.estimate - nearest(value.estimate, published);
    Tested {
        p: beyond(difference, own.hypot(theirs)),
        holds: holds(claim, value, published, items),
        measured: measured(place, items, value),
    }
}
