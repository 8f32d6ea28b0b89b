//! Events → one word, for scripts.

use super::Subject;
use crate::tally::Standing;

/// The verdict on the profile: `conformant`, `not_conformant`, `incomplete` or `not_judged`, and a newline.
pub fn render(subject: &Subject<'_>) -> String {
    let word = match subject.standing() {
        Some(Standing::Conformant) => "conformant",
        Some(Standing::NotConformant) => "not_conformant",
        Some(Standing::Incomplete) => "incomplete",
        Some(Standing::NotJudged) | None => "not_judged",
    };
    format!("{word}\n")
}
