//! Problems whose answer is a program: HumanEval, DebugBench, ClassEval.

use super::Result;
use super::record::{Record, fields, shown};
use crate::task::TaskItem;

/// `task_id`, `prompt` (imports, signature, docstring), `canonical_solution` (the body), `test`, `entry_point`.
pub(super) fn humaneval(record: &Record<'_>) -> Result<TaskItem> {
    let prompt = record.filled("prompt")?;
    let solution = record.filled("canonical_solution")?;
    let whole = format!("{prompt}{solution}");
    Ok(TaskItem {
        id: record.filled("task_id")?.to_owned(),
        family: record.name.to_owned(),
        context: prompt.to_owned(),
        question: prompt.to_owned(),
        reply: fenced(&whole),
        answer: whole,
        fields: fields([
            ("prompt", prompt.to_owned()),
            ("test", record.filled("test")?.to_owned()),
            ("entry_point", record.filled("entry_point")?.to_owned()),
            ("canonical_solution", solution.to_owned()),
        ]),
    })
}

/// `id`, `bug_type`, `slug`, `description`, `examples` (a list), `constraints`, `oracle_code`, `level`, `buggy_code`.
pub(super) fn debugbench(record: &Record<'_>) -> Result<TaskItem> {
    let description = record.filled("description")?;
    let constraints = record.text("constraints")?;
    let buggy = record.filled("buggy_code")?.trim_matches('\n');
    let oracle = record.filled("oracle_code")?.trim_matches('\n');
    let bug_type = record.filled("bug_type")?;
    Ok(TaskItem {
        id: record.filled("id")?.to_owned(),
        family: bug_type.to_owned(),
        context: format!("{description}\n\nConstraints:\n{constraints}\n\n{}", fenced(buggy)),
        question: description.to_owned(),
        answer: oracle.to_owned(),
        reply: fenced(oracle),
        fields: fields([
            ("description", description.to_owned()),
            ("examples", record.texts("examples")?.join("\n\n")),
            ("constraints", constraints.to_owned()),
            ("buggy_code", buggy.to_owned()),
            ("oracle_code", oracle.to_owned()),
            ("slug", record.filled("slug")?.to_owned()),
            ("bug_type", bug_type.to_owned()),
            ("level", record.filled("level")?.to_owned()),
        ]),
    })
}

/// `task_id`, `skeleton`, `test`, `solution_code`, `class_name`, `import_statement` (a list), `test_classes` (a list),
/// `methods_info` (a list of objects with `method_name`).
pub(super) fn classeval(record: &Record<'_>) -> Result<TaskItem> {
    let skeleton = record.filled("skeleton")?;
    let solution = record.filled("solution_code")?;
    let methods = record.value("methods_info", "a list of methods")?;
    let list = methods
        .as_array()
        .ok_or_else(|| record.wrong("methods_info", "a list of methods", &shown(methods)))?;
    let methods: Vec<&str> = list
        .iter()
        .map(|method| {
            let name = method.get("method_name").and_then(serde_json::Value::as_str);
            name.ok_or_else(|| record.wrong("methods_info", "method_name in each", &shown(method)))
        })
        .collect::<Result<_>>()?;
    Ok(TaskItem {
        id: record.filled("task_id")?.to_owned(),
        family: record.name.to_owned(),
        context: skeleton.to_owned(),
        question: skeleton.to_owned(),
        answer: solution.to_owned(),
        reply: fenced(solution),
        fields: fields([
            ("skeleton", skeleton.to_owned()),
            ("test", record.filled("test")?.to_owned()),
            ("solution_code", solution.to_owned()),
            ("class_name", record.filled("class_name")?.to_owned()),
            ("test_classes", record.texts("test_classes")?.join(",")),
            ("methods", methods.join(",")),
            ("imports", record.texts("import_statement")?.join("\n")),
        ]),
    })
}

/// A program as a model should write it.
fn fenced(code: &str) -> String {
    let end = if code.ends_with('\n') { "" } else { "\n" };
    format!("```python\n{code}{end}```")
}
