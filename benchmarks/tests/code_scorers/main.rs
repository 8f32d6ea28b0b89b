//! What the scorers of code say of right answers, in the forms that models give them, and of cheats.
//!
//! Full files of the data sets are read from the folder that `AVP_BENCH_DATA` names; what scores all of a large one is ignored by
//! default: `cargo test --release -p avp-bench --all-features --test code_scorers -- --ignored --nocapture`.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod bug;
mod cheats;
mod class;
mod full;
mod human;
#[path = "../walls/mod.rs"]
mod walls;

use avp_bench::scorer::Score;
use avp_bench::task::TaskItem;

fn item(id: &str, fields: &[(&str, &str)]) -> TaskItem {
    TaskItem {
        id: id.to_owned(),
        family: String::new(),
        context: String::new(),
        question: String::new(),
        answer: String::new(),
        reply: String::new(),
        fields: fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
    }
}

fn compat(score: &Score) -> bool {
    score.marks["compat"] == 1.0
}
