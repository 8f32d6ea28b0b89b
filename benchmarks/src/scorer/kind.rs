//! Which scorer looks at an answer.

use serde::{Deserialize, Serialize};

use super::{Score, choice, classeval, debugbench, gsm8k, hotpot, humaneval, math};
use crate::sandbox::Sandbox;
use crate::task::TaskItem;

/// Who looks at an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scorer {
    /// A number.
    Gsm8k,
    /// A number, a formula, a set.
    Math,
    /// Words of a text.
    Hotpot,
    /// A letter, or yes or no.
    Choice,
    /// A function that passes its tests.
    Humaneval,
    /// A method that does what the repaired one does.
    Debugbench,
    /// A class that passes its tests.
    Classeval,
}

/// Replies to any question that answer nothing.
const NO_ANSWERS: [&str; 4] = ["I do not know.", "\\boxed{}", "Answer:", "The answer is"];

impl Scorer {
    /// Whether answers are programs.
    #[must_use]
    pub fn runs_programs(self) -> bool {
        matches!(self, Self::Humaneval | Self::Debugbench | Self::Classeval)
    }

    /// What a reply is worth. Programs run in the sandbox; without one they are not scored.
    #[must_use]
    pub fn score(self, item: &TaskItem, reply: &str, sandbox: Option<&Sandbox>) -> Score {
        let program = |score: fn(&TaskItem, &str, &Sandbox) -> Score| match sandbox {
            Some(sandbox) => score(item, reply, sandbox),
            None => Score { error: Some("no sandbox to run the program in".to_owned()), ..Score::default() },
        };
        match self {
            Self::Gsm8k => gsm8k::score(item, reply),
            Self::Math => math::score(item, reply),
            Self::Hotpot => hotpot::score(item, reply),
            Self::Choice => choice::score(item, reply),
            Self::Humaneval => program(humaneval::score),
            Self::Debugbench => program(debugbench::score),
            Self::Classeval => program(classeval::score),
        }
    }

    /// Replies that look like an answer to an item and are none: for a program ones that end the process as if all were well, do
    /// nothing, or give the task back unchanged.
    #[must_use]
    pub fn cheats(self, item: &TaskItem) -> Vec<String> {
        let field = |name: &str| item.fields.get(name).map_or("", String::as_str);
        let fenced = |code: &str| format!("```python\n{code}\n```");
        let function = |body: &str| {
            let name = field("entry_point");
            fenced(&format!("import os, sys\n\ndef {name}(*args, **options):\n    {body}"))
        };
        match self {
            Self::Humaneval => {
                vec![
                    function("os._exit(0)"),
                    function("sys.exit(0)"),
                    function("pass"),
                    fenced(field("prompt")),
                ]
            }
            Self::Debugbench => vec![
                fenced(field("buggy_code")),
                fenced("import os\n\nos._exit(0)"),
                fenced(
                    "class Solution:\n    def __getattr__(self, name):\n        return lambda *args: None",
                ),
            ],
            Self::Classeval => {
                let class = field("class_name");
                let ending = format!(
                    "import os\n\nclass {class}:\n    def __init__(self, *args):\n        os._exit(0)"
                );
                vec![fenced(&ending), fenced(field("skeleton"))]
            }
            _ => NO_ANSWERS.map(str::to_owned).into(),
        }
    }
}
