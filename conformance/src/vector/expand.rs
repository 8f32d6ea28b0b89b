//! Recipes → cases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::case::{Case, Dtype, Part, PartData, PatchedRange, Source, Spec, Step};
use crate::requirement::Catalogue;

use super::argument::arguments;
use super::close_form::Asked;
use super::evaluate::Bases;
use super::lock::Lock;
use super::node::{GrammarError, Node, Parsed};
use super::recipe::{Recipe, RecipeError};
use super::vocabulary::OPS;

/// Most steps of one case: each is a request to one child, and a case has one time limit.
const MAX_STEPS: usize = 10_000;

/// A recipe with its steps made, for every dialect alike.
#[derive(Clone, Debug)]
pub(crate) struct Expanded<'r> {
    pub(crate) recipe: &'r Recipe,
    pub(crate) steps: Vec<Step>,
    pub(crate) patched: Vec<PatchedRange>,
    pub(crate) derived: Vec<Derived>,
}

/// What a part was made from by patches.
#[derive(Clone, Debug)]
pub(crate) struct Derived {
    pub(crate) step: usize,
    pub(crate) name: String,
    pub(crate) bytes: Arc<[u8]>,
}

/// Bytes by which recipes know messages: goldens and each other.
pub(crate) fn bases<'r>(recipes: &'r [Recipe], goldens: BTreeMap<String, Arc<[u8]>>) -> Bases<'r> {
    let messages = recipes.iter().filter_map(|recipe| {
        let (place, step) = recipe.steps.first()?;
        let message = Node::new(step, place).get("in")?.get("message")?;
        Some((recipe.id.as_str(), message))
    });
    Bases::new(goldens, messages.collect())
}

/// Makes the steps of every recipe, and lists what is wrong.
pub(crate) fn expand<'r>(recipes: &'r [Recipe], bases: &Bases<'r>) -> (Vec<Expanded<'r>>, Vec<RecipeError>) {
    let mut all = Vec::new();
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for recipe in recipes {
        let mut fault = |error: GrammarError| {
            errors.push(RecipeError {
                file: recipe.file.clone(),
                recipe: recipe.id.clone(),
                place: error.place,
                what: error.what,
            });
        };
        if !seen.insert(recipe.id.as_str()) {
            fault(GrammarError { place: "id".to_owned(), what: "this id is used twice".to_owned() });
        }
        if let Err(error) = check_requirements(recipe) {
            fault(error);
        }
        match expand_one(recipe, bases) {
            Ok(expanded) => all.push(expanded),
            Err(error) => fault(error),
        }
    }
    all.sort_by(|a, b| a.recipe.id.cmp(&b.recipe.id));
    (all, errors)
}

impl Expanded<'_> {
    /// One case a dialect.
    pub(crate) fn into_cases(self, lock: &Lock) -> impl Iterator<Item = Case> {
        let rev = lock.rev(&self.recipe.id);
        // The last dialect takes the steps as they are; only those before it need a copy.
        let steps = std::iter::repeat_n(self.steps, self.recipe.specs.len());
        self.recipe.specs.iter().zip(steps).map(move |(spec, steps)| Case {
            id: self.recipe.id.clone(),
            spec: *spec,
            requirements: held_in(*spec, &self.recipe.requirements),
            why: self.recipe.why.clone(),
            bug: self.recipe.bug.clone(),
            level: self.recipe.level,
            ambiguity: self.recipe.ambiguity.clone(),
            requires: self.recipe.requires.clone(),
            steps,
            relation: self.recipe.relation.clone(),
            timeout_ms: self.recipe.timeout_ms,
            source: Source::Vector { rev },
            patched: self.patched.clone(),
        })
    }
}

/// Those of the requirements that hold in a dialect.
fn held_in(spec: Spec, requirements: &[String]) -> Vec<String> {
    let holds =
        |id: &&String| Catalogue::embedded().get(id).is_some_and(|known| known.dialects.contains(&spec));
    requirements.iter().filter(holds).cloned().collect()
}

fn check_requirements(recipe: &Recipe) -> Parsed<()> {
    let error = |what: String| GrammarError { place: "req".to_owned(), what };
    if let Some(id) = recipe.requirements.iter().find(|id| Catalogue::embedded().get(id).is_none()) {
        return Err(error(format!("there is no requirement `{id}`")));
    }
    match recipe.specs.iter().find(|spec| held_in(**spec, &recipe.requirements).is_empty()) {
        None => Ok(()),
        Some(spec) => Err(error(format!("none of them holds under {}; give `specs`", spec.as_str()))),
    }
}

fn expand_one<'r>(recipe: &'r Recipe, bases: &Bases<'r>) -> Parsed<Expanded<'r>> {
    let mut expanded = Expanded { recipe, steps: Vec::new(), patched: Vec::new(), derived: Vec::new() };
    for (place, step) in &recipe.steps {
        expanded.add_step(&Node::new(step, place), bases)?;
    }
    let count = expanded.steps.len();
    if let Some(relation) = &recipe.relation {
        let error = |what: &str| GrammarError { place: "relation".to_owned(), what: what.to_owned() };
        if count < 2 {
            return Err(error("there is only one step"));
        }
        let mut named: Vec<_> = relation.equal.iter().flatten().collect();
        if named.iter().any(|step| **step >= count) {
            return Err(error("a step is named that does not exist"));
        }
        named.sort_unstable();
        if named.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(error("a step stands in two groups"));
        }
    }
    Ok(expanded)
}

impl Expanded<'_> {
    fn add_step(&mut self, node: &Node<'_>, bases: &Bases<'_>) -> Parsed<()> {
        let op = node.need("op")?;
        if !OPS.contains(&op.string()?) {
            return Err(op.error(format!("unknown operation; known: {}", OPS.join(", "))));
        }
        let index = self.steps.len();
        let repeat = node.get("repeat").map_or(Ok(1), |repeat| repeat.usize())?;
        if repeat == 0 || repeat > MAX_STEPS - index.min(MAX_STEPS) {
            return Err(node.error(format!("1 to {MAX_STEPS} steps in all")));
        }
        let args = node.get("args").map_or(Ok(serde_json::Map::new()), |args| arguments(&args))?;
        check_references(&Value::Object(args.clone()), index, node)?;
        let mut parts = Vec::new();
        if let Some(list) = node.get("in") {
            for (name, part) in list.entries()? {
                parts.push(self.part(name, &part, bases)?);
            }
        }
        let rss_growth_mib = node.get("resource").map(|resource| {
            resource.object_of(&["rss_growth_mib"])?;
            resource.need("rss_growth_mib")?.u64()
        });
        let op = op.string()?;
        let asked = Asked { op, args: &args, parts: &parts };
        let expect = bases.expect(&node.need("expect")?, index, &asked)?;
        let step = Step {
            op: op.to_owned(),
            args,
            parts,
            expect,
            rss_growth_mib: rss_growth_mib.transpose()?,
            files: node.get("files").map(|files| files.strings()).transpose()?,
            tamper: match node.get("tamper") {
                Some(list) => list.list()?.iter().map(|one| bases.tamper(one)).collect::<Parsed<_>>()?,
                None => Vec::new(),
            },
        };
        self.steps.extend(std::iter::repeat_n(step, repeat));
        Ok(())
    }

    fn part(&mut self, name: &str, node: &Node<'_>, bases: &Bases<'_>) -> Parsed<Part> {
        let step = self.steps.len();
        let plain = |data| Part { name: name.to_owned(), dtype: None, shape: None, data };
        if let Some(from) = node.get("from") {
            node.object_of(&["from"])?;
            from.object_of(&["step", "part"])?;
            let earlier = from.need("step")?.usize()?;
            if earlier >= step {
                return Err(from.error("an earlier step is meant"));
            }
            let part = from.need("part")?.string()?.to_owned();
            return Ok(plain(PartData::FromStep { step: earlier, part }));
        }
        if node.get("shape").is_some() || node.get("dtype").is_some() {
            return tensor(name, node, bases);
        }
        let made = bases.part(node, name == "message")?;
        if let Some((name, bytes)) = made.base {
            self.derived.push(Derived { step, name, bytes });
        }
        self.patched.extend(made.patched.into_iter().map(|range| PatchedRange {
            step,
            part: name.to_owned(),
            start: range.start,
            end: range.end,
        }));
        Ok(plain(PartData::Bytes(made.bytes)))
    }
}

/// `{dtype, shape, data}`.
fn tensor(name: &str, node: &Node<'_>, bases: &Bases<'_>) -> Parsed<Part> {
    node.object_of(&["dtype", "shape", "data"])?;
    let dtype: Dtype = serde_json::from_value(node.need("dtype")?.value.clone())
        .map_err(|_| node.error("expected a dtype: f32, f16, bf16, i8, u8, u32, f64"))?;
    let shape: Vec<u64> = node.need("shape")?.list()?.iter().map(Node::u64).collect::<Parsed<_>>()?;
    let bytes = bases.bytes(&node.need("data")?)?;
    let elements = shape.iter().try_fold(dtype.size() as u64, |product, dim| product.checked_mul(*dim));
    if elements != Some(bytes.len() as u64) {
        return Err(
            node.error(format!("the data has {} bytes, which is not what the shape asks for", bytes.len()))
        );
    }
    Ok(Part { name: name.to_owned(), dtype: Some(dtype), shape: Some(shape), data: PartData::Bytes(bytes) })
}

/// Every `$from` in the arguments names an earlier step.
fn check_references(value: &Value, step: usize, node: &Node<'_>) -> Parsed<()> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| check_references(item, step, node)),
        Value::Object(map) => {
            if let Some(from) = map.get("$from").filter(|_| map.len() == 1) {
                let earlier = from.get("step").and_then(Value::as_u64);
                return match earlier.is_some_and(|earlier| (earlier as usize) < step) {
                    true => Ok(()),
                    false => Err(node.error("`$from` in `args` names an earlier step")),
                };
            }
            map.values().try_for_each(|value| check_references(value, step, node))
        }
        _ => Ok(()),
    }
}
