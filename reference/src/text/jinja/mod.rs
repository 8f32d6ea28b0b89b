//! Templates as transformers runs them: minijinja's parser, and an interpreter that keeps count.
//!
//! A chat template is a program that comes with somebody's weights. minijinja's own machine counts instructions but not
//! bytes, so a text that doubles thirty times takes a gigabyte and thirty instructions; and it prints values as Rust
//! does, where templates are written for Python. So its parser is used alone, and what the template says is done here, on
//! values that are counted ([`meter`]) and that behave and print as Python's.
//!
//! ```text
//!  source ─▶ source::checked ─▶ minijinja's parser ─▶ engine ─▶ text
//!            operators a tag     nesting               steps, bytes, depth
//! ```

mod arguments;
mod checks;
mod date;
mod engine;
mod expression;
mod filters;
mod functions;
mod meter;
mod methods;
mod operators;
mod print;
mod source;
#[cfg(test)]
mod tests;
mod value;

use std::{panic::resume_unwind, thread, time::SystemTime};

use minijinja::machinery::{WhitespaceConfig, ast::Stmt, parse};
use serde_json::{Map, Value as Json};

use crate::error::{Error, ErrorClass, Result};

const FIELD: &str = "chat_template";
/// Longest part of a template's own text in an error, in characters.
const MAX_FOUND: usize = 200;
/// Longest name of an argument or an attribute that a template makes up at run time, in bytes.
const MAX_NAME: usize = 256;
/// Stack of the thread that parses and renders: several times what the parser's and the engine's limits on nesting take,
/// without optimization.
const STACK: usize = 32 << 20;

/// Renders a template with variables.
///
/// # Errors
/// `limit_exceeded` for too many steps, bytes or levels, `invalid_argument` when the template refuses its variables,
/// `decode` for whatever else is wrong with it.
pub(crate) fn render(source: &str, variables: Map<String, Json>, now: SystemTime) -> Result<String> {
    let source = source::checked(source)?;
    apart(|| engine::Engine::new(now).render(&tree(&source)?, variables))
}

/// Whether a template can be read at all.
///
/// # Errors
/// As for [`render`].
pub(crate) fn check(source: &str) -> Result<()> {
    let source = source::checked(source)?;
    apart(|| tree(&source).map(|_| ()))
}

/// Does it on a thread with a stack that is large enough, whatever the caller's is.
fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("chat template".into()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, work).map_err(|error| {
            Error::new(ErrorClass::EngineUnavailable, FIELD, "a thread to render on", error.to_string())
        })?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn tree(source: &str) -> Result<Stmt<'_>> {
    let whitespace =
        WhitespaceConfig { trim_blocks: true, lstrip_blocks: true, ..WhitespaceConfig::default() };
    parse(source, "chat_template", Default::default(), whitespace)
        .map_err(|error| Error::new(ErrorClass::Decode, FIELD, "a Jinja template", error.to_string()))
}

/// A key as the name of an argument or an attribute.
fn name_of(key: &value::Value) -> Result<String> {
    match key {
        value::Value::Text(name) if name.len() <= MAX_NAME => Ok(name.to_string()),
        value::Value::Text(_) => Err(wrong(format!("a name of at most {MAX_NAME} bytes"), "a longer one")),
        other => Err(wrong("a str as a name", other.kind())),
    }
}

/// What is wrong in a template, or in what it was given. What was found may be a text that a template made, so it is cut.
fn wrong(expected: impl Into<String>, found: impl AsRef<str>) -> Error {
    let found: String = found.as_ref().chars().take(MAX_FOUND).collect();
    Error::new(ErrorClass::Decode, FIELD, expected, found)
}
