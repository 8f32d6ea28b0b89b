//! Questions with a few answers to choose from: ARC Challenge, MedQA, StrategyQA.

use super::Result;
use super::record::{Record, fields, shown};
use crate::task::TaskItem;

/// Letters that a choice may have. The data sets have three to five.
pub(super) const LETTERS: &str = "ABCDEFGHIJ";

/// `id`, `question`, `choices` of `text` and `label`, `answerKey`. Labels 1, 2, 3 become letters.
pub(super) fn arc_challenge(record: &Record<'_>) -> Result<TaskItem> {
    let choices = record.value("choices", "text and label")?;
    let part = |name: &str| {
        let value = choices.get(name);
        let value = value.ok_or_else(|| record.wrong("choices", "text and label", &shown(choices)))?;
        record.texts_in("choices", value)
    };
    let (texts, labels) = (part("text")?, part("label")?);
    let key = record.filled("answerKey")?;
    let position = labels.iter().position(|label| *label == key).filter(|_| texts.len() == labels.len());
    let position = position
        .ok_or_else(|| record.wrong("answerKey", "one of as many labels as texts", &format!("{key:?}")))?;
    let question = record.filled("question")?;
    item(record, record.filled("id")?.to_owned(), question, &texts, position)
}

/// `question` with its options written out below it, `options` (`A. …`), `answer` (an option's text).
pub(super) fn medqa(record: &Record<'_>) -> Result<TaskItem> {
    let options = record.texts("options")?;
    let texts: Vec<&str> = options
        .iter()
        .zip(LETTERS.chars())
        .map(|(option, letter)| {
            let text = option.strip_prefix(letter).and_then(|rest| rest.strip_prefix(". "));
            text.ok_or_else(|| record.wrong("options", "letters in order, `A. text`", &format!("{option:?}")))
        })
        .collect::<Result<_>>()?;
    let answer = record.filled("answer")?;
    let mut positions = texts.iter().enumerate().filter(|(_, text)| **text == answer);
    let (Some((position, _)), None) = (positions.next(), positions.next()) else {
        return Err(record.wrong("answer", "the text of one option", &format!("{answer:?}")));
    };
    // The file repeats the options in the question, once or twice.
    let listed = options.join("\n");
    let mut question = record.filled("question")?.trim_end();
    while let Some(rest) = question.strip_suffix(&listed).filter(|_| !listed.is_empty()) {
        question = rest.trim_end();
    }
    item(record, record.id(), question, &texts, position)
}

/// `qid`, `question`, `answer` (true or false), `facts` (a list).
pub(super) fn strategyqa(record: &Record<'_>) -> Result<TaskItem> {
    let question = record.filled("question")?;
    let value = record.value("answer", "true or false")?;
    let right = value.as_bool().ok_or_else(|| record.wrong("answer", "true or false", &shown(value)))?;
    let answer = if right { "Yes" } else { "No" };
    Ok(TaskItem {
        id: record.filled("qid")?.to_owned(),
        family: record.name.to_owned(),
        context: question.to_owned(),
        question: question.to_owned(),
        answer: answer.to_owned(),
        reply: format!("Answer: {answer}"),
        fields: fields([("question", question.to_owned()), ("facts", record.texts("facts")?.join("\n"))]),
    })
}

fn item(
    record: &Record<'_>,
    id: String,
    question: &str,
    texts: &[&str],
    position: usize,
) -> Result<TaskItem> {
    let too_many = || record.wrong("choices", "at most ten choices", &texts.len().to_string());
    let letter = LETTERS.chars().nth(position).filter(|_| texts.len() <= LETTERS.len());
    let letter = letter.ok_or_else(too_many)?;
    let lines: Vec<_> =
        LETTERS.chars().zip(texts).map(|(letter, text)| format!("{letter}. {text}")).collect();
    let choices = lines.join("\n");
    Ok(TaskItem {
        id,
        family: record.name.to_owned(),
        context: format!("{question}\n\n{choices}"),
        question: question.to_owned(),
        answer: letter.to_string(),
        reply: format!("Answer: {letter}"),
        fields: fields([("question", question.to_owned()), ("choices", choices)]),
    })
}
