//! What small choices are, and that they are found.

use proptest::{prelude::*, strategy::ValueTree};

use super::*;
use crate::case::Spec;
use crate::check;

/// More than any of these needs.
const BUDGET: usize = 100_000;

fn settled(choices: Vec<u64>, still_fails: impl FnMut(&[u64]) -> bool) -> Vec<u64> {
    let done = minimise(choices, BUDGET, still_fails);
    assert!(done.settled, "after {} runs: {:?}", done.runs, done.choices);
    done.choices
}

/// A list as properties draw it: a length, then its elements.
fn list(choices: &[u64]) -> Vec<u64> {
    let mut choices = choices.iter().copied().chain(std::iter::repeat(0));
    let len = choices.next().unwrap_or_default().min(1 << 20);
    choices.take(len as usize).collect()
}

#[test]
fn one_byte_above_the_border_is_all_that_is_left() {
    let bytes: Vec<u64> = (0..200).map(|n| n * 7 % 256).collect();
    assert_eq!(settled(bytes, |bytes| bytes.iter().any(|&byte| byte > 0x7f)), [0x80]);
}

#[test]
fn a_length_comes_to_its_border() {
    let done = minimise(vec![3, 100_000, 77, 1, 1, 5], BUDGET, |choices| {
        choices.get(1).is_some_and(|&len| len >= 65_536)
    });
    assert_eq!(done.choices, [0, 65_536]);
    assert!(done.settled && done.runs < 100, "{}", done.runs);
}

#[test]
fn a_list_loses_the_elements_that_do_not_matter() {
    let long: Vec<u64> = std::iter::once(30).chain((0..30).map(|n| n * 100)).collect();
    assert_eq!(settled(long.clone(), |choices| list(choices).iter().any(|&n| n > 1234)), [1, 1235]);
    let sorted = |list: &[u64]| list.is_sorted();
    let unsorted: Vec<u64> = long[..1].iter().chain(long[1..].iter().rev()).copied().collect();
    assert_eq!(settled(unsorted, |choices| !sorted(&list(choices))), [2, 1]);
}

#[test]
fn what_always_fails_comes_to_nothing_at_once() {
    assert_eq!(
        minimise(vec![9; 1000], BUDGET, |_| true),
        Minimised { choices: vec![], runs: 1, settled: true }
    );
    assert_eq!(minimise(Vec::new(), BUDGET, |_| true), Minimised { choices: vec![], runs: 0, settled: true });
}

#[test]
fn the_budget_is_kept() {
    let mut asked = 0;
    let done = minimise(vec![9; 1000], 17, |_| {
        asked += 1;
        false
    });
    assert_eq!((done.runs, asked, done.settled, done.choices), (17, 17, false, vec![9; 1000]));
}

/// Every property, from its choices: the case itself again, and the plainest, which need not be one.
#[test]
fn cases_are_made_again_from_their_choices() {
    for spec in [Spec::V02, Spec::V04] {
        for case in check::generated(spec, 3, 500).iter().step_by(37) {
            let choices = check::choices(&case.id, spec, 3).unwrap();
            assert_eq!(check::from_choices(&case.id, spec, 3, &choices).as_ref(), Some(case));
            let half = check::from_choices(&case.id, spec, 3, &choices[..choices.len() / 2]);
            assert!(half.is_none_or(|half| half.id == case.id));
            check::from_choices(&case.id, spec, 3, &[]);
        }
    }
    assert_eq!(check::from_choices("gen/nothing/0", Spec::V04, 1, &[]), None);
}

/// A predicate that is as good as any other: made from a number, it accepts some sequences and not others.
fn arbitrary(kind: u64, choices: &[u64]) -> bool {
    // As for every case, zeros at the end make no difference.
    let len = choices.iter().rposition(|&choice| choice > 0).map_or(0, |last| last + 1);
    let choices = &choices[..len];
    match kind % 5 {
        0 => choices.iter().any(|choice| choice % 7 == kind % 7 && *choice > 7),
        1 => choices.len() as u64 >= kind % 9 && choices.iter().sum::<u64>() > kind % 1000,
        2 => choices.windows(2).any(|pair| pair[0] > pair[1].saturating_add(kind % 50)),
        3 => choices.iter().fold(kind, |hash, choice| (hash ^ choice).wrapping_mul(31)).count_ones() % 2 == 0,
        _ => list(choices).len() as u64 > kind % 40,
    }
}

proptest! {
    #[test]
    fn it_ends_and_what_is_left_fails(choices in Choices { most: 30 }, kind: u64) {
        let small: Vec<u64> = choices.iter().map(|choice| choice % 1000).collect();
        prop_assume!(arbitrary(kind, &small));
        let done = minimise(small.clone(), BUDGET, |choices| arbitrary(kind, choices));
        prop_assert!(done.settled);
        prop_assert!(done.choices.len() <= small.len());
        prop_assert!(arbitrary(kind, &done.choices));
        // No single choice can be taken out or lowered by one.
        for at in 0..done.choices.len() {
            let mut without = done.choices.clone();
            without.remove(at);
            let mut lower = done.choices.clone();
            lower[at] = lower[at].saturating_sub(1);
            for other in [without, lower] {
                prop_assert!(other == done.choices || !arbitrary(kind, &other), "{other:?} of {:?}", done.choices);
            }
        }
    }

    #[test]
    fn a_tree_that_is_driven_by_hand_keeps_the_contract(choices in Choices { most: 40 }, answers: u64) {
        let mut tree = ChoiceTree::new(choices);
        let mut failing = tree.current();
        for step in 0..10_000 {
            let fails = answers.rotate_left(step % 64) & 1 == 1;
            if fails {
                failing = tree.current();
            }
            if !(if fails { tree.simplify() } else { tree.complicate() }) {
                break;
            }
        }
        prop_assert_eq!(tree.into_best(), failing);
    }
}
