//! Statements, scopes and macros.

use std::{cell::Cell, collections::HashMap, rc::Rc, time::SystemTime};

use minijinja::machinery::ast::{CallBlock, Expr, ForLoop, Macro, Stmt};
use serde_json::Map;

use super::{
    FIELD,
    arguments::Arguments,
    filters, functions,
    meter::{Buffer, Meter},
    print,
    value::{List, Loop, Value},
    wrong,
};
use crate::error::{Error, ErrorClass, Result};

/// Most levels of expressions, statements and macros in each other. A template that writes a JSON schema by a macro that
/// calls itself takes some ten for each level of the schema.
const MAX_DEPTH: usize = 400;
/// What a namespace or a macro takes; they live until the end.
const OBJECT: usize = 512;

type Frame<'t> = HashMap<&'t str, Value>;

/// Whether to go on behind a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

struct Defined<'t> {
    declaration: &'t Macro<'t>,
    /// What stood around it, but for the outermost scope.
    around: Frame<'t>,
}

/// A rendering.
pub(super) struct Engine<'t> {
    pub(super) meter: Rc<Meter>,
    pub(super) namespaces: Vec<HashMap<String, Value>>,
    pub(super) now: SystemTime,
    globals: HashMap<String, Value>,
    root: Frame<'t>,
    frames: Vec<Frame<'t>>,
    macros: Vec<Defined<'t>>,
    /// Loops that call themselves.
    loops: Vec<&'t ForLoop<'t>>,
    depth: usize,
}

impl<'t> Engine<'t> {
    pub(super) fn new(now: SystemTime) -> Self {
        let globals =
            functions::NAMES.iter().map(|name| ((*name).to_owned(), Value::Function(name))).collect();
        Self {
            meter: Meter::new(),
            namespaces: Vec::new(),
            now,
            globals,
            root: Frame::new(),
            frames: Vec::new(),
            macros: Vec::new(),
            loops: Vec::new(),
            depth: 0,
        }
    }

    pub(super) fn render(
        mut self,
        tree: &'t Stmt<'t>,
        variables: Map<String, serde_json::Value>,
    ) -> Result<String> {
        for (name, value) in variables {
            let value = Value::of(&self.meter, &value, 0)?;
            self.globals.insert(name, value);
        }
        let mut out = Buffer::new(&self.meter);
        self.statement(tree, &mut out)?;
        Ok(out.into_string())
    }

    pub(super) fn down(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let expected = format!("at most {MAX_DEPTH} levels of expressions, statements and macros");
            return Err(Error::new(ErrorClass::LimitExceeded, FIELD, expected, "more"));
        }
        Ok(())
    }

    pub(super) fn up(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn lookup(&self, name: &str) -> Result<Value> {
        self.meter.spend(self.frames.len() / 8)?;
        let local = self.frames.iter().rev().find_map(|frame| frame.get(name));
        let found = local.or_else(|| self.root.get(name)).or_else(|| self.globals.get(name));
        Ok(found.cloned().unwrap_or(Value::Undefined))
    }

    pub(super) fn namespace(&mut self, attributes: HashMap<String, Value>) -> Result<Value> {
        self.meter.hold(OBJECT * (1 + attributes.len()))?;
        if let Some(name) = attributes.keys().find(|name| name.starts_with('_')) {
            return Err(hidden(name));
        }
        self.namespaces.push(attributes);
        Ok(Value::Namespace(self.namespaces.len() - 1))
    }

    fn define(&mut self, name: &'t str, value: Value) {
        self.frames.last_mut().unwrap_or(&mut self.root).insert(name, value);
    }

    /// Gives values to what stands left of `=`, or behind `for`.
    fn assign(&mut self, target: &'t Expr<'t>, value: Value) -> Result<()> {
        match target {
            Expr::Var(var) => self.define(var.id, value),
            Expr::List(targets) => {
                let items = value.iterate(&self.meter)?;
                if items.items().len() != targets.items.len() {
                    let expected = format!("{} values", targets.items.len());
                    return Err(wrong(expected, items.items().len().to_string()));
                }
                self.down()?;
                for (target, item) in targets.items.iter().zip(items.items()) {
                    self.assign(target, item.clone())?;
                }
                self.up();
            }
            Expr::GetAttr(node) => {
                let Value::Namespace(index) = self.evaluate(&node.expr)? else {
                    return Err(wrong("a namespace to set an attribute of", node.name));
                };
                if node.name.starts_with('_') {
                    return Err(hidden(node.name));
                }
                self.namespaces[index].insert(node.name.to_owned(), value);
            }
            _ => return Err(wrong("a name to set", target.description())),
        }
        Ok(())
    }

    fn block(&mut self, body: &'t [Stmt<'t>], out: &mut Buffer) -> Result<Flow> {
        for statement in body {
            match self.statement(statement, out)? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    /// The same in a scope of its own.
    fn scope(&mut self, body: &'t [Stmt<'t>], out: &mut Buffer) -> Result<Flow> {
        self.frames.push(Frame::new());
        let flow = self.block(body, out);
        self.frames.pop();
        flow
    }

    fn statement(&mut self, statement: &'t Stmt<'t>, out: &mut Buffer) -> Result<Flow> {
        self.meter.spend(1)?;
        self.down()?;
        let flow = match statement {
            Stmt::Template(node) => self.block(&node.children, out)?,
            Stmt::EmitRaw(node) => {
                out.push(node.raw)?;
                Flow::Next
            }
            Stmt::EmitExpr(node) => {
                let value = self.evaluate(&node.expr)?;
                print::write(out, &value)?;
                Flow::Next
            }
            Stmt::IfCond(node) => {
                let body =
                    if self.evaluate(&node.expr)?.is_true() { &node.true_body } else { &node.false_body };
                self.block(body, out)?
            }
            Stmt::ForLoop(node) => {
                let items = self.evaluate(&node.iter)?.iterate(&self.meter)?;
                if node.recursive {
                    self.loops.push(node);
                }
                self.for_loop(node, items, 0, out)?;
                if node.recursive {
                    self.loops.pop();
                }
                Flow::Next
            }
            Stmt::Set(node) => {
                let value = self.evaluate(&node.expr)?;
                self.assign(&node.target, value)?;
                Flow::Next
            }
            Stmt::SetBlock(node) => {
                let value = self.capture(&node.body)?;
                let value = match &node.filter {
                    Some(filter) => self.filtered(filter, value)?,
                    None => value,
                };
                self.assign(&node.target, value)?;
                Flow::Next
            }
            Stmt::FilterBlock(node) => {
                let value = self.capture(&node.body)?;
                let value = self.filtered(&node.filter, value)?;
                print::write(out, &value)?;
                Flow::Next
            }
            Stmt::WithBlock(node) => {
                let mut frame = Frame::new();
                for (target, value) in &node.assignments {
                    let value = self.evaluate(value)?;
                    // All values belong to the scope outside.
                    self.frames.push(frame);
                    self.assign(target, value)?;
                    frame = self.frames.pop().unwrap_or_default();
                }
                self.frames.push(frame);
                let flow = self.block(&node.body, out)?;
                self.frames.pop();
                flow
            }
            Stmt::Macro(node) => {
                let value = self.define_macro(node)?;
                self.define(node.name, value);
                Flow::Next
            }
            Stmt::CallBlock(node) => {
                let value = self.call_block(node)?;
                print::write(out, &value)?;
                Flow::Next
            }
            Stmt::Continue(_) => Flow::Continue,
            Stmt::Break(_) => Flow::Break,
            other => return Err(wrong("statements of chat templates", kind(other))),
        };
        self.up();
        Ok(flow)
    }

    fn for_loop(&mut self, node: &'t ForLoop<'t>, items: List, depth: usize, out: &mut Buffer) -> Result<()> {
        let items = match &node.filter_expr {
            Some(filter) => self.kept(node, filter, &items)?,
            None => items,
        };
        if items.items().is_empty() {
            return self.scope(&node.else_body, out).map(|_| ());
        }
        let state = Rc::new(Loop { items: items.clone(), index: Cell::new(0), depth });
        for (index, item) in items.items().iter().enumerate() {
            self.meter.spend(1)?;
            state.index.set(index);
            self.frames.push(Frame::from([("loop", Value::Loop(state.clone()))]));
            self.assign(&node.target, item.clone())?;
            let flow = self.block(&node.body, out)?;
            self.frames.pop();
            if flow == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    /// The items that pass the `if` of a `for`.
    fn kept(&mut self, node: &'t ForLoop<'t>, filter: &'t Expr<'t>, items: &List) -> Result<List> {
        let mut kept = Vec::new();
        self.frames.push(Frame::new());
        for item in items.items() {
            self.assign(&node.target, item.clone())?;
            if self.evaluate(filter)?.is_true() {
                kept.push(item.clone());
            }
        }
        self.frames.pop();
        List::new(&self.meter, kept)
    }

    /// `loop(…)` in a recursive `for`.
    pub(super) fn call_loop(&mut self, items: List, depth: usize) -> Result<Value> {
        let Some(node) = self.loops.last().copied() else {
            return Err(wrong("a recursive for around loop()", "none"));
        };
        let mut out = Buffer::new(&self.meter);
        self.for_loop(node, items, depth, &mut out)?;
        out.into_text().map(Value::Text)
    }

    fn capture(&mut self, body: &'t [Stmt<'t>]) -> Result<Value> {
        let mut out = Buffer::new(&self.meter);
        self.scope(body, &mut out)?;
        out.into_text().map(Value::Text)
    }

    /// Puts a value through a chain of filters that starts with nothing.
    fn filtered(&mut self, filter: &'t Expr<'t>, value: Value) -> Result<Value> {
        let mut chain = Vec::new();
        let mut rest = Some(filter);
        while let Some(expr) = rest {
            let Expr::Filter(node) = expr else {
                return Err(wrong("filters", expr.description()));
            };
            chain.push(node);
            rest = node.expr.as_ref();
        }
        let mut value = value;
        for node in chain.into_iter().rev() {
            let arguments = self.arguments(&node.args)?;
            value = filters::apply(self, node.name, value, &arguments)?;
        }
        Ok(value)
    }

    fn define_macro(&mut self, declaration: &'t Macro<'t>) -> Result<Value> {
        let size: usize = self.frames.iter().map(HashMap::len).sum();
        self.meter.hold(OBJECT + 64 * size)?;
        let mut around = Frame::new();
        for frame in &self.frames {
            around.extend(frame.iter().map(|(name, value)| (*name, value.clone())));
        }
        let value = Value::Macro(self.macros.len());
        around.insert(declaration.name, value.clone());
        self.macros.push(Defined { declaration, around });
        Ok(value)
    }

    fn call_block(&mut self, node: &'t CallBlock<'t>) -> Result<Value> {
        let caller = self.define_macro(&node.macro_decl)?;
        let Value::Macro(index) = self.evaluate(&node.call.expr)? else {
            return Err(wrong("a macro to call", "something else"));
        };
        let mut arguments = self.arguments(&node.call.args)?;
        arguments.named.push(("caller".to_owned(), caller));
        self.call_macro(index, &arguments)
    }

    pub(super) fn call_macro(&mut self, index: usize, arguments: &Arguments) -> Result<Value> {
        let Defined { declaration, around } = &self.macros[index];
        let (declaration, around) = (*declaration, around.clone());
        let held = 64 * around.len();
        self.meter.hold(held)?;
        self.down()?;
        let outside = std::mem::replace(&mut self.frames, vec![around, Frame::new()]);
        let required = declaration.args.len().saturating_sub(declaration.defaults.len());
        let mut names = vec!["caller"];
        for (at, target) in declaration.args.iter().enumerate() {
            let Expr::Var(var) = target else {
                return Err(wrong("names of a macro's arguments", target.description()));
            };
            names.push(var.id);
            let given = arguments.get(at, var.id).cloned();
            let value = match (given, at.checked_sub(required).and_then(|at| declaration.defaults.get(at))) {
                (Some(value), _) => value,
                (None, Some(default)) => self.evaluate(default)?,
                (None, None) => Value::Undefined,
            };
            self.define(var.id, value);
        }
        let rest = arguments.positional.get(declaration.args.len()..).unwrap_or_default();
        let rest = Value::tuple(&self.meter, rest.to_vec())?;
        self.define("varargs", rest);
        let mut named = Vec::new();
        for (name, value) in arguments.named.iter().filter(|(name, _)| !names.contains(&&**name)) {
            named.push((Value::text(&self.meter, name)?, value.clone()));
        }
        let named = Value::map(&self.meter, named)?;
        self.define("kwargs", named);
        if let Some((_, caller)) = arguments.named.iter().find(|(name, _)| name == "caller") {
            self.define("caller", caller.clone());
        }
        let mut out = Buffer::new(&self.meter);
        self.block(&declaration.body, &mut out)?;
        self.frames = outside;
        self.meter.release(held);
        self.up();
        out.into_text().map(Value::Text)
    }
}

fn hidden(name: &str) -> Error {
    wrong("names that do not start with an underscore", name)
}

fn kind(statement: &Stmt<'_>) -> &'static str {
    match statement {
        Stmt::AutoEscape(_) => "autoescape",
        Stmt::Do(_) => "do",
        _ => "a statement of several templates",
    }
}
