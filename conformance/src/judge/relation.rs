//! What must hold between the answers of several steps.

use serde_json::Value;

use super::compare::{pointer, short};
use super::{Bench, Observed, Reply, bytes_meaning, meaning, parting};
use crate::case::{Joined, MEANING, Relation};
use crate::verdict::{Check, Outcome};

impl Bench<'_> {
    pub(super) fn relation(&self, relation: &Relation) -> Check {
        let check = self.check(self.case.steps.len().saturating_sub(1), "relation");
        let steps = self.case.steps.len();
        let values: Vec<Option<Value>> = (0..steps)
            .map(|step| self.observed.get(step).and_then(|seen| self.value(seen, &relation.at)))
            .collect();
        let about = involved(relation, steps);
        if about.iter().all(|step| values.get(*step).is_none_or(Option::is_none)) {
            let note = format!("no answer has {}", relation.at);
            return Check { outcome: Outcome::NotApplicable, note, ..check };
        }
        let fail = |note: String| Check {
            outcome: Outcome::Fail,
            expected: described(relation).into(),
            note,
            ..check.clone()
        };
        if let Some(step) = about.iter().find(|step| values.get(**step).is_none_or(Option::is_none)) {
            return fail(format!("step {} answered without {}", step + 1, relation.at));
        }
        if let Some(joined) = &relation.joined {
            return match parted(joined, &values) {
                None => check,
                Some(note) => fail(note),
            };
        }
        let shown = |step: usize| values[step].as_ref().map(short).unwrap_or_default();
        let equal = |a: usize, b: usize| match (&values[a], &values[b]) {
            (Some(a), Some(b)) if relation.at == MEANING => parting(a, b).is_none(),
            (a, b) => a == b,
        };
        for (index, group) in relation.equal.iter().enumerate() {
            if let Some(odd) = group.iter().find(|step| !equal(group[0], **step)) {
                let (first, odd) = (group[0], *odd);
                if relation.at == MEANING
                    && let (Some(a), Some(b)) = (&values[first], &values[odd])
                    && let Some((at, a, b)) = parting(a, b)
                {
                    let (a, b) = (short(&a), short(&b));
                    let (first, odd) = (first + 1, odd + 1);
                    return fail(format!(
                        "{at}: step {first} gave {a}, step {odd} gave {b}: they mean the same"
                    ));
                }
                return fail(format!(
                    "step {} gave {}, step {} gave {}: they must be equal",
                    first + 1,
                    shown(first),
                    odd + 1,
                    shown(odd)
                ));
            }
            for other in &relation.equal[..index] {
                if let (Some(a), Some(b)) = (other.first(), group.first())
                    && equal(*a, *b)
                {
                    return fail(format!(
                        "steps {} and {} both gave {}: they must differ",
                        a + 1,
                        b + 1,
                        shown(*a)
                    ));
                }
            }
        }
        if relation.distinct {
            let mut seen = std::collections::HashMap::new();
            for (step, value) in values.iter().enumerate() {
                let text = value.as_ref().map(Value::to_string);
                if let Some(before) = seen.insert(text, step) {
                    return fail(format!("steps {} and {} both gave {}", before + 1, step + 1, shown(step)));
                }
            }
        }
        if relation.non_increasing {
            let numbers: Vec<f64> = values
                .iter()
                .map(|value| value.as_ref().and_then(Value::as_f64).unwrap_or(f64::NAN))
                .collect();
            // Not `>`: what is no number compares with nothing.
            if let Some(at) = numbers.windows(2).position(|pair| !matches!(pair, [a, b] if a >= b)) {
                return fail(format!(
                    "step {} gave {}, step {} gave {}",
                    at + 1,
                    shown(at),
                    at + 2,
                    shown(at + 1)
                ));
            }
        }
        check
    }

    fn value(&self, seen: &Observed, at: &str) -> Option<Value> {
        match &seen.reply {
            Reply::Answered(answer) if at == MEANING => meaning(answer, self.case.spec),
            _ => value(seen, at),
        }
    }
}

/// How the messages of several answers in a row differ from those of one; `None` when they are the same.
fn parted(joined: &Joined, values: &[Option<Value>]) -> Option<String> {
    let messages = |step: usize| {
        let value = values.get(step)?.as_ref()?;
        value.get("messages").and_then(Value::as_array).cloned()
    };
    let apart: Vec<Value> = joined.pieces.iter().filter_map(|step| messages(*step)).flatten().collect();
    let together = messages(joined.whole).unwrap_or_default();
    let whole = joined.whole + 1;
    if apart.len() != together.len() {
        let (one, other) = (apart.len(), together.len());
        return Some(format!("the pieces are {one} messages, step {whole} gave {other}"));
    }
    let (at, a, b) = parting(&Value::Array(apart), &Value::Array(together))?;
    Some(format!("{at}: alone {}, in step {whole} {}", short(&a), short(&b)))
}

/// The steps that a relation speaks of.
fn involved(relation: &Relation, steps: usize) -> Vec<usize> {
    if relation.distinct || relation.non_increasing {
        (0..steps).collect()
    } else {
        let joined = relation.joined.iter().flat_map(|joined| joined.pieces.iter().chain([&joined.whole]));
        relation.equal.iter().flatten().chain(joined).copied().collect()
    }
}

fn value(seen: &Observed, at: &str) -> Option<Value> {
    let (ok, parts) = seen.ok()?;
    let part = |name: &str| parts.iter().find(|part| part.name == name);
    if let Some(name) = at.strip_prefix("len:") {
        return Some(part(name)?.bytes.len().into());
    }
    if let Some(name) = at.strip_prefix("part:") {
        let bytes = &part(name)?.bytes;
        // Long parts by their digest: equality is all that is asked.
        return Some(bytes_meaning(bytes));
    }
    pointer(ok, at).filter(|value| !value.is_null()).cloned()
}

fn described(relation: &Relation) -> String {
    let mut rules = Vec::new();
    if !relation.equal.is_empty() {
        let groups: Vec<String> = relation
            .equal
            .iter()
            .map(|group| group.iter().map(|step| (step + 1).to_string()).collect::<Vec<_>>().join(", "))
            .collect();
        rules.push(format!(
            "equal inside each of these groups of steps, different between them: {}",
            groups.join(" | ")
        ));
    }
    if let Some(joined) = &relation.joined {
        let pieces: Vec<String> = joined.pieces.iter().map(|step| (step + 1).to_string()).collect();
        rules.push(format!("in step {} that of {} in a row", joined.whole + 1, pieces.join(", ")));
    }
    if relation.distinct {
        rules.push("different in every step".to_owned());
    }
    if relation.non_increasing {
        rules.push("not growing from step to step".to_owned());
    }
    format!("{} is {}", relation.at, rules.join(" and "))
}
