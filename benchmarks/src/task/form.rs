//! The words around an item, and what counts as right.

use super::TaskItem;
use crate::relay::{self, Layout};

/// What the first agent is told.
const READ: &str = "Read the text. Write down in a few sentences what it says, so that somebody who has not read it can answer questions about it.";
/// What tells a last agent where its knowledge comes from.
const HANDED_OVER: &str = "Another agent has read a text for you.";
/// What an answering agent is told.
const ANSWER: &str = "Answer in as few words as possible.";

/// A family of tasks with the same prompts and scorer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Facts and a question: the reply's last words are the answer.
    Relay,
    /// Any text and a question: the answer's words stand together in the reply.
    Text,
}

impl Form {
    /// What the first agent is told.
    #[must_use]
    pub fn first_prompt(self, item: &TaskItem) -> String {
        match self {
            Self::Relay => relay::reader_prompt(&item.context),
            Self::Text => format!("{READ}\n\n{}", item.context),
        }
    }

    /// What an agent is told that reads and answers alone.
    #[must_use]
    pub fn direct_prompt(self, item: &TaskItem) -> String {
        match self {
            Self::Relay => relay::direct_prompt(&item.context, &item.question),
            Self::Text => format!("{}\n\n{}\n{ANSWER}", item.context, item.question),
        }
    }

    /// What the last agent is told behind a context.
    #[must_use]
    pub fn last_prompt(self, item: &TaskItem, layout: Layout) -> String {
        match (self, layout) {
            (Self::Relay, Layout::Withheld) => item.question.clone(),
            (Self::Relay, Layout::Repeated) => relay::direct_prompt(&item.context, &item.question),
            (Self::Text, Layout::Withheld) => format!("{HANDED_OVER}\n{}\n{ANSWER}", item.question),
            (Self::Text, Layout::Repeated) => {
                format!("{HANDED_OVER} This is the text:\n\n{}\n\n{}\n{ANSWER}", item.context, item.question)
            }
        }
    }

    /// What the last agent is told with the first one's note.
    #[must_use]
    pub fn note_prompt(self, item: &TaskItem, layout: Layout, note: &str) -> String {
        let rest = self.last_prompt(item, layout);
        match self {
            Self::Relay => relay::note_prompt(note, &rest),
            Self::Text => format!("Notes on the text:\n{}\n\n{rest}", note.trim()),
        }
    }

    /// What a reply answers; nothing where it says nothing.
    #[must_use]
    pub fn extract(self, item: &TaskItem, reply: &str) -> Option<String> {
        let answer = match self {
            Self::Relay => relay::last_words(reply, &item.answer),
            Self::Text => reply.trim().to_owned(),
        };
        (!answer.is_empty()).then_some(answer)
    }

    /// Whether what was extracted is right.
    #[must_use]
    pub fn is_right(self, item: &TaskItem, extracted: &str) -> bool {
        match self {
            Self::Relay => extracted == relay::last_words(&item.answer, &item.answer),
            Self::Text => {
                let (said, wanted) = (words(extracted), words(&item.answer));
                !wanted.is_empty() && said.windows(wanted.len()).any(|window| window == wanted)
            }
        }
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
        let item = item(answer);
        Form::Text.extract(&item, reply).is_some_and(|said| Form::Text.is_right(&item, &said))
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
