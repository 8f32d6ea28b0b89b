//! Filters: what stands behind `|`.

use std::{cmp::Ordering, rc::Rc};

use super::{
    arguments::Arguments,
    checks,
    engine::Engine,
    meter::{Buffer, Meter},
    methods,
    print::{self, JsonStyle},
    value::Value,
    wrong,
};
use crate::error::Result;

/// Widest indentation, in characters.
const MAX_INDENT: i64 = 100;

pub(super) fn apply(
    engine: &mut Engine<'_>,
    name: &str,
    value: Value,
    arguments: &Arguments,
) -> Result<Value> {
    let meter = engine.meter.clone();
    let meter = &meter;
    match name {
        "safe" => Ok(value),
        "string" => print::text(meter, &value).map(Value::Text),
        "trim" | "upper" | "lower" | "capitalize" | "title" | "escape" | "e" | "forceescape" | "indent"
        | "replace" | "wordcount" => of_text(meter, name, &value, arguments),
        "length" | "count" => length(meter, &value),
        "default" | "d" => {
            let missing = match value {
                Value::Undefined => true,
                _ => arguments.flag(1, "boolean") && !value.is_true(),
            };
            match (missing, arguments.get(0, "default_value")) {
                (false, _) => Ok(value),
                (true, Some(default)) => Ok(default.clone()),
                (true, None) => Value::text(meter, ""),
            }
        }
        "first" => Ok(value.iterate(meter)?.items().first().cloned().unwrap_or(Value::Undefined)),
        "last" => Ok(value.iterate(meter)?.items().last().cloned().unwrap_or(Value::Undefined)),
        "list" => value.iterate(meter).map(Value::List),
        "items" => match &value {
            Value::Undefined => Value::list(meter, Vec::new()),
            Value::Map(map) => methods::items(meter, map),
            other => Err(wrong("a dict", other.kind())),
        },
        "join" => {
            let items = value.iterate(meter)?;
            let items = mapped(engine, items.items(), arguments.get(1, "attribute"))?;
            methods::join(meter, &items, arguments.text(0, "d")?.unwrap_or(""))
        }
        "reverse" => match &value {
            Value::Text(text) => {
                meter.reserve(text.len())?;
                Value::text(meter, &text.chars().rev().collect::<String>())
            }
            _ => Value::list(meter, value.iterate(meter)?.items().iter().rev().cloned().collect()),
        },
        "tojson" => tojson(meter, &value, arguments),
        "abs" | "int" | "float" | "round" => number(name, &value, arguments),
        "sum" => {
            let items = value.iterate(meter)?;
            let mut sum = arguments.get(1, "start").cloned().unwrap_or(Value::Int(0));
            for item in mapped(engine, items.items(), arguments.get(0, "attribute"))? {
                sum =
                    super::operators::binary(meter, minijinja::machinery::ast::BinOpKind::Add, &sum, &item)?;
            }
            Ok(sum)
        }
        "map" => map(engine, &value, arguments),
        "select" | "reject" | "selectattr" | "rejectattr" => select(engine, name, &value, arguments),
        "sort" => {
            let items = value.iterate(meter)?;
            let sensitive = arguments.flag(1, "case_sensitive");
            let keys = keys(engine, items.items(), arguments.get(2, "attribute"), sensitive)?;
            sorted(meter, items.items(), keys, arguments.flag(0, "reverse"))
        }
        "dictsort" => {
            let Value::Map(entries) = &value else {
                return Err(wrong("a dict", value.kind()));
            };
            let by = i64::from(arguments.text(1, "by")?.unwrap_or("key") == "value");
            let pairs = methods::items(meter, entries)?.iterate(meter)?;
            let by = Value::Int(by);
            let keys = keys(engine, pairs.items(), Some(&by), arguments.flag(0, "case_sensitive"))?;
            sorted(meter, pairs.items(), keys, arguments.flag(2, "reverse"))
        }
        "min" | "max" => {
            let items = value.iterate(meter)?;
            let keys = keys(
                engine,
                items.items(),
                arguments.get(1, "attribute"),
                arguments.flag(0, "case_sensitive"),
            )?;
            let wanted = if name == "min" { Ordering::Less } else { Ordering::Greater };
            let mut best = None;
            for (at, key) in keys.iter().enumerate() {
                match best {
                    Some(other) if key.order(&keys[other], meter)? != wanted => {}
                    _ => best = Some(at),
                }
            }
            Ok(best.map_or(Value::Undefined, |at| items.items()[at].clone()))
        }
        "unique" => {
            let items = value.iterate(meter)?;
            let keys = keys(
                engine,
                items.items(),
                arguments.get(1, "attribute"),
                arguments.flag(0, "case_sensitive"),
            )?;
            let mut kept: Vec<usize> = Vec::new();
            'items: for at in 0..keys.len() {
                for other in &kept {
                    if keys[at].equals(&keys[*other], meter)? {
                        continue 'items;
                    }
                }
                kept.push(at);
            }
            Value::list(meter, kept.into_iter().map(|at| items.items()[at].clone()).collect())
        }
        _ => Err(wrong("a filter that is known here", name)),
    }
}

fn of_text(meter: &Rc<Meter>, name: &str, value: &Value, arguments: &Arguments) -> Result<Value> {
    let text = print::text(meter, value)?;
    meter.look(&text)?;
    if matches!(name, "upper" | "lower" | "capitalize" | "title") {
        meter.reserve(methods::CASED * text.len())?;
    }
    let new = |text: &str| Value::text(meter, text);
    match name {
        "trim" => new(methods::strip(&text, arguments.text(0, "chars")?)),
        "upper" => new(&text.to_uppercase()),
        "lower" => new(&text.to_lowercase()),
        "capitalize" => new(&methods::capitalize(&text)),
        "title" => {
            // Words begin behind white space, a dash, or an opening bracket.
            let begins = |char: char| methods::is_space(char) || matches!(char, '-' | '(' | '{' | '[' | '<');
            let mut result = String::with_capacity(text.len());
            let mut begin = true;
            for char in text.chars() {
                if begin {
                    result.extend(char.to_uppercase());
                } else {
                    result.extend(char.to_lowercase());
                }
                begin = begins(char);
            }
            new(&result)
        }
        "indent" => indent(meter, &text, arguments),
        "replace" => {
            let count = arguments.int(2, "count")?;
            methods::replace(
                meter,
                &text,
                arguments.need_text(0, "s")?,
                arguments.need_text(1, "new")?,
                count,
            )
        }
        "wordcount" => Ok(Value::count(
            text.split(|char: char| !(char.is_alphanumeric() || char == '_'))
                .filter(|word| !word.is_empty())
                .count(),
        )),
        _ => {
            let mut out = Buffer::new(meter);
            for char in text.chars() {
                match char {
                    '&' => out.push("&amp;")?,
                    '<' => out.push("&lt;")?,
                    '>' => out.push("&gt;")?,
                    '"' => out.push("&#34;")?,
                    '\'' => out.push("&#39;")?,
                    _ => out.push_char(char)?,
                }
            }
            out.into_text().map(Value::Text)
        }
    }
}

fn indent(meter: &Rc<Meter>, text: &str, arguments: &Arguments) -> Result<Value> {
    let width = match arguments.get(0, "width") {
        Some(Value::Text(width)) => width.to_string(),
        _ => " ".repeat(bounded(arguments.int(0, "width")?.unwrap_or(4))?),
    };
    let (first, blank) = (arguments.flag(1, "first"), arguments.flag(2, "blank"));
    let mut out = Buffer::new(meter);
    if first {
        out.push(&width)?;
    }
    // A text that ends in a line end keeps it.
    let ended = if text.ends_with('\n') { "\n" } else { "" };
    for (index, line) in methods::lines(meter, text, false)?.into_iter().enumerate() {
        if index > 0 {
            out.push("\n")?;
            if blank || !line.is_empty() {
                out.push(&width)?;
            }
        }
        out.push(line)?;
    }
    out.push(ended)?;
    if blank && !ended.is_empty() {
        out.push(&width)?;
    }
    out.into_text().map(Value::Text)
}

fn bounded(width: i64) -> Result<usize> {
    match width {
        ..0 => Ok(0),
        0..=MAX_INDENT => Ok(width as usize),
        _ => Err(wrong(format!("an indentation of at most {MAX_INDENT}"), width.to_string())),
    }
}

fn length(meter: &Rc<Meter>, value: &Value) -> Result<Value> {
    Ok(Value::count(match value {
        Value::Undefined => 0,
        Value::Text(text) => {
            meter.look(text)?;
            text.chars().count()
        }
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.entries().len(),
        Value::Loop(state) => state.items.items().len(),
        other => return Err(wrong("something that has a length", other.kind())),
    }))
}

fn tojson(meter: &Rc<Meter>, value: &Value, arguments: &Arguments) -> Result<Value> {
    let indent = match arguments.get(1, "indent") {
        Some(Value::Text(indent)) => Some(indent.to_string()),
        _ => arguments.int(1, "indent")?.map(bounded).transpose()?.map(|width| " ".repeat(width)),
    };
    let separators = match arguments.get(2, "separators") {
        None | Some(Value::None) => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
        Some(pair) => match pair.iterate(meter)?.items() {
            [Value::Text(item), Value::Text(key)] => (item.to_string(), key.to_string()),
            _ => return Err(wrong("two separators", pair.kind())),
        },
    };
    let ascii = arguments.flag(0, "ensure_ascii");
    let style = JsonStyle { ascii, indent, separators, sorted: arguments.flag(3, "sort_keys") };
    let mut out = Buffer::new(meter);
    print::json(&mut out, value, &style, 0)?;
    out.into_text().map(Value::Text)
}

fn number(name: &str, value: &Value, arguments: &Arguments) -> Result<Value> {
    let parsed =
        |value: &Value| value.as_float().or_else(|| methods::strip(value.as_text()?, None).parse().ok());
    Ok(match name {
        "abs" => match (value.as_int(), value.as_float()) {
            (Some(number), _) => {
                Value::Int(number.checked_abs().ok_or_else(|| wrong("an int of 64 bits", "a larger one"))?)
            }
            (None, Some(number)) => Value::Float(number.abs()),
            (None, None) => return Err(wrong("a number", value.kind())),
        },
        "int" => {
            let text = value.as_text().map(|text| methods::strip(text, None));
            let whole = value.as_int().or_else(|| text?.parse().ok());
            let cut = || parsed(value).filter(|number| number.abs() < 9e18).map(|number| number as i64);
            match whole.or_else(cut) {
                Some(number) => Value::Int(number),
                None => arguments.get(0, "default").cloned().unwrap_or(Value::Int(0)),
            }
        }
        "float" => match parsed(value) {
            Some(number) => Value::Float(number),
            None => arguments.get(0, "default").cloned().unwrap_or(Value::Float(0.0)),
        },
        _ => {
            let number = value.as_float().ok_or_else(|| wrong("a number", value.kind()))?;
            let precision = arguments.int(0, "precision")?.unwrap_or(0).clamp(-300, 300) as i32;
            let scale = 10_f64.powi(precision);
            match (arguments.text(1, "method")?.unwrap_or("common"), usize::try_from(precision)) {
                ("ceil", _) => Value::Float((number * scale).ceil() / scale),
                ("floor", _) => Value::Float((number * scale).floor() / scale),
                (_, Ok(_)) if value.as_int().is_some() => value.clone(),
                // Writing a number rounds it as it stands, without the error of scaling it.
                (_, Ok(digits)) => Value::Float(format!("{number:.digits$}").parse().unwrap_or(number)),
                (_, Err(_)) => Value::Float((number * scale).round_ties_even() / scale),
            }
        }
    })
}

/// A value's attribute by a name, a number, or several divided by dots.
fn attribute(engine: &Engine<'_>, value: &Value, path: &Value) -> Result<Value> {
    let Value::Text(path) = path else {
        return engine.item(value, path);
    };
    let mut value = value.clone();
    for name in path.split('.') {
        engine.meter.spend(1)?;
        value = match name.parse() {
            Ok(index) => engine.item(&value, &Value::Int(index))?,
            Err(_) => engine.item(&value, &Value::text(&engine.meter, name)?)?,
        };
    }
    Ok(value)
}

/// Values, or an attribute of each.
fn mapped(engine: &Engine<'_>, items: &[Value], path: Option<&Value>) -> Result<Vec<Value>> {
    engine.meter.spend(items.len())?;
    match path {
        None | Some(Value::None) => Ok(items.to_vec()),
        Some(path) => items.iter().map(|item| attribute(engine, item, path)).collect(),
    }
}

/// What values are compared by: an attribute, and without regard to case.
fn keys(engine: &Engine<'_>, items: &[Value], path: Option<&Value>, sensitive: bool) -> Result<Vec<Value>> {
    let mut keys = mapped(engine, items, path)?;
    for key in &mut keys {
        if let (Value::Text(text), false) = (&*key, sensitive) {
            engine.meter.look(text)?;
            engine.meter.reserve(methods::CASED * text.len())?;
            *key = Value::text(&engine.meter, &text.to_lowercase())?;
        }
    }
    Ok(keys)
}

fn sorted(meter: &Rc<Meter>, items: &[Value], keys: Vec<Value>, reverse: bool) -> Result<Value> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    let mut failure = None;
    order.sort_by(|a, b| {
        let (a, b) = if reverse { (b, a) } else { (a, b) };
        // After an error the order no longer matters.
        match if failure.is_none() { keys[*a].order(&keys[*b], meter) } else { Ok(Ordering::Equal) } {
            Ok(order) => order,
            Err(error) => {
                failure = Some(error);
                Ordering::Equal
            }
        }
    });
    match failure {
        Some(error) => Err(error),
        None => Value::list(meter, order.into_iter().map(|at| items[at].clone()).collect()),
    }
}

/// Arguments behind the first ones.
fn behind(arguments: &Arguments, count: usize) -> Arguments {
    let positional = arguments.positional.get(count..).unwrap_or_default().to_vec();
    Arguments { positional, named: arguments.named.clone() }
}

fn map(engine: &mut Engine<'_>, value: &Value, arguments: &Arguments) -> Result<Value> {
    let items = value.iterate(&engine.meter)?;
    let mut results = Vec::with_capacity(items.items().len());
    if let Some((_, path)) = arguments.named.iter().find(|(name, _)| name == "attribute") {
        let default = arguments.named.iter().find(|(name, _)| name == "default").map(|(_, value)| value);
        for item in items.items() {
            results.push(match (attribute(engine, item, path)?, default) {
                (Value::Undefined, Some(default)) => default.clone(),
                (value, _) => value,
            });
        }
    } else {
        let (name, rest) = (arguments.need_text(0, "filter")?, behind(arguments, 1));
        engine.down()?;
        for item in items.items() {
            engine.meter.spend(1)?;
            results.push(apply(engine, name, item.clone(), &rest)?);
        }
        engine.up();
    }
    Value::list(&engine.meter, results)
}

fn select(engine: &Engine<'_>, name: &str, value: &Value, arguments: &Arguments) -> Result<Value> {
    let items = value.iterate(&engine.meter)?;
    let path = if name.ends_with("attr") { Some(arguments.need(0, "attribute")?) } else { None };
    let at = usize::from(path.is_some());
    let (test, rest) = (arguments.text(at, "test")?, behind(arguments, at + 1));
    let wanted = name.starts_with("select");
    let mut kept = Vec::new();
    for item in items.items() {
        engine.meter.spend(1)?;
        let value = match path {
            Some(path) => attribute(engine, item, path)?,
            None => item.clone(),
        };
        let passes = match test {
            Some(test) => checks::apply(&engine.meter, test, &value, &rest)?,
            None => value.is_true(),
        };
        if passes == wanted {
            kept.push(item.clone());
        }
    }
    Value::list(&engine.meter, kept)
}
