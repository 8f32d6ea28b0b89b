//! Two arms, item by item → by how much they differ, and what can be said about it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::sample::Sample;
use crate::stats::{
    ALPHA, Bootstrap, Discordance, Interval, holm, mean, median, paired_t, share_difference, shares_match,
    sign_flip, standard_mde,
};

/// How far apart two shares of right answers may be to be called the same: five points. Published comparisons of these arms
/// call differences of that size a match; fewer points need more items than most of those tasks have.
pub const MARGIN: f64 = 0.05;

/// An arm's items.
pub type Samples<'a> = BTreeMap<&'a str, Sample>;

/// What is said of an arm's right answers against another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// More are right: the test says so after Holm's correction.
    Better,
    /// Fewer are.
    Worse,
    /// Within [`MARGIN`] of each other, and no difference shown: both one-sided tests say so after Holm's correction.
    Matches,
    /// Neither was shown.
    Undecided,
}

/// The first arm against the second, on the items that both answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// How many those are.
    pub items: u64,
    /// Share of right answers of the first arm.
    pub share: f64,
    /// And of the second.
    pub other_share: f64,
    /// Items that tell them apart.
    pub discordance: Discordance,
    /// First less second, with the percentile interval of a bootstrap over items, 95 %.
    pub difference: Interval,
    /// The same with the score interval, which does not collapse where no item tells them apart, 95 %.
    pub score: Interval,
    /// That they are alike: exact, two-sided.
    pub p: f64,
    /// After Holm's correction.
    pub p_holm: f64,
    /// That they lie further apart than the margin.
    pub match_p: f64,
    /// After Holm's correction.
    pub match_p_holm: f64,
    /// What all that comes to.
    pub finding: Finding,
    /// The smallest difference that so many items show four times out of five, where a fifth of them tells arms apart.
    pub mde: Option<f64>,
    /// Nats of the gold answer, first less second: below 0 the first makes it likelier.
    pub nll: Option<Likelihood>,
    /// Median time of the first over that of the second, with its bootstrap interval.
    pub time: Interval,
    /// Mean energy of the first over that of the second, with its bootstrap interval, where both were read for every item.
    pub energy: Option<Interval>,
    /// Part of the second's computed positions that the first does without; below 0 it computes more.
    pub saving: f64,
    /// How many decoded tokens' time the first takes longer: so many more the second would have to write for both to take as
    /// long. Below 0 the first is ahead by that many.
    pub break_even: Option<f64>,
}

/// A difference of negative log-likelihoods.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Likelihood {
    /// Items that both were measured on.
    pub items: u64,
    /// Nats an item, with Student's interval, 95 %.
    pub nats: Interval,
    /// Student's paired test.
    pub p: f64,
    /// After Holm's correction.
    pub p_holm: f64,
}

impl Paired {
    /// Compares two arms; `None` where no item was answered under both.
    #[must_use]
    pub fn of(first: &Samples<'_>, second: &Samples<'_>) -> Option<Self> {
        let pairs: Vec<(&Sample, &Sample)> =
            first.iter().filter_map(|(item, sample)| Some((sample, second.get(item)?))).collect();
        if pairs.is_empty() {
            return None;
        }
        let differences: Vec<f64> = pairs.iter().map(|(a, b)| a.share() - b.share()).collect();
        // Differences in answers rather than shares, so that their signed sums are those of whole numbers.
        let answers = f64::from(pairs.iter().map(|(a, b)| a.of.max(b.of)).max().unwrap_or(1));
        let whole: Vec<i64> = differences.iter().map(|d| (d * answers).round() as i64).collect();
        let discordance = Discordance::of(&differences);
        let times: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (a.wall_ms, b.wall_ms)).collect();
        let computed = |sample: &Sample| sample.tokens.computed();
        let (a_computed, b_computed) =
            (mean(pairs.iter().map(|(a, _)| computed(a))), mean(pairs.iter().map(|(_, b)| computed(b))));
        let items = pairs.len() as u64;
        Some(Self {
            items,
            share: mean(pairs.iter().map(|(a, _)| a.share())),
            other_share: mean(pairs.iter().map(|(_, b)| b.share())),
            discordance,
            difference: Bootstrap::default().mean(&differences),
            score: share_difference(discordance, 1.0 - ALPHA),
            p: sign_flip(&whole),
            p_holm: 1.0,
            match_p: shares_match(discordance, MARGIN),
            match_p_holm: 1.0,
            finding: Finding::Undecided,
            mde: standard_mde(items),
            nll: likelihood(&pairs),
            time: Bootstrap::default().ratio_of_medians(&times),
            energy: energy(&pairs),
            saving: 1.0 - a_computed / b_computed,
            break_even: break_even(&pairs),
        })
    }

    fn decide(&mut self) {
        // A difference that was shown is one, however small: many items show it and that it is within the margin.
        self.finding = if self.p_holm < ALPHA && self.difference.estimate > 0.0 {
            Finding::Better
        } else if self.p_holm < ALPHA {
            Finding::Worse
        } else if self.is_within_margin() {
            Finding::Matches
        } else {
            Finding::Undecided
        };
    }

    /// Whether they were shown to be within [`MARGIN`] of each other, be there a difference or none.
    #[must_use]
    pub fn is_within_margin(&self) -> bool {
        self.match_p_holm < ALPHA
    }
}

/// A ratio of means: counters are coarse for one short item, and a median would keep that.
fn energy(pairs: &[(&Sample, &Sample)]) -> Option<Interval> {
    let joules: Option<Vec<(f64, f64)>> =
        pairs.iter().map(|(a, b)| Some((a.energy_j?, b.energy_j?))).collect();
    let joules = joules?;
    let sums = |chosen: &[usize]| {
        let pairs = chosen.iter().map(|&i| joules[i]);
        pairs.fold((0.0, 0.0), |(a, b), (more_a, more_b)| (a + more_a, b + more_b))
    };
    let ratio = |chosen: &[usize]| {
        let (a, b) = sums(chosen);
        a / b
    };
    Some(Bootstrap::default().interval(joules.len(), ratio)).filter(|ratio| ratio.estimate.is_finite())
}

fn likelihood(pairs: &[(&Sample, &Sample)]) -> Option<Likelihood> {
    let differences: Vec<f64> = pairs.iter().filter_map(|(a, b)| Some(a.nll? - b.nll?)).collect();
    let t = paired_t(&differences)?;
    let items = differences.len() as u64;
    Some(Likelihood { items, nats: t.interval(1.0 - ALPHA), p: t.p, p_holm: 1.0 })
}

/// (time of the first − time of the second) / the second's time for a token: medians over items.
fn break_even(pairs: &[(&Sample, &Sample)]) -> Option<f64> {
    let a_token = pairs.iter().filter(|(_, b)| b.tokens.decoded > 0.0);
    let a_token = median(a_token.map(|(_, b)| b.phases.generate / b.tokens.decoded));
    let longer = median(pairs.iter().map(|(a, b)| a.wall_ms - b.wall_ms));
    Some(longer / a_token).filter(|tokens| tokens.is_finite())
}

/// Corrects a family of comparisons for being many, each kind of test by itself, and says what each comes to.
pub fn correct<'a>(family: impl IntoIterator<Item = &'a mut Paired>) {
    let mut family: Vec<&mut Paired> = family.into_iter().collect();
    let p = holm(&family.iter().map(|paired| paired.p).collect::<Vec<_>>());
    let match_p = holm(&family.iter().map(|paired| paired.match_p).collect::<Vec<_>>());
    let nll_p: Vec<f64> = family.iter().filter_map(|paired| Some(paired.nll?.p)).collect();
    let mut nll_p = holm(&nll_p).into_iter();
    for ((paired, p), match_p) in family.iter_mut().zip(p).zip(match_p) {
        (paired.p_holm, paired.match_p_holm) = (p, match_p);
        if let Some(nll) = &mut paired.nll {
            nll.p_holm = nll_p.next().unwrap_or(1.0);
        }
        paired.decide();
    }
}
