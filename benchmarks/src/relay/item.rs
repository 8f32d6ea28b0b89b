//! One problem of the relay task.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What has to be done with the facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Find one fact again.
    Recall,
    /// Add the quantities of one person.
    Sum,
    /// Join two facts.
    Chain,
}

impl Task {
    /// Every task, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Recall, Self::Sum, Self::Chain];
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recall => "recall",
            Self::Sum => "sum",
            Self::Chain => "chain",
        })
    }
}

/// How many facts stand before the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// Up to 4 facts.
    Short,
    /// 5 or 6.
    Medium,
    /// 7 or 8.
    Long,
}

impl Length {
    /// Every bucket, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Short, Self::Medium, Self::Long];

    /// The bucket of that many facts.
    #[must_use]
    pub fn of(facts: usize) -> Self {
        match facts {
            0..=4 => Self::Short,
            5 | 6 => Self::Medium,
            _ => Self::Long,
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "short",
            Self::Medium => "medium",
            Self::Long => "long",
        })
    }
}

/// A question with the reply that is right.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Question {
    /// What the last agent is asked.
    pub question: String,
    /// What counts: a thing with its colour, a number, a room.
    pub answer: String,
    /// How the answer is said: the answer itself, or a sum with the answer at its end.
    pub reply: String,
    /// Wrong answers of the same kind that the facts suggest.
    pub distractors: Vec<String>,
}

/// A short problem for two agents: the first reads the facts, the last answers the question.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Item {
    /// Its name: split, seed and number.
    pub id: String,
    /// What has to be done.
    pub task: Task,
    /// How many facts, in three buckets.
    pub length: Length,
    /// What the first agent reads, a sentence each.
    pub facts: Vec<String>,
    /// What the last agent is asked, with its answer.
    #[serde(flatten)]
    pub asked: Question,
    /// The note that a perfect first agent takes: all facts, joined where they join.
    pub note: String,
}

impl Item {
    /// The facts as one text.
    #[must_use]
    pub fn story(&self) -> String {
        self.facts.join(" ")
    }

    /// Whether a reply is right: its last words are the answer. Case, surrounding space and a full stop at the end do not
    /// count; anything before does not either, so that a reply may show its working.
    #[must_use]
    pub fn is_right(&self, reply: &str) -> bool {
        let answer = &self.asked.answer;
        last_words(reply, answer) == last_words(answer, answer)
    }
}

/// The last words of a reply, as many as an answer has, in small letters and without a full stop at the end.
#[must_use]
pub fn last_words(reply: &str, answer: &str) -> String {
    let reply = reply.trim().trim_end_matches('.').to_lowercase();
    let words: Vec<_> = reply.split_whitespace().collect();
    let count = answer.split_whitespace().count();
    words[words.len().saturating_sub(count)..].join(" ")
}
