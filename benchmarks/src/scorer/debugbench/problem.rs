//! EXAMPLES, ORACLE → CALLS: what is asked of a solution.

use serde_json::{Value as Json, json};

use super::field;
use crate::scorer::python::value::Value;
use crate::scorer::python::{Answer, Wanted};
use crate::task::TaskItem;

/// What is asked of a solution, and how its answers are compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) wanted: Wanted,
    pub(super) calls: Vec<Json>,
    /// The method changes its arguments and returns nothing.
    in_place: bool,
    /// The method changes its first argument and returns how many of its elements count; whether they may stand in any order.
    counted: Option<bool>,
    /// The description takes any order of the outermost sequence.
    any_order: bool,
}

impl Problem {
    /// # Errors
    /// Why nothing can be asked.
    pub(super) fn of(item: &TaskItem) -> Result<Self, String> {
        let inputs: Vec<_> = examples(item).filter_map(|example| input(&example)).collect();
        let first = inputs.first().ok_or("no example with an input")?;
        let any_order = says_any_order(field(item, "description"));
        if !first.starts_with('[') {
            return Self::of_method(item, &inputs, any_order);
        }
        let mut calls = Vec::new();
        let mut class = None;
        for input in &inputs {
            let mut values = serde_json::Deserializer::from_str(input).into_iter::<Json>();
            let mut next = || values.next().and_then(Result::ok);
            let (Some(Json::Array(names)), Some(Json::Array(args))) = (next(), next()) else {
                return Err(format!("an input of two lists, found {input:?}"));
            };
            let names: Option<Vec<_>> = names.iter().map(Json::as_str).collect();
            let names = names.filter(|names| !names.is_empty() && names.len() == args.len());
            let names = names.ok_or("as many methods as arguments")?;
            class = Some(names[0].to_owned());
            let args: Vec<_> = args.iter().map(encoded).collect();
            calls.push(json!({"methods": names[1..], "args": args}));
        }
        Ok(Self {
            wanted: Wanted { function: None, class },
            calls,
            in_place: false,
            counted: None,
            any_order: false,
        })
    }

    fn of_method(item: &TaskItem, inputs: &[String], any_order: bool) -> Result<Self, String> {
        let named: Vec<Vec<(&str, &str)>> = inputs.iter().map(|input| assignments(input, false)).collect();
        let names: Vec<_> = named[0].iter().map(|(name, _)| *name).collect();
        let methods = methods(field(item, "oracle_code"));
        let is_cycle = names == ["head", "pos"];
        let fits = |method: &&Method| {
            method.params.iter().map(|param| param.name.as_str()).eq(names.iter().copied())
        };
        let takes = |method: &&Method| {
            method.required <= names.len() && names.len() <= method.params.len()
                || is_cycle && method.params.len() == 1
        };
        let public = || methods.iter().filter(|method| !method.name.starts_with('_'));
        let slug = field(item, "slug");
        // Of equals, the last.
        let best = |found: Vec<&Method>| -> Option<Method> {
            found
                .into_iter()
                .max_by_key(|method| (words_shared(&method.name, slug), method.annotated()))
                .cloned()
        };
        let method = best(public().filter(fits).collect())
            .or_else(|| best(public().filter(takes).collect()))
            .ok_or_else(|| format!("no public method that takes {}", names.join(", ")))?;
        let mut calls = Vec::new();
        for pairs in &named {
            let mut values = pairs.iter().map(|(_, text)| value(text)).collect::<Result<Vec<_>, String>>()?;
            let mut call = json!({});
            if is_cycle && method.params.len() == 1 {
                call["cycle"] = values.pop().and_then(|value| value.as_i64()).unwrap_or(-1).into();
            }
            let shapes: Vec<_> = values.iter().enumerate().map(|(at, _)| shape(&method, at)).collect();
            call["shapes"] = json!(shapes);
            call["args"] = values.iter().map(encoded).collect();
            calls.push(call);
        }
        let wanted = Wanted { function: Some(method.name), class: Some("Solution".to_owned()) };
        let description = field(item, "description").to_lowercase();
        let counted = (method.returns == "int" && says_in_place(&description))
            .then(|| description.contains("order of the elements may be changed"));
        Ok(Self { wanted, calls, in_place: method.returns == "None", counted, any_order })
    }

    /// Whether answers are the expected ones.
    pub(super) fn same(&self, answers: &[Answer], expected: &[Answer]) -> bool {
        answers.len() == expected.len()
            && answers.iter().zip(expected).all(|(answer, expected)| match (answer, expected) {
                (
                    Answer::Value { value, args },
                    Answer::Value { value: expected_value, args: expected_args },
                ) => {
                    let is = if self.any_order { Value::is_in_any_order } else { Value::is };
                    let changed = || {
                        args.len() == expected_args.len()
                            && args.iter().zip(expected_args).all(|(own, other)| own.is(other))
                    };
                    is(value, expected_value)
                        && (!self.in_place || changed())
                        && self.counted.is_none_or(|any_order| {
                            counted(value, args, expected_args, any_order).unwrap_or(true)
                        })
                }
                _ => false,
            })
    }
}

/// The examples: they begin with `Input`, and blank lines stand between them.
pub(super) fn examples(item: &TaskItem) -> impl Iterator<Item = String> {
    let mut found: Vec<String> = Vec::new();
    for part in field(item, "examples").split("\n\n") {
        match found.last_mut() {
            Some(last) if !part.trim_start().starts_with("Input") => {
                last.push_str("\n\n");
                last.push_str(part);
            }
            _ => found.push(part.to_owned()),
        }
    }
    found.into_iter()
}

/// What stands between `Input` and `Output`.
fn input(example: &str) -> Option<String> {
    let text = example.trim_start().strip_prefix("Input")?.trim_start_matches(':');
    let end = text.find("\nOutput").unwrap_or(text.len());
    let text = text[..end].trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// An example's input as upstream writes it into a call: the first line behind `Input:`, its names dropped.
pub(super) fn compat_inputs(example: &str) -> Option<String> {
    let (_, text) = example.split_once("Input:")?;
    let line = text.trim_start().lines().next()?.trim();
    if line.is_empty() {
        return None;
    }
    let values: Vec<_> = assignments(line, true).into_iter().map(|(_, value)| value).collect();
    Some(values.join(", "))
}

/// `a = 1, b = [2, 3]` → (a, 1), (b, [2, 3]). A part without a name has an empty one. `spaced`: a name counts only where a space
/// stands behind its `=`.
fn assignments(text: &str, spaced: bool) -> Vec<(&str, &str)> {
    let mut parts = Vec::new();
    let (mut depth, mut quote, mut escaped, mut begin) = (0_i64, None, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => depth -= 1,
            (None, b',') if depth == 0 => {
                let next = split_name(text[at + 1..].trim_start());
                if next.is_some_and(|(_, rest)| !spaced || rest.starts_with(char::is_whitespace)) {
                    parts.push(&text[begin..at]);
                    begin = at + 1;
                }
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, rest) = split_name(part).unwrap_or(("", part));
            (name, rest.trim())
        })
        .collect()
}

/// `name = rest` → (name, rest).
fn split_name(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let name = name.trim_end();
    let is_name = name.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then_some((name, rest))
}

/// Digits of a number that is written in binary where it has no leading zeros.
const BINARY_DIGITS: usize = 32;

/// A written value. Numbers with leading zeros, or of [`BINARY_DIGITS`] zeros and ones, are binary.
fn value(text: &str) -> Result<Json, String> {
    let text = text.trim_end_matches(',').trim();
    let is_binary = (text.len() > 1 && text.starts_with('0') || text.len() == BINARY_DIGITS)
        && text.bytes().all(|byte| matches!(byte, b'0' | b'1'));
    if is_binary {
        return u64::from_str_radix(text, 2).map(Json::from).map_err(|error| format!("{text:?}: {error}"));
    }
    serde_json::from_str(text).map_err(|error| format!("an input that is JSON, found {text:?}: {error}"))
}

/// The form that `values.py` reads.
fn encoded(value: &Json) -> Json {
    match value {
        Json::Number(number) if number.is_i64() => value.clone(),
        Json::Number(number) => match number.as_u64() {
            Some(number) => json!({"i": format!("{number:#x}")}),
            None => json!({"f": number.to_string()}),
        },
        Json::Array(parts) => json!({"l": parts.iter().map(encoded).collect::<Vec<_>>()}),
        Json::Object(object) => {
            json!({"d": object.iter().map(|(key, value)| json!([key, encoded(value)])).collect::<Vec<_>>()})
        }
        _ => value.clone(),
    }
}

/// A sentence of the description asks for something back, in any order.
fn says_any_order(description: &str) -> bool {
    description.to_lowercase().split(['.', '\n']).any(|sentence| {
        sentence.contains("any order")
            && ["return", "answer", "output", "result"].iter().any(|word| sentence.contains(word))
    })
}

/// Whether the description, in small letters, wants an argument changed.
fn says_in_place(description: &str) -> bool {
    ["in-place", "in place"].iter().any(|words| description.contains(words))
}

/// Whether the first elements of the first argument, as many as were counted, are the oracle's. Nothing where it is no list.
fn counted(count: &Value, args: &[Value], expected: &[Value], any_order: bool) -> Option<bool> {
    let Value::Int(count) = count else { return None };
    let count: usize = count.parse().ok()?;
    let (Some(Value::Sequence(own)), Some(Value::Sequence(other))) = (args.first(), expected.first()) else {
        return None;
    };
    let [own, other] =
        [own, other].map(|parts| parts.get(..count).map(|parts| Value::Sequence(parts.to_vec())));
    let (own, other) = (own?, other?);
    Some(if any_order { own.is_in_any_order(&other) } else { own.is(&other) })
}

/// How many words of a problem's name stand in a method's.
fn words_shared(method: &str, slug: &str) -> usize {
    let method = method.to_lowercase();
    slug.split('-').filter(|word| word.len() > 1 && method.contains(word)).count()
}

/// A method of the oracle.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Method {
    name: String,
    params: Vec<Param>,
    /// How many parameters have no default.
    required: usize,
    /// The annotation of what it returns.
    returns: String,
}

impl Method {
    /// How many parameters are annotated: the site's own method is, helpers seldom are.
    fn annotated(&self) -> usize {
        self.params.iter().filter(|param| !param.annotation.is_empty()).count()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Param {
    name: String,
    annotation: String,
}

/// The methods of `class Solution`: the functions one step inside.
fn methods(code: &str) -> Vec<Method> {
    let Some(at) = code.find("class Solution") else { return Vec::new() };
    let body = code[at..].split_once('\n').map_or("", |(_, body)| body);
    let mut indent = None;
    let mut found = Vec::new();
    let mut offset = 0;
    for line in body.split_inclusive('\n') {
        let here = offset;
        offset += line.len();
        let text = line.trim_start();
        if text.trim_end().is_empty() {
            continue;
        }
        let depth = line.len() - text.len();
        if depth == 0 && !text.starts_with(['#', ')', '\'', '"']) {
            break;
        }
        if text.starts_with("def ") && *indent.get_or_insert(depth) == depth {
            found.extend(method(&body[here + depth + "def ".len()..]));
        }
    }
    found
}

/// From behind `def`.
fn method(text: &str) -> Option<Method> {
    let (name, rest) = text.split_once('(')?;
    let mut depth = 1_i64;
    let (mut parts, mut begin) = (Vec::new(), 0);
    let end = rest.bytes().enumerate().find_map(|(at, byte)| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b',' if depth == 1 => {
                parts.push(&rest[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
        (depth == 0).then_some(at)
    })?;
    parts.push(&rest[begin..end]);
    let parts: Vec<_> = parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).skip(1).collect();
    let required = parts.iter().filter(|part| !part.contains('=')).count();
    let params = parts.into_iter().map(|part| {
        let part = part.split_once('=').map_or(part, |(part, _)| part);
        let (name, annotation) = part.split_once(':').unwrap_or((part, ""));
        Param { name: name.trim().to_owned(), annotation: annotation.trim().to_owned() }
    });
    let behind = rest[end + 1..].trim_start();
    let returns =
        behind.strip_prefix("->").and_then(|text| text.split_once(':')).map_or("", |(text, _)| text);
    Some(Method {
        name: name.trim().to_owned(),
        params: params.collect(),
        required,
        returns: returns.trim().to_owned(),
    })
}

/// How an argument is built.
fn shape(method: &Method, at: usize) -> &'static str {
    let annotation = method.params.get(at).map_or("", |param| param.annotation.as_str());
    match annotation {
        text if text.contains("ListNode") && text.contains("List[") => "lists",
        text if text.contains("ListNode") => "list",
        text if text.contains("TreeNode") => "tree",
        text if text.contains("Node") => "n-ary",
        "float" => "float",
        _ => "plain",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn inputs_are_split_at_names() {
        let split = assignments("s = \"a, b = 1\", n=[1, 2], k = 3", false);
        assert_eq!(split, [("s", "\"a, b = 1\""), ("n", "[1, 2]"), ("k", "3")]);
        assert_eq!(
            compat_inputs("Input: s = \"x\", n=2, k = 3\nOutput: 1").as_deref(),
            Some("\"x\", n=2, 3")
        );
        assert_eq!(compat_inputs("Input\n[1]\nOutput"), None);
        assert_eq!(input("Input: a = [1,\n2]\nOutput: 3").as_deref(), Some("a = [1,\n2]"));
        assert_eq!(value("00000000000000000000000000000101"), Ok(json!(5)));
        assert_eq!(value("11111111111111111111111111111101"), Ok(json!(4_294_967_293_u32)));
        assert!(value("{x").is_err());
    }

    #[test]
    fn methods_are_those_of_the_class() {
        let code = "class Other:\n    def no(self): pass\nclass Solution:\n    def add(self, a: List[int], b=(1, 2)) -> Dict[int, int]:\n        def inner(x): pass\n    def _help(self,\n              c): pass\ndef after(x): pass";
        let found = methods(code);
        let names: Vec<_> =
            found.iter().map(|method| (method.name.as_str(), method.params.len(), method.required)).collect();
        assert_eq!(names, [("add", 2, 1), ("_help", 1, 1)]);
        assert_eq!(
            (found[0].params[0].annotation.as_str(), found[0].returns.as_str()),
            ("List[int]", "Dict[int, int]")
        );
    }

    #[test]
    fn any_order_counts_where_it_is_about_the_answer() {
        assert!(says_any_order("Text. You may return the answer in any order."));
        assert!(!says_any_order("The words come in any order. Return the longest."));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(class Solution|:|\n|    |def |\\(|\\)|=|,|\"|Input:|Output|[a-z]|\\PC){0,50}") {
            for (name, value) in assignments(&text, true) {
                prop_assert!(name.len() + value.len() <= text.len());
            }
            methods(&text);
            let _ = value(&text);
            compat_inputs(&text);
            input(&text);
        }
    }
}
