//! Questions over ten paragraphs: HotpotQA, in its authors' layout and in the hub's.

use serde_json::Value;

use super::Result;
use super::record::{Record, fields, shown};
use crate::task::TaskItem;

/// `question`, `answer`, `type`, `level`, and `context`: `[[title, [sentence, …]], …]`, or `{title: […], sentences: [[…], …]}`.
///
/// Items are numbered, also where the file has ids: those of the part then are those of the whole.
pub(super) fn item(record: &Record<'_>) -> Result<TaskItem> {
    let question = record.filled("question")?;
    let answer = record.filled("answer")?;
    let kind = record.filled("type")?;
    let paragraphs = paragraphs(record)?;
    Ok(TaskItem {
        id: record.id(),
        family: kind.to_owned(),
        context: paragraphs.clone(),
        question: question.to_owned(),
        answer: answer.to_owned(),
        reply: format!("Answer: {answer}"),
        fields: fields([
            ("question", question.to_owned()),
            ("paragraphs", paragraphs),
            ("type", kind.to_owned()),
            ("level", record.filled("level")?.to_owned()),
        ]),
    })
}

/// Each paragraph as its title and, on the next line, its sentences; a blank line between two.
fn paragraphs(record: &Record<'_>) -> Result<String> {
    const FORM: &str = "titles with sentences";
    let wrong = |value: &Value| record.wrong("context", FORM, &shown(value));
    let list =
        |value: &'_ Value| -> Result<Vec<Value>> { value.as_array().cloned().ok_or_else(|| wrong(value)) };
    let context = record.value("context", FORM)?;
    let pairs: Vec<(Value, Value)> = match context {
        Value::Object(parts) => {
            let part = |name: &str| parts.get(name).map_or_else(|| Err(wrong(context)), list);
            let (titles, sentences) = (part("title")?, part("sentences")?);
            if titles.len() != sentences.len() {
                let found = format!("{} titles and sentences for {}", titles.len(), sentences.len());
                return Err(record.wrong("context", "as many titles as lists of sentences", &found));
            }
            titles.into_iter().zip(sentences).collect()
        }
        _ => list(context)?
            .into_iter()
            .map(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([title, sentences]) => Ok((title.clone(), sentences.clone())),
                _ => Err(wrong(&pair)),
            })
            .collect::<Result<_>>()?,
    };
    if pairs.is_empty() {
        return Err(wrong(context));
    }
    let written = pairs.iter().map(|(title, sentences)| {
        let title = title.as_str().ok_or_else(|| wrong(title))?;
        // The sentences bring the spaces between them.
        let text = record.texts_in("context", sentences)?.concat();
        Ok(format!("{title}\n{}", text.trim()))
    });
    Ok(written.collect::<Result<Vec<_>>>()?.join("\n\n"))
}
