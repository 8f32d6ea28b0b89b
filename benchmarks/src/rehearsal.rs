//! RUN FILE → what it would do: data, scorers and prompts, without a model.

use avp::text::{ChatMessage, ChatOptions, TextFiles};
use avp::weights::registry;
use rayon::prelude::*;
use serde::Serialize;
use tokenizers::PreTokenizer as _;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use crate::engine::{self, Setting};
use crate::record::Audit;
use crate::run_file::RunFile;
use crate::sandbox::Sandbox;
use crate::task::{ANY, Form, Note, Task, TaskItem, audit};

/// What a task of a run would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rehearsal {
    /// Its name.
    pub task: String,
    /// Items of the run, and of the data.
    pub items: [usize; 2],
    /// SHA-256 of the data.
    pub data_sha256: String,
    /// How tokens were counted.
    pub counted: Counted,
    /// Every prompt of every agent.
    pub prompts: Vec<Prompts>,
    /// The least and the most tokens that the task expects of a direct prompt.
    pub expected: Option<[u32; 2]>,
    /// Items whose direct prompt is outside of that.
    pub unexpected: Vec<String>,
    /// What the scorer makes of known answers; nothing where programs would have to run and no sandbox can.
    pub audit: Option<Audit>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_audited: Option<String>,
}

/// How the tokens of a prompt were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// By the tokenizer of the model that answers, with its chat template.
    Tokenizer,
    /// That model is not here: pieces of the text that no byte-level tokenizer of GPT-2's kind joins, so that there are at least
    /// as many tokens; without a chat template.
    Pieces,
}

/// The lengths of one kind of prompt over all items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prompts {
    /// `direct`, an agent's role, or that of the last one with its layout.
    pub name: String,
    /// The fewest tokens.
    pub least: u32,
    /// As many as the middle one has.
    pub median: u32,
    /// The most.
    pub most: u32,
    /// The first item's, whole.
    pub example: String,
}

/// Does everything that needs no model.
///
/// # Errors
/// As [`engine::Engine::prepare`] for items and templates; a scorer that fails its audit is shown, not refused.
pub fn rehearse(file: &RunFile, setting: &Setting) -> engine::Result<Vec<Rehearsal>> {
    let counter = Counter::of(file);
    file.tasks
        .iter()
        .map(|written| {
            let task = Task::open(written, setting.data.as_deref())?;
            let chosen = task.chosen(file.seed, file.limits.items);
            let (prompts, direct) = prompts(file, &task, &chosen, &counter)?;
            let expected = match &task.form {
                Form::Described(described) if described.prompt_tokens != ANY => Some(described.prompt_tokens),
                _ => None,
            };
            let outside = |tokens: u32| expected.is_some_and(|[least, most]| tokens < least || tokens > most);
            let unexpected = chosen.iter().zip(&direct).filter(|(_, tokens)| outside(**tokens));
            let unexpected = unexpected.map(|(&index, _)| task.items[index].id.clone()).collect();
            let sandbox = match task.form.runs_programs() {
                true if setting.unconfined => Some(Sandbox::unconfined()),
                true => Some(Sandbox::probe()),
                false => None,
            };
            let (audit, not_audited) = match sandbox.transpose() {
                Ok(sandbox) => (Some(audit(&task, &chosen, sandbox.as_ref())), None),
                Err(error) => (None, Some(error.to_string())),
            };
            Ok(Rehearsal {
                task: task.name.clone(),
                items: [chosen.len(), task.items.len()],
                data_sha256: task.sha256.clone(),
                counted: counter.kind(),
                prompts,
                expected,
                unexpected,
                audit,
                not_audited,
            })
        })
        .collect()
}

type Render<'a> = Box<dyn Fn(&TaskItem) -> avp::Result<String> + Sync + 'a>;

fn prompts(
    file: &RunFile,
    task: &Task,
    chosen: &[usize],
    counter: &Counter,
) -> engine::Result<(Vec<Prompts>, Vec<u32>)> {
    let form = &task.form;
    let mut kinds: Vec<(String, Render<'_>)> =
        vec![("direct".to_owned(), Box::new(|item| form.direct_prompt(item)))];
    for (reader, role) in form.readers().into_iter().enumerate() {
        kinds.push((role.to_owned(), Box::new(move |item| form.reader_prompt(reader, item, &[]))));
    }
    for &layout in &file.layouts {
        let name = format!("{}, {}", form.last_role(), layout);
        kinds.push((name, Box::new(move |item| form.last_prompt(item, layout))));
    }
    // What a prompt with notes reads like, with notes that say nothing.
    let blank: Vec<_> =
        form.readers().iter().map(|role| Note { role: (*role).to_owned(), text: "…".to_owned() }).collect();
    for &layout in &file.layouts {
        let (name, blank) = (format!("{}, {layout}, text", form.last_role()), blank.clone());
        kinds.push((name, Box::new(move |item| form.note_prompt(item, layout, &blank))));
    }
    let mut all = Vec::new();
    let mut direct = Vec::new();
    for (name, render) in kinds {
        let failed = |source| engine::Error::Model { name: file.answerer.clone(), source };
        let lengths: Vec<u32> = chosen
            .par_iter()
            .map(|&index| counter.count(&render(&task.items[index])?))
            .collect::<avp::Result<_>>()
            .map_err(failed)?;
        let example = match chosen.first() {
            Some(&first) => render(&task.items[first]).map_err(failed)?,
            None => String::new(),
        };
        let mut sorted = lengths.clone();
        sorted.sort_unstable();
        let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
        all.push(Prompts {
            name,
            least: at(0),
            median: at(sorted.len() / 2),
            most: at(sorted.len().saturating_sub(1)),
            example,
        });
        if direct.is_empty() {
            direct = lengths;
        }
    }
    Ok((all, direct))
}

/// Counts tokens.
enum Counter {
    Tokenizer(Box<TextFiles>),
    Pieces(ByteLevel),
}

impl Counter {
    fn of(file: &RunFile) -> Self {
        let argument = file.models.get(&file.answerer).unwrap_or_default();
        let text = registry::resolve(argument).and_then(|source| source.text());
        match text {
            Ok(text) => Self::Tokenizer(Box::new(text)),
            // That the model is not here is what a rehearsal is for.
            Err(_) => Self::Pieces(ByteLevel::new(false, true, true)),
        }
    }

    fn kind(&self) -> Counted {
        match self {
            Self::Tokenizer(_) => Counted::Tokenizer,
            Self::Pieces(_) => Counted::Pieces,
        }
    }

    fn count(&self, text: &str) -> avp::Result<u32> {
        let count = match self {
            Self::Tokenizer(files) => {
                let options = ChatOptions { add_generation_prompt: true, ..ChatOptions::default() };
                let prompt = files.prompt(&[ChatMessage::new("user", text)], &options)?;
                files.tokenizer.encode(&prompt, false)?.len()
            }
            Self::Pieces(pattern) => {
                let mut pieces = tokenizers::PreTokenizedString::from(text);
                pattern.pre_tokenize(&mut pieces).map_err(|error| {
                    let expected = "a text in pieces";
                    avp::Error::new(
                        avp::ErrorClass::InvalidArgument,
                        "task.prompt",
                        expected,
                        error.to_string(),
                    )
                })?;
                pieces.get_splits(tokenizers::OffsetReferential::Original, tokenizers::OffsetType::Byte).len()
            }
        };
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}
