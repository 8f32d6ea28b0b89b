//! Arithmetic, as Python does it.

use std::rc::Rc;

use minijinja::machinery::ast::BinOpKind;

use super::{
    meter::{Buffer, Meter},
    print,
    value::Value,
    wrong,
};
use crate::error::Result;

/// Applies an operator other than `and` and `or`.
pub(super) fn binary(meter: &Rc<Meter>, op: BinOpKind, a: &Value, b: &Value) -> Result<Value> {
    Ok(Value::Bool(match op {
        BinOpKind::Eq => a.equals(b, meter)?,
        BinOpKind::Ne => !a.equals(b, meter)?,
        BinOpKind::Lt => a.order(b, meter)?.is_lt(),
        BinOpKind::Lte => a.order(b, meter)?.is_le(),
        BinOpKind::Gt => a.order(b, meter)?.is_gt(),
        BinOpKind::Gte => a.order(b, meter)?.is_ge(),
        BinOpKind::In => b.contains(a, meter)?,
        BinOpKind::Concat => return concat(meter, a, b),
        BinOpKind::Add => return add(meter, a, b),
        BinOpKind::Mul => return multiply(meter, a, b),
        BinOpKind::Sub => return number("-", a, b, i64::checked_sub, |a, b| a - b),
        BinOpKind::Div => return divide(a, b),
        BinOpKind::FloorDiv => {
            nonzero(b)?;
            return number("//", a, b, floor, |a, b| (a / b).floor());
        }
        BinOpKind::Rem => {
            nonzero(b)?;
            return number("%", a, b, remainder, |a, b| a - b * (a / b).floor());
        }
        BinOpKind::Pow => return power(a, b),
        BinOpKind::ScAnd | BinOpKind::ScOr => return Err(wrong("an operator on values", "and, or")),
    }))
}

/// `-value`.
pub(super) fn negate(value: &Value) -> Result<Value> {
    match value {
        Value::Float(number) => Ok(Value::Float(-number)),
        _ => match value.as_int() {
            Some(number) => number.checked_neg().map(Value::Int).ok_or_else(too_large),
            None => Err(wrong("a number to negate", value.kind())),
        },
    }
}

fn concat(meter: &Rc<Meter>, a: &Value, b: &Value) -> Result<Value> {
    let mut out = Buffer::new(meter);
    print::write(&mut out, a)?;
    print::write(&mut out, b)?;
    out.into_text().map(Value::Text)
}

fn add(meter: &Rc<Meter>, a: &Value, b: &Value) -> Result<Value> {
    match (a, b) {
        (Value::Text(_), Value::Text(_)) => concat(meter, a, b),
        (Value::List(a), Value::List(b)) => {
            meter.reserve(size_of_val(a.items()) + size_of_val(b.items()))?;
            Value::list(meter, [a.items(), b.items()].concat())
        }
        _ => number("+", a, b, i64::checked_add, |a, b| a + b),
    }
}

fn multiply(meter: &Rc<Meter>, a: &Value, b: &Value) -> Result<Value> {
    let (of, times) = match (a, b) {
        (Value::Text(_) | Value::List(_), _) => (a, b.as_int()),
        (_, Value::Text(_) | Value::List(_)) => (b, a.as_int()),
        _ => return number("*", a, b, i64::checked_mul, |a, b| a * b),
    };
    let times = times.ok_or_else(|| wrong("an int of times", format!("{} and {}", a.kind(), b.kind())))?;
    let times = usize::try_from(times).unwrap_or(0);
    match of {
        Value::Text(text) => {
            meter.reserve(text.len().saturating_mul(times))?;
            Value::text(meter, &text.repeat(times))
        }
        Value::List(list) => {
            meter.reserve(size_of_val(list.items()).saturating_mul(times))?;
            let len = list.items().len().saturating_mul(times);
            Value::list(meter, list.items().iter().cycle().take(len).cloned().collect())
        }
        _ => Ok(Value::Undefined),
    }
}

fn divide(a: &Value, b: &Value) -> Result<Value> {
    nonzero(b)?;
    match (a.as_float(), b.as_float()) {
        (Some(a), Some(b)) => Ok(Value::Float(a / b)),
        _ => Err(operands("/", a, b)),
    }
}

fn power(a: &Value, b: &Value) -> Result<Value> {
    if let (Some(a), Some(Ok(b))) = (a.as_int(), b.as_int().map(u32::try_from)) {
        return a.checked_pow(b).map(Value::Int).ok_or_else(too_large);
    }
    match (a.as_float(), b.as_float()) {
        (Some(a), Some(b)) => Ok(Value::Float(a.powf(b))),
        _ => Err(operands("**", a, b)),
    }
}

/// Rounds down, where Rust rounds towards zero.
fn floor(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

/// Has the sign of the divisor.
fn remainder(a: i64, b: i64) -> Option<i64> {
    let rest = a.checked_rem(b)?;
    Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
}

fn number(
    op: &str,
    a: &Value,
    b: &Value,
    ints: fn(i64, i64) -> Option<i64>,
    floats: fn(f64, f64) -> f64,
) -> Result<Value> {
    if let (Some(a), Some(b)) = (a.as_int(), b.as_int()) {
        return ints(a, b).map(Value::Int).ok_or_else(too_large);
    }
    match (a.as_float(), b.as_float()) {
        (Some(a), Some(b)) => Ok(Value::Float(floats(a, b))),
        _ => Err(operands(op, a, b)),
    }
}

fn nonzero(value: &Value) -> Result<()> {
    if value.as_float() == Some(0.0) { Err(wrong("a divisor other than 0", "0")) } else { Ok(()) }
}

fn operands(op: &str, a: &Value, b: &Value) -> crate::Error {
    wrong(format!("values that have {op}"), format!("{} and {}", a.kind(), b.kind()))
}

fn too_large() -> crate::Error {
    wrong("an int of 64 bits", "a larger one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_divide_as_in_python() {
        for (a, b, quotient, rest) in
            [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1), (6, -3, -2, 0)]
        {
            assert_eq!((floor(a, b), remainder(a, b)), (Some(quotient), Some(rest)));
        }
        assert_eq!(floor(i64::MIN, -1), None);
    }
}
