//! The accepted twin of a refused request.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::Spec;

use super::super::expand::Expanded;
use super::reader;
use super::trial::{At, Outcome, Trial, outcomes, trials};
use super::{How, Nearest, Refusal};

/// Every refusal with what proves it, by id, dialect and step.
pub(super) fn refusals(expanded: &[Expanded<'_>]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut open: BTreeMap<&str, Vec<Asked<'_>>> = BTreeMap::new();
    for one in expanded {
        for (at, op, _) in outcomes(one).into_iter().filter(|(_, _, outcome)| *outcome == Outcome::Refused) {
            for spec in &one.recipe.specs {
                let mut refusal = |how| {
                    refusals.push(Refusal {
                        id: one.recipe.id.clone(),
                        spec: *spec,
                        op: op.to_owned(),
                        step: at.step,
                        within: at.within,
                        how,
                    });
                };
                if one.recipe.multi_fault {
                    refusal(How::SeveralFaults);
                } else if let Some(proof) = reader::proves(one, at.step, *spec) {
                    refusal(How::Reader { base: proof.base });
                } else {
                    open.entry(op).or_default().push(Asked { one, at, spec: *spec });
                }
            }
        }
    }
    for (op, asked) in open {
        refusals.extend(of_op(expanded, op, &asked));
    }
    refusals.sort_by(|a, b| (&a.id, a.spec, a.step, a.within).cmp(&(&b.id, b.spec, b.step, b.within)));
    refusals
}

/// A refusal that our reader does not prove.
struct Asked<'e> {
    one: &'e Expanded<'e>,
    at: At,
    spec: Spec,
}

/// Something accepted.
struct Candidate<'e> {
    one: &'e Expanded<'e>,
    trial: Trial,
}

fn of_op(expanded: &[Expanded<'_>], op: &str, asked: &[Asked<'_>]) -> Vec<Refusal> {
    let wanted: BTreeSet<(&str, At)> =
        asked.iter().map(|asked| (asked.one.recipe.id.as_str(), asked.at)).collect();
    let mut refused: BTreeMap<(&str, At), Trial> = BTreeMap::new();
    let mut accepted = Vec::new();
    for one in expanded.iter().filter(|one| one.steps.iter().any(|step| step.op == op)) {
        for trial in trials(one, op) {
            let key = (one.recipe.id.as_str(), trial.at);
            match trial.outcome {
                Outcome::Accepted => accepted.push(Candidate { one, trial }),
                Outcome::Refused if wanted.contains(&key) => _ = refused.insert(key, trial),
                Outcome::Refused | Outcome::Open => {}
            }
        }
    }
    let mut found = Vec::new();
    for asked in asked {
        let Some(trial) = refused.get(&(asked.one.recipe.id.as_str(), asked.at)) else { continue };
        let of_dialect = accepted.iter().filter(|candidate| candidate.one.recipe.specs.contains(&asked.spec));
        found.push(Refusal {
            id: asked.one.recipe.id.clone(),
            spec: asked.spec,
            op: op.to_owned(),
            step: asked.at.step,
            within: asked.at.within,
            how: nearest(trial, of_dialect),
        });
    }
    found
}

/// The accepted request that differs in the fewest places; the first of them.
fn nearest<'e>(refused: &Trial, accepted: impl Iterator<Item = &'e Candidate<'e>>) -> How {
    let mut nearest: Option<Nearest> = None;
    for candidate in accepted {
        let places = refused.places_to(&candidate.trial);
        let At { step, within } = candidate.trial.at;
        let id = candidate.one.recipe.id.clone();
        let twin = Nearest { id, step, within, count: places.count, places: places.named };
        match (twin.count, &nearest) {
            // What is to be accepted and refused at once can't be proven by anything else.
            (0, _) => return How::Open(Some(twin)),
            (1, _) => return How::Twin(twin),
            (count, Some(nearest)) if nearest.count <= count => {}
            _ => nearest = Some(twin),
        }
    }
    How::Open(nearest)
}
