//! Values of templates, which behave as Python's do.

use std::{cell::Cell, cmp::Ordering, rc::Rc};

use serde_json::Value as Json;

use super::{
    meter::{Meter, Text},
    wrong,
};
use crate::error::{Error, ErrorClass, Result};

/// Most levels of lists and maps in each other; serde_json reads as many.
const MAX_LEVELS: usize = 128;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// What is not there; it prints as nothing.
    Undefined,
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    List(List),
    Map(Map),
    /// By number in the engine, so that no value can hold itself.
    Namespace(usize),
    Macro(usize),
    /// A function of the language, by its name.
    Function(&'static str),
    Loop(Rc<Loop>),
}

/// A list that gives its bytes back.
#[derive(Clone, Debug)]
pub(super) struct List {
    held: Rc<Items<Value>>,
    /// Printed as a tuple, which is the only thing that sets one apart here.
    tuple: bool,
}

/// A map, in order of insertion, that gives its bytes back. Templates have maps of a few keys; they are gone through.
#[derive(Clone, Debug)]
pub(super) struct Map(Rc<Items<(Value, Value)>>);

#[derive(Debug)]
struct Items<T> {
    items: Vec<T>,
    levels: usize,
    meter: Rc<Meter>,
}

impl<T> Items<T> {
    fn new(meter: &Rc<Meter>, items: Vec<T>, levels: usize) -> Result<Rc<Self>> {
        if levels > MAX_LEVELS {
            let expected = format!("at most {MAX_LEVELS} levels of lists and maps");
            return Err(Error::new(ErrorClass::LimitExceeded, super::FIELD, expected, "more"));
        }
        meter.hold(Self::bytes(items.len()))?;
        Ok(Rc::new(Self { items, levels, meter: meter.clone() }))
    }

    fn bytes(len: usize) -> usize {
        64 + len * size_of::<T>()
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        self.meter.release(Self::bytes(self.items.len()));
    }
}

impl List {
    /// Of items whose number has been charged for, or is no more than that of other values.
    pub(super) fn new(meter: &Rc<Meter>, items: Vec<Value>) -> Result<Self> {
        let levels = 1 + items.iter().map(Value::levels).max().unwrap_or(0);
        Ok(Self { held: Items::new(meter, items, levels)?, tuple: false })
    }

    pub(super) fn items(&self) -> &[Value] {
        &self.held.items
    }

    pub(super) fn is_tuple(&self) -> bool {
        self.tuple
    }
}

impl Map {
    /// Of entries with keys that differ.
    pub(super) fn new(meter: &Rc<Meter>, entries: Vec<(Value, Value)>) -> Result<Self> {
        let levels =
            1 + entries.iter().map(|(key, value)| key.levels().max(value.levels())).max().unwrap_or(0);
        Items::new(meter, entries, levels).map(Self)
    }

    pub(super) fn entries(&self) -> &[(Value, Value)] {
        &self.0.items
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<&Value>> {
        self.0.meter.spend(self.0.items.len() / 8)?;
        let found = self.0.items.iter().find(|(name, _)| matches!(name, Value::Text(name) if **name == *key));
        Ok(found.map(|(_, value)| value))
    }

    pub(super) fn find(&self, key: &Value) -> Result<Option<&Value>> {
        if let Value::Text(key) = key {
            return self.get(key);
        }
        for (name, value) in self.entries() {
            if name.equals(key, &self.0.meter)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

/// What a `for` tells of itself.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) items: List,
    pub(super) index: Cell<usize>,
    pub(super) depth: usize,
}

impl Loop {
    pub(super) fn attribute(&self, name: &str) -> Value {
        let (index, len) = (self.index.get(), self.items.items().len());
        let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let item = |at: Option<usize>| at.and_then(|at| self.items.items().get(at)).cloned();
        match name {
            "index" => number(index + 1),
            "index0" => number(index),
            "revindex" => number(len - index),
            "revindex0" => number(len - index - 1),
            "first" => Value::Bool(index == 0),
            "last" => Value::Bool(index + 1 == len),
            "length" => number(len),
            "depth" => number(self.depth + 1),
            "depth0" => number(self.depth),
            "previtem" => item(index.checked_sub(1)).unwrap_or(Value::Undefined),
            "nextitem" => item(Some(index + 1)).unwrap_or(Value::Undefined),
            _ => Value::Undefined,
        }
    }
}

impl Value {
    pub(super) fn text(meter: &Rc<Meter>, text: &str) -> Result<Self> {
        Text::new(meter, text).map(Self::Text)
    }

    pub(super) fn list(meter: &Rc<Meter>, items: Vec<Self>) -> Result<Self> {
        List::new(meter, items).map(Self::List)
    }

    pub(super) fn tuple(meter: &Rc<Meter>, items: Vec<Self>) -> Result<Self> {
        Ok(Self::List(List { tuple: true, ..List::new(meter, items)? }))
    }

    pub(super) fn map(meter: &Rc<Meter>, entries: Vec<(Self, Self)>) -> Result<Self> {
        Map::new(meter, entries).map(Self::Map)
    }

    /// A number of things.
    pub(super) fn count(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Of JSON.
    pub(super) fn of(meter: &Rc<Meter>, json: &Json, level: usize) -> Result<Self> {
        if level > MAX_LEVELS {
            return Err(Error::new(
                ErrorClass::LimitExceeded,
                super::FIELD,
                format!("variables of at most {MAX_LEVELS} levels"),
                "more",
            ));
        }
        Ok(match json {
            Json::Null => Self::None,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Self::Int(number),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::text(meter, text)?,
            Json::Array(items) => {
                let items = items.iter().map(|item| Self::of(meter, item, level + 1));
                Self::list(meter, items.collect::<Result<_>>()?)?
            }
            Json::Object(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| Ok((Self::text(meter, key)?, Self::of(meter, value, level + 1)?)));
                Self::map(meter, entries.collect::<Result<_>>()?)?
            }
        })
    }

    fn levels(&self) -> usize {
        match self {
            Self::List(list) => list.held.levels,
            Self::Map(map) => map.0.levels,
            Self::Loop(state) => 1 + state.items.held.levels,
            _ => 0,
        }
    }

    /// What Python calls the type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Undefined => "nothing",
            Self::None => "None",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::List(_) => "list",
            Self::Map(_) => "dict",
            Self::Namespace(_) => "namespace",
            Self::Macro(_) => "macro",
            Self::Function(_) => "function",
            Self::Loop(_) => "loop",
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Undefined | Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => !map.entries().is_empty(),
            Self::Namespace(_) | Self::Macro(_) | Self::Function(_) | Self::Loop(_) => true,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number; Python counts truth as one.
    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bool(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            _ => self.as_int().map(|number| number as f64),
        }
    }

    pub(super) fn equals(&self, other: &Self, meter: &Rc<Meter>) -> Result<bool> {
        meter.spend(1)?;
        if let (Some(a), Some(b)) = (self.as_int(), other.as_int()) {
            return Ok(a == b);
        }
        if let (Some(a), Some(b)) = (self.as_float(), other.as_float()) {
            return Ok(a == b);
        }
        Ok(match (self, other) {
            (Self::Undefined, Self::Undefined) | (Self::None, Self::None) => true,
            (Self::Text(a), Self::Text(b)) => {
                meter.spend(if a.len() == b.len() { a.len() / 64 } else { 0 })?;
                **a == **b
            }
            (Self::List(a), Self::List(b)) => {
                if a.items().len() != b.items().len() {
                    return Ok(false);
                }
                for (a, b) in a.items().iter().zip(b.items()) {
                    if !a.equals(b, meter)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Self::Map(a), Self::Map(b)) => {
                if a.entries().len() != b.entries().len() {
                    return Ok(false);
                }
                for (key, value) in a.entries() {
                    match b.find(key)? {
                        Some(other) if value.equals(other, meter)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Self::Namespace(a), Self::Namespace(b)) | (Self::Macro(a), Self::Macro(b)) => a == b,
            (Self::Function(a), Self::Function(b)) => a == b,
            (Self::Loop(a), Self::Loop(b)) => Rc::ptr_eq(a, b),
            _ => false,
        })
    }

    /// The order of two values that have one.
    pub(super) fn order(&self, other: &Self, meter: &Rc<Meter>) -> Result<Ordering> {
        meter.spend(1)?;
        if let (Some(a), Some(b)) = (self.as_int(), other.as_int()) {
            return Ok(a.cmp(&b));
        }
        if let (Some(a), Some(b)) = (self.as_float(), other.as_float()) {
            return a.partial_cmp(&b).ok_or_else(|| wrong("numbers with an order", "NaN"));
        }
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => {
                meter.spend(a.len().min(b.len()) / 64)?;
                // UTF-8 sorts as code points do.
                Ok((**a).cmp(&**b))
            }
            (Self::List(a), Self::List(b)) => {
                for (a, b) in a.items().iter().zip(b.items()) {
                    if !a.equals(b, meter)? {
                        return a.order(b, meter);
                    }
                }
                Ok(a.items().len().cmp(&b.items().len()))
            }
            _ => Err(wrong("values with an order", format!("{} and {}", self.kind(), other.kind()))),
        }
    }

    /// `item in self`.
    pub(super) fn contains(&self, item: &Self, meter: &Rc<Meter>) -> Result<bool> {
        match self {
            Self::Undefined => Ok(false),
            Self::Text(text) => match item.as_text() {
                Some(part) => {
                    meter.look(text)?;
                    Ok(text.contains(part))
                }
                None => Err(wrong("a str to look for in a str", item.kind())),
            },
            Self::List(list) => {
                for other in list.items() {
                    if other.equals(item, meter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Map(map) => Ok(map.find(item)?.is_some()),
            _ => Err(wrong("something that can hold another", self.kind())),
        }
    }

    /// What a `for` goes through: items, keys, characters.
    pub(super) fn iterate(&self, meter: &Rc<Meter>) -> Result<List> {
        let items = match self {
            Self::List(list) => return Ok(list.clone()),
            Self::Undefined => Vec::new(),
            Self::Map(map) => map.entries().iter().map(|(key, _)| key.clone()).collect(),
            Self::Text(text) => {
                // A character of its own takes more than its bytes.
                meter.spend(text.len())?;
                text.chars()
                    .map(|char| Self::text(meter, char.encode_utf8(&mut [0; 4])))
                    .collect::<Result<_>>()?
            }
            _ => return Err(wrong("something to go through", self.kind())),
        };
        List::new(meter, items)
    }
}
