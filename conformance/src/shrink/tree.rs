//! Smaller choices, proposed one at a time.

use proptest::{
    collection::vec,
    num::u64::ANY,
    strategy::{NewTree, Strategy, ValueTree},
    test_runner::TestRunner,
};

/// Most choices that one element of a list takes, where a list is made shorter: its length is lowered and the choices
/// of its elements go with it. Two empty texts are four; longer elements are found by the other passes in more steps.
const ELEMENT: usize = 4;

/// A sequence of choices that becomes smaller as long as the smaller ones fail.
///
/// [`ValueTree::simplify`] says that what was proposed fails, and proposes the next; [`ValueTree::complicate`] says that it
/// does not, takes it back and proposes the next. Runs of choices are taken out, long ones first; lists are made shorter;
/// runs become zeros; then single choices are lowered by halves. All of it begins again until nothing is left to propose.
/// Every proposal is shorter than the best so far, or as long with one choice lower, so that this ends.
#[derive(Clone, Debug)]
pub struct ChoiceTree {
    best: Vec<u64>,
    proposed: Option<Vec<u64>>,
    pass: Pass,
    /// Whether this round has found anything smaller.
    better: bool,
}

/// Where the search stands.
#[derive(Clone, Copy, Debug)]
enum Pass {
    /// Takes out `len` choices that end at `end`.
    Delete {
        len: usize,
        end: usize,
    },
    /// Lowers the choice at `at` and takes out so many behind it; `form` counts the ways.
    Shorten {
        at: usize,
        form: usize,
    },
    /// Makes zeros of `len` choices that end at `end`.
    Zero {
        len: usize,
        end: usize,
    },
    /// Lowers the choice at `at`, which is known not to fail at `low`, once that was tried.
    Lower {
        at: usize,
        low: Option<u64>,
    },
    Done,
}

impl ChoiceTree {
    /// Begins with choices that fail.
    pub fn new(mut choices: Vec<u64>) -> Self {
        trim(&mut choices);
        let pass = Pass::first(&choices);
        Self { best: choices, proposed: None, pass, better: false }
    }

    /// What is proposed, or the best when nothing is.
    pub fn proposed(&self) -> &[u64] {
        self.proposed.as_deref().unwrap_or(&self.best)
    }

    /// The smallest that is known to fail.
    pub fn into_best(self) -> Vec<u64> {
        self.best
    }

    /// Goes on to the next proposal.
    fn propose(&mut self) -> bool {
        loop {
            let (proposal, pass) = self.pass.step(&self.best);
            self.pass = pass;
            if let Pass::Done = pass {
                if !self.better {
                    return false;
                }
                self.better = false;
                self.pass = Pass::first(&self.best);
                continue;
            }
            if let Some(mut proposal) = proposal {
                trim(&mut proposal);
                if smaller(&proposal, &self.best) {
                    self.proposed = Some(proposal);
                    return true;
                }
            }
            self.pass = self.pass.refused(&self.best);
        }
    }
}

impl ValueTree for ChoiceTree {
    type Value = Vec<u64>;

    fn current(&self) -> Vec<u64> {
        self.proposed().to_vec()
    }

    fn simplify(&mut self) -> bool {
        if let Some(proposed) = self.proposed.take() {
            self.pass = self.pass.taken(&self.best, &proposed);
            self.best = proposed;
            self.better = true;
        }
        self.propose()
    }

    fn complicate(&mut self) -> bool {
        if self.proposed.take().is_some() {
            self.pass = self.pass.refused(&self.best);
        }
        self.propose()
    }
}

impl Pass {
    fn first(choices: &[u64]) -> Self {
        Self::Delete { len: choices.len(), end: choices.len() }
    }

    /// The proposal of this place, and the place itself, or the first place behind it where something can be proposed.
    fn step(self, best: &[u64]) -> (Option<Vec<u64>>, Self) {
        match self {
            Self::Delete { len: 0, .. } => Self::Shorten { at: 0, form: 0 }.step(best),
            Self::Delete { len, end } if end < len => {
                Self::Delete { len: len / 2, end: best.len() }.step(best)
            }
            Self::Delete { len, end } => (Some(without(best, end - len, len)), self),
            Self::Shorten { at, form } => match best.get(at) {
                None => Self::Zero { len: best.len(), end: best.len() }.step(best),
                Some(_) if form >= 3 * ELEMENT => Self::Shorten { at: at + 1, form: 0 }.step(best),
                Some(0) => Self::Shorten { at: at + 1, form: 0 }.step(best),
                Some(&choice) => (shortened(best, at, choice, form), self),
            },
            Self::Zero { len: 0, .. } => Self::Lower { at: 0, low: None }.step(best),
            Self::Zero { len, end } if end < len => Self::Zero { len: len / 2, end: best.len() }.step(best),
            Self::Zero { len, end } => {
                let mut zeros = best.to_vec();
                zeros[end - len..end].fill(0);
                (Some(zeros), self)
            }
            Self::Lower { at, low } => match (best.get(at), low) {
                (None, _) => (None, Self::Done),
                (Some(&choice), None) if choice > 0 => (Some(with(best, at, 0)), self),
                (Some(&choice), Some(low)) if choice > low + 1 => {
                    (Some(with(best, at, low + (choice - low) / 2)), self)
                }
                _ => Self::Lower { at: at + 1, low: None }.step(best),
            },
            Self::Done => (None, self),
        }
    }

    /// Where to go on when the proposal of this place fails, and so is the best now.
    fn taken(self, old: &[u64], new: &[u64]) -> Self {
        match self {
            Self::Delete { len, end } => Self::Delete { len, end: (end - len).min(new.len()) },
            Self::Zero { len, end } => Self::Zero { len, end: (end - len).min(new.len()) },
            // The same place again: what was found may be lowered further.
            Self::Shorten { at, .. } if new.len() < old.len() => Self::Shorten { at, form: 0 },
            other => other,
        }
    }

    /// Where to go on when it does not, or when there was none.
    fn refused(self, best: &[u64]) -> Self {
        match self {
            Self::Delete { len, end } => Self::Delete { len, end: end.saturating_sub(len) },
            Self::Zero { len, end } => Self::Zero { len, end: end.saturating_sub(len) },
            Self::Shorten { at, form } => Self::Shorten { at, form: form + 1 },
            Self::Lower { at, low } => {
                let choice = best.get(at).copied().unwrap_or_default();
                Self::Lower { at, low: Some(low.map_or(0, |low| low + (choice - low) / 2)) }
            }
            Self::Done => self,
        }
    }
}

/// Zeros at the end say nothing: past the end every choice is 0.
fn trim(choices: &mut Vec<u64>) {
    let kept = choices.iter().rposition(|&choice| choice > 0).map_or(0, |last| last + 1);
    choices.truncate(kept);
}

/// Shorter, or as long with one choice lower and none higher.
fn smaller(new: &[u64], old: &[u64]) -> bool {
    new.len() < old.len() || new.len() == old.len() && new != old && new.iter().zip(old).all(|(a, b)| a <= b)
}

fn without(choices: &[u64], from: usize, count: usize) -> Vec<u64> {
    [&choices[..from], &choices[from + count..]].concat()
}

fn with(choices: &[u64], at: usize, choice: u64) -> Vec<u64> {
    let mut changed = choices.to_vec();
    changed[at] = choice;
    changed
}

/// The choice at `at` lowered, as if it were the length of a list, and the choices of as many elements taken out behind it.
fn shortened(choices: &[u64], at: usize, choice: u64, form: usize) -> Option<Vec<u64>> {
    let target = match form / ELEMENT {
        0 => 0,
        1 => choice / 2,
        _ => choice - 1,
    };
    let removed = usize::try_from(choice - target).ok()?.checked_mul(form % ELEMENT + 1)?;
    (removed < choices.len() - at).then(|| with(&without(choices, at + 1, removed), at, target))
}

/// Sequences of at most so many choices, for a test runner of proptest.
#[derive(Clone, Copy, Debug)]
pub struct Choices {
    /// How many at most.
    pub most: usize,
}

impl Strategy for Choices {
    type Tree = ChoiceTree;
    type Value = Vec<u64>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        Ok(ChoiceTree::new(vec(ANY, 0..=self.most).new_tree(runner)?.current()))
    }
}
