//! Bytes expressions → bytes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::build::{
    Blocks, Content, ContentSize, Frame, KvPayload, MAX_HELD, Number, NumberType, SplitMix64, number_bytes,
    skippable_frame,
};

use super::node::{GrammarError, Node, Parsed};

/// Keys that begin a bytes expression, besides the number types.
pub(super) const EXPRESSIONS: &[&str] = &[
    "hex", "text", "range", "repeat", "zeros", "random", "uniform", "cat", "zstd", "proto", "kv", "message",
    "base", "from",
];

/// Messages and payloads by name that others are patched from.
#[derive(Debug, Default)]
pub(crate) struct Bases<'a> {
    /// Known bytes: the goldens.
    pub(crate) known: BTreeMap<String, Arc<[u8]>>,
    /// First step's part `message` of every recipe, by id.
    pub(crate) recipes: BTreeMap<&'a str, Node<'a>>,
    built: RefCell<BTreeMap<String, Arc<[u8]>>>,
    under_way: RefCell<Vec<String>>,
}

/// Bytes of a part, with what was patched in them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartBytes {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) patched: Vec<Range<usize>>,
    /// Name and bytes of what it was made from.
    pub(crate) base: Option<(String, Arc<[u8]>)>,
}

/// A payload section and what it holds when it is taken out of its zstd frame.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) stored: Content,
    pub(super) plain: Content,
}

impl<'a> Bases<'a> {
    pub(crate) fn new(known: BTreeMap<String, Arc<[u8]>>, recipes: BTreeMap<&'a str, Node<'a>>) -> Self {
        Self { known, recipes, ..Self::default() }
    }

    /// Bytes of a base.
    pub(crate) fn base(&self, name: &Node<'_>) -> Parsed<Arc<[u8]>> {
        let key = name.string()?;
        if let Some(bytes) = self.known.get(key) {
            return Ok(bytes.clone());
        }
        if let Some(bytes) = self.built.borrow().get(key) {
            return Ok(bytes.clone());
        }
        let Some(recipe) = self.recipes.get(key) else {
            return Err(name.error(format!(
                "`{key}` is no base; known: {} and the id of every recipe whose first step has a part `message`",
                self.known.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
            )));
        };
        if self.under_way.borrow().iter().any(|other| other == key) {
            return Err(name.error(format!("the base `{key}` is made from itself")));
        }
        self.under_way.borrow_mut().push(key.to_owned());
        let built = self.part(recipe, true);
        self.under_way.borrow_mut().pop();
        let built = built.map_err(|error| name.error(format!("the base `{key}` can't be made: {error}")))?;
        self.built.borrow_mut().insert(key.to_owned(), built.bytes.clone());
        Ok(built.bytes)
    }

    /// Bytes of a part; `message` allows the message form itself.
    pub(crate) fn part(&self, node: &Node<'_>, message: bool) -> Parsed<PartBytes> {
        let map = node.object()?;
        let is_expression = |key: &String| is_expression(key);
        if map.contains_key("base") {
            return self.patched_base(node);
        }
        if let Some(inner) = node.get("message").filter(|_| map.len() == 1) {
            return self.message(&inner);
        }
        if message && !map.keys().any(is_expression) {
            return self.message(node);
        }
        Ok(PartBytes { bytes: self.bytes(node)?, patched: Vec::new(), base: None })
    }

    /// Bytes of an expression, held.
    pub(crate) fn bytes(&self, node: &Node<'_>) -> Parsed<Arc<[u8]>> {
        self.content(node)?.into_bytes().map_err(|error| node.error(error.to_string()))
    }

    /// What an expression gives; a long run of one byte is not held.
    pub(super) fn content(&self, node: &Node<'_>) -> Parsed<Content> {
        if node.object()?.contains_key("base") {
            return Ok(Content::Bytes(self.patched_base(node)?.bytes));
        }
        let (key, inner) = node.single()?;
        if let Some(kind) = NumberType::named(key) {
            return numbers(kind, &inner);
        }
        match key {
            "hex" => Ok(inner.hex()?.into()),
            "text" => Ok(inner.string()?.as_bytes().to_vec().into()),
            "range" => range(&inner),
            "repeat" => self.repeat(&inner),
            "zeros" => Ok(Content::Run { byte: 0, len: inner.u64()? }),
            "random" => {
                inner.object_of(&["seed", "count"])?;
                let count = inner.need("count")?.at_most(MAX_HELD)? as usize;
                Ok(SplitMix64::new(inner.need("seed")?.u64()?).bytes(count).into())
            }
            "uniform" => uniform(&inner),
            "cat" => self.cat(&inner),
            "zstd" => Ok(self.frame(&inner)?.stored),
            "proto" => Ok(self.fields(&inner, None)?.into_bytes().into()),
            "kv" => self.kv(&inner),
            "message" => Ok(Content::Bytes(self.message(&inner)?.bytes)),
            "from" => Err(node.error("`from` may only stand for a whole part")),
            _ => Err(node.error(format!(
                "`{key}` is no bytes expression; known: {}, f64, f32, f16, bf16, u32, u16, u8, i8",
                EXPRESSIONS.join(", ")
            ))),
        }
    }

    /// A payload section: a zstd frame also shows what it holds.
    pub(super) fn section(&self, node: &Node<'_>) -> Parsed<Section> {
        if let Some(frame) = node.get("zstd").filter(|_| node.object().is_ok_and(|map| map.len() == 1)) {
            return self.frame(&frame);
        }
        let content = self.content(node)?;
        Ok(Section { stored: content.clone(), plain: content })
    }

    fn repeat(&self, node: &Node<'_>) -> Parsed<Content> {
        let mut once = node.object()?.clone();
        let count = node.need("count")?.u64()?;
        once.shift_remove("count");
        let once = Value::Object(once);
        let place = node.place();
        let piece = self.bytes(&Node::new(&once, &place))?;
        let len = (piece.len() as u64).checked_mul(count);
        match (&piece[..], len) {
            ([byte], Some(len)) => Ok(Content::Run { byte: *byte, len }),
            (_, Some(len)) if len <= MAX_HELD => Ok(piece.repeat(count as usize).into()),
            _ => Err(node.error(format!("more than {MAX_HELD} bytes"))),
        }
    }

    fn cat(&self, node: &Node<'_>) -> Parsed<Content> {
        let mut all = Vec::new();
        for item in node.list()? {
            let content = self.content(&item)?;
            if all.len() as u64 + content.len() > MAX_HELD {
                return Err(item.error(format!("more than {MAX_HELD} bytes together")));
            }
            let bytes = content.into_bytes().map_err(|error| item.error(error.to_string()))?;
            all.extend_from_slice(&bytes);
        }
        Ok(all.into())
    }

    fn kv(&self, node: &Node<'_>) -> Parsed<Content> {
        node.object_of(&["layers", "heads", "head_dim", "seq_len", "dtype_byte", "data"])?;
        let data = node.get("data").map(|data| self.bytes(&data)).transpose()?;
        let payload = KvPayload {
            num_layers: node.need("layers")?.u32()?,
            num_kv_heads: node.need("heads")?.u32()?,
            head_dim: node.need("head_dim")?.u32()?,
            seq_len: node.need("seq_len")?.u32()?,
            dtype: node.need("dtype_byte")?.u8()?,
            data: data.map(|data| data.to_vec()).unwrap_or_default(),
        };
        Ok(payload.to_bytes().into())
    }

    fn frame(&self, node: &Node<'_>) -> Parsed<Section> {
        node.object_of(&[
            "of",
            "size",
            "blocks",
            "checksum",
            "window",
            "block",
            "skippable",
            "corrupt_checksum",
        ])?;
        let flag = |key| node.get(key).map_or(Ok(false), |flag| flag.bool());
        let plain = self.content(&node.need("of")?)?;
        let corrupt_checksum = flag("corrupt_checksum")?;
        let frame = Frame {
            content: plain.clone(),
            size: node.get("size").map_or(Ok(ContentSize::Declared), |size| content_size(&size))?,
            blocks: node.get("blocks").map_or(Ok(Blocks::Raw), |blocks| block_kind(&blocks))?,
            checksum: flag("checksum")? || corrupt_checksum,
            corrupt_checksum,
            window: node.get("window").map(|window| window.u64()).transpose()?,
            block: node.get("block").map(|block| block.u64()).transpose()?,
        };
        let frame = frame.to_bytes().map_err(|error| node.error(error.to_string()))?;
        let stored = match node.get("skippable") {
            None => frame,
            Some(skippable) => [skippable_frame(&self.bytes(&skippable)?), frame].concat(),
        };
        Ok(Section { stored: stored.into(), plain })
    }
}

/// Whether a mapping with this key is a bytes expression rather than a message written out.
pub(super) fn is_expression(key: &str) -> bool {
    EXPRESSIONS.contains(&key) || NumberType::named(key).is_some()
}

fn content_size(node: &Node<'_>) -> Parsed<ContentSize> {
    match node.value {
        Value::String(text) if text == "declared" => Ok(ContentSize::Declared),
        Value::String(text) if text == "none" => Ok(ContentSize::Absent),
        Value::Number(_) => Ok(ContentSize::Claimed(node.u64()?)),
        _ => Err(node.error("expected `declared`, `none` or a number")),
    }
}

fn block_kind(node: &Node<'_>) -> Parsed<Blocks> {
    match node.string()? {
        "raw" => Ok(Blocks::Raw),
        "rle" => Ok(Blocks::Rle),
        _ => Err(node.error("expected `raw` or `rle`")),
    }
}

fn numbers(kind: NumberType, node: &Node<'_>) -> Parsed<Content> {
    let items = node.list()?;
    let mut out = Vec::with_capacity(items.len() * kind.size());
    for item in &items {
        number_bytes(&mut out, kind, item.number()?).map_err(|error| item.error(error.to_string()))?;
    }
    Ok(out.into())
}

/// Whole numbers from `-most` to `most`, each over `over`.
fn uniform(node: &Node<'_>) -> Parsed<Content> {
    node.object_of(&["dtype", "seed", "count", "most", "over"])?;
    let dtype = node.need("dtype")?;
    let kind = NumberType::named(dtype.string()?).ok_or_else(|| dtype.error("unknown number type"))?;
    let count = node.need("count")?.at_most(MAX_HELD / kind.size() as u64)?;
    let most = node.need("most")?.at_most(1 << 24)?;
    let over = node.need("over")?;
    // Powers of two alone divide without rounding.
    let divisor = over.at_most(1 << 24)?;
    if !divisor.is_power_of_two() {
        return Err(over.error("expected a power of two"));
    }
    let mut random = SplitMix64::new(node.need("seed")?.u64()?);
    let mut out = Vec::with_capacity(count as usize * kind.size());
    for _ in 0..count {
        let whole = random.below(2 * most as usize + 1) as f64 - most as f64;
        let number = Number::Float(whole / divisor as f64);
        number_bytes(&mut out, kind, number).map_err(|error| node.error(error.to_string()))?;
    }
    Ok(out.into())
}

fn range(node: &Node<'_>) -> Parsed<Content> {
    node.object_of(&["dtype", "start", "count"])?;
    let dtype = node.need("dtype")?;
    let kind = NumberType::named(dtype.string()?).ok_or_else(|| dtype.error("unknown number type"))?;
    let start = node.get("start").map_or(Ok(Number::Int(0)), |start| start.number())?;
    let count = node.need("count")?.at_most(MAX_HELD / kind.size() as u64)?;
    let mut out = Vec::with_capacity(count as usize * kind.size());
    let wrong = |error: crate::build::NumberError| -> GrammarError { node.error(error.to_string()) };
    for index in 0..count {
        let number = match start {
            Number::Int(start) => Number::Int(start + i128::from(index)),
            Number::Float(start) => Number::Float(start + index as f64),
        };
        number_bytes(&mut out, kind, number).map_err(wrong)?;
    }
    Ok(out.into())
}
