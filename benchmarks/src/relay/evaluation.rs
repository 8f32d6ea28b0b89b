//! MODEL, ITEMS → ACCURACY: how a model does on the relay task alone, with a context handed over, and with the wrong one.

use std::fmt;
use std::ops::ControlFlow;

use avp::model::{Connector as _, Context, GenerateOptions, Prompt, Route, Runtime, Sampling, ThinkOptions};
use avp::wire::{Encoder, Limits};
use serde::{Deserialize, Serialize};

use super::item::{Item, Length, Task};
use super::layout::{Layout, direct_prompt, note_prompt, reader_prompt};
use crate::stats::Share;

/// Tokens of an answer at most. The longest reply, a sum of three two-digit numbers with every digit a token, takes 12.
const ANSWER_TOKENS: usize = 16;
/// Tokens of a note at most. The longest, eight boxes with their things, takes 64.
const NOTE_TOKENS: usize = 96;

/// A way from the facts to the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// One agent reads facts and question.
    Direct,
    /// The first agent's cache, after that many latent steps.
    Latent(Layout, u32),
    /// The first agent's note, as text, and the question.
    Text,
    /// The question alone.
    Empty,
    /// The question, behind the cache of another item of the same task.
    Foreign,
}

impl Arm {
    /// The arms of a model's card.
    pub const CARD: [Self; 10] = [
        Self::Direct,
        Self::Latent(Layout::Withheld, 0),
        Self::Latent(Layout::Withheld, 1),
        Self::Latent(Layout::Withheld, 5),
        Self::Latent(Layout::Withheld, 10),
        Self::Latent(Layout::Withheld, 20),
        Self::Latent(Layout::Repeated, 0),
        Self::Text,
        Self::Empty,
        Self::Foreign,
    ];
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Latent(layout, steps) => {
                let layout = match layout {
                    Layout::Withheld => "withheld",
                    Layout::Repeated => "repeated",
                };
                write!(f, "KV, {layout}, {steps} latent steps")
            }
            Self::Text => f.write_str("text note"),
            Self::Empty => f.write_str("no context"),
            Self::Foreign => f.write_str("foreign context"),
        }
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The item's name.
    pub item: String,
    /// What was done.
    pub arm: Arm,
    /// Item's task.
    pub task: Task,
    /// Item's length.
    pub length: Length,
    /// What the model said.
    pub reply: String,
    /// Whether its last words are the answer.
    pub right: bool,
}

/// Answers one item in one way, greedily. `foreign` is the item whose cache the foreign arm hands over.
///
/// # Errors
/// What the runtime refuses.
pub fn answer(model: &Runtime, item: &Item, foreign: &Item, arm: Arm) -> avp::Result<Answer> {
    let question = || Prompt::User(item.asked.question.clone());
    let reply = match arm {
        Arm::Direct => {
            let prompt = direct_prompt(&item.story(), &item.asked.question);
            generate(model, &Prompt::User(prompt), None, ANSWER_TOKENS)?
        }
        Arm::Latent(layout, steps) => {
            let context = hand_over(model, item, steps)?;
            generate(model, &Prompt::User(layout.answer_prompt(item)), Some(context), ANSWER_TOKENS)?
        }
        Arm::Text => {
            let note = generate(model, &Prompt::User(reader_prompt(&item.story())), None, NOTE_TOKENS)?;
            let prompt = note_prompt(&note, &item.asked.question);
            generate(model, &Prompt::User(prompt), None, ANSWER_TOKENS)?
        }
        Arm::Empty => generate(model, &question(), None, ANSWER_TOKENS)?,
        Arm::Foreign => {
            let context = hand_over(model, foreign, 0)?;
            generate(model, &question(), Some(context), ANSWER_TOKENS)?
        }
    };
    let right = item.is_right(&reply);
    Ok(Answer { item: item.id.clone(), arm, task: item.task, length: item.length, reply, right })
}

/// Reads the facts, thinks, and sends what is in the cache through the codec.
fn hand_over(model: &Runtime, item: &Item, steps: u32) -> avp::Result<Context> {
    let prompt = Prompt::User(reader_prompt(&item.story()));
    let thought = model.think(&prompt, ThinkOptions { steps, ..ThinkOptions::default() })?;
    let message = thought.context.to_bytes(&Encoder::default(), &Route::default())?;
    Ok(Context::from_bytes(&message, Limits::default())?.context)
}

fn generate(
    model: &Runtime,
    prompt: &Prompt,
    context: Option<Context>,
    max_tokens: usize,
) -> avp::Result<String> {
    let options =
        GenerateOptions { context, sampling: Sampling::greedy(), max_tokens, ..GenerateOptions::default() };
    Ok(model.generate(prompt, options, &mut |_| ControlFlow::Continue(()))?.text)
}

/// The item whose context stands in for that of item `index`: the next one of the same task, or the item itself where
/// there is no other.
#[must_use]
pub fn foreign(items: &[Item], index: usize) -> &Item {
    let after = items[index + 1..].iter().chain(&items[..index]);
    let task = items[index].task;
    after.into_iter().find(|item| item.task == task).unwrap_or(&items[index])
}

/// Right answers of an arm, by task and by length, `None` for all.
#[must_use]
pub fn share(answers: &[Answer], arm: Arm, task: Option<Task>, length: Option<Length>) -> Share {
    let mut share = Share::default();
    for answer in answers {
        let counts = answer.arm == arm
            && task.is_none_or(|task| task == answer.task)
            && length.is_none_or(|length| length == answer.length);
        if counts {
            share.count(answer.right);
        }
    }
    share
}

/// How often the best fixed guess is right: the answer that most of a task's items have. An agent that knows the question
/// and nothing else does no better.
#[must_use]
pub fn chance(items: &[Item], task: Task) -> Share {
    let mut counts = std::collections::BTreeMap::<&str, u64>::new();
    let of = items.iter().filter(|item| item.task == task).inspect(|item| {
        *counts.entry(item.asked.answer.as_str()).or_default() += 1;
    });
    let of = of.count() as u64;
    Share { right: counts.values().copied().max().unwrap_or(0), of }
}
