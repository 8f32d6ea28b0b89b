//! What an item is drawn from: facts of one task, every question that they answer, and their note.
//!
//! The grammar keeps what belongs together close together: in a fact one word stands between key and value, in a note or a
//! reply none. A model of three layers learned such a lookup in 300 steps; with one word between in the replies, too, it was
//! still at chance after 600.

use rand::Rng;
use rand::seq::index::sample;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use super::item::{Question, Task};
use super::words::{BOXES, CITIES, COLOURS, GAINS, GOODS, LARGEST_QUANTITY, NAMES, STUFFS, WARES};

/// Facts with all that can be asked about them. An item takes one of the questions; a training dialogue several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What has to be done with the facts.
    pub task: Task,
    /// A sentence each.
    pub facts: Vec<String>,
    /// Every question that the facts answer, in random order.
    pub questions: Vec<Question>,
    /// All facts, joined where they join: a part for each question, in the order of the facts.
    pub entries: Vec<String>,
}

impl Problem {
    /// Draws a problem of that task.
    pub fn draw(task: Task, rng: &mut impl Rng) -> Self {
        let mut problem = match task {
            Task::Recall => recall(rng),
            Task::Sum => sum(rng),
            Task::Chain => chain(rng),
        };
        problem.questions.shuffle(rng);
        problem
    }
}

/// 3 to 8 boxes, each with stuff of a colour; neither boxes nor coloured stuffs repeat.
fn recall(rng: &mut impl Rng) -> Problem {
    let count = rng.random_range(3..=8);
    let boxes: Vec<u32> = sample(rng, BOXES as usize, count).iter().map(|i| i as u32 + 1).collect();
    let stuffs: Vec<String> = sample(rng, COLOURS.len() * STUFFS.len(), count)
        .iter()
        .map(|i| format!("{} {}", COLOURS[i / STUFFS.len()], STUFFS[i % STUFFS.len()]))
        .collect();
    let both = || boxes.iter().zip(&stuffs);
    let entries: Vec<String> = both().map(|(number, stuff)| format!("box {number} {stuff}")).collect();
    let questions = (0..count).map(|i| Question {
        question: format!("What is in box {}?", boxes[i]),
        answer: stuffs[i].clone(),
        reply: entries[i].clone(),
        distractors: others(&stuffs, &stuffs[i]),
    });
    Problem {
        task: Task::Recall,
        questions: questions.collect(),
        facts: both().map(|(number, stuff)| format!("Box {number} holds {stuff}.")).collect(),
        entries,
    }
}

/// Two to four people with two quantities each, or two with three, of the same goods, their sentences mixed; no two people
/// have the same total.
fn sum(rng: &mut impl Rng) -> Problem {
    let (goods, lots) = GOODS.choose(rng).copied().unwrap_or_default();
    let people = if lots == 2 { rng.random_range(2..=4) } else { 2 };
    let names: Vec<_> = NAMES.choose_multiple(rng, people).copied().collect();
    let amounts = loop {
        let amounts: Vec<Vec<u32>> = names
            .iter()
            .map(|_| (0..lots).map(|_| rng.random_range(2..=LARGEST_QUANTITY)).collect())
            .collect();
        let mut totals: Vec<u32> = amounts.iter().map(|amounts| amounts.iter().sum()).collect();
        totals.sort_unstable();
        totals.dedup();
        if totals.len() == names.len() {
            break amounts;
        }
    };
    // Whose turn it is to speak, in random order: a person's own sentences stay in order.
    let mut turns: Vec<usize> =
        amounts.iter().enumerate().flat_map(|(person, amounts)| vec![person; amounts.len()]).collect();
    turns.shuffle(rng);
    let mut said = vec![0; names.len()];
    let mut facts = Vec::with_capacity(turns.len());
    let mut order = Vec::new();
    for person in turns {
        let amount = amounts[person][said[person]];
        let verb = if said[person] == 0 { "has" } else { GAINS.choose(rng).copied().unwrap_or_default() };
        facts.push(format!("{} {verb} {amount} {goods}.", names[person]));
        if said[person] == 0 {
            order.push(person);
        }
        said[person] += 1;
    }
    let totals: Vec<String> = amounts.iter().map(|amounts| amounts.iter().sum::<u32>().to_string()).collect();
    let entry = |person: usize| format!("{} {}", names[person], working(&amounts[person]));
    let questions = (0..names.len()).map(|person| Question {
        question: format!("How many {goods} does {} have?", names[person]),
        answer: totals[person].clone(),
        reply: entry(person),
        distractors: others(&totals, &totals[person]),
    });
    let questions = questions.collect();
    Problem { task: Task::Sum, questions, entries: order.into_iter().map(entry).collect(), facts }
}

/// Quantities added one by one: "12 + 7 = 19, 19 + 5 = 24".
fn working(amounts: &[u32]) -> String {
    let mut total = amounts[0];
    let steps = amounts[1..].iter().map(|amount| {
        let step = format!("{total} + {amount} = {}", total + amount);
        total += amount;
        step
    });
    steps.collect::<Vec<_>>().join(", ")
}

/// 2 to 4 people, each in a city of their own that sells one ware of its own; the sentences in random order.
fn chain(rng: &mut impl Rng) -> Problem {
    let count = rng.random_range(2..=4);
    let names: Vec<_> = NAMES.choose_multiple(rng, count).copied().collect();
    let cities: Vec<_> = CITIES.choose_multiple(rng, count).copied().collect();
    let wares: Vec<String> = WARES.choose_multiple(rng, count).map(ToString::to_string).collect();
    let visits = |i: usize| format!("{} visits {}.", names[i], cities[i]);
    let mut facts: Vec<String> =
        (0..count).flat_map(|i| [visits(i), format!("{} sells {}.", cities[i], wares[i])]).collect();
    facts.shuffle(rng);
    // As the people turn up in the facts.
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&i| facts.iter().position(|fact| *fact == visits(i)));
    let entry = |i: usize| format!("{} {} {}", names[i], cities[i], wares[i]);
    let questions = (0..count).map(|i| Question {
        question: format!("What can {} buy?", names[i]),
        answer: wares[i].clone(),
        reply: entry(i),
        distractors: others(&wares, &wares[i]),
    });
    let questions = questions.collect();
    Problem { task: Task::Chain, questions, entries: order.into_iter().map(entry).collect(), facts }
}

fn others(all: &[String], but: &str) -> Vec<String> {
    all.iter().filter(|one| *one != but).cloned().collect()
}
