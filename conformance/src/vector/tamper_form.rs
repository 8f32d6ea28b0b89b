//! What a step does to the files in its case's own folder.

use crate::case::Tamper;

use super::evaluate::Bases;
use super::node::{Node, Parsed};

/// Longest text that stands for another in a file's name.
const MAX_NAME: usize = 200;

impl Bases<'_> {
    /// `{write, bytes}`, `{rename, to}`, `{keep}`, `{lose}` or `{fill}`.
    pub(super) fn tamper(&self, node: &Node<'_>) -> Parsed<Tamper> {
        let map = node.object()?;
        if map.contains_key("write") {
            node.object_of(&["write", "bytes"])?;
            let path = scratch_path(&node.need("write")?)?;
            return Ok(Tamper::Write { path, bytes: self.bytes(&node.need("bytes")?)? });
        }
        if map.contains_key("rename") {
            node.object_of(&["rename", "to"])?;
            return Ok(Tamper::Rename { from: name(&node.need("rename")?)?, to: name(&node.need("to")?)? });
        }
        let (kind, inner) = node.single()?;
        match kind {
            "keep" => Ok(Tamper::Keep(inner.u64()?)),
            "lose" => Ok(Tamper::Lose(inner.u64()?)),
            "fill" => Ok(Tamper::Fill(self.bytes(&inner)?)),
            _ => Err(node.error("expected `write`, `rename`, `keep`, `lose` or `fill`")),
        }
    }
}

/// A path inside a case's own folder. It becomes a path of this machine: nothing but plain names.
pub(super) fn scratch_path(node: &Node<'_>) -> Parsed<String> {
    let path = node.string()?;
    let plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match !path.is_empty() && path.split('/').all(|name| !name.is_empty() && plain(name)) {
        true => Ok(path.to_owned()),
        false => Err(node.error("expected names of letters, digits and dashes, `/` between them")),
    }
}

fn name(node: &Node<'_>) -> Parsed<String> {
    let text = node.string()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => Err(node.error("expected letters, digits, `-` and `_`")),
    }
}
