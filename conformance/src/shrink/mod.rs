//! Failing cases → small failing cases.
//!
//! A generated case goes back to a sequence of choices ([`crate::check::choices`]); fewer and smaller choices make a
//! plainer case. [`ChoiceTree`] proposes them, as a value tree of proptest that is driven by hand: cases are made and
//! asked at full speed, and only one that fails is ever turned into a tree.

mod fewest;
mod tree;

use proptest::strategy::ValueTree as _;

pub use self::fewest::fewest;
pub use self::tree::{ChoiceTree, Choices};

/// What became of a sequence of choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minimised {
    /// The smallest that still fails.
    pub choices: Vec<u64>,
    /// How often was asked whether one does.
    pub runs: usize,
    /// Nothing smaller was found, within the means of [`ChoiceTree`]; otherwise the budget was spent.
    pub settled: bool,
}

/// Makes failing choices smaller for as long as they fail, with at most `budget` questions.
///
/// ```
/// use avp_conformance::shrink::minimise;
///
/// let done = minimise(vec![7, 300, 5, 900, 2], 100, |choices| choices.iter().any(|&choice| choice > 127));
/// assert_eq!(done.choices, [128]);
/// ```
pub fn minimise(choices: Vec<u64>, budget: usize, mut still_fails: impl FnMut(&[u64]) -> bool) -> Minimised {
    let mut tree = ChoiceTree::new(choices);
    let mut runs = 0;
    let mut more = tree.simplify();
    while more && runs < budget {
        runs += 1;
        more = if still_fails(tree.proposed()) { tree.simplify() } else { tree.complicate() };
    }
    Minimised { choices: tree.into_best(), runs, settled: !more }
}

#[cfg(test)]
mod tests;
