//! Expressions.

use minijinja::machinery::ast::{
    BinOp, BinOpKind, Call, CallArg, Compare, CompareOpKind, Expr, Slice, UnaryOpKind,
};
use minijinja::value::ValueKind;

use super::{
    arguments::Arguments, checks, engine::Engine, filters, functions, methods, name_of, operators,
    value::Value, wrong,
};
use crate::error::Result;

impl<'t> Engine<'t> {
    pub(super) fn evaluate(&mut self, expr: &'t Expr<'t>) -> Result<Value> {
        self.meter.spend(1)?;
        self.down()?;
        let value = match expr {
            Expr::Var(var) => self.lookup(var.id),
            Expr::Const(constant) => self.constant(&constant.value),
            Expr::UnaryOp(node) => {
                let value = self.evaluate(&node.expr)?;
                match node.op {
                    UnaryOpKind::Not => Ok(Value::Bool(!value.is_true())),
                    UnaryOpKind::Neg => operators::negate(&value),
                }
            }
            Expr::BinOp(node) => self.binary(node),
            Expr::Compare(node) => self.compare(node),
            Expr::IfExpr(node) => {
                if self.evaluate(&node.test_expr)?.is_true() {
                    self.evaluate(&node.true_expr)
                } else {
                    node.false_expr.as_ref().map_or(Ok(Value::Undefined), |other| self.evaluate(other))
                }
            }
            Expr::Filter(node) => {
                let Some(expr) = &node.expr else {
                    return Err(wrong("a filter of something", node.name));
                };
                let value = self.evaluate(expr)?;
                self.filter(node.name, value, &node.args)
            }
            Expr::Test(node) => {
                let value = self.evaluate(&node.expr)?;
                let arguments = self.arguments(&node.args)?;
                checks::apply(&self.meter, node.name, &value, &arguments).map(Value::Bool)
            }
            Expr::GetAttr(node) => {
                let value = self.evaluate(&node.expr)?;
                self.attribute(&value, node.name)
            }
            Expr::GetItem(node) => {
                let value = self.evaluate(&node.expr)?;
                let key = self.evaluate(&node.subscript_expr)?;
                self.item(&value, &key)
            }
            Expr::Slice(node) => self.slice(node),
            Expr::Call(node) => self.call(node),
            Expr::List(node) => {
                let items = node.items.iter().map(|item| self.evaluate(item)).collect::<Result<_>>()?;
                Value::list(&self.meter, items)
            }
            Expr::Map(node) => {
                let mut entries: Vec<(Value, Value)> = Vec::new();
                for (key, value) in node.keys.iter().zip(&node.values) {
                    let (key, value) = (self.evaluate(key)?, self.evaluate(value)?);
                    if matches!(key, Value::List(_) | Value::Map(_)) {
                        return Err(wrong("a key that can be looked up", key.kind()));
                    }
                    let mut same = None;
                    for (at, (other, _)) in entries.iter().enumerate() {
                        if other.equals(&key, &self.meter)? {
                            same = Some(at);
                        }
                    }
                    match same {
                        Some(at) => entries[at].1 = value,
                        None => entries.push((key, value)),
                    }
                }
                Value::map(&self.meter, entries)
            }
        };
        self.up();
        value
    }

    fn constant(&self, value: &minijinja::Value) -> Result<Value> {
        Ok(match value.kind() {
            ValueKind::Undefined => Value::Undefined,
            ValueKind::None => Value::None,
            ValueKind::Bool => Value::Bool(value.is_true()),
            ValueKind::Number if value.is_integer() => {
                let number = i64::try_from(value.clone());
                Value::Int(number.map_err(|_| wrong("an int of 64 bits", "a larger one"))?)
            }
            ValueKind::Number => Value::Float(
                f64::try_from(value.clone()).map_err(|error| wrong("a number", error.to_string()))?,
            ),
            ValueKind::String => Value::text(&self.meter, value.as_str().unwrap_or(""))?,
            other => return Err(wrong("a constant", other.to_string())),
        })
    }

    /// Operators at the same level nest to the left without end, so they are gone through in place.
    fn binary(&mut self, node: &'t BinOp<'t>) -> Result<Value> {
        let mut nodes = vec![node];
        let mut left = &node.left;
        while let Expr::BinOp(node) = left {
            nodes.push(node);
            left = &node.left;
        }
        let mut value = self.evaluate(left)?;
        for node in nodes.into_iter().rev() {
            value = match node.op {
                BinOpKind::ScAnd if !value.is_true() => value,
                BinOpKind::ScOr if value.is_true() => value,
                BinOpKind::ScAnd | BinOpKind::ScOr => self.evaluate(&node.right)?,
                op => {
                    let right = self.evaluate(&node.right)?;
                    operators::binary(&self.meter, op, &value, &right)?
                }
            };
        }
        Ok(value)
    }

    fn compare(&mut self, node: &'t Compare<'t>) -> Result<Value> {
        let mut left = self.evaluate(&node.expr)?;
        for op in &node.ops {
            let right = self.evaluate(&op.expr)?;
            let (kind, negated) = match op.op {
                CompareOpKind::Eq => (BinOpKind::Eq, false),
                CompareOpKind::Ne => (BinOpKind::Ne, false),
                CompareOpKind::Lt => (BinOpKind::Lt, false),
                CompareOpKind::Lte => (BinOpKind::Lte, false),
                CompareOpKind::Gt => (BinOpKind::Gt, false),
                CompareOpKind::Gte => (BinOpKind::Gte, false),
                CompareOpKind::In => (BinOpKind::In, false),
                CompareOpKind::NotIn => (BinOpKind::In, true),
            };
            if operators::binary(&self.meter, kind, &left, &right)?.is_true() == negated {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    pub(super) fn arguments(&mut self, args: &'t [CallArg<'t>]) -> Result<Arguments> {
        let mut arguments = Arguments::default();
        for arg in args {
            match arg {
                CallArg::Pos(expr) => arguments.positional.push(self.evaluate(expr)?),
                CallArg::Kwarg(name, expr) => {
                    arguments.named.push(((*name).to_owned(), self.evaluate(expr)?));
                }
                CallArg::PosSplat(expr) => {
                    let list = self.evaluate(expr)?.iterate(&self.meter)?;
                    arguments.positional.extend_from_slice(list.items());
                }
                CallArg::KwargSplat(expr) => match self.evaluate(expr)? {
                    Value::Map(map) => {
                        for (key, value) in map.entries() {
                            arguments.named.push((name_of(key)?, value.clone()));
                        }
                    }
                    other => return Err(wrong("a dict of arguments", other.kind())),
                },
            }
        }
        Ok(arguments)
    }

    pub(super) fn filter(&mut self, name: &str, value: Value, args: &'t [CallArg<'t>]) -> Result<Value> {
        let arguments = self.arguments(args)?;
        filters::apply(self, name, value, &arguments)
    }

    /// `value.name`.
    pub(super) fn attribute(&self, value: &Value, name: &str) -> Result<Value> {
        match value {
            Value::Undefined => Err(wrong(format!("something that has {name}"), "nothing")),
            Value::Map(map) => Ok(map.get(name)?.cloned().unwrap_or(Value::Undefined)),
            Value::Namespace(index) => {
                Ok(self.namespaces[*index].get(name).cloned().unwrap_or(Value::Undefined))
            }
            Value::Loop(state) => Ok(state.attribute(name)),
            _ => Ok(Value::Undefined),
        }
    }

    /// `value[key]`.
    pub(super) fn item(&self, value: &Value, key: &Value) -> Result<Value> {
        let at = |len: usize| {
            let index = key.as_int()?;
            usize::try_from(if index < 0 { index + i64::try_from(len).ok()? } else { index }).ok()
        };
        let found = match (value, key) {
            (Value::Undefined, _) => return Err(wrong("something that has items", "nothing")),
            (Value::Map(map), _) => map.find(key)?.cloned(),
            (Value::Namespace(_) | Value::Loop(_), Value::Text(name)) => return self.attribute(value, name),
            (Value::List(list), _) => at(list.items().len()).and_then(|at| list.items().get(at)).cloned(),
            (Value::Text(text), _) if key.as_int().is_some() => {
                self.meter.look(text)?;
                let char = at(text.chars().count()).and_then(|at| text.chars().nth(at));
                let char = char.map(|char| Value::text(&self.meter, char.encode_utf8(&mut [0; 4])));
                char.transpose()?
            }
            _ => None,
        };
        Ok(found.unwrap_or(Value::Undefined))
    }

    fn slice(&mut self, node: &'t Slice<'t>) -> Result<Value> {
        let value = self.evaluate(&node.expr)?;
        let mut bound = |expr: &'t Option<Expr<'t>>| -> Result<Option<i64>> {
            let Some(expr) = expr else { return Ok(None) };
            match self.evaluate(expr)? {
                Value::None => Ok(None),
                bound => bound.as_int().map(Some).ok_or_else(|| wrong("an int as a bound", bound.kind())),
            }
        };
        let (start, stop, step) = (bound(&node.start)?, bound(&node.stop)?, bound(&node.step)?.unwrap_or(1));
        if step == 0 {
            return Err(wrong("a step other than 0", "0"));
        }
        match &value {
            Value::List(list) => {
                let places = places(list.items().len(), start, stop, step);
                Value::list(&self.meter, places.map(|at| list.items()[at].clone()).collect())
            }
            Value::Text(text) => {
                self.meter.look(text)?;
                // Four bytes for each character that passes through here.
                self.meter.reserve(text.len().saturating_mul(size_of::<char>()))?;
                let chars: Vec<char> = text.chars().collect();
                let part: String = places(chars.len(), start, stop, step).map(|at| chars[at]).collect();
                Value::text(&self.meter, &part)
            }
            other => Err(wrong("something to take a part of", other.kind())),
        }
    }

    fn call(&mut self, node: &'t Call<'t>) -> Result<Value> {
        if let Expr::GetAttr(method) = &node.expr {
            let object = self.evaluate(&method.expr)?;
            let arguments = self.arguments(&node.args)?;
            if let Some(value) = methods::apply(&self.meter, &object, method.name, &arguments)? {
                return Ok(value);
            }
            let value = self.attribute(&object, method.name)?;
            if matches!(value, Value::Undefined) {
                return Err(wrong(format!("a {} with a method {}", object.kind(), method.name), "none"));
            }
            return self.call_value(&value, &arguments);
        }
        let value = self.evaluate(&node.expr)?;
        if let (Value::Undefined, Expr::Var(var)) = (&value, &node.expr) {
            return Err(wrong("a function that is known here", var.id));
        }
        let arguments = self.arguments(&node.args)?;
        self.call_value(&value, &arguments)
    }

    fn call_value(&mut self, value: &Value, arguments: &Arguments) -> Result<Value> {
        match value {
            Value::Macro(index) => self.call_macro(*index, arguments),
            Value::Function(name) => functions::call(self, name, arguments),
            Value::Loop(state) => {
                let items = arguments.need(0, "items")?.iterate(&self.meter)?;
                self.call_loop(items, state.depth + 1)
            }
            other => Err(wrong("something that can be called", other.kind())),
        }
    }
}

/// Places that a slice takes, as Python counts them.
fn places(len: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> impl Iterator<Item = usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    // Bounds lie between the first and one behind the last, or one less when going back.
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |bound: i64| (if bound < 0 { bound.saturating_add(len) } else { bound }).clamp(low, high);
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    let (start, stop) = (start.map_or(first, clamp), stop.map_or(last, clamp));
    let mut at = Some(start);
    std::iter::from_fn(move || {
        let here = at.filter(|at| if step > 0 { *at < stop } else { *at > stop })?;
        at = here.checked_add(step);
        usize::try_from(here).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_as_in_python() {
        let of = |start, stop, step| places(5, start, stop, step).collect::<Vec<_>>();
        assert_eq!(of(Some(1), None, 1), [1, 2, 3, 4]);
        assert_eq!(of(None, Some(-1), 1), [0, 1, 2, 3]);
        assert_eq!(of(None, None, -1), [4, 3, 2, 1, 0]);
        assert_eq!(of(Some(-2), None, 1), [3, 4]);
        assert_eq!(of(Some(3), Some(0), -2), [3, 1]);
        assert_eq!(of(Some(9), Some(i64::MIN), -3), [4, 1]);
        assert_eq!(of(Some(9), None, i64::MAX), [] as [usize; 0]);
        assert_eq!(of(None, None, i64::MAX), [0]);
        assert_eq!(of(None, None, i64::MIN), [4]);
    }
}
