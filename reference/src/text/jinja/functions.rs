//! Functions: those of Jinja that templates use, and those that transformers adds.

use super::{arguments::Arguments, date, engine::Engine, name_of, print, value::Value, wrong};
use crate::error::{Error, ErrorClass, Result};

/// Names of all of them.
pub(super) const NAMES: [&str; 5] = ["range", "dict", "namespace", "raise_exception", "strftime_now"];
/// Longest `range`, as in Jinja's sandbox.
const MAX_RANGE: i64 = 100_000;
/// Longest format of a date, in bytes.
const MAX_FORMAT: usize = 1 << 10;

pub(super) fn call(engine: &mut Engine<'_>, name: &str, arguments: &Arguments) -> Result<Value> {
    match name {
        "range" => range(engine, arguments),
        "dict" => {
            let entries = entries(engine, arguments)?;
            Value::map(&engine.meter, entries)
        }
        "namespace" => {
            let attributes = entries(engine, arguments)?.into_iter();
            let attributes =
                attributes.map(|(key, value)| Ok((name_of(&key)?, value))).collect::<Result<_>>()?;
            engine.namespace(attributes)
        }
        "raise_exception" => {
            let message = print::text(&engine.meter, arguments.need(0, "message")?)?;
            let message: String = message.chars().take(1000).collect();
            let expected = "messages that the chat template takes";
            Err(Error::new(ErrorClass::InvalidArgument, super::FIELD, expected, message))
        }
        "strftime_now" => {
            let format = arguments.need_text(0, "format")?;
            if format.len() > MAX_FORMAT {
                return Err(wrong(
                    format!("a format of at most {MAX_FORMAT} bytes"),
                    format.len().to_string(),
                ));
            }
            let text = date::format(engine.now, format);
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
fn entries(engine: &Engine<'_>, arguments: &Arguments) -> Result<Vec<(Value, Value)>> {
    let meter = &engine.meter;
    let mut entries: Vec<(Value, Value)> = Vec::new();
    let mut set = |key: Value, value: Value| -> Result<()> {
        for (other, old) in &mut entries {
            if other.equals(&key, meter)? {
                *old = value;
                return Ok(());
            }
        }
        entries.push((key, value));
        Ok(())
    };
    match arguments.positional.first() {
        None => {}
        Some(Value::Map(map)) => {
            for (key, value) in map.entries() {
                set(key.clone(), value.clone())?;
            }
        }
        Some(list @ Value::List(_)) => {
            for pair in list.iterate(meter)?.items() {
                match pair.iterate(meter)?.items() {
                    [Value::List(_) | Value::Map(_), _] => {
                        return Err(wrong("a key that can be looked up", "another"));
                    }
                    [key, value] => set(key.clone(), value.clone())?,
                    other => return Err(wrong("pairs", other.len().to_string())),
                }
            }
        }
        Some(other) => return Err(wrong("a dict", other.kind())),
    }
    for (name, value) in &arguments.named {
        set(Value::text(meter, name)?, value.clone())?;
    }
    Ok(entries)
}
