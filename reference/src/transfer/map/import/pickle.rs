//! The pickle of a saved map: one dictionary of texts, numbers and tensors.
//!
//! A pickle is a program for a stack machine that can call anything. This reader has the opcodes of protocol 2 that such a
//! dictionary takes, builds values of its own, and knows three kinds of names: the storages' element types, the function
//! that puts a tensor together, and the empty dictionary of a tensor's hooks. Everything else is refused.

use super::value::{Element, Global, Storage, Tensor, Value};
use super::wrong;
use crate::error::{Error, ErrorClass, Result, excerpt};

/// Most values that are pushed or remembered, in all. A map takes some 200; each is at most 64 bytes.
const MAX_VALUES: usize = 4096;
/// What was read.
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    members: Vec<(&'a str, usize)>,
}

impl<'a> Pickle<'a> {
    /// Runs the program. It ends with the dictionary.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut machine = Machine { bytes, at: 0, values: Vec::new(), stack: Vec::new(), memo: Vec::new() };
        let top = machine.run()?;
        match std::mem::replace(&mut machine.values[top], Value::None) {
            Value::Dict(members) => Ok(Self { values: machine.values, members }),
            _ => Err(wrong("pt.pickle", "a dictionary", "something else")),
        }
    }

    /// The value under a name; of several the last one.
    pub(super) fn member(&self, name: &str) -> Option<&Value<'a>> {
        self.members.iter().rev().find(|(key, _)| *key == name).map(|(_, place)| &self.values[*place])
    }
}

/// What stands on the stack.
#[derive(Clone, Copy)]
enum Item {
    Mark,
    Value(usize),
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Item>,
    /// What each number stands for.
    memo: Vec<(u64, usize)>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<usize> {
        loop {
            let at = self.at;
            let opcode = self.take(1)?[0];
            match opcode {
                // The protocol's number.
                0x80 => {
                    self.take(1)?;
                }
                b'}' => self.push(Value::Dict(Vec::new()))?,
                b')' => self.push(Value::Tuple(Vec::new()))?,
                b'N' => self.push(Value::None)?,
                0x88 | 0x89 => self.push(Value::Bool)?,
                b'(' => self.place(Item::Mark)?,
                b'q' => self.remember(1)?,
                b'r' => self.remember(4)?,
                b'h' => self.recall(1)?,
                b'j' => self.recall(4)?,
                b'K' => self.int(1)?,
                b'M' => self.int(2)?,
                b'J' => {
                    let number = self.number(4)? as u32;
                    self.push(Value::Int(number.cast_signed().into()))?;
                }
                0x8a => self.long()?,
                b'G' => {
                    let mut bits = [0; 8];
                    bits.copy_from_slice(self.take(8)?);
                    self.push(Value::Float(f64::from_be_bytes(bits)))?;
                }
                b'X' => {
                    let len = self.number(4)? as usize;
                    let text = std::str::from_utf8(self.take(len)?);
                    let text = text.map_err(|_| wrong("pt.pickle", "text in UTF-8", "others").at(at))?;
                    self.push(Value::Text(text))?;
                }
                b'c' => self.global()?,
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::Tuple(items))?;
                }
                0x85..=0x87 => {
                    let mut items = Vec::new();
                    for _ in 0..opcode - 0x84 {
                        items.insert(0, self.pop()?);
                    }
                    self.push(Value::Tuple(items))?;
                }
                b'Q' => self.storage()?,
                b'R' => self.reduce()?,
                b'u' => self.set_items()?,
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.insert(&[key, value])?;
                }
                b'.' => return self.pop(),
                other => {
                    let found = format!("opcode 0x{other:02x}");
                    return Err(wrong("pt.pickle", "an opcode that a map takes", found).at(at));
                }
            }
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let taken = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| wrong("pt.pickle", format!("{len} bytes"), "the end").at(self.at))?;
        self.at += len;
        Ok(taken)
    }

    fn number(&mut self, len: usize) -> Result<u64> {
        Ok(self.take(len)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn int(&mut self, len: usize) -> Result<()> {
        let number = self.number(len)?;
        self.push(Value::Int(number.cast_signed()))
    }

    /// A whole number of up to eight bytes.
    fn long(&mut self) -> Result<()> {
        let len = self.number(1)? as usize;
        let bytes = self.take(len)?;
        if bytes.len() > 8 {
            return Err(wrong("pt.pickle", "a number of 64 bits", format!("{len} bytes")));
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = if negative { [0xff; 8] } else { [0; 8] };
        wide[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)))
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|byte| *byte == b'\n');
        let len = len.ok_or_else(|| wrong("pt.pickle", "a name and its end", "none").at(self.at))?;
        self.at += len + 1;
        std::str::from_utf8(&rest[..len]).map_err(|_| wrong("pt.pickle", "a name in UTF-8", "others"))
    }

    fn global(&mut self) -> Result<()> {
        let (module, name) = (self.line()?, self.line()?);
        let global = match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch", "FloatStorage") => Global::Storage(Element::F32),
            ("torch", "DoubleStorage") => Global::Storage(Element::F64),
            ("torch", "HalfStorage") => Global::Storage(Element::F16),
            ("torch", "BFloat16Storage") => Global::Storage(Element::BF16),
            ("torch", "LongStorage") => Global::Storage(Element::I64),
            ("torch", "IntStorage") => Global::Storage(Element::I32),
            _ => {
                let found = excerpt(&format!("{module}.{name}"));
                return Err(wrong("pt.pickle", "a name that a map takes", found).at(self.at));
            }
        };
        self.push(Value::Global(global))
    }

    /// Persistent ids: `("storage", type, key, device, elements)`.
    fn storage(&mut self) -> Result<()> {
        let id = self.pop()?;
        let storage = match self.items(id)[..] {
            [
                Value::Text("storage"),
                Value::Global(Global::Storage(element)),
                Value::Text(key),
                _,
                Value::Int(count),
            ] => {
                let count = usize::try_from(*count).ok();
                count.map(|count| Storage { element: *element, key, count })
            }
            _ => None,
        };
        let storage = storage.ok_or_else(|| wrong("pt.pickle", "a storage", "something else").at(self.at))?;
        self.push(Value::Storage(storage))
    }

    /// A call: of the two names that are functions.
    fn reduce(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let value = match (&self.values[function], &self.items(arguments)[..]) {
            (Value::Global(Global::OrderedDict), []) => Some(Value::Hooks),
            (
                Value::Global(Global::RebuildTensor),
                [
                    Value::Storage(storage),
                    Value::Int(offset),
                    Value::Tuple(shape),
                    Value::Tuple(strides),
                    _,
                    _,
                ],
            ) => self.tensor(*storage, *offset, shape, strides).map(Value::Tensor),
            _ => None,
        };
        let value = value.ok_or_else(|| wrong("pt.pickle", "a tensor", "something else").at(self.at))?;
        self.push(value)
    }

    fn tensor(
        &self,
        storage: Storage<'a>,
        offset: i64,
        shape: &[usize],
        strides: &[usize],
    ) -> Option<Tensor<'a>> {
        let numbers = |places: &[usize]| -> Option<Vec<usize>> {
            let number = |place: &usize| match self.values[*place] {
                Value::Int(number) => usize::try_from(number).ok(),
                _ => None,
            };
            places.iter().map(number).collect()
        };
        Tensor::new(storage, usize::try_from(offset).ok()?, numbers(shape)?, numbers(strides)?)
    }

    fn set_items(&mut self) -> Result<()> {
        let items = self.pop_to_mark()?;
        self.insert(&items)
    }

    /// Puts keys and values into the dictionary on top of the stack.
    fn insert(&mut self, items: &[usize]) -> Result<()> {
        let refused = || wrong("pt.pickle", "texts as names of members", "something else");
        let Some(Item::Value(dict)) = self.stack.last().copied() else { return Err(refused()) };
        let (pairs, rest) = items.as_chunks::<2>();
        let mut members = Vec::with_capacity(pairs.len());
        for [key, value] in pairs {
            match self.values[*key] {
                Value::Text(key) if rest.is_empty() => members.push((key, *value)),
                _ => return Err(refused()),
            }
        }
        match &mut self.values[dict] {
            Value::Dict(dict) => dict.append(&mut members),
            _ => return Err(refused()),
        }
        Ok(())
    }

    /// The values of a tuple; none of anything else.
    fn items(&self, place: usize) -> Vec<&Value<'a>> {
        match &self.values[place] {
            Value::Tuple(items) => items.iter().map(|place| &self.values[*place]).collect(),
            _ => Vec::new(),
        }
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        self.values.push(value);
        self.place(Item::Value(self.values.len() - 1))
    }

    fn place(&mut self, item: Item) -> Result<()> {
        self.stack.push(item);
        self.check_size()
    }

    fn check_size(&self) -> Result<()> {
        if self.stack.len() + self.values.len() + self.memo.len() <= MAX_VALUES {
            return Ok(());
        }
        let expected = format!("at most {MAX_VALUES} values");
        Err(Error::new(ErrorClass::LimitExceeded, "pt.pickle", expected, "more"))
    }

    fn pop(&mut self) -> Result<usize> {
        match self.stack.pop() {
            Some(Item::Value(place)) => Ok(place),
            _ => Err(wrong("pt.pickle", "a value on the stack", "none").at(self.at)),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<usize>> {
        let mut items = Vec::new();
        loop {
            match self.stack.pop() {
                Some(Item::Value(place)) => items.push(place),
                Some(Item::Mark) => break,
                None => return Err(wrong("pt.pickle", "a mark on the stack", "none").at(self.at)),
            }
        }
        items.reverse();
        Ok(items)
    }

    fn remember(&mut self, len: usize) -> Result<()> {
        let number = self.number(len)?;
        match self.stack.last() {
            Some(Item::Value(place)) => self.memo.push((number, *place)),
            _ => return Err(wrong("pt.pickle", "a value to remember", "none").at(self.at)),
        }
        self.check_size()
    }

    fn recall(&mut self, len: usize) -> Result<()> {
        let number = self.number(len)?;
        let place = self.memo.iter().rev().find(|(known, _)| *known == number).map(|(_, place)| *place);
        let place =
            place.ok_or_else(|| wrong("pt.pickle", "a value that was remembered", "none").at(self.at))?;
        self.place(Item::Value(place))
    }
}
