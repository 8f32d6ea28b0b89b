//! Expectations.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::case::{EncodedExpect, Expect, ExpectPart, PartContent, SectionLen};
use crate::requirement::Catalogue;

use super::argument::{expected, expected_members};
use super::close_form::Asked;
use super::evaluate::Bases;
use super::node::{Node, Parsed};
use super::vocabulary::METADATA_KEYS;

impl Bases<'_> {
    /// The expectation of step `step`, which asks this.
    pub(super) fn expect(&self, node: &Node<'_>, step: usize, asked: &Asked<'_>) -> Parsed<Expect> {
        let map =
            node.object_of(&["ok", "should", "parts", "reject", "encoded", "either", "alive", "status"])?;
        if ["ok", "should", "parts"].iter().any(|key| map.contains_key(*key)) {
            node.object_of(&["ok", "should", "parts"])?;
            return self.expect_ok(node, step, asked);
        }
        if let (Some(codes), Some(status)) = (node.get("reject"), node.get("status")) {
            node.object_of(&["reject", "status"])?;
            let status = status.at_most(599)? as u16;
            return Ok(Expect::Refused { codes: classes(&codes)?, status });
        }
        let (kind, inner) = node.single()?;
        match kind {
            "reject" => Ok(Expect::Reject(classes(&inner)?)),
            "encoded" => Ok(Expect::Encoded(Box::new(self.encoded(&inner)?))),
            "either" => {
                let mut branches = Vec::new();
                for (name, branch) in inner.entries()? {
                    branches.push((name.to_owned(), self.expect(&branch, step, asked)?));
                }
                match branches.len() {
                    0 | 1 => Err(inner.error("give at least two branches")),
                    _ => Ok(Expect::Either(branches)),
                }
            }
            _ => match inner.bool()? {
                true => Ok(Expect::Alive),
                false => Err(inner.error("only `alive: true` means something")),
            },
        }
    }

    fn expect_ok(&self, node: &Node<'_>, step: usize, asked: &Asked<'_>) -> Parsed<Expect> {
        let content = |key: &str| -> Parsed<Map<String, Value>> {
            let Some(content) = node.get(key) else {
                return Ok(Map::new());
            };
            expected_members(&content)
        };
        let mut parts = Vec::new();
        if let Some(list) = node.get("parts") {
            for (name, value) in list.entries()? {
                parts.push(ExpectPart {
                    name: name.to_owned(),
                    content: self.expected_part(name, &value, step, asked)?,
                });
            }
        }
        Ok(Expect::Ok { ok: content("ok")?, should: content("should")?, parts })
    }

    fn expected_part(
        &self,
        name: &str,
        node: &Node<'_>,
        step: usize,
        asked: &Asked<'_>,
    ) -> Parsed<PartContent> {
        if let Some(close) = node.get("close") {
            node.object_of(&["close"])?;
            return self.near(&close, step, asked);
        }
        if let Some(json) = node.get("$json") {
            node.object_of(&["$json"])?;
            return Ok(PartContent::Json(expected(&json)?));
        }
        if let Some(from) = node.get("from") {
            node.object_of(&["from"])?;
            from.object_of(&["step", "part", "sent"])?;
            let sent = from.get("sent").map_or(Ok(false), |sent| sent.bool())?;
            let earlier = from.need("step")?.usize()?;
            if earlier > step || (earlier == step && !sent) {
                return Err(from.error("an earlier step is meant (or, with `sent: true`, this one)"));
            }
            return Ok(PartContent::SameAs {
                step: earlier,
                part: from.need("part")?.string()?.to_owned(),
                sent,
            });
        }
        Ok(PartContent::Bytes(self.part(node, name == "message")?.bytes))
    }

    fn encoded(&self, node: &Node<'_>) -> Parsed<EncodedExpect> {
        node.object_of(&[
            "metadata",
            "payload",
            "compressed",
            "flags",
            "bytes",
            "metadata_hex",
            "has_field",
            "lacks_field",
            "section_len",
        ])?;
        let mut expect = EncodedExpect::default();
        if let Some(metadata) = node.get("metadata") {
            let known = |key: &&String| METADATA_KEYS.contains(&key.trim_end_matches('?'));
            if let Some(key) = metadata.object()?.keys().find(|key| !known(key)) {
                return Err(metadata.error(format!("`{key}` is no metadata field")));
            }
            expect.metadata = Some(expected_members(&metadata)?);
        }
        expect.payload = node.get("payload").map(|payload| self.bytes(&payload)).transpose()?;
        expect.compressed = node.get("compressed").map(|compressed| compressed.bool()).transpose()?;
        expect.flags = node.get("flags").map(|flags| flags.u8()).transpose()?;
        if let Some(bytes) = node.get("bytes") {
            for one in bytes.list()? {
                expect.bytes.push(self.part(&one, true)?.bytes);
            }
        }
        if let Some(hex) = node.get("metadata_hex") {
            for one in hex.list()? {
                expect.metadata_bytes.push(Arc::from(one.hex()?));
            }
        }
        if let Some(fields) = node.get("has_field") {
            for field in fields.list()? {
                field.object_of(&["n", "hex"])?;
                expect.has_field.push((field.need("n")?.u32()?, field.need("hex")?.hex()?));
            }
        }
        if let Some(fields) = node.get("lacks_field") {
            for field in fields.list()? {
                expect.lacks_field.push(field.u32()?);
            }
        }
        if let Some(len) = node.get("section_len") {
            len.object_of(&["min", "max"])?;
            let bound = |key| len.get(key).map(|bound| bound.u64()).transpose();
            expect.section_len = Some(SectionLen { min: bound("min")?, max: bound("max")? });
        }
        Ok(expect)
    }
}

/// Error classes, at least one.
fn classes(node: &Node<'_>) -> Parsed<Vec<String>> {
    let codes = node.strings()?;
    match codes.iter().find(|code| !Catalogue::embedded().error_classes().contains(code)) {
        Some(code) => Err(node.error(format!("unknown class `{code}`"))),
        None if codes.is_empty() => Err(node.error("name at least one class")),
        None => Ok(codes),
    }
}
