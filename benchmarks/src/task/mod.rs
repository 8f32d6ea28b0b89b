//! TASK → ITEMS, PROMPTS, SCORES: what is asked, in which words, and what counts as right.

mod audit;
mod descriptor;
mod form;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::dataset;
use crate::relay::{self, Generator};
use crate::run_file::{Decoding, TaskFile, TaskKind, hex};

pub use audit::audit;
pub use descriptor::{ANY, Agent, COMPAT, Descriptor, Judge, LastAgent, Order, Topology};
pub use form::{Form, Note};

/// Largest file of items. Published question sets stay far below.
const MAX_BYTES: u64 = 256 << 20;
/// The name of the text items that come with the program.
pub const SAMPLE: &str = "sample";
/// Those items.
const SAMPLE_ITEMS: &str = include_str!("../../runs/text-sample.jsonl");

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why there are no items.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Items that cannot be used.
    #[error("task {task}: {what}")]
    Items {
        /// Of which task.
        task: String,
        /// What was expected, and what was found.
        what: String,
    },
    /// A data set that cannot be had.
    #[error("task {task}: {source}")]
    Data {
        /// Of which task.
        task: String,
        /// What the loader says.
        source: Box<dataset::Error>,
    },
}

/// One question with what the first agent reads for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskItem {
    /// Its name in the task.
    pub id: String,
    /// Items of one family may stand in for one another where a control takes another item's context.
    pub family: String,
    /// What the first agent reads.
    pub context: String,
    /// What the last agent is asked.
    pub question: String,
    /// What counts.
    pub answer: String,
    /// How the right answer is said.
    pub reply: String,
    /// Other texts of the data set by name, for prompts and scorers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// A task with its items.
#[derive(Clone, Debug)]
pub struct Task {
    /// The name in traces.
    pub name: String,
    /// The words around the items.
    pub form: Form,
    /// All items, in their order; a run may take a part of them.
    pub items: Vec<TaskItem>,
    /// How text is written.
    pub decoding: Decoding,
    /// SHA-256 of the items' file.
    pub sha256: String,
}

impl Task {
    /// The task of a run file; `data` is the folder of published data sets, where it is not where they are looked for.
    ///
    /// # Errors
    /// For a file that cannot be read, and for items without an id of their own, a question or an answer.
    pub fn open(file: &TaskFile, data: Option<&Path>) -> Result<Self> {
        let (form, items, sha256) = match &file.kind {
            TaskKind::Relay => {
                let (items, bytes) = relay_items(file)?;
                (Form::Relay, items, hex(&Sha256::digest(bytes)))
            }
            TaskKind::Text => {
                let bytes = match file.file.as_deref() {
                    Some(SAMPLE) => SAMPLE_ITEMS.as_bytes().to_vec(),
                    _ => read(file)?,
                };
                let items = text::items(&bytes).map_err(|what| wrong(file, what))?;
                (Form::Text, items, hex(&Sha256::digest(bytes)))
            }
            TaskKind::Custom => {
                let bytes = read(file)?;
                let items = text::items(&bytes).map_err(|what| wrong(file, what))?;
                let descriptor = file.descriptor.clone();
                let descriptor = descriptor
                    .ok_or_else(|| wrong(file, "a descriptor in the run file, found none".to_owned()))?;
                (Form::Described(Arc::from(descriptor)), items, hex(&Sha256::digest(bytes)))
            }
            TaskKind::Described(name) => described(file, name, data)?,
        };
        let mut ids: Vec<_> = items.iter().map(|item| item.id.as_str()).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(wrong(file, format!("an id of its own for each item, found {:?} twice", twice[0])));
        }
        if items.is_empty() {
            return Err(wrong(file, "at least one item".to_owned()));
        }
        // A template that an item does not fill would fail in the middle of a run.
        items.iter().try_for_each(|item| form.check(item)).map_err(|error| wrong(file, error.to_string()))?;
        Ok(Self { name: file.name.clone(), form, items, decoding: file.decoding(), sha256 })
    }

    /// The numbers of the items that a run with this seed takes, in the items' order: all, or `limit` drawn by a hash of seed
    /// and id; the first `limit` of a task that follows a published benchmark.
    #[must_use]
    pub fn chosen(&self, seed: u64, limit: Option<u64>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return order };
        if self.form.order() == Order::First {
            order.truncate(limit);
            return order;
        }
        order.sort_by_cached_key(|&index| {
            let mut hasher = Sha256::new();
            hasher.update(seed.to_le_bytes());
            hasher.update(self.items[index].id.as_bytes());
            hasher.finalize().to_vec()
        });
        order.truncate(limit);
        order.sort_unstable();
        order
    }

    /// The item whose context stands in for that of another one, which is never the same: of the same family and with
    /// another answer, if there is one, that whose context is nearest in length, the next one of equals. `None` where all
    /// items ask of one context.
    #[must_use]
    pub fn foreign(&self, index: usize) -> Option<&TaskItem> {
        let own = &self.items[index];
        let others = (1..self.items.len()).map(|step| &self.items[(index + step) % self.items.len()]);
        let unlike = |other: &&TaskItem| {
            (
                other.answer == own.answer,
                other.family != own.family,
                other.context.len().abs_diff(own.context.len()),
            )
        };
        others.filter(|other| other.context != own.context).min_by_key(unlike)
    }
}

fn described(file: &TaskFile, name: &str, data: Option<&Path>) -> Result<(Form, Vec<TaskItem>, String)> {
    let descriptor = Descriptor::shipped(name).map_err(|what| wrong(file, what))?;
    let failed = |source| Error::Data { task: file.name.clone(), source: Box::new(source) };
    let mut loaded = dataset::load(&descriptor.data, data).map_err(failed)?;
    if let Some(most) = descriptor.most_context_chars {
        // Line breaks are ours.
        let length = |item: &TaskItem| item.context.chars().filter(|&letter| letter != '\n').count();
        loaded.items.retain(|item| length(item) <= most);
    }
    Ok((Form::Described(Arc::new(descriptor)), loaded.items, loaded.sha256))
}

fn relay_items(file: &TaskFile) -> Result<(Vec<TaskItem>, Vec<u8>)> {
    let failed = |error: serde_json::Error| wrong(file, error.to_string());
    let count = file.count.unwrap_or(u64::MAX);
    let items: Vec<relay::Item> = match (file.bundled, file.split, file.seed) {
        (Some(false), Some(split), Some(seed)) => {
            let generator = Generator { split, seed };
            (0..count).map(|number| generator.item(number)).collect()
        }
        _ => relay::bundled()
            .map_err(failed)?
            .into_iter()
            .take(usize::try_from(count).unwrap_or(usize::MAX))
            .collect(),
    };
    let mut bytes = Vec::new();
    for item in &items {
        serde_json::to_writer(&mut bytes, item).map_err(failed)?;
        bytes.push(b'\n');
    }
    let items = items.into_iter().map(|item| TaskItem {
        family: item.task.to_string(),
        context: item.story(),
        id: item.id,
        question: item.asked.question,
        answer: item.asked.answer,
        reply: item.asked.reply,
        fields: BTreeMap::new(),
    });
    Ok((items.collect(), bytes))
}

fn read(file: &TaskFile) -> Result<Vec<u8>> {
    let path = file.path().unwrap_or_default();
    let at = |source| Error::File { path: path.clone(), source };
    let length = fs::metadata(&path).map_err(at)?.len();
    if length > MAX_BYTES {
        return Err(wrong(file, format!("at most {MAX_BYTES} bytes, found {length}")));
    }
    fs::read(&path).map_err(at)
}

fn wrong(file: &TaskFile, what: String) -> Error {
    Error::Items { task: file.name.clone(), what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_file::RunFile;

    fn relay() -> Task {
        let file = RunFile::from_yaml("name: t\nmodels: {a: pocket-a}\ntasks: [{kind: relay}]\n").unwrap();
        Task::open(&file.tasks[0], None).unwrap()
    }

    #[test]
    fn a_limit_draws_items_by_the_seed() {
        let task = relay();
        let [one, again, other] = [1, 1, 2].map(|seed| task.chosen(seed, Some(30)));
        assert_eq!((one.len(), &one), (30, &again));
        assert_ne!(one, other);
        assert!(one.is_sorted());
        // Of more items, the fewer are a part.
        let more = task.chosen(1, Some(60));
        assert!(one.iter().all(|index| more.contains(index)));
        assert_eq!(task.chosen(1, None).len(), task.items.len());
    }

    #[test]
    fn a_foreign_item_is_alike_and_has_another_answer() {
        let task = relay();
        for (index, item) in task.items.iter().enumerate() {
            let foreign = task.foreign(index).unwrap();
            assert_eq!(foreign.family, item.family);
            assert_ne!(foreign.answer, item.answer);
            assert!(foreign.context.len().abs_diff(item.context.len()) <= 8, "{}", item.id);
        }
    }

    #[test]
    fn runs_without_published_data_have_items_and_a_scorer_that_works() {
        for (_, text) in crate::run_file::RUNS {
            let file = RunFile::from_yaml(text).unwrap();
            for task in file.tasks.iter().filter(|task| !matches!(task.kind, TaskKind::Described(_))) {
                let task = Task::open(task, None).unwrap();
                let all: Vec<_> = (0..task.items.len()).collect();
                assert!(audit(&task, &all, None).is_good());
                assert!((0..task.items.len()).all(|index| task.foreign(index).is_some()));
            }
        }
    }

    #[test]
    fn every_shipped_descriptor_is_read_and_filled_by_what_its_data_has() {
        let all = Descriptor::all().unwrap();
        assert!(all.iter().filter(|task| task.name.ends_with(COMPAT)).count() >= 6);
        for descriptor in all {
            let [least, most] = descriptor.prompt_tokens;
            assert!(least < most, "{}", descriptor.name);
            assert_eq!(descriptor.judge == Judge::Compat, descriptor.name.ends_with(COMPAT));
            assert!(descriptor.judge == Judge::Compat || descriptor.order == Order::Drawn);
            let data = dataset::descriptor(&descriptor.data).unwrap();
            let item = TaskItem {
                id: "1".into(),
                family: "f".into(),
                context: "the context".into(),
                question: "the question".into(),
                answer: "1".into(),
                reply: "1".into(),
                fields: data.fields.iter().map(|name| (name.clone(), format!("<{name}>"))).collect(),
            };
            let name = descriptor.name.clone();
            Form::Described(Arc::new(descriptor))
                .check(&item)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}
