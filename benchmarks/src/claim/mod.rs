//! PUBLISHED FIGURES, MERGED RUN → which of them hold.
//!
//! The figures stand in `claims/published.yaml`, each with its source. One is held against a run only where the run is of the
//! same model (by its name on the hub, not quantised), of the task's `-compat` variant (the published prompts and sampling), of
//! the same kind of arm with as many steps, on [`MIN_ITEMS`] items or more; right answers are then those that the upstream
//! project's scorer takes. Everything else is not run, with the reason.
//!
//! | verdict | rule |
//! |---|---|
//! | contradicted | what was published and what the run found differ by more than both samples' uncertainty: two-sided test at 0.05 after Holm's correction over all claims that this run tests |
//! | reproduced | not contradicted; the published figure lies in the run's own 95 % interval; and the run has power: as many items as the published figure, and, of a difference, an interval on the same side of 0 |
//! | inside its interval | not contradicted, and not reproduced |
//! | not run | nothing to hold it against |
//!
//! The tests, by what is claimed:
//! - an accuracy or a mean F1: two proportions with both numbers of items, pooled (an F1 varies less than a share of the same
//!   mean, so that the test is careful). The interval is Wilson's.
//! - a difference of accuracies: the run's paired score interval, and, of the published one, the error of so many items a fifth of
//!   which tell the arms apart, since its source does not give the items.
//! - `above`: contradicted where the other arm is better by the exact paired test, reproduced where the paired score interval lies
//!   above 0. `equal`: contradicted where the exact test finds a difference, reproduced where the arms are shown to lie within
//!   [`MARGIN`](crate::analysis::MARGIN).
//! - a saving or a speed-up: the run's bootstrap over items, and the published one as if its items scattered as the run's do.
//!   Speed is held against nothing but a run on an A100, which the published ones are of.
//!
//! Published figures and runs often share items, which these tests leave out of account: they call fewer figures contradicted
//! than a paired test would.

mod measure;
mod read;
mod verdict;

use serde::Serialize;

use crate::record::RunRecord;

pub use read::{Error, Result, read};
pub use verdict::{Checked, MIN_ITEMS, Measured, Verdict, check};

/// The figures that come with the program.
const PUBLISHED: &str = include_str!("../../claims/published.yaml");
/// What variants of tasks in the published words are called behind the task's name.
pub const COMPAT_SUFFIX: &str = "-compat";

/// What is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// A share of right answers.
    Accuracy,
    /// A mean F1 of words.
    F1,
    /// How much more is right than under another arm.
    Difference,
    /// That more is right than under others.
    Above,
    /// That as much is right as under others.
    Equal,
    /// The part of another arm's tokens that it does without.
    TokenSaving,
    /// The other arm's time over its own.
    SpeedUp,
    /// Something that no run of this program measures.
    Other,
}

/// A published figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// Its name here.
    pub id: String,
    /// Documents and sections.
    pub sources: Vec<String>,
    /// What stands there besides the figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// The task, without the suffix of its variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The model that answers, by its name on the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model that hands over, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The arm's id without a model's name; `latent@*` for any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// Arms that it is held against.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<String>,
    /// Items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// What is claimed of them.
    pub metric: Metric,
    /// From and to; a single figure twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<[f64; 2]>,
}

/// The figures that come with the program.
///
/// # Errors
/// None: a test reads them.
pub fn published() -> Result<Vec<Claim>> {
    read(PUBLISHED)
}

impl Claim {
    /// Whether it is of a task of the run, in whatever words that is asked there.
    #[must_use]
    pub fn concerns(&self, record: &RunRecord) -> bool {
        let tasks = record.run["tasks"].as_array().into_iter().flatten();
        let mut names = tasks.filter_map(|task| task["name"].as_str());
        let Some(own) = self.task.as_deref() else { return false };
        names.any(|name| name.strip_suffix(COMPAT_SUFFIX).unwrap_or(name) == own)
    }

    /// Of what it is: `humaneval, Qwen2.5-7B-Instruct, latent@20`.
    #[must_use]
    pub fn subject(&self) -> String {
        let model = |name: &String| name.rsplit('/').next().unwrap_or(name).to_owned();
        let models = match (&self.from, &self.model) {
            (Some(from), Some(to)) => Some(format!("{} to {}", model(from), model(to))),
            (_, to) => to.as_ref().map(model),
        };
        let against = if self.against.is_empty() {
            String::new()
        } else {
            format!(" against {}", self.against.join(" and "))
        };
        let arm = self.arm.as_ref().map(|arm| format!("{arm}{against}"));
        let parts: Vec<String> = [self.task.clone(), models, arm].into_iter().flatten().collect();
        parts.join(", ")
    }

    /// What is claimed of it: `67.1 % right`.
    #[must_use]
    pub fn figure(&self) -> String {
        match self.metric {
            Metric::Above => "more right".to_owned(),
            Metric::Equal => "as much right".to_owned(),
            Metric::Other => self.says.clone().unwrap_or_default(),
            _ => self.published.map_or_else(String::new, |figure| self.in_unit(figure)),
        }
    }

    /// A value as its metric is written, without the unit.
    fn number(&self, value: f64) -> String {
        let sign = |text: String| text.replace('-', "−");
        match self.metric {
            Metric::Accuracy | Metric::TokenSaving => {
                sign(format!("{:.1}", value * 100.0).trim_end_matches(".0").to_owned())
            }
            Metric::Difference | Metric::Above | Metric::Equal => sign(format!("{:+.1}", value * 100.0)),
            Metric::F1 => format!("{value:.2}"),
            Metric::SpeedUp | Metric::Other => {
                format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
            }
        }
    }

    /// From and to in words: `46 to 56 % fewer tokens`.
    fn in_unit(&self, [low, high]: [f64; 2]) -> String {
        let mut span = self.number(low);
        if low < high {
            span = format!("{span} to {}", self.number(high));
        }
        match self.metric {
            Metric::Accuracy => format!("{span} % right"),
            Metric::F1 => format!("F1 {span}"),
            Metric::Difference | Metric::Above | Metric::Equal => format!("{span} points"),
            Metric::TokenSaving => format!("{span} % fewer tokens"),
            Metric::SpeedUp => format!("{span} times as fast"),
            Metric::Other => span,
        }
    }
}
