//! A recipe as it is written, with its variants spread out.

use serde_json::{Map, Value};

use crate::case::{Level, Relation, Spec};

use super::node::{GrammarError, Node, Parsed};
use super::sweep::{MAX_COPIES, copies};
use super::vocabulary::FEATURES;
use super::yaml::json_of_yaml;

/// Keys that describe one step.
const STEP_KEYS: &[&str] = &["op", "args", "in", "expect", "resource", "files", "tamper", "repeat"];

/// Keys of a recipe, besides a step's.
const RECIPE_KEYS: &[&str] = &[
    "id",
    "req",
    "why",
    "bug",
    "specs",
    "requires",
    "level",
    "ambiguity",
    "steps",
    "relation",
    "timeout_ms",
    "multi_fault",
    "each",
];

/// Longest time limit that a recipe may ask for: a minute, so that no vector holds up a run.
const MAX_TIMEOUT_MS: u64 = 60_000;

/// What is wrong with a recipe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}: {recipe}: {place}{}{what}", if place.is_empty() { "" } else { ": " })]
pub struct RecipeError {
    /// File under `recipes/`.
    pub file: String,
    /// Its id, or its number in the file when it has none.
    pub recipe: String,
    /// Where in the recipe, e.g. `in.message.patch[0]`.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

/// One vector as it is written: a recipe, or one variant of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recipe {
    pub(crate) file: String,
    pub(crate) id: String,
    pub(crate) requirements: Vec<String>,
    pub(crate) specs: Vec<Spec>,
    pub(crate) requires: Vec<String>,
    pub(crate) level: Option<Level>,
    pub(crate) ambiguity: Option<String>,
    pub(crate) why: String,
    pub(crate) bug: Option<String>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) multi_fault: bool,
    pub(crate) relation: Option<Relation>,
    /// The mapping that describes each step, repetitions not yet written out, with its place in the recipe. A recipe of
    /// one step is that mapping itself.
    pub(crate) steps: Vec<(String, Value)>,
}

/// All recipes of a file, and what is wrong with the others.
pub(crate) fn read_file(file: &str, text: &str) -> (Vec<Recipe>, Vec<RecipeError>) {
    let whole = |what: String| vec![fault(file, "-", GrammarError { place: String::new(), what })];
    match json_of_yaml(text) {
        Ok(Value::Array(list)) => read_list(file, list),
        Ok(Value::Null) => (Vec::new(), Vec::new()),
        Ok(_) => (Vec::new(), whole("expected a list of recipes".to_owned())),
        Err(error) => (Vec::new(), whole(format!("no YAML: {error}"))),
    }
}

fn fault(file: &str, recipe: &str, error: GrammarError) -> RecipeError {
    RecipeError { file: file.to_owned(), recipe: recipe.to_owned(), place: error.place, what: error.what }
}

/// The same for recipes that were read from their text already.
pub(crate) fn read_list(file: &str, list: Vec<Value>) -> (Vec<Recipe>, Vec<RecipeError>) {
    let mut recipes = Vec::new();
    let mut errors = Vec::new();
    for (index, written) in list.into_iter().enumerate() {
        let name = written.get("id").and_then(Value::as_str);
        let name = name.map_or_else(|| format!("recipe {}", index + 1), str::to_owned);
        match variants(written) {
            Err(error) => errors.push(fault(file, &name, error)),
            Ok(variants) => {
                for variant in variants {
                    let name = variant.get("id").and_then(Value::as_str).unwrap_or(&name).to_owned();
                    match recipe(file, Value::Object(variant)) {
                        Ok(recipe) => recipes.push(recipe),
                        Err(error) => errors.push(fault(file, &name, error)),
                    }
                }
            }
        }
    }
    (recipes, errors)
}

/// The recipe once a variant, `each` and `sweep` resolved.
fn variants(recipe: Value) -> Parsed<Vec<Map<String, Value>>> {
    let id = Node::new(&recipe, "").need("id")?.string()?.to_owned();
    let Value::Object(mut own) = recipe else { return Ok(Vec::new()) };
    let Some(each) = own.shift_remove("each") else {
        return Ok(vec![own]);
    };
    let each = Node::new(&each, "each");
    let mut all = Vec::new();
    for entry in each.list()? {
        entry.need("slug")?;
        for mut variant in copies(&entry)? {
            let Some(slug) = variant.shift_remove("slug") else { continue };
            // A slug that is a variable alone, `"${n}"`, has become a number.
            let slug = slug.as_str().map_or_else(|| slug.to_string(), str::to_owned);
            if variant.contains_key("id") || variant.contains_key("each") {
                return Err(entry.error("a variant has neither `id` nor `each`"));
            }
            let mut merged = own.clone();
            for (key, value) in variant {
                merge(&mut merged, key, value);
            }
            merged.insert("id".to_owned(), format!("{id}/{slug}").into());
            all.push(merged);
            if all.len() > MAX_COPIES {
                return Err(each.error(format!("more than {MAX_COPIES} variants")));
            }
        }
    }
    match all.is_empty() {
        true => Err(each.error("no variants")),
        false => Ok(all),
    }
}

/// A variant's key replaces the recipe's; `args` and `in` are merged key by key, and null removes.
fn merge(into: &mut Map<String, Value>, key: String, value: Value) {
    match (into.get_mut(&key), value) {
        (_, Value::Null) => _ = into.shift_remove(&key),
        (Some(Value::Object(own)), Value::Object(more)) if key == "args" || key == "in" => {
            for (name, value) in more {
                match value {
                    Value::Null if key == "in" => _ = own.shift_remove(&name),
                    value => _ = own.insert(name, value),
                }
            }
        }
        (_, value) => _ = into.insert(key, value),
    }
}

fn recipe(file: &str, value: Value) -> Parsed<Recipe> {
    let node = Node::new(&value, "");
    node.object_of(&[RECIPE_KEYS, STEP_KEYS].concat())?;
    let id = node.need("id")?;
    check_id(file, &id)?;
    let steps = steps(&node)?;
    let requirements = node.need("req")?.strings()?;
    if requirements.is_empty() {
        return Err(node.error("`req` names no requirement"));
    }
    let why = node.need("why")?.string()?.trim();
    if why.is_empty() {
        return Err(node.error("`why` says nothing"));
    }
    let ambiguity = node.get("ambiguity").map(|ambiguity| check_ambiguity(&ambiguity)).transpose()?;
    let level = node.get("level").map(|level| read_level(&level)).transpose()?;
    if level.is_some() && ambiguity.is_none() {
        return Err(node.error("`level` needs `ambiguity`, the entry that settles it"));
    }
    let mut recipe = Recipe {
        file: file.to_owned(),
        id: id.string()?.to_owned(),
        requirements,
        specs: match node.get("specs") {
            Some(specs) => read_specs(&specs)?,
            None => vec![Spec::V02, Spec::V04],
        },
        requires: node.get("requires").map_or(Ok(Vec::new()), |features| read_features(&features))?,
        level,
        ambiguity,
        why: why.to_owned(),
        bug: node.get("bug").map(|bug| check_slug(&bug)).transpose()?,
        timeout_ms: node.get("timeout_ms").map(|limit| limit.at_most(MAX_TIMEOUT_MS)).transpose()?,
        multi_fault: node.get("multi_fault").map_or(Ok(false), |flag| flag.bool())?,
        relation: node.get("relation").map(|relation| read_relation(&relation)).transpose()?,
        steps,
    };
    if recipe.steps.is_empty() {
        recipe.steps.push((String::new(), value));
    }
    Ok(recipe)
}

/// The steps, sweeps resolved; none for a recipe without `steps`, which is its own only step.
fn steps(node: &Node<'_>) -> Parsed<Vec<(String, Value)>> {
    let Some(list) = node.get("steps") else {
        return Ok(Vec::new());
    };
    if let Some(key) = node.object()?.keys().find(|key| STEP_KEYS.contains(&key.as_str())) {
        return Err(node.error(format!("`{key}` belongs into one of the `steps`")));
    }
    let mut steps = Vec::new();
    for step in list.list()? {
        step.object_of(&[STEP_KEYS, &["sweep"]].concat())?;
        for copy in copies(&step)? {
            steps.push((step.place(), Value::Object(copy)));
        }
    }
    match steps.is_empty() {
        true => Err(list.error("no steps")),
        false => Ok(steps),
    }
}

fn is_slug(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && !text.starts_with('-') && !text.ends_with('-') && text.bytes().all(allowed)
}

fn check_slug(node: &Node<'_>) -> Parsed<String> {
    let text = node.string()?;
    match is_slug(text) {
        true => Ok(text.to_owned()),
        false => Err(node.error(format!("`{text}` is no name of small letters, digits and dashes"))),
    }
}

fn check_id(file: &str, node: &Node<'_>) -> Parsed<()> {
    let id = node.string()?;
    let area = file.strip_suffix(".yaml").unwrap_or(file);
    let parts: Vec<_> = id.split('/').collect();
    if parts.first() != Some(&area) {
        return Err(node.error(format!("the id of a recipe in {file} starts with `{area}/`")));
    }
    if !(2..=4).contains(&parts.len()) || !parts.iter().all(|part| is_slug(part)) {
        return Err(node.error("expected area/slug, small letters, digits and dashes, at most four parts"));
    }
    Ok(())
}

fn check_ambiguity(node: &Node<'_>) -> Parsed<String> {
    let text = node.string()?;
    let digits = text.strip_prefix("A-").unwrap_or_default();
    match digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err(node.error("expected an entry of the ambiguity list, such as A-016")),
    }
}

fn read_level(node: &Node<'_>) -> Parsed<Level> {
    match node.string()? {
        "MUST" => Ok(Level::Must),
        "SHOULD" => Ok(Level::Should),
        "MAY" => Ok(Level::May),
        _ => Err(node.error("expected MUST, SHOULD or MAY")),
    }
}

fn read_specs(node: &Node<'_>) -> Parsed<Vec<Spec>> {
    let mut specs = Vec::new();
    for item in node.list()? {
        let spec = [Spec::V02, Spec::V04].into_iter().find(|spec| item.value.as_str() == Some(spec.as_str()));
        specs.push(spec.ok_or_else(|| item.error("expected \"0.2\" or \"0.4\", in quotes"))?);
    }
    specs.sort_unstable();
    specs.dedup();
    match specs.is_empty() {
        true => Err(node.error("no dialect")),
        false => Ok(specs),
    }
}

fn read_features(node: &Node<'_>) -> Parsed<Vec<String>> {
    let features = node.strings()?;
    match features.iter().find(|name| !FEATURES.contains(&name.trim_start_matches('!'))) {
        Some(name) => Err(node.error(format!("unknown feature `{name}`; known: {}", FEATURES.join(", ")))),
        None => Ok(features),
    }
}

fn read_relation(node: &Node<'_>) -> Parsed<Relation> {
    node.object_of(&["at", "equal", "distinct", "non_increasing"])?;
    let at = node.need("at")?.string()?.to_owned();
    if !["/", "part:", "len:"].iter().any(|start| at.starts_with(start)) {
        return Err(node.error("`at` is a JSON pointer (`/hex`), `part:NAME` or `len:NAME`"));
    }
    let flag = |key| node.get(key).map_or(Ok(false), |flag| flag.bool());
    let (distinct, non_increasing) = (flag("distinct")?, flag("non_increasing")?);
    let mut equal = Vec::new();
    if let Some(groups) = node.get("equal") {
        for group in groups.list()? {
            equal.push(group.list()?.iter().map(Node::usize).collect::<Parsed<Vec<_>>>()?);
        }
    }
    match [distinct, non_increasing, !equal.is_empty()].iter().filter(|given| **given).count() {
        1 => Ok(Relation { at, equal, distinct, non_increasing, joined: None }),
        _ => Err(node.error("give one of `equal` with groups, `distinct: true`, `non_increasing: true`")),
    }
}
