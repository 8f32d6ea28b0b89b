//! YAML → a task: who reads what, in which order, in which words, and which scorer looks at the answer.

use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use super::{Note, TaskItem};
use crate::relay::Layout;
use crate::run_file::DecodingPatch;
use crate::scorer::Scorer;

/// Ending of the names of tasks that follow the published benchmarks in everything but their sentences.
pub const COMPAT: &str = "-compat";

/// Agents before the last one at most: their caches are all held at once.
const MAX_AGENTS: usize = 32;

/// Descriptors that come with the program.
const SHIPPED: [&str; 12] = [
    include_str!("../../tasks/gsm8k-2agent.yaml"),
    include_str!("../../tasks/gsm8k-4agent.yaml"),
    include_str!("../../tasks/gsm8k-fanout.yaml"),
    include_str!("../../tasks/humaneval.yaml"),
    include_str!("../../tasks/debugbench.yaml"),
    include_str!("../../tasks/hotpotqa.yaml"),
    include_str!("../../tasks/math500.yaml"),
    include_str!("../../tasks/math500-3agent.yaml"),
    include_str!("../../tasks/classeval.yaml"),
    include_str!("../../tasks/strategyqa.yaml"),
    include_str!("../../tasks/arc-challenge.yaml"),
    include_str!("../../tasks/medqa.yaml"),
];

/// A task in YAML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// Its name in run files and traces.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// The data set; of no use in a run file.
    #[serde(default)]
    pub data: String,
    /// Who looks at the answer.
    pub scorer: Scorer,
    /// Whose word counts as right.
    #[serde(default)]
    pub judge: Judge,
    /// How the agents before the last one read.
    #[serde(default)]
    pub topology: Topology,
    /// The agents before the last one.
    pub agents: Vec<Agent>,
    /// The last one.
    pub last: LastAgent,
    /// What an agent is told that does everything alone.
    pub direct: String,
    /// How what another agent wrote is pasted: `role`, `text`.
    pub note: String,
    /// How a prompt reads with what others wrote: `notes`, `prompt`.
    pub noted: String,
    /// Which items a run with a limit takes.
    #[serde(default)]
    pub order: Order,
    /// Items whose context has more characters, line breaks not counted, are left out.
    #[serde(default)]
    pub most_context_chars: Option<usize>,
    /// How text is written.
    #[serde(default)]
    pub decoding: DecodingPatch,
    /// The least and the most tokens of an item's direct prompt, its template included, as the data set has them.
    #[serde(default = "any")]
    pub prompt_tokens: [u32; 2],
    /// What the upstream project's methodology has otherwise.
    #[serde(default)]
    compat: Option<Compat>,
}

/// An agent before the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Its role in traces.
    pub role: String,
    /// What it is told.
    pub prompt: String,
}

/// The agent that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastAgent {
    /// Its role in traces.
    pub role: String,
    /// What it is told where the others' context has to carry the task.
    pub withheld: String,
    /// What it is told with the task once more.
    pub repeated: String,
}

/// How the agents before the last one read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// One after another, each with what the one before it left.
    #[default]
    Chain,
    /// Each for itself; what they leave is put together for the last one.
    FanOut,
}

/// Whose word counts as right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judge {
    /// This project's scorer; the upstream project's is a mark, `compat`.
    #[default]
    Strict,
    /// The upstream project's rules, a mark too; this project's scorer is a mark, `strict`.
    Compat,
}

/// Which items a run with a limit takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Drawn by a hash of the run's seed and the item's id.
    #[default]
    Drawn,
    /// The first ones of the data.
    First,
}

/// What the upstream project's methodology has otherwise; what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Compat {
    about: String,
    agents: Option<Vec<Agent>>,
    last: Option<LastAgent>,
    direct: Option<String>,
    order: Option<Order>,
    most_context_chars: Option<usize>,
    decoding: DecodingPatch,
    prompt_tokens: Option<[u32; 2]>,
}

/// As many tokens as there are.
pub const ANY: [u32; 2] = [1, u32::MAX];

fn any() -> [u32; 2] {
    ANY
}

impl Descriptor {
    /// A shipped one by its name; with [`COMPAT`] behind it, as the upstream project does it.
    ///
    /// # Errors
    /// For a name that is none.
    pub fn shipped(name: &str) -> Result<Self, String> {
        let all = Self::all()?;
        match all.iter().find(|descriptor| descriptor.name == name) {
            Some(descriptor) => Ok(descriptor.clone()),
            None => {
                let names: Vec<_> = all.iter().map(|descriptor| descriptor.name.as_str()).collect();
                Err(format!(
                    "a task of `avp-bench list tasks`, found {name:?}; there are {}",
                    names.join(", ")
                ))
            }
        }
    }

    /// Names of all shipped ones.
    ///
    /// # Errors
    /// None for what is shipped.
    pub fn names() -> Result<Vec<String>, String> {
        Ok(Self::all()?.into_iter().map(|descriptor| descriptor.name).collect())
    }

    /// All shipped ones, each with its compatible form, where it has one, behind it.
    ///
    /// # Errors
    /// None for what is shipped.
    pub fn all() -> Result<Vec<Self>, String> {
        let mut all = Vec::new();
        for text in SHIPPED {
            let descriptor = Self::from_yaml(text)?;
            let compat = descriptor.compat_form();
            all.push(descriptor);
            all.extend(compat);
        }
        Ok(all)
    }

    /// Reads a descriptor.
    ///
    /// # Errors
    /// For what is none, with the key and the line, and for templates that are none.
    pub fn from_yaml(text: &str) -> Result<Self, String> {
        let read: Self = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        read.check()?;
        Ok(read)
    }

    /// Refuses what has no meaning where the items are those of a run file.
    ///
    /// # Errors
    /// For what belongs to shipped descriptors, and for a scorer that needs what such items do not have.
    pub fn check_custom(&self) -> Result<(), String> {
        let shipped = [
            ("data", !self.data.is_empty()),
            ("compat", self.compat.is_some()),
            ("most_context_chars", self.most_context_chars.is_some()),
        ];
        if let Some((key, _)) = shipped.into_iter().find(|(_, said)| *said) {
            return Err(format!("no {key}, which shipped tasks alone have"));
        }
        if self.scorer.runs_programs() {
            return Err("a scorer of words or numbers: gsm8k, math, hotpot or choice".to_owned());
        }
        self.check()
    }

    /// Refuses what makes no task.
    ///
    /// # Errors
    /// For no agent before the last one, too many, roles that are not each one's own, and templates that are none.
    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let own = [&self.direct, &self.note, &self.noted, &self.last.withheld, &self.last.repeated];
        for template in own.into_iter().chain(self.agents.iter().map(|agent| &agent.prompt)) {
            Environment::empty()
                .template_from_str(template)
                .map_err(|error| format!("prompts of {name}: {error:#}"))?;
        }
        if self.agents.is_empty() || self.agents.len() > MAX_AGENTS {
            let found = self.agents.len();
            return Err(format!("agents of {name}: 1 to {MAX_AGENTS} before the last one, found {found}"));
        }
        let mut roles: Vec<_> =
            self.agents.iter().map(|agent| &agent.role).chain([&self.last.role]).collect();
        roles.sort();
        if let Some(twice) = roles.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("agents of {name}: a role of its own for each, found {:?} twice", twice[0]));
        }
        Ok(())
    }

    fn compat_form(&self) -> Option<Self> {
        let compat = self.compat.clone()?;
        let own = self.clone();
        Some(Self {
            name: format!("{}{COMPAT}", own.name),
            about: compat.about,
            judge: Judge::Compat,
            agents: compat.agents.unwrap_or(own.agents),
            last: compat.last.unwrap_or(own.last),
            direct: compat.direct.unwrap_or(own.direct),
            order: compat.order.unwrap_or(Order::First),
            most_context_chars: compat.most_context_chars,
            decoding: compat.decoding.over(own.decoding),
            prompt_tokens: compat.prompt_tokens.unwrap_or(own.prompt_tokens),
            compat: None,
            ..own
        })
    }

    /// The prompt of an agent before the last one, with what others wrote where it is given some.
    pub(super) fn reader_prompt(
        &self,
        reader: usize,
        item: &TaskItem,
        notes: &[Note],
    ) -> avp::Result<String> {
        let own = fill(&self.agents[reader].prompt, item, &[])?;
        self.with_notes(own, item, notes)
    }

    pub(super) fn direct_prompt(&self, item: &TaskItem) -> avp::Result<String> {
        fill(&self.direct, item, &[])
    }

    pub(super) fn last_prompt(&self, item: &TaskItem, layout: Layout) -> avp::Result<String> {
        let template = match layout {
            Layout::Withheld => &self.last.withheld,
            Layout::Repeated => &self.last.repeated,
        };
        fill(template, item, &[])
    }

    pub(super) fn note_prompt(&self, item: &TaskItem, layout: Layout, notes: &[Note]) -> avp::Result<String> {
        self.with_notes(self.last_prompt(item, layout)?, item, notes)
    }

    fn with_notes(&self, prompt: String, item: &TaskItem, notes: &[Note]) -> avp::Result<String> {
        if notes.is_empty() {
            return Ok(prompt);
        }
        let pasted: Vec<_> = notes
            .iter()
            .map(|note| fill(&self.note, item, &[("role", &note.role), ("text", note.text.trim())]))
            .collect::<avp::Result<_>>()?;
        fill(&self.noted, item, &[("notes", &pasted.join("\n\n")), ("prompt", &prompt)])
    }
}

/// A template with an item's texts in it: its fields, its context and question, and what is given beside them. What is filled in
/// is not read as a template again.
fn fill(template: &str, item: &TaskItem, beside: &[(&str, &str)]) -> avp::Result<String> {
    let mut environment = Environment::empty();
    // A name that the data set does not have is a mistake of the descriptor, not an empty text.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let own = [("context", item.context.as_str()), ("question", item.question.as_str())];
    let fields = item.fields.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let values: std::collections::BTreeMap<_, _> =
        own.into_iter().chain(fields).chain(beside.iter().copied()).collect();
    environment.render_str(template.trim_end(), minijinja::Value::from_iter(values)).map_err(|error| {
        let found = format!("item {}: {error:#}", item.id);
        avp::Error::new(
            avp::ErrorClass::InvalidArgument,
            "task.prompt",
            "a template that the item's fields fill",
            found,
        )
    })
}
