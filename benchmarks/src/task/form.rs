//! The words around an item, and what counts as right.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::TaskItem;
use super::descriptor::{Descriptor, Judge, Order, Topology};
use crate::relay::{self, Layout};
use crate::run_file::hex;
use crate::sandbox::Sandbox;
use crate::scorer::{self, Score, Scorer};

/// What the first agent is told.
const READ: &str = "Read the text. Write down in a few sentences what it says, so that somebody who has not read it can answer questions about it.";
/// What tells a last agent where its knowledge comes from.
const HANDED_OVER: &str = "Another agent has read a text for you.";
/// What an answering agent is told.
const ANSWER: &str = "Answer in as few words as possible.";

/// Roles of the tasks of this project.
const READER: &str = "reader";
const ANSWERER: &str = "answerer";

/// What an agent wrote, as another one is given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Who wrote it.
    pub role: String,
    /// What.
    pub text: String,
}

/// A family of tasks with the same prompts and scorer.
#[derive(Clone, Debug)]
pub enum Form {
    /// Facts and a question: the reply's last words are the answer.
    Relay,
    /// Any text and a question: the answer's words stand together in the reply.
    Text,
    /// What a descriptor says.
    Described(Arc<Descriptor>),
}

impl Form {
    /// Roles of the agents before the last one, in their order.
    #[must_use]
    pub fn readers(&self) -> Vec<&str> {
        match self {
            Self::Relay | Self::Text => vec![READER],
            Self::Described(described) => described.agents.iter().map(|agent| agent.role.as_str()).collect(),
        }
    }

    /// The role of the last one.
    #[must_use]
    pub fn last_role(&self) -> &str {
        match self {
            Self::Relay | Self::Text => ANSWERER,
            Self::Described(described) => &described.last.role,
        }
    }

    /// How the agents before the last one read.
    #[must_use]
    pub fn topology(&self) -> Topology {
        match self {
            Self::Relay | Self::Text => Topology::Chain,
            Self::Described(described) => described.topology,
        }
    }

    /// Which items a run with a limit takes.
    #[must_use]
    pub fn order(&self) -> Order {
        match self {
            Self::Relay | Self::Text => Order::Drawn,
            Self::Described(described) => described.order,
        }
    }

    /// What an agent before the last one is told, with what those before it wrote where they wrote.
    ///
    /// # Errors
    /// For a template that an item's fields do not fill.
    pub fn reader_prompt(&self, reader: usize, item: &TaskItem, notes: &[Note]) -> avp::Result<String> {
        match self {
            Self::Relay => Ok(relay::reader_prompt(&item.context)),
            Self::Text => Ok(format!("{READ}\n\n{}", item.context)),
            Self::Described(described) => described.reader_prompt(reader, item, notes),
        }
    }

    /// What an agent is told that reads and answers alone.
    ///
    /// # Errors
    /// As for [`Self::reader_prompt`].
    pub fn direct_prompt(&self, item: &TaskItem) -> avp::Result<String> {
        match self {
            Self::Relay => Ok(relay::direct_prompt(&item.context, &item.question)),
            Self::Text => Ok(format!("{}\n\n{}\n{ANSWER}", item.context, item.question)),
            Self::Described(described) => described.direct_prompt(item),
        }
    }

    /// What the last agent is told behind a context.
    ///
    /// # Errors
    /// As for [`Self::reader_prompt`].
    pub fn last_prompt(&self, item: &TaskItem, layout: Layout) -> avp::Result<String> {
        Ok(match (self, layout) {
            (Self::Relay, Layout::Withheld) => item.question.clone(),
            (Self::Relay, Layout::Repeated) => relay::direct_prompt(&item.context, &item.question),
            (Self::Text, Layout::Withheld) => format!("{HANDED_OVER}\n{}\n{ANSWER}", item.question),
            (Self::Text, Layout::Repeated) => {
                format!("{HANDED_OVER} This is the text:\n\n{}\n\n{}\n{ANSWER}", item.context, item.question)
            }
            (Self::Described(described), layout) => described.last_prompt(item, layout)?,
        })
    }

    /// What the last agent is told with what the others wrote.
    ///
    /// # Errors
    /// As for [`Self::reader_prompt`].
    pub fn note_prompt(&self, item: &TaskItem, layout: Layout, notes: &[Note]) -> avp::Result<String> {
        let only = || notes.first().map_or("", |note| note.text.as_str());
        match self {
            Self::Relay => Ok(relay::note_prompt(only(), &self.last_prompt(item, layout)?)),
            Self::Text => {
                Ok(format!("Notes on the text:\n{}\n\n{}", only().trim(), self.last_prompt(item, layout)?))
            }
            Self::Described(described) => described.note_prompt(item, layout, notes),
        }
    }

    /// Renders every prompt of an item.
    ///
    /// # Errors
    /// As for [`Self::reader_prompt`].
    pub(super) fn check(&self, item: &TaskItem) -> avp::Result<()> {
        let note = Note { role: self.last_role().to_owned(), text: String::new() };
        for reader in 0..self.readers().len() {
            self.reader_prompt(reader, item, std::slice::from_ref(&note))?;
        }
        self.direct_prompt(item)?;
        for layout in [Layout::Repeated, Layout::Withheld] {
            self.note_prompt(item, layout, std::slice::from_ref(&note))?;
        }
        Ok(())
    }

    /// Whether answers are programs, which run in the sandbox.
    #[must_use]
    pub fn runs_programs(&self) -> bool {
        matches!(self, Self::Described(described) if described.scorer.runs_programs())
    }

    /// Whether the upstream project's rules judge, whatever they take for right.
    #[must_use]
    pub fn is_shown_only(&self) -> bool {
        matches!(self, Self::Described(described) if described.judge == Judge::Compat)
    }

    /// Whether some of the data's own solutions are not right: their share is the ceiling of every arm.
    #[must_use]
    pub fn has_ceiling(&self) -> bool {
        matches!(self, Self::Described(described) if matches!(described.scorer, Scorer::Debugbench | Scorer::Classeval))
    }

    /// SHA-256 of all that a descriptor says.
    #[must_use]
    pub fn sha256(&self) -> Option<String> {
        match self {
            Self::Relay | Self::Text => None,
            Self::Described(described) => {
                let text = serde_json::to_string(&**described).unwrap_or_default();
                Some(hex(&Sha256::digest(text)))
            }
        }
    }

    /// Replies that look like an answer to an item and are none.
    #[must_use]
    pub fn cheats(&self, item: &TaskItem) -> Vec<String> {
        match self {
            Self::Relay | Self::Text => Vec::new(),
            Self::Described(described) => described.scorer.cheats(item),
        }
    }

    /// What a reply is worth. Programs run in the sandbox.
    #[must_use]
    pub fn score(&self, item: &TaskItem, reply: &str, sandbox: Option<&Sandbox>) -> Score {
        let (answer, right) = match self {
            Self::Relay => {
                let answer = relay::last_words(reply, &item.answer);
                let right = answer == relay::last_words(&item.answer, &item.answer);
                (answer, right)
            }
            Self::Text => {
                let (said, wanted) = (words(reply), words(&item.answer));
                let right = !wanted.is_empty() && said.windows(wanted.len()).any(|window| window == wanted);
                (reply.trim().to_owned(), right)
            }
            Self::Described(described) => {
                let mut score = described.scorer.score(item, reply, sandbox);
                if described.judge == Judge::Compat
                    && let Some(&compat) = score.marks.get(scorer::COMPAT)
                {
                    score.marks.insert("strict".to_owned(), f64::from(u8::from(score.right)));
                    score.right = compat >= 1.0;
                }
                return score;
            }
        };
        let answer = (!answer.is_empty()).then_some(answer);
        Score { right: right && answer.is_some(), answer, ..Score::default() }
    }
}

/// Whether two items have one answer.
pub(super) fn same_answer(one: &TaskItem, other: &TaskItem) -> bool {
    words(&one.answer) == words(&other.answer)
}

/// Words in small letters: letters and digits of any script, with what joins them inside (3.5, don't), articles left out.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let pieces = lower.split(|c: char| !(c.is_alphanumeric() || ".,'’-".contains(c)));
    let trimmed = pieces.map(|piece| piece.trim_matches(|c: char| !c.is_alphanumeric()).replace(',', ""));
    trimmed.filter(|word| !word.is_empty() && !["a", "an", "the"].contains(&word.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(answer: &str) -> TaskItem {
        TaskItem {
            id: "1".into(),
            family: "text".into(),
            context: "c".into(),
            question: "q".into(),
            answer: answer.into(),
            reply: answer.into(),
            fields: std::collections::BTreeMap::new(),
        }
    }

    fn right(answer: &str, reply: &str) -> bool {
        Form::Text.score(&item(answer), reply, None).right
    }

    #[test]
    fn the_answers_words_count_wherever_they_stand() {
        assert!(right("Paris", "The capital is Paris."));
        assert!(right("the St. Louis Arch", "It was st. louis arch, of course"));
        assert!(right("1,000", "about 1000 of them"));
        assert!(right("3.5", "It weighs 3.5 kg"));
        assert!(!right("5", "3.5"));
        assert!(!right("art", "a party"));
        assert!(!right("Paris", ""));
        // An answer of articles alone has no words to find.
        assert!(!right("the", "the"));
    }
}
