//! Functions: those of Jinja that templates use, and those that transformers adds.

use std::collections::HashMap;

use super::{arguments::Arguments, date, engine::Engine, print, value::Value, wrong};
use crate::error::{Error, ErrorClass, Result};

/// Names of all of them.
pub(super) const NAMES: [&str; 5] = ["range", "dict", "namespace", "raise_exception", "strftime_now"];
/// Longest `range`, as in Jinja's sandbox.
const MAX_RANGE: i64 = 100_000;

pub(super) fn call(engine: &mut Engine<'_>, name: &str, arguments: &Arguments) -> Result<Value> {
    match name {
        "range" => range(engine, arguments),
        "dict" => {
            let entries = entries(engine, arguments)?;
            let entries =
                entries.into_iter().map(|(name, value)| Ok((Value::text(&engine.meter, &name)?, value)));
            let entries = entries.collect::<Result<_>>()?;
            Value::map(&engine.meter, entries)
        }
        "namespace" => {
            let attributes: HashMap<String, Value> = entries(engine, arguments)?.into_iter().collect();
            engine.namespace(attributes)
        }
        "raise_exception" => {
            let message = print::text(&engine.meter, arguments.need(0, "message")?)?;
            let message: String = message.chars().take(1000).collect();
            let expected = "messages that the chat template takes";
            Err(Error::new(ErrorClass::InvalidArgument, super::FIELD, expected, message))
        }
        "strftime_now" => {
            let text = date::format(engine.now, arguments.need_text(0, "format")?);
            Value::text(&engine.meter, &text)
        }
        _ => Err(wrong("a function that is known here", name)),
    }
}

fn range(engine: &Engine<'_>, arguments: &Arguments) -> Result<Value> {
    let (start, stop) = match arguments.int(1, "stop")? {
        Some(stop) => (arguments.int(0, "start")?.unwrap_or(0), stop),
        None => (0, arguments.int(0, "stop")?.ok_or_else(|| wrong("an end of the range", "none"))?),
    };
    let step = arguments.int(2, "step")?.unwrap_or(1);
    if step == 0 {
        return Err(wrong("a step other than 0", "0"));
    }
    let span =
        if step > 0 { i128::from(stop) - i128::from(start) } else { i128::from(start) - i128::from(stop) };
    let step_size = i128::from(step.unsigned_abs());
    let len = (span.max(0) + step_size - 1) / step_size;
    if len > i128::from(MAX_RANGE) {
        let expected = format!("a range of at most {MAX_RANGE}");
        return Err(Error::new(ErrorClass::LimitExceeded, super::FIELD, expected, len.to_string()));
    }
    let numbers = (0..).take(len as usize).map(|index: i64| Value::Int(start + index * step));
    engine.meter.spend(len as usize / 4)?;
    Value::list(&engine.meter, numbers.collect())
}

/// The entries of a map, or of a list of pairs, and those given by name, which go before them.
fn entries(engine: &Engine<'_>, arguments: &Arguments) -> Result<Vec<(String, Value)>> {
    let mut entries: Vec<(String, Value)> = Vec::new();
    let mut set = |name: String, value: Value| -> Result<()> {
        engine.meter.spend(1 + entries.len() / 8)?;
        match entries.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => entries.push((name, value)),
        }
        Ok(())
    };
    match arguments.get(0, "") {
        None => {}
        Some(Value::Map(map)) => {
            for (key, value) in map.entries() {
                set(print::text(&engine.meter, key)?.to_string(), value.clone())?;
            }
        }
        Some(list @ Value::List(_)) => {
            for pair in list.iterate(&engine.meter)?.items() {
                match pair.iterate(&engine.meter)?.items() {
                    [key, value] => set(print::text(&engine.meter, key)?.to_string(), value.clone())?,
                    other => return Err(wrong("pairs", other.len().to_string())),
                }
            }
        }
        Some(other) => return Err(wrong("a dict", other.kind())),
    }
    for (name, value) in &arguments.named {
        set(name.clone(), value.clone())?;
    }
    Ok(entries)
}
