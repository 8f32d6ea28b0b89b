//! Values as text: as Python prints them, and as its `json` writes them.

use std::rc::Rc;

use super::{
    meter::{Buffer, Meter, Text},
    value::{Map, Value},
    wrong,
};
use crate::error::Result;

/// `str(value)`.
pub(super) fn text(meter: &Rc<Meter>, value: &Value) -> Result<Text> {
    if let Value::Text(text) = value {
        return Ok(text.clone());
    }
    let mut out = Buffer::new(meter);
    write(&mut out, value)?;
    out.into_text()
}

/// Appends `str(value)`.
pub(super) fn write(out: &mut Buffer, value: &Value) -> Result<()> {
    match value {
        Value::Undefined => Ok(()),
        Value::Text(text) => out.push(text),
        other => represent(out, other),
    }
}

/// Appends `repr(value)`.
fn represent(out: &mut Buffer, value: &Value) -> Result<()> {
    out.meter().spend(1)?;
    match value {
        Value::Undefined => out.push("Undefined"),
        Value::None => out.push("None"),
        Value::Bool(true) => out.push("True"),
        Value::Bool(false) => out.push("False"),
        Value::Int(number) => out.push(&number.to_string()),
        Value::Float(number) => out.push(&float(*number)),
        Value::Text(text) => quote(out, text),
        Value::List(list) => {
            let (open, close) = match (list.is_tuple(), list.items().len()) {
                (false, _) => ("[", "]"),
                (true, 1) => ("(", ",)"),
                (true, _) => ("(", ")"),
            };
            out.push(open)?;
            for (index, item) in list.items().iter().enumerate() {
                if index > 0 {
                    out.push(", ")?;
                }
                represent(out, item)?;
            }
            out.push(close)
        }
        Value::Map(map) => {
            out.push("{")?;
            for (index, (key, value)) in map.entries().iter().enumerate() {
                if index > 0 {
                    out.push(", ")?;
                }
                represent(out, key)?;
                out.push(": ")?;
                represent(out, value)?;
            }
            out.push("}")
        }
        Value::Loop(state) => {
            let (index, len) = (state.index.get() + 1, state.items.items().len());
            out.push(&format!("<LoopContext {index}/{len}>"))
        }
        other => Err(wrong("a value that can be printed", other.kind())),
    }
}

/// A text as Python's source has it.
fn quote(out: &mut Buffer, text: &str) -> Result<()> {
    out.meter().look(text)?;
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push_char(mark)?;
    for char in text.chars() {
        match char {
            '\n' => out.push("\\n")?,
            '\r' => out.push("\\r")?,
            '\t' => out.push("\\t")?,
            '\\' => out.push("\\\\")?,
            _ if char == mark => {
                out.push("\\")?;
                out.push_char(char)?;
            }
            _ if hidden(char) => {
                let code = u32::from(char);
                out.push(&match code {
                    0..=0xff => format!("\\x{code:02x}"),
                    0x100..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                })?;
            }
            _ => out.push_char(char)?,
        }
    }
    out.push_char(mark)
}

/// Characters that Python does not print: control and format characters, and white space but the space.
fn hidden(char: char) -> bool {
    char.is_control()
        || char.is_whitespace() && char != ' '
        || matches!(u32::from(char), 0xad | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfeff
            | 0xe000..=0xf8ff | 0xfff0..=0xfffb | 0xe0000..=0x10ffff)
}

/// The shortest digits that give the number back, as Python places them.
fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse().unwrap_or(0) {
        -4..16 => format!("{number:?}"),
        exponent @ ..0 => format!("{digits}e-{:02}", -exponent),
        exponent => format!("{digits}e+{exponent:02}"),
    }
}

/// How `tojson` writes.
#[derive(Clone, Debug)]
pub(super) struct JsonStyle {
    pub(super) ascii: bool,
    /// What a level is indented by; all on one line without.
    pub(super) indent: Option<String>,
    pub(super) separators: (String, String),
    pub(super) sorted: bool,
}

/// Appends the value as JSON.
pub(super) fn json(out: &mut Buffer, value: &Value, style: &JsonStyle, level: usize) -> Result<()> {
    out.meter().spend(1)?;
    match value {
        Value::None => out.push("null"),
        Value::Bool(true) => out.push("true"),
        Value::Bool(false) => out.push("false"),
        Value::Int(number) => out.push(&number.to_string()),
        Value::Float(number) => out.push(&json_float(*number)),
        Value::Text(text) => json_text(out, text, style),
        Value::List(list) if list.items().is_empty() => out.push("[]"),
        Value::List(list) => {
            out.push("[")?;
            for (index, item) in list.items().iter().enumerate() {
                divide(out, style, index, level + 1)?;
                json(out, item, style, level + 1)?;
            }
            line(out, style, level)?;
            out.push("]")
        }
        Value::Map(map) if map.entries().is_empty() => out.push("{}"),
        Value::Map(map) => json_map(out, map, style, level),
        other => Err(wrong("a value that JSON has", other.kind())),
    }
}

fn json_map(out: &mut Buffer, map: &Map, style: &JsonStyle, level: usize) -> Result<()> {
    let meter = out.meter().clone();
    let mut entries = Vec::with_capacity(map.entries().len());
    for (key, value) in map.entries() {
        let key = match key {
            Value::Text(key) => key.clone(),
            Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::None => {
                let mut name = Buffer::new(&meter);
                json(&mut name, key, style, 0)?;
                name.into_text()?
            }
            other => return Err(wrong("a key that JSON has", other.kind())),
        };
        entries.push((key, value));
    }
    if style.sorted {
        meter.spend(entries.len() * (1 + entries.len().ilog2() as usize))?;
        entries.sort_by(|(a, _), (b, _)| str::cmp(a, b));
    }
    out.push("{")?;
    for (index, (key, value)) in entries.into_iter().enumerate() {
        divide(out, style, index, level + 1)?;
        json_text(out, &key, style)?;
        out.push(&style.separators.1)?;
        json(out, value, style, level + 1)?;
    }
    line(out, style, level)?;
    out.push("}")
}

fn divide(out: &mut Buffer, style: &JsonStyle, index: usize, level: usize) -> Result<()> {
    if index > 0 {
        out.push(&style.separators.0)?;
    }
    line(out, style, level)
}

fn line(out: &mut Buffer, style: &JsonStyle, level: usize) -> Result<()> {
    if let Some(indent) = &style.indent {
        out.push("\n")?;
        for _ in 0..level {
            out.push(indent)?;
        }
    }
    Ok(())
}

fn json_float(number: f64) -> String {
    match float(number) {
        text if number.is_finite() => text,
        text => text.replace("nan", "NaN").replace("inf", "Infinity"),
    }
}

fn json_text(out: &mut Buffer, text: &str, style: &JsonStyle) -> Result<()> {
    out.meter().look(text)?;
    out.push("\"")?;
    // Whole runs of what needs no escape.
    let mut from = 0;
    for (at, char) in text.char_indices() {
        let escape = match char {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            '\u{8}' => "\\b".to_owned(),
            '\u{c}' => "\\f".to_owned(),
            _ if char < ' ' || style.ascii && !(' '..='~').contains(&char) => {
                char.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
            }
            _ => continue,
        };
        out.push(&text[from..at])?;
        out.push(&escape)?;
        from = at + char.len_utf8();
    }
    out.push(&text[from..])?;
    out.push("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_python_prints_them() {
        for (number, expected) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-1.25e-9, "-1.25e-09"),
            (0.0, "0.0"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(number), expected);
        }
    }

    #[test]
    fn texts_as_python_prints_them() {
        let meter = Meter::new();
        for (text, expected) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("'\"", "'\\'\"'"),
            ("é\n\u{7f}\u{200b}\u{a0}", "'é\\n\\x7f\\u200b\\xa0'"),
        ] {
            let mut out = Buffer::new(&meter);
            quote(&mut out, text).unwrap();
            assert_eq!(out.into_string(), expected);
        }
    }
}
