//! A task's scorer, tried on answers that are known.

use super::Task;
use super::form::same_answer;
use crate::record::Audit;

/// Scores each item's own answer, an empty one, and the next item's, unless one of the two stands in the other: "two" and "two
/// thousand" are taken for each other by a scorer that reads the last words, and rightly so.
#[must_use]
pub fn audit(task: &Task) -> Audit {
    let form = task.form;
    let mut audit = Audit { task: task.name.clone(), items: task.items.len() as u64, ..Audit::default() };
    for (index, item) in task.items.iter().enumerate() {
        let takes =
            |reply: &str| form.extract(item, reply).is_some_and(|answer| form.is_right(item, &answer));
        audit.gold += u64::from(takes(&item.answer) && takes(&item.reply));
        audit.empty += u64::from(takes("") || takes(" "));
        let next = &task.items[(index + 1) % task.items.len()];
        let (own, other) = (item.answer.to_lowercase(), next.answer.to_lowercase());
        if !same_answer(item, next) && !own.contains(&other) && !other.contains(&own) {
            audit.foreign_of += 1;
            audit.foreign += u64::from(takes(&next.answer));
        }
    }
    audit
}

impl Audit {
    /// Whether the scorer does what it should.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.gold == self.items && self.empty == 0 && self.foreign == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scorer_is_good_when_it_takes_all_nothing_and_none() {
        let good = Audit { items: 3, gold: 3, foreign_of: 2, ..Audit::default() };
        assert!(good.is_good());
        for bad in [
            Audit { gold: 2, ..good.clone() },
            Audit { empty: 1, ..good.clone() },
            Audit { foreign: 1, ..good },
        ] {
            assert!(!bad.is_good(), "{bad:?}");
        }
    }
}
