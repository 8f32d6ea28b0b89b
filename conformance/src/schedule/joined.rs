//! Several cases as one, and one case with fewer steps.

use serde_json::Value;

use crate::case::{Case, Expect, ExpectPart, PartContent, PartData, Step};
use crate::http::is_peer_op;

/// Key of an argument that stands for a value of an earlier answer.
const FROM: &str = "$from";

/// Whether no step of a case refers to another, so that any of them can be left out.
pub(super) fn stands_apart(case: &Case) -> bool {
    let refers = |part: &ExpectPart| match &part.content {
        PartContent::SameAs { step: _, sent, .. } => !sent,
        PartContent::Near { .. } => true,
        _ => false,
    };
    let apart = |step: &Step| {
        !step.uses_scratch()
            && !is_peer_op(&step.op)
            && !step.args.values().any(takes)
            && step.parts.iter().all(|part| matches!(part.data, PartData::Bytes(_)))
            && !matches!(&step.expect, Expect::Ok { parts, .. } if parts.iter().any(refers))
            && !matches!(&step.expect, Expect::Either(_))
    };
    case.relation.is_none() && case.steps.iter().all(apart)
}

/// The case with these steps alone. Only for one whose steps stand apart.
pub(super) fn only(case: &Case, steps: &[usize]) -> Case {
    let mut small = case.clone();
    small.steps = steps.iter().filter_map(|&step| case.steps.get(step).cloned()).collect();
    small.patched.retain_mut(|range| {
        let at = steps.iter().position(|&step| step == range.step);
        range.step = at.unwrap_or_default();
        at.is_some()
    });
    for (at, step) in small.steps.iter_mut().enumerate() {
        shift_expectation(&mut step.expect, |_| at);
    }
    small
}

/// One case that asks `before`, whatever comes of it, and then `case`. `None` where their steps can't be told apart.
pub(super) fn joined(before: &[Case], case: &Case) -> Option<Case> {
    let all = || before.iter().chain([case]);
    // Files of one would be in the way of the other's; a peer listens for one case.
    if all().flat_map(|one| &one.steps).any(|step| step.uses_scratch() || is_peer_op(&step.op)) {
        return None;
    }
    let mut whole = Case { steps: Vec::new(), patched: Vec::new(), ..case.clone() };
    for (index, one) in all().enumerate() {
        let offset = whole.steps.len();
        for step in &one.steps {
            let mut step = step.clone();
            for value in step.args.values_mut() {
                shift_argument(value, offset);
            }
            for part in &mut step.parts {
                if let PartData::FromStep { step, .. } = &mut part.data {
                    *step += offset;
                }
            }
            if index == before.len() {
                shift_expectation(&mut step.expect, |at| at + offset);
            } else {
                step.expect = Expect::Alive;
            }
            whole.steps.push(step);
        }
        whole.patched.extend(one.patched.iter().cloned().map(|mut range| {
            range.step += offset;
            range
        }));
        for feature in &one.requires {
            if !whole.requires.contains(feature) {
                whole.requires.push(feature.clone());
            }
        }
        whole.timeout_ms = whole.timeout_ms.max(one.timeout_ms);
        if index == before.len()
            && let Some(relation) = &mut whole.relation
        {
            if relation.joined.is_some() || relation.distinct || relation.non_increasing {
                return None;
            }
            relation.equal.iter_mut().flatten().for_each(|step| *step += offset);
        }
    }
    Some(whole)
}

fn takes(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(takes),
        Value::Object(map) => map.contains_key(FROM) || map.values().any(takes),
        _ => false,
    }
}

fn shift_argument(value: &mut Value, offset: usize) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| shift_argument(item, offset)),
        Value::Object(map) => match map.get_mut(FROM).and_then(|from| from.get_mut("step")) {
            Some(step) => *step = (step.as_u64().unwrap_or_default() + offset as u64).into(),
            None => map.values_mut().for_each(|item| shift_argument(item, offset)),
        },
        _ => {}
    }
}

fn shift_expectation(expect: &mut Expect, to: impl Fn(usize) -> usize + Copy) {
    match expect {
        Expect::Ok { parts, .. } => {
            for part in parts {
                if let PartContent::SameAs { step, .. } | PartContent::Near { step, .. } = &mut part.content {
                    *step = to(*step);
                }
            }
        }
        Expect::Either(branches) => branches.iter_mut().for_each(|(_, branch)| shift_expectation(branch, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::case::Spec;
    use crate::check;

    fn of(property: &str, index: u32) -> Case {
        check::generated_case(&format!("gen/{property}/{index}"), Spec::V04, 3).unwrap()
    }

    #[test]
    fn steps_of_a_sequence_stand_apart_and_those_of_a_round_trip_do_not() {
        let sequence =
            (0..20).map(|index| of("decode-sequence", index)).find(|case| case.steps.len() > 2).unwrap();
        assert!(stands_apart(&sequence));
        let small = only(&sequence, &[1]);
        assert_eq!(small.steps, sequence.steps[1..2]);
        assert!(!stands_apart(&of("round-trip", 0)));
        assert!(!stands_apart(&of("map-saved", 0)));
    }

    #[test]
    fn joined_cases_refer_to_their_own_steps() {
        let (first, second) = (of("round-trip", 0), of("round-trip", 1));
        let whole = joined(std::slice::from_ref(&first), &second).unwrap();
        let offset = first.steps.len();
        assert_eq!(whole.steps.len(), offset + second.steps.len());
        let from = |case: &Case, step: usize| match &case.steps[step].parts[0].data {
            PartData::FromStep { step, .. } => Some(*step),
            PartData::Bytes(_) => None,
        };
        assert_eq!(from(&whole, offset + 1), from(&second, 1).map(|step| step + offset));
        assert!(whole.steps[..offset].iter().all(|step| step.expect == Expect::Alive));
        assert_eq!(whole.steps[offset].expect, second.steps[0].expect);
        assert_eq!(joined(&[of("map-saved", 0)], &second), None);
        let mut value = json!([{"$from": {"step": 1, "at": "/x"}}]);
        shift_argument(&mut value, 4);
        assert_eq!(value, json!([{"$from": {"step": 5, "at": "/x"}}]));
    }
}
