//! A task's scorer, tried on answers that are known.

use rayon::prelude::*;

use super::form::same_answer;
use super::{Form, Task, TaskItem};
use crate::record::Audit;
use crate::sandbox::Sandbox;

/// Scores, of the items with these numbers, each one's own answer, an empty one, replies that look like an answer and are none,
/// and the next item's answer, unless one of the two stands in the other: "two" and "two thousand" are taken for each other by a
/// scorer that reads the last words, and rightly so.
#[must_use]
pub fn audit(task: &Task, chosen: &[usize], sandbox: Option<&Sandbox>) -> Audit {
    let form = &task.form;
    let of_item = |place: usize| -> Audit {
        let item = &task.items[chosen[place]];
        let next = &task.items[chosen[(place + 1) % chosen.len()]];
        let takes = |reply: &str| form.score(item, reply, sandbox).right;
        let count = |right: bool| u64::from(right);
        let mut audit = Audit { items: 1, ..Audit::default() };
        // The short form of an answer is an answer too, but for programs, and by others' rules.
        let short = form.runs_programs() || form.is_shown_only() || takes(&item.answer);
        audit.gold = count(takes(&item.reply) && short);
        audit.empty = count(takes("") || takes(" "));
        for cheat in form.cheats(item) {
            audit.cheats_of += 1;
            audit.cheats += count(takes(&cheat));
        }
        if unlike(form, item, next) {
            audit.foreign_of = 1;
            audit.foreign = count(takes(&next.reply));
        }
        audit
    };
    let all: Vec<_> = (0..chosen.len()).into_par_iter().map(of_item).collect();
    let sum = |of: fn(&Audit) -> u64| all.iter().map(of).sum();
    Audit {
        task: task.name.clone(),
        items: sum(|audit| audit.items),
        gold: sum(|audit| audit.gold),
        empty: sum(|audit| audit.empty),
        foreign: sum(|audit| audit.foreign),
        foreign_of: sum(|audit| audit.foreign_of),
        cheats: sum(|audit| audit.cheats),
        cheats_of: sum(|audit| audit.cheats_of),
        ceiling: form.has_ceiling(),
        shown_only: form.is_shown_only(),
    }
}

/// Whether the answer to one item can be none to the other.
fn unlike(form: &Form, item: &TaskItem, next: &TaskItem) -> bool {
    if form.runs_programs() {
        return item.answer != next.answer;
    }
    let (own, other) = (item.answer.to_lowercase(), next.answer.to_lowercase());
    !same_answer(item, next) && !own.contains(&other) && !other.contains(&own)
}

impl Audit {
    /// Whether the scorer does what it should, or is not ours. Of programs, of which some of the data's own are not right and
    /// of which the next item's may solve the same problem, nothing that only looks like an answer may be taken all the same.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let knows = self.ceiling || (self.gold == self.items && self.foreign == 0);
        self.shown_only || (knows && self.empty == 0 && self.cheats == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scorer_is_good_when_it_takes_all_nothing_and_none() {
        let good = Audit { items: 3, gold: 3, foreign_of: 2, cheats_of: 6, ..Audit::default() };
        assert!(good.is_good());
        let bad = [
            Audit { gold: 2, ..good.clone() },
            Audit { foreign: 1, ..good.clone() },
            Audit { cheats: 1, ..good.clone() },
            Audit { empty: 1, ..good },
        ];
        for (place, bad) in bad.into_iter().enumerate() {
            assert!(!bad.is_good(), "{bad:?}");
            // A ceiling excuses the first two, and nothing that looks like an answer.
            assert_eq!(Audit { ceiling: true, ..bad.clone() }.is_good(), place < 2);
            assert!(Audit { shown_only: true, ..bad }.is_good());
        }
    }
}
