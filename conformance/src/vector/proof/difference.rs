//! In how many places two requests differ. The module above says what a place is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::tensor::{Tensor, between};

/// Widest number that any form here has: a change of that many bytes side by side may be one value.
const WIDEST: usize = 8;
/// Equal bytes between two changed ones that still belong to one number: those of a 32-bit number whose outer bytes change.
const INSIDE_A_NUMBER: usize = 2;
/// Most places that are named: a person needs to see why a pair is none, not all of it.
const MOST_NAMED: usize = 12;

/// A request, or something in it, in the form in which it is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    /// Null, a truth value, a number, a text.
    Leaf(Value),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
    /// All tensors of a request, by name.
    Tensors(BTreeMap<String, Tensor>),
    Bytes(Held),
}

/// Bytes, and what they say where that can be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) raw: Arc<[u8]>,
    pub(super) read: Option<(Form, Box<Tree>)>,
}

/// How bytes were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Message,
}

impl Tree {
    /// JSON as it is; texts in it that are JSON objects or lists themselves are read.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(map) => {
                Self::Map(map.iter().map(|(key, value)| (key.clone(), Self::of(value))).collect())
            }
            Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
                match serde_json::from_str::<Value>(text) {
                    Ok(read) => Self::Bytes(Held {
                        raw: text.as_bytes().into(),
                        read: Some((Form::Json, Box::new(Self::of(&read)))),
                    }),
                    Err(_) => Self::Leaf(value.clone()),
                }
            }
            leaf => Self::Leaf(leaf.clone()),
        }
    }
}

/// Places in which two things differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// How many there are.
    pub(super) count: usize,
    /// Where the first of them are.
    pub(super) named: Vec<String>,
}

impl Places {
    /// Some more.
    pub(super) fn more(&mut self, count: usize, place: &str) {
        if count > 0 && self.named.len() < MOST_NAMED {
            self.named.push(place.to_owned());
        }
        self.count += count;
    }

    /// Adds those of two trees.
    pub(super) fn trees(&mut self, a: &Tree, b: &Tree, place: &str) {
        match (a, b) {
            (Tree::Leaf(x), Tree::Leaf(y)) => self.more(usize::from(x != y), place),
            (Tree::List(x), Tree::List(y)) => self.lists(x, y, place),
            (Tree::Map(x), Tree::Map(y)) => self.maps(x, y, place),
            (Tree::Tensors(x), Tree::Tensors(y)) => between(self, x, y, place),
            (Tree::Bytes(x), Tree::Bytes(y)) => self.held(x, y, place),
            // What is of another kind has no faults inside: nothing there has a meaning.
            _ => self.more(1, place),
        }
    }

    fn maps(&mut self, a: &BTreeMap<String, Tree>, b: &BTreeMap<String, Tree>, place: &str) {
        let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for key in keys {
            let inner = inside(place, key);
            match (a.get(key), b.get(key)) {
                (Some(x), Some(y)) => self.trees(x, y, &inner),
                _ => self.more(1, &inner),
            }
        }
    }

    /// Lists are aligned at both ends. That finds every single insertion, removal and change; of more it may count too
    /// many, never too few to be one.
    pub(super) fn lists(&mut self, a: &[Tree], b: &[Tree], place: &str) {
        let (from, x, y) = middle(a, b);
        if x.len() == y.len() {
            for (index, (x, y)) in x.iter().zip(y).enumerate() {
                self.trees(x, y, &inside(place, &(from + index).to_string()));
            }
        } else {
            let least = if x.is_empty() || y.is_empty() { 1 } else { 2 };
            self.more(x.len().abs_diff(y.len()).max(least), &inside(place, &from.to_string()));
        }
    }

    fn held(&mut self, a: &Held, b: &Held, place: &str) {
        if a.raw == b.raw {
            return;
        }
        match (&a.read, &b.read) {
            (Some((x, read)), Some((y, other))) if x == y => {
                let before = self.count;
                self.trees(read, other, place);
                // The same said in other bytes.
                if self.count == before {
                    self.bytes(&a.raw, &b.raw, place);
                }
            }
            // Well-formed, but something else.
            (Some(_), Some(_)) => self.more(1, place),
            _ => self.bytes(&a.raw, &b.raw, place),
        }
    }

    /// One run that is put in front or behind, or cut off there, is one place, however long it is. Inside, every run as wide
    /// as a number is one.
    fn bytes(&mut self, a: &[u8], b: &[u8], place: &str) {
        let (from, x, y) = middle(a, b);
        let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
        // Where what was put in front begins as the rest does, the borders of the middle lie elsewhere.
        let count = if short.len() < long.len() && (long.starts_with(short) || long.ends_with(short)) {
            1
        } else if x.len() == y.len() {
            runs(x, y)
        } else {
            x.len().max(y.len()).div_ceil(WIDEST)
        };
        self.more(count, &format!("{place}@{from}"));
    }
}

/// Name of something inside something else.
pub(super) fn inside(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// What is left of two lists without their common beginning and end, and where it begins.
pub(super) fn middle<'l, T: PartialEq>(a: &'l [T], b: &'l [T]) -> (usize, &'l [T], &'l [T]) {
    let from = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[from..], &b[from..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    (from, &a[..a.len() - end], &b[..b.len() - end])
}

/// Runs of changed bytes in two texts of one length.
fn runs(a: &[u8], b: &[u8]) -> usize {
    let mut count = 0;
    let mut run: Option<(usize, usize)> = None;
    for at in (0..a.len()).filter(|at| a[*at] != b[*at]) {
        run = match run {
            Some((start, last)) if at - last <= INSIDE_A_NUMBER + 1 && at - start < WIDEST => {
                Some((start, at))
            }
            _ => {
                count += 1;
                Some((at, at))
            }
        };
    }
    count
}
