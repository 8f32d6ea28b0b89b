//! What each agent is told, in words: the prompts of the relay task.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::item::Item;

/// What the first agent is asked to do with the facts.
const READ: &str = "Take a note.";

/// What the last agent's prompt holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// The question alone: the context must carry the facts.
    Withheld,
    /// Facts and question, as in the published benchmarks.
    Repeated,
}

/// The first agent's prompt: the facts, and that it should note them.
#[must_use]
pub fn reader_prompt(story: &str) -> String {
    format!("{story} {READ}")
}

/// The prompt of an agent that reads and answers alone.
#[must_use]
pub fn direct_prompt(story: &str, question: &str) -> String {
    format!("{story} {question}")
}

/// What a perfect first agent notes.
#[must_use]
pub(super) fn note(entries: &[String]) -> String {
    entries.join("; ")
}

/// The last agent's prompt when what the first one noted comes as text.
#[must_use]
pub fn note_prompt(note: &str, rest: &str) -> String {
    format!("Note: {}. {rest}", note.trim().trim_end_matches('.'))
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Layout {
    /// `withheld` or `repeated`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Withheld => "withheld",
            Self::Repeated => "repeated",
        }
    }

    /// The last agent's prompt when what the first one read comes as a context.
    #[must_use]
    pub fn answer_prompt(self, item: &Item) -> String {
        match self {
            Self::Withheld => item.asked.question.clone(),
            Self::Repeated => direct_prompt(&item.story(), &item.asked.question),
        }
    }
}
