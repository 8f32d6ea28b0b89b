//! The relay task: short problems for two agents, the second of which cannot answer without what the first one read.
//!
//! ```text
//!  seed, split, number ─▶ Problem ─┬▶ Item ─▶ prompts (Layout) ─▶ reply ─▶ is_right
//!                                  └▶ dialogue ─▶ tokens to train on
//! ```

mod bundle;
pub mod dialogue;
pub mod evaluation;
mod item;
mod layout;
mod problem;
mod split;
mod words;

pub use bundle::bundled;
pub use item::{Item, Length, Question, Task, last_words};
pub use layout::{Layout, direct_prompt, note_prompt, reader_prompt};
pub use problem::Problem;
pub use split::{Generator, Split};
