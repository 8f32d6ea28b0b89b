//! A failing generated case, made as small as it gets.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CaseEvent;
use crate::verdict::{Check, Outcome};

/// The smallest case that was found to miss the same check as a generated one, in the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counterexample {
    /// Key of the generated case that it goes back to, `id@spec`.
    pub key: String,
    /// Name of the check that both miss.
    pub check: String,
    /// How both miss it.
    pub outcome: Outcome,
    /// The requirements that the check speaks for in the generated case.
    pub requirements: Vec<String>,
    /// Bytes and arguments that the generated case sends.
    pub bytes_before: usize,
    /// The same of the small one.
    pub bytes_after: usize,
    /// How often the implementation was asked for it.
    pub runs: usize,
    /// Nothing smaller was found; otherwise the search was ended by its bounds.
    pub settled: bool,
    /// What must have been asked before in the same process. Empty for a case that fails by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Earlier>,
    /// The small case as it was asked last, in a fresh child, with its bytes. What it needs is in its first steps.
    pub minimal: Box<CaseEvent>,
    /// The small case as a recipe of `vectors/`, with bytes instead of a seed. `None` where recipes have no words for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Value>,
}

/// Something asked earlier, without which a case does not fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Step of the small case.
    pub step: usize,
    /// Its operation.
    pub op: String,
    /// Key of the case that asked it in the run; `None` for an earlier step of the same case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Counterexample {
    /// The check as the small case missed it: what was expected, and what was there.
    pub fn missed(&self) -> Option<&Check> {
        let missed = || self.minimal.checks.iter().filter(|check| check.missed());
        // A child that dies only in company has a check of its own, which no case has alone.
        missed().find(|check| check.name == self.check).or_else(|| missed().next())
    }

    /// How small it became, in words: `shrunk from 4,113 to 13 bytes in 85 runs`.
    pub fn story(&self) -> String {
        let runs = match self.runs {
            1 => "1 run".to_owned(),
            runs => format!("{} runs", thousands(runs)),
        };
        let story = if self.bytes_after < self.bytes_before {
            format!(
                "shrunk from {} to {} bytes in {runs}",
                thousands(self.bytes_before),
                thousands(self.bytes_after)
            )
        } else {
            format!("no smaller case found in {runs}; {} bytes", thousands(self.bytes_after))
        };
        if self.settled { story } else { format!("{story}, where the search was ended") }
    }

    /// What must have been asked before, in words; empty for a case that fails by itself.
    pub fn needed(&self) -> String {
        let one = |earlier: &Earlier| match &earlier.key {
            Some(key) => format!("step {} (`{}` of {key})", earlier.step + 1, earlier.op),
            None => format!("step {} (`{}`)", earlier.step + 1, earlier.op),
        };
        let all: Vec<String> = self.needs.iter().map(one).collect();
        match all.is_empty() {
            true => String::new(),
            false => format!(
                "depends on an earlier message: fails only after {}, passes in a fresh child without",
                all.join(" and ")
            ),
        }
    }
}

/// With a comma between thousands.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let all: Vec<String> = [0, 999, 1000, 65_536, 1_234_567].map(thousands).into();
        assert_eq!(all, ["0", "999", "1,000", "65,536", "1,234,567"]);
    }
}
