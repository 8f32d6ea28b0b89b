//! Problems whose answer is a number or a formula: GSM8K, MATH-500.

use super::Result;
use super::record::{Record, fields};
use crate::task::TaskItem;

/// Between the solution and the answer of a GSM8K record.
const MARK: &str = "####";

/// `question`, and `answer` that ends in `#### number`.
pub(super) fn gsm8k(record: &Record<'_>) -> Result<TaskItem> {
    let question = record.filled("question")?;
    let whole = record.filled("answer")?;
    let number = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    let (solution, answer) = whole
        .rsplit_once(MARK)
        .map(|(solution, answer)| (solution.trim_end(), answer.trim().replace(',', "")))
        .filter(|(_, answer)| number(answer))
        .ok_or_else(|| record.wrong("answer", "a solution, #### and a number", "none of that form"))?;
    Ok(TaskItem {
        id: record.id(),
        family: record.name.to_owned(),
        context: question.to_owned(),
        question: question.to_owned(),
        reply: boxed(&answer),
        answer,
        fields: fields([("question", question.to_owned()), ("solution", solution.to_owned())]),
    })
}

/// `problem`, `solution`, `answer` (LaTeX), `subject`, `level` (a number), `unique_id`.
pub(super) fn math500(record: &Record<'_>) -> Result<TaskItem> {
    let problem = record.filled("problem")?;
    let answer = record.filled("answer")?;
    let subject = record.filled("subject")?;
    let level = record.value("level", "a whole number")?;
    let level = level
        .as_u64()
        .ok_or_else(|| record.wrong("level", "a whole number", &super::record::shown(level)))?;
    Ok(TaskItem {
        id: record.filled("unique_id")?.to_owned(),
        family: subject.to_owned(),
        context: problem.to_owned(),
        question: problem.to_owned(),
        answer: answer.to_owned(),
        reply: boxed(answer),
        fields: fields([
            ("problem", problem.to_owned()),
            ("solution", record.text("solution")?.to_owned()),
            ("subject", subject.to_owned()),
            ("level", level.to_string()),
        ]),
    })
}

/// How a model should say an answer.
fn boxed(answer: &str) -> String {
    format!("The answer is \\boxed{{{answer}}}.")
}
