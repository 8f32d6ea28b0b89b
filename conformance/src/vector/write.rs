//! Cases → recipes, with bytes in place of whatever made them.

use serde_json::{Map, Value, json};

use crate::case::{
    Case, EncodedExpect, Expect, ExpectPart, Level, MEANING, Part, PartContent, PartData, Relation, SCRATCH,
    Source, Step, Tamper,
};

use super::digest::{Digest, hex_of};
use super::lock::Lock;
use super::{RecipesError, cases_of_list};

/// Shortest run of one byte that is written as such.
const RUN: usize = 32;

/// Digits of a counterexample's name: enough that two never share one.
const NAME: usize = 16;

/// First part of the id of every counterexample.
pub const COUNTEREXAMPLE: &str = "counterexample";

/// Why a case can't be written as a recipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwrittenError {
    /// Recipes have no words for something in it.
    #[error("recipes have no words for {0}")]
    NoWords(&'static str),
    /// What was written does not mean the case.
    #[error("read back it is another case{0}")]
    Other(String),
}

/// The recipe that makes this case of its bytes, under the id `counterexample/<digest>`: the same case has the same name.
///
/// # Errors
/// [`UnwrittenError`] when there is none. What is answered here is proved: read back, it makes the same case.
pub fn recipe_of(case: &Case) -> Result<Value, UnwrittenError> {
    let mut recipe = written(case)?;
    let name = Digest::of(Value::Object(recipe.clone()).to_string().as_bytes()).to_string();
    recipe.insert("id".to_owned(), format!("{COUNTEREXAMPLE}/{}", &name[..NAME]).into());
    // As people expect it: the id first.
    let last = recipe.shift_remove("id");
    let recipe: Map<String, Value> = last.map(|id| ("id".to_owned(), id)).into_iter().chain(recipe).collect();
    let recipe = Value::Object(recipe);
    let back = case_of(&recipe).map_err(|error| UnwrittenError::Other(format!(": {error}")))?;
    let same = Case {
        id: back.id.clone(),
        source: back.source.clone(),
        requirements: back.requirements.clone(),
        why: back.why.clone(),
        patched: back.patched.clone(),
        ..case.clone()
    };
    if same == back { Ok(recipe) } else { Err(UnwrittenError::Other(String::new())) }
}

/// The case that one recipe in one dialect makes.
///
/// # Errors
/// [`RecipesError`] with everything that is wrong. A recipe of two dialects makes the case of the first.
pub fn case_of(recipe: &Value) -> Result<Case, RecipesError> {
    let id = recipe.get("id").and_then(Value::as_str).unwrap_or_default();
    let file = format!("{}.yaml", id.split('/').next().unwrap_or_default());
    let cases = cases_of_list(&file, vec![recipe.clone()], &Lock::default())?;
    let case = cases.into_iter().next().map(|case| Case { source: Source::Counterexample, ..case });
    // A recipe without a dialect does not get so far.
    case.ok_or_else(|| RecipesError::Recipes(Vec::new()))
}

fn written(case: &Case) -> Result<Map<String, Value>, UnwrittenError> {
    let mut recipe = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            recipe.insert(key.to_owned(), value);
        }
    };
    let mut steps = Vec::new();
    for step in &case.steps {
        steps.push(Value::Object(step_of(step)?));
    }
    set("req", Some(json!(case.requirements)));
    set("specs", Some(json!([case.spec.as_str()])));
    set("requires", (!case.requires.is_empty()).then(|| json!(case.requires)));
    set("level", case.level.map(|level| json!(name_of(level))));
    set("ambiguity", case.ambiguity.as_ref().map(|entry| json!(entry)));
    set("why", Some(json!(case.why)));
    set("bug", case.bug.as_ref().map(|bug| json!(bug)));
    set("timeout_ms", case.timeout_ms.map(|limit| json!(limit)));
    set("steps", Some(Value::Array(steps)));
    set("relation", case.relation.as_ref().map(relation).transpose()?);
    Ok(recipe)
}

fn step_of(step: &Step) -> Result<Map<String, Value>, UnwrittenError> {
    let mut written = Map::new();
    written.insert("op".to_owned(), json!(step.op));
    if !step.args.is_empty() {
        if step.args.values().any(is_special) {
            return Err(UnwrittenError::NoWords("a name in `args` that begins with `$`"));
        }
        written.insert("args".to_owned(), Value::Object(step.args.clone()));
    }
    if !step.parts.is_empty() {
        let parts: Map<String, Value> =
            step.parts.iter().map(|part| (part.name.clone(), part_of(part))).collect();
        written.insert("in".to_owned(), Value::Object(parts));
    }
    written.insert("expect".to_owned(), expect_of(&step.expect)?);
    if let Some(limit) = step.rss_growth_mib {
        written.insert("resource".to_owned(), json!({ "rss_growth_mib": limit }));
    }
    if let Some(files) = &step.files {
        written.insert("files".to_owned(), json!(files));
    }
    if !step.tamper.is_empty() {
        written.insert("tamper".to_owned(), step.tamper.iter().map(tamper_of).collect());
    }
    Ok(written)
}

/// Whether something in an argument means more than itself, other than what is taken from earlier answers and folders.
fn is_special(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_special),
        Value::Object(map) => map.iter().any(|(key, value)| {
            (key.starts_with('$') && ![SCRATCH, "$from"].contains(&key.as_str())) || is_special(value)
        }),
        _ => false,
    }
}

fn part_of(part: &Part) -> Value {
    match (&part.data, part.dtype, &part.shape) {
        (PartData::FromStep { step, part }, _, _) => json!({"from": {"step": step, "part": part}}),
        (PartData::Bytes(bytes), Some(dtype), Some(shape)) => {
            json!({"dtype": dtype.as_str(), "shape": shape, "data": bytes_of(bytes)})
        }
        (PartData::Bytes(bytes), _, _) => bytes_of(bytes),
    }
}

/// Hex, with long runs of one byte by their length.
fn bytes_of(bytes: &[u8]) -> Value {
    let mut pieces = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    while at < bytes.len() {
        let len = bytes[at..].iter().take_while(|byte| **byte == bytes[at]).count();
        if len >= RUN {
            if plain < at {
                pieces.push(json!({"hex": hex_of(&bytes[plain..at])}));
            }
            pieces.push(json!({"repeat": {"hex": hex_of(&bytes[at..=at]), "count": len}}));
            plain = at + len;
        }
        at += len;
    }
    if plain < bytes.len() || pieces.is_empty() {
        pieces.push(json!({"hex": hex_of(&bytes[plain..])}));
    }
    match pieces.len() {
        1 => pieces.swap_remove(0),
        _ => json!({ "cat": pieces }),
    }
}

fn tamper_of(tamper: &Tamper) -> Value {
    match tamper {
        Tamper::Write { path, bytes } => json!({"write": path, "bytes": bytes_of(bytes)}),
        Tamper::Rename { from, to } => json!({"rename": from, "to": to}),
        Tamper::Keep(count) => json!({"keep": count}),
        Tamper::Lose(count) => json!({"lose": count}),
        Tamper::Fill(bytes) => json!({"fill": bytes_of(bytes)}),
    }
}

fn expect_of(expect: &Expect) -> Result<Value, UnwrittenError> {
    Ok(match expect {
        Expect::Ok { ok, should, parts } => {
            let mut all = Map::from_iter([("ok".to_owned(), Value::Object(ok.clone()))]);
            if !should.is_empty() {
                all.insert("should".to_owned(), Value::Object(should.clone()));
            }
            let parts: Map<String, Value> = parts
                .iter()
                .map(|part| Ok((part.name.clone(), content_of(part)?)))
                .collect::<Result<_, _>>()?;
            if !parts.is_empty() {
                all.insert("parts".to_owned(), Value::Object(parts));
            }
            Value::Object(all)
        }
        Expect::Reject(codes) => json!({ "reject": codes }),
        Expect::Refused { codes, status } => json!({"reject": codes, "status": status}),
        Expect::Encoded(encoded) => json!({"encoded": encoded_of(encoded)}),
        Expect::Either(branches) => {
            let branch = |(name, expect): &(String, Expect)| Ok((name.clone(), expect_of(expect)?));
            json!({"either": branches.iter().map(branch).collect::<Result<Map<_, _>, UnwrittenError>>()?})
        }
        Expect::Alive => json!({"alive": true}),
    })
}

fn content_of(part: &ExpectPart) -> Result<Value, UnwrittenError> {
    Ok(match &part.content {
        PartContent::Bytes(bytes) => bytes_of(bytes),
        PartContent::Json(value) => json!({ "$json": value }),
        PartContent::SameAs { step, part, sent } => {
            json!({"from": {"step": step, "part": part, "sent": sent}})
        }
        PartContent::Near { step, part, within } => {
            let mut near: Map<String, Value> =
                within.named().map(|(name, limit)| (name.to_owned(), json!(limit))).collect();
            near.insert("from".to_owned(), json!({"step": step, "part": part}));
            json!({ "close": near })
        }
        PartContent::Close(tensor) if tensor.through.is_none() => {
            let mut close: Map<String, Value> =
                tensor.within.named().map(|(name, limit)| (name.to_owned(), json!(limit))).collect();
            close.insert("shape".to_owned(), json!(tensor.shape));
            close.insert("data".to_owned(), bytes_of(&tensor.values));
            json!({ "close": close })
        }
        PartContent::Close(_) => {
            return Err(UnwrittenError::NoWords("a matrix that both sides are multiplied with"));
        }
        PartContent::Cache(_) => return Err(UnwrittenError::NoWords("a cache that an answer is near to")),
    })
}

fn encoded_of(expect: &EncodedExpect) -> Value {
    let mut all = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            all.insert(key.to_owned(), value);
        }
    };
    let some = |list: Vec<Value>| (!list.is_empty()).then_some(Value::Array(list));
    set("metadata", expect.metadata.as_ref().map(|metadata| Value::Object(metadata.clone())));
    set("payload", expect.payload.as_ref().map(|payload| bytes_of(payload)));
    set("compressed", expect.compressed.map(Value::from));
    set("flags", expect.flags.map(Value::from));
    set("bytes", some(expect.bytes.iter().map(|bytes| bytes_of(bytes)).collect()));
    set("metadata_hex", some(expect.metadata_bytes.iter().map(|bytes| hex_of(bytes).into()).collect()));
    let field = |(number, bytes): &(u32, Vec<u8>)| json!({"n": number, "hex": hex_of(bytes)});
    set("has_field", some(expect.has_field.iter().map(field).collect()));
    set("lacks_field", some(expect.lacks_field.iter().map(|number| json!(number)).collect()));
    set(
        "section_len",
        expect.section_len.map(|len| {
            let bound = |key: &str, bound: Option<u64>| bound.map(|bound| (key.to_owned(), json!(bound)));
            Value::Object([bound("min", len.min), bound("max", len.max)].into_iter().flatten().collect())
        }),
    );
    Value::Object(all)
}

fn relation(relation: &Relation) -> Result<Value, UnwrittenError> {
    if relation.at == MEANING {
        return Err(UnwrittenError::NoWords("the meaning of messages in other forms"));
    }
    let mut all = Map::from_iter([("at".to_owned(), json!(relation.at))]);
    if !relation.equal.is_empty() {
        all.insert("equal".to_owned(), json!(relation.equal));
    }
    for (key, set) in [("distinct", relation.distinct), ("non_increasing", relation.non_increasing)] {
        if set {
            all.insert(key.to_owned(), true.into());
        }
    }
    Ok(Value::Object(all))
}

fn name_of(level: Level) -> &'static str {
    match level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
        Level::May => "MAY",
    }
}

/// The recipe under another id as an entry of a recipe file, in YAML.
///
/// # Errors
/// [`RecipesError`] when the id, or something else in it, is none of the grammar.
pub fn entry(recipe: &Value, id: &str) -> Result<String, RecipesError> {
    let mut recipe = recipe.clone();
    recipe["id"] = id.into();
    case_of(&recipe)?;
    let mut text = String::new();
    for (key, value) in recipe.as_object().into_iter().flatten() {
        text.push_str(if text.is_empty() { "- " } else { "  " });
        match value {
            Value::Array(steps) if key == "steps" => {
                text.push_str("steps:\n");
                for step in steps {
                    text.push_str(&format!("    - {}\n", ascii(step)));
                }
            }
            Value::String(plain) if key == "id" || key == "bug" => {
                text.push_str(&format!("{key}: {plain}\n"));
            }
            value => text.push_str(&format!("{key}: {}\n", ascii(value))),
        }
    }
    Ok(text)
}

/// JSON in the characters of ASCII, escaped as YAML escapes them.
fn ascii(value: &Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        match u32::from(character) {
            0x20..=0x7e => text.push(character),
            code @ ..=0xffff => text.push_str(&format!("\\u{code:04x}")),
            code => text.push_str(&format!("\\U{code:08x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests;
