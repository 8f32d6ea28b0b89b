//! PROBLEM → DIALOGUE: what a pocket model is trained on. Chat turns as they come up in a hand-off, with every share named.

use rand::Rng;
use rand::seq::SliceRandom as _;

use super::layout::{direct_prompt, note, note_prompt, reader_prompt};
use super::problem::Problem;

/// Of a hundred dialogues, those in which the first agent's turn comes first and the question after it.
const HANDED_OVER: u32 = 45;
/// Those in which the question's turn has the facts again.
const REPEATED: u32 = 15;
/// Those in which a note stands as text in the prompt, half of them with the facts.
const NOTED: u32 = 12;
// The others hold facts and question in one turn.

/// Of a hundred notes in a hand-over, those that are cut: what follows is a context that ends anywhere, as it does after
/// latent steps.
const CUT: u32 = 60;
/// Of a hundred notes in a hand-over, those with their entries in random order. In order, a note can be written without
/// looking for anything; out of order, each entry teaches what a question asks for.
const MIXED: u32 = 50;
/// A note is cut after this many tokens at most: the most latent steps that the cards report.
pub const LONGEST_CUT: usize = 20;
/// Questions asked in one dialogue at most: more answers to learn from for the facts read once.
const MOST_QUESTIONS: usize = 8;

/// One message to the model and its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What the user says.
    pub user: String,
    /// What the model should say.
    pub assistant: String,
    /// The reply stops after that many tokens, without an end token, and the next turn begins.
    pub cut: Option<usize>,
}

impl Turn {
    fn whole(user: String, assistant: &str) -> Self {
        Self { user, assistant: assistant.to_owned(), cut: None }
    }
}

/// Draws a dialogue about a problem.
pub fn draw(problem: &Problem, rng: &mut impl Rng) -> Vec<Turn> {
    let story = problem.facts.join(" ");
    let first = &problem.questions[0];
    let mut turns = Vec::new();
    let kind = rng.random_range(0..100);
    if kind < HANDED_OVER + REPEATED {
        let cut = (rng.random_range(0..100) < CUT).then(|| rng.random_range(0..=LONGEST_CUT));
        let mut entries = problem.entries.clone();
        if rng.random_range(0..100) < MIXED {
            entries.shuffle(rng);
        }
        turns.push(Turn { user: reader_prompt(&story), assistant: note(&entries), cut });
        let user =
            if kind < HANDED_OVER { first.question.clone() } else { direct_prompt(&story, &first.question) };
        turns.push(Turn::whole(user, &first.reply));
    } else if kind < HANDED_OVER + REPEATED + NOTED {
        let rest = if rng.random() { first.question.clone() } else { direct_prompt(&story, &first.question) };
        turns.push(Turn::whole(note_prompt(&note(&problem.entries), &rest), &first.reply));
    } else {
        turns.push(Turn::whole(direct_prompt(&story, &first.question), &first.reply));
    }
    let more = problem.questions.iter().take(MOST_QUESTIONS).skip(1);
    turns.extend(more.map(|asked| Turn::whole(asked.question.clone(), &asked.reply)));
    turns
}
