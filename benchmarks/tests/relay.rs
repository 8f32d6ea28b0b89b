//! The relay task: its items are solvable from their facts, its splits are disjoint, its bundled items are the generated
//! ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use avp::weights::registry;
use avp_bench::relay::{Generator, Item, Layout, Length, Split, Task, bundled, dialogue};
use proptest::prelude::*;

/// Of `datasets/relay/test.jsonl`; the card says it, too.
const TEST_SHA256: &str = include_str!("../../datasets/relay/test.jsonl.sha256");

/// Answers a question from the sentences alone: a reader that shares nothing with the generator but the grammar's card.
fn solve(facts: &[String], question: &str) -> Option<String> {
    let mut holds = BTreeMap::new();
    // With how many quantities are still to come.
    let mut owned: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let mut visits = BTreeMap::new();
    let mut sells = BTreeMap::new();
    for fact in facts {
        let words: Vec<&str> = fact.trim_end_matches('.').split(' ').collect();
        match words.as_slice() {
            ["Box", number, "holds", colour, stuff] => {
                holds.insert(*number, format!("{colour} {stuff}"));
            }
            [name, "visits", city] => {
                visits.insert(*name, *city);
            }
            [city, "sells", ware] => {
                sells.insert(*city, (*ware).to_owned());
            }
            [name, verb, amount, goods] => {
                let lots = match *goods {
                    "apples" | "beads" | "coins" | "nuts" => 2,
                    "pears" | "plums" | "shells" | "stamps" => 3,
                    _ => return None,
                };
                let (total, missing) = owned.entry(*name).or_insert((0, lots));
                match (lots - *missing, *verb) {
                    (0, "has") | (1.., "buys" | "finds" | "gets" | "wins") if *missing > 0 => *missing -= 1,
                    _ => return None,
                }
                *total += amount.parse::<u32>().ok()?;
            }
            _ => return None,
        }
    }
    let words: Vec<&str> = question.trim_end_matches('?').split(' ').collect();
    match words.as_slice() {
        ["What", "is", "in", "box", number] => holds.get(number).cloned(),
        ["How", "many", _goods, "does", name, "have"] => match owned.get(name)? {
            (total, 0) => Some(total.to_string()),
            _ => None,
        },
        ["What", "can", name, "buy"] => sells.get(visits.get(name)?).cloned(),
        _ => None,
    }
}

fn sorted(facts: &[String]) -> Vec<&String> {
    facts.iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn the_bundled_items_are_the_generated_ones() {
    let items = bundled().unwrap();
    let generator = Generator { split: Split::Test, seed: 1 };
    assert_eq!(items.len(), 500);
    for (number, item) in items.iter().enumerate() {
        assert_eq!(*item, generator.item(number as u64));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/relay/test.jsonl");
    let sum = registry::sha256(&file).unwrap();
    assert_eq!(TEST_SHA256.split_whitespace().next(), Some(sum.as_str()));
    let distinct: BTreeSet<_> =
        items.iter().map(|item| (sorted(&item.facts), &item.asked.question)).collect();
    assert_eq!(distinct.len(), items.len());
}

#[test]
fn every_task_and_length_is_in_the_bundled_items() {
    let items = bundled().unwrap();
    let count = |of: &dyn Fn(&Item) -> bool| items.iter().filter(|item| of(item)).count();
    for task in Task::ALL {
        assert!((166..=167).contains(&count(&|item| item.task == task)), "{task}");
        for length in Length::ALL {
            assert!(count(&|item| item.task == task && item.length == length) >= 10, "{task} {length}");
        }
    }
}

#[test]
fn the_splits_share_no_facts() {
    let facts = |split| (0..3000).map(|number| Generator { split, seed: 5 }.item(number)).collect::<Vec<_>>();
    let [train, validation, test] = [Split::Train, Split::Validation, Split::Test].map(facts);
    let of = |items: &[Item]| -> BTreeSet<Vec<String>> {
        items.iter().map(|item| sorted(&item.facts).into_iter().cloned().collect()).collect()
    };
    let [train, validation, test] = [of(&train), of(&validation), of(&test)];
    assert!(train.is_disjoint(&validation) && train.is_disjoint(&test) && validation.is_disjoint(&test));
    // What decides is the facts as a set: turned round, they stay where they are.
    let mut item = Generator { split: Split::Test, seed: 5 }.item(2);
    item.facts.reverse();
    assert_eq!(Split::of(&item.facts), Split::Test);
}

#[test]
fn a_reply_is_right_by_its_last_words() {
    let item = |answer: &str| {
        let mut item = Generator { split: Split::Test, seed: 1 }.item(0);
        item.asked.answer = answer.to_owned();
        item
    };
    for (answer, reply, right) in [
        ("red key", "box 7 red key", true),
        ("red key", "It is the Red Key. ", true),
        ("red key", "key", false),
        ("red key", "red", false),
        ("red key", "", false),
        ("red key", "red key ring", false),
        ("19", "12 + 7 = 19", true),
        ("19", "119", false),
        ("19", "19, or 20", false),
        ("19", "the answer is 9", false),
    ] {
        assert_eq!(item(answer).is_right(reply), right, "{answer}: {reply}");
    }
}

proptest! {
    #[test]
    fn every_question_is_answered_by_the_facts(seed: u64, number in 0_u64..1 << 40, split in 0..3_usize) {
        let split = [Split::Train, Split::Validation, Split::Test][split];
        let generator = Generator { split, seed };
        let item = generator.item(number);
        prop_assert_eq!(&item, &generator.item(number));
        prop_assert_eq!(Split::of(&item.facts), split);
        prop_assert_eq!(Length::of(item.facts.len()), item.length);
        prop_assert!((3..=8).contains(&item.facts.len()), "{:?}", item.facts);
        let asked = &item.asked;
        prop_assert_eq!(solve(&item.facts, &asked.question), Some(asked.answer.clone()));
        prop_assert!(item.is_right(&asked.reply), "{:?}", asked);
        prop_assert!(!asked.distractors.is_empty() && !asked.distractors.contains(&asked.answer));
        for distractor in &asked.distractors {
            prop_assert!(!item.is_right(distractor));
        }
        // The question gives nothing away, and the facts are needed: they stand in one layout's prompt only.
        prop_assert_eq!(Layout::Withheld.answer_prompt(&item), asked.question.clone());
        prop_assert!(Layout::Repeated.answer_prompt(&item).starts_with(&item.story()));
        // The note holds every reply.
        let (problem, mut rng) = generator.problem(number);
        let entries: BTreeSet<_> = item.note.split("; ").collect();
        let replies: BTreeSet<_> = problem.questions.iter().map(|asked| asked.reply.as_str()).collect();
        prop_assert_eq!(entries, replies);
        for turn in dialogue::draw(&problem, &mut rng) {
            prop_assert!(turn.cut.is_none_or(|cut| cut <= dialogue::LONGEST_CUT));
        }
    }
}
