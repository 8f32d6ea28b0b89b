//! Inputs that bring a numeric answer as far from the oracle's as can be found.
//!
//! A generated case goes back to a sequence of choices; a search changes them, asks, and keeps what is further off. What
//! it may change them to is what the property may choose anyway, so that the tolerances of the suite's checks hold for
//! every input that it finds: an answer beyond them is a defect, not an input that asks too much.

use serde::Serialize;

use crate::adapter::Launcher;
use crate::build::SplitMix64;
use crate::case::{Case, Spec};
use crate::check;
use crate::judge::{judge, ulp_errors};
use crate::requirement::Catalogue;
use crate::schedule::{Asker, RunError, RunOptions};
use crate::verdict::Check;

/// Generated cases of a property that a search begins with: it goes on from the worst of them.
const STARTS: u32 = 12;

/// Changes that are made at once, at most: one finds what is near, several leave a place that no single change betters.
const CHANGES: usize = 4;

/// How a search goes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides where it begins and what it tries.
    pub seed: u64,
    /// Questions, of all properties together.
    pub budget: usize,
    /// Only these operations; all that numbers are answered to when there are none.
    pub ops: Vec<String>,
    /// The dialect.
    pub spec: Spec,
}

/// The worst that was found of one property.
#[derive(Clone, Debug, Serialize)]
pub struct Worst {
    /// The property, as in `gen/soft-embed`.
    pub property: String,
    /// Operation.
    pub op: String,
    /// Element type of the answer.
    pub dtype: String,
    /// How far the worst of the first cases is off, in ULP: see [`crate::event::UlpErrors`].
    pub before: f64,
    /// How far the worst that was found is off.
    pub after: f64,
    /// Numbers of that answer that are NaN or infinite.
    pub not_finite: u64,
    /// Questions that were asked.
    pub asked: usize,
    /// Checks that the answer misses: it is further off than the requirement allows.
    pub missed: Vec<String>,
    /// The case.
    #[serde(serialize_with = "key_of")]
    pub case: Case,
    /// The choices that it is made of.
    pub choices: Vec<u64>,
}

fn key_of<S: serde::Serializer>(case: &Case, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&case.key())
}

impl Worst {
    /// Whether one number is no number, then how far the others are off.
    fn badness(&self) -> (u64, f64) {
        (self.not_finite, self.after)
    }

    fn worse_than(&self, other: &Self) -> bool {
        self.badness() > other.badness()
    }
}

/// Searches each property that numbers are answered to. Those that nothing is known of are left out: the operation is not
/// declared, or no number can be held against the oracle's.
///
/// # Errors
/// [`RunError`] when the implementation can't be asked.
pub fn search(
    launcher: &dyn Launcher,
    options: &RunOptions<'_>,
    plan: &Plan,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Worst>, RunError> {
    let mut asker = Asker::new(launcher, options)?;
    let mut properties: Vec<Vec<Worst>> = Vec::new();
    let mut asked = 0;
    for case in check::first(plan.spec, plan.seed, STARTS) {
        let numeric = case.steps.iter().any(|step| {
            NUMERIC.contains(&step.op.as_str()) && (plan.ops.is_empty() || plan.ops.contains(&step.op))
        });
        if !numeric || options.stop.raised() || asker.hello().reason_to_skip(&case).is_some() {
            continue;
        }
        let choices = check::choices(&case.id, plan.spec, plan.seed).unwrap_or_default();
        asked += 1;
        let Some(found) = ask(&mut asker, case, choices)? else { continue };
        match properties.last_mut().filter(|starts| starts[0].property == found.property) {
            Some(starts) => starts.push(found),
            None => properties.push(vec![found]),
        }
    }
    let mut all = Vec::new();
    let left = plan.budget.saturating_sub(asked);
    let each = left / properties.len().max(1);
    let mut random = SplitMix64::new(plan.seed);
    for starts in properties {
        all.extend(climb(&mut asker, starts, each, plan, options, &mut random)?);
        asked += each;
        progress(asked);
    }
    Ok(all)
}

/// Operations that answer numbers with an oracle.
pub const NUMERIC: [&str; 9] = [
    "encode_tensor",
    "normalize",
    "project_linear",
    "project_overlap",
    "project_vocab",
    "realign_apply",
    "realign_matrix",
    "soft_embed",
    "target_norm",
];

/// From the worst start on: changes that make it no better are kept.
fn climb(
    asker: &mut Asker<'_>,
    starts: Vec<Worst>,
    budget: usize,
    plan: &Plan,
    options: &RunOptions<'_>,
    random: &mut SplitMix64,
) -> Result<Option<Worst>, RunError> {
    let others: Vec<Vec<u64>> = starts.iter().map(|start| start.choices.clone()).collect();
    let count = starts.len();
    let worst =
        starts.into_iter().reduce(|worst, start| if start.worse_than(&worst) { start } else { worst });
    let Some(mut worst) = worst else { return Ok(None) };
    let (before, id) = (worst.after, worst.case.id.clone());
    let mut asked = 0;
    while asked < budget && !options.stop.raised() {
        asked += 1;
        let mut choices = worst.choices.clone();
        for _ in 0..=random.below(CHANGES) {
            change(&mut choices, &others, random);
        }
        let Some(case) = check::from_choices(&id, plan.spec, plan.seed, &choices) else { continue };
        if let Some(found) = ask(asker, case, choices)?
            && !worst.worse_than(&found)
        {
            worst = found;
        }
    }
    Ok(Some(Worst { before, asked: asked + count, ..worst }))
}

/// Changes one choice, or takes a run of them from another case.
fn change(choices: &mut Vec<u64>, others: &[Vec<u64>], random: &mut SplitMix64) {
    if choices.is_empty() {
        return choices.push(random.next_u64());
    }
    let at = random.below(choices.len());
    let old = choices[at];
    choices[at] = match random.below(7) {
        0 => old.wrapping_add(1),
        1 => old.saturating_sub(1),
        2 => old / 2,
        3 => old.saturating_mul(2),
        4 => old ^ 1 << random.below(16),
        5 => random.next_u64() % old.saturating_mul(2).saturating_add(256),
        _ => {
            let other = &others[random.below(others.len())];
            let end = other.len().min(choices.len());
            if at < end {
                let len = 1 + random.below((end - at).min(16));
                choices[at..at + len].copy_from_slice(&other[at..at + len]);
            }
            return;
        }
    };
}

/// How far the answers to a case are off; `None` when none of them is a number that the oracle knows.
fn ask(asker: &mut Asker<'_>, case: Case, choices: Vec<u64>) -> Result<Option<Worst>, RunError> {
    let observed = asker.ask(&case)?;
    let errors = ulp_errors(&case, &observed);
    let worst = errors
        .into_iter()
        .reduce(|a, b| if (b.not_finite, b.worst) > (a.not_finite, a.worst) { b } else { a });
    let Some(errors) = worst else { return Ok(None) };
    let checks = judge(&case, &observed, Catalogue::embedded());
    let missed = checks.into_iter().filter(Check::missed).map(|check| check.name).collect();
    let property = case.id.rsplit_once('/').map_or(case.id.as_str(), |(name, _)| name);
    Ok(Some(Worst {
        property: property.to_owned(),
        op: errors.op,
        dtype: errors.dtype,
        before: errors.worst,
        after: errors.worst,
        not_finite: errors.not_finite,
        asked: 1,
        missed,
        choices,
        case,
    }))
}
