//! Tests: what stands behind `is`.

use std::rc::Rc;

use minijinja::machinery::ast::BinOpKind;

use super::{arguments::Arguments, meter::Meter, operators, value::Value, wrong};
use crate::error::Result;

pub(super) fn apply(meter: &Rc<Meter>, name: &str, value: &Value, arguments: &Arguments) -> Result<bool> {
    let compare = |op| {
        let other = arguments.need(0, "other")?;
        operators::binary(meter, op, value, other).map(|result| result.is_true())
    };
    let int = || value.as_int().ok_or_else(|| wrong("an int", value.kind()));
    Ok(match name {
        "defined" => !matches!(value, Value::Undefined),
        "undefined" => matches!(value, Value::Undefined),
        "none" => matches!(value, Value::None),
        "boolean" => matches!(value, Value::Bool(_)),
        "true" => matches!(value, Value::Bool(true)),
        "false" => matches!(value, Value::Bool(false)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => value.as_float().is_some(),
        "string" => matches!(value, Value::Text(_)),
        "mapping" => matches!(value, Value::Map(_)),
        "sequence" => {
            matches!(
                value,
                Value::Text(_) | Value::List(_) | Value::Map(_) | Value::Undefined | Value::Loop(_)
            )
        }
        "iterable" => {
            matches!(
                value,
                Value::Text(_) | Value::List(_) | Value::Map(_) | Value::Undefined | Value::Loop(_)
            )
        }
        "callable" => matches!(value, Value::Macro(_) | Value::Function(_) | Value::Undefined),
        "odd" => int()? % 2 != 0,
        "even" => int()? % 2 == 0,
        "divisibleby" => compare(BinOpKind::Rem).map(|rest| !rest)?,
        "lower" => text(value, |text| text.to_lowercase() == text),
        "upper" => text(value, |text| text.to_uppercase() == text),
        "eq" | "equalto" | "==" => compare(BinOpKind::Eq)?,
        "ne" | "!=" => compare(BinOpKind::Ne)?,
        "lt" | "lessthan" | "<" => compare(BinOpKind::Lt)?,
        "le" | "<=" => compare(BinOpKind::Lte)?,
        "gt" | "greaterthan" | ">" => compare(BinOpKind::Gt)?,
        "ge" | ">=" => compare(BinOpKind::Gte)?,
        "in" => compare(BinOpKind::In)?,
        // Only for what is one of a kind in Python.
        "sameas" => match (value, arguments.need(0, "other")?) {
            (Value::None, Value::None) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            _ => false,
        },
        _ => return Err(wrong("a test that is known here", name)),
    })
}

fn text(value: &Value, check: impl Fn(&str) -> bool) -> bool {
    value.as_text().is_some_and(|text| text.chars().any(char::is_alphabetic) && check(text))
}
