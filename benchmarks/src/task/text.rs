//! JSON LINES → ITEMS: any text with questions.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::TaskItem;

/// A line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    context: String,
    question: String,
    answer: String,
}

/// The items of a file, empty lines left out.
pub(super) fn items(bytes: &[u8]) -> Result<Vec<TaskItem>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("UTF-8, found {error}"))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let number = number + 1;
            let line: Line = serde_json::from_str(line).map_err(|error| {
                format!("line {number}: id, context, question and answer as JSON, found {error}")
            })?;
            let parts = [&line.id, &line.context, &line.question, &line.answer];
            if parts.iter().any(|part| part.trim().is_empty()) {
                return Err(format!("line {number}: id, context, question and answer, found an empty one"));
            }
            Ok(TaskItem {
                id: line.id,
                family: "text".to_owned(),
                context: line.context,
                question: line.question,
                reply: line.answer.clone(),
                answer: line.answer,
                fields: BTreeMap::new(),
            })
        })
        .collect()
}
