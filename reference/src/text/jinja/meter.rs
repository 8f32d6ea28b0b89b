//! What a template may use up: steps and bytes.

use std::{cell::Cell, ops::Deref, rc::Rc};

use super::FIELD;
use crate::error::{Error, ErrorClass, Result};

/// Steps of a rendering: an expression, a statement, or 64 bytes of text that are looked at. A conversation of a thousand
/// messages with tools takes some hundred thousand.
const MAX_STEPS: usize = 2_000_000;
/// Bytes that count as a step.
const BYTES_A_STEP: usize = 64;
/// Bytes that texts and lists hold at the same time, the messages included: a conversation of the longest text that a
/// tokenizer takes, several times over.
const MAX_BYTES: usize = 96 << 20;

/// What a text takes beside its bytes.
const TEXT: usize = 64;

/// Counts down.
#[derive(Debug)]
pub(super) struct Meter {
    steps: Cell<usize>,
    bytes: Cell<usize>,
}

impl Meter {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self { steps: Cell::new(MAX_STEPS), bytes: Cell::new(MAX_BYTES) })
    }

    /// Uses up steps.
    pub(super) fn spend(&self, steps: usize) -> Result<()> {
        match self.steps.get().checked_sub(steps) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => {
                let expected = format!("a rendering in {MAX_STEPS} steps");
                Err(Error::new(ErrorClass::LimitExceeded, FIELD, expected, "more"))
            }
        }
    }

    /// Uses up the steps of looking at a text.
    pub(super) fn look(&self, text: &str) -> Result<()> {
        self.spend(1 + text.len() / BYTES_A_STEP)
    }

    /// Takes bytes, before they are allocated. Whoever holds them gives them back.
    pub(super) fn hold(&self, bytes: usize) -> Result<()> {
        self.spend(bytes / BYTES_A_STEP)?;
        match self.bytes.get().checked_sub(bytes) {
            Some(left) => {
                self.bytes.set(left);
                Ok(())
            }
            None => {
                let expected = format!("a rendering in {MAX_BYTES} bytes");
                Err(Error::new(ErrorClass::LimitExceeded, FIELD, expected, "more"))
            }
        }
    }

    /// Asks for bytes that are held only while the next value is made.
    pub(super) fn reserve(&self, bytes: usize) -> Result<()> {
        self.hold(bytes)?;
        self.release(bytes);
        Ok(())
    }

    pub(super) fn release(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
    }
}

/// Text that gives its bytes back.
#[derive(Clone, Debug)]
pub(super) struct Text(Rc<Held>);

#[derive(Debug)]
struct Held {
    text: String,
    meter: Rc<Meter>,
}

impl Text {
    pub(super) fn new(meter: &Rc<Meter>, text: &str) -> Result<Self> {
        meter.hold(TEXT + text.len())?;
        Ok(Self(Rc::new(Held { text: text.to_owned(), meter: meter.clone() })))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.meter.release(TEXT + self.text.len());
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

/// Text that grows.
#[derive(Debug)]
pub(super) struct Buffer {
    text: String,
    meter: Rc<Meter>,
}

impl Buffer {
    pub(super) fn new(meter: &Rc<Meter>) -> Self {
        Self { text: String::new(), meter: meter.clone() }
    }

    pub(super) fn push(&mut self, text: &str) -> Result<()> {
        self.meter.hold(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    pub(super) fn push_char(&mut self, char: char) -> Result<()> {
        self.push(char.encode_utf8(&mut [0; 4]))
    }

    /// The text, which holds the same bytes.
    pub(super) fn into_text(mut self) -> Result<Text> {
        self.meter.hold(TEXT)?;
        let text = std::mem::take(&mut self.text);
        Ok(Text(Rc::new(Held { text, meter: self.meter.clone() })))
    }

    /// The text, which nobody counts any more.
    pub(super) fn into_string(mut self) -> String {
        self.meter.release(self.text.len());
        std::mem::take(&mut self.text)
    }

    pub(super) fn meter(&self) -> &Rc<Meter> {
        &self.meter
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.meter.release(self.text.len());
    }
}
