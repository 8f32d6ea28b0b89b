//! Messages written out, bases, patches and protobuf fields.

use serde_json::Value;

use crate::build::{Change, Content, Fields, Message, Number, Patched};

use super::evaluate::{Bases, PartBytes, Section};
use super::node::{Node, Parsed};

/// Number and form of the metadata fields that have names.
const NAMED_FIELDS: &[(&str, u32, Form)] = &[
    ("session_id", 1, Form::Text),
    ("source_agent_id", 2, Form::Text),
    ("target_agent_id", 3, Form::Text),
    ("model_id", 4, Form::Text),
    ("hidden_dim", 5, Form::Varint),
    ("num_layers", 6, Form::Varint),
    ("payload_type", 7, Form::Varint),
    ("dtype", 8, Form::Varint),
    ("tensor_shape", 9, Form::Packed),
    ("mode", 10, Form::Varint),
    ("compression", 11, Form::Text),
    ("confidence_score", 12, Form::Float),
    ("avp_map_id", 13, Form::Text),
    ("extra", 14, Form::Map),
    ("payload_checksum", 15, Form::Checksum),
];

/// Most superfluous bytes of a varint: enough to pass the ten that a reader may take, many times over.
const MAX_PAD: u64 = 1024;

#[derive(Clone, Copy)]
enum Form {
    Text,
    Varint,
    Packed,
    Float,
    Map,
    Checksum,
}

impl Bases<'_> {
    /// A message written out, or a base with patches.
    pub(super) fn message(&self, node: &Node<'_>) -> Parsed<PartBytes> {
        if node.object()?.contains_key("base") {
            return self.patched_base(node);
        }
        node.object_of(&[
            "magic",
            "version",
            "flags",
            "metadata",
            "payload",
            "payload_length",
            "metadata_length",
            "tail",
            "patch",
        ])?;
        let payload = node.get("payload").map(|payload| self.section(&payload)).transpose()?;
        let payload = payload.unwrap_or_else(|| {
            let nothing = Content::from(Vec::new());
            Section { stored: nothing.clone(), plain: nothing }
        });
        let mut message = Message::default();
        if let Some(magic) = node.get("magic") {
            message.magic = magic.hex()?.try_into().map_err(|_| magic.error("expected two bytes"))?;
        }
        if let Some(version) = node.get("version") {
            message.version = version.u8()?;
        }
        if let Some(flags) = node.get("flags") {
            message.flags = flags.u8()?;
        }
        if let Some(metadata) = node.get("metadata") {
            message.metadata = self.metadata(&metadata, &payload)?;
        }
        if let Some(length) = node.get("payload_length") {
            message.payload_length = Some(length.u32()?);
        }
        if let Some(length) = node.get("metadata_length") {
            message.metadata_length = Some(length.u32()?);
        }
        if let Some(tail) = node.get("tail") {
            message.tail = self.bytes(&tail)?.to_vec();
        }
        let stored = payload.stored.into_bytes().map_err(|error| node.error(error.to_string()))?;
        message.payload = stored.to_vec();
        self.patched(message.to_bytes(), node.get("patch").as_ref())
    }

    /// `{base, patch}`.
    pub(super) fn patched_base(&self, node: &Node<'_>) -> Parsed<PartBytes> {
        node.object_of(&["base", "patch"])?;
        let name = node.need("base")?;
        let base = self.base(&name)?;
        let made = self.patched(base.to_vec(), node.get("patch").as_ref())?;
        Ok(PartBytes { base: Some((name.string()?.to_owned(), base)), ..made })
    }

    fn patched(&self, bytes: Vec<u8>, patches: Option<&Node<'_>>) -> Parsed<PartBytes> {
        let mut patched = Patched::new(bytes);
        for patch in patches.map_or(Ok(Vec::new()), Node::list)? {
            let change = self.change(&patch, &patched)?;
            patched.apply(&change).map_err(|error| patch.error(error.to_string()))?;
        }
        let (bytes, ranges) = patched.finish();
        Ok(PartBytes { bytes: bytes.into(), patched: ranges, base: None })
    }

    fn change(&self, patch: &Node<'_>, now: &Patched) -> Parsed<Change> {
        let map = patch.object()?;
        if let Some(at) = patch.get("at") {
            return Ok(Change::Overwrite(at.usize()?, self.rest(patch, "at")?));
        }
        if let Some(at) = patch.get("insert") {
            return Ok(Change::Insert(at.usize()?, self.rest(patch, "insert")?));
        }
        if let Some(at) = patch.get("xor") {
            patch.object_of(&["xor", "mask"])?;
            return Ok(Change::Xor(at.usize()?, patch.need("mask")?.u8()?));
        }
        let (key, value) = patch.single()?;
        Ok(match key {
            "truncate" => Change::Truncate(value.usize()?),
            "append" => Change::Append(self.bytes(&value)?.to_vec()),
            "version" => Change::Overwrite(2, vec![value.u8()?]),
            "flags" => Change::Overwrite(3, vec![value.u8()?]),
            "flags_or" => Change::Or(3, value.u8()?),
            "payload_length" => Change::Overwrite(4, value.u32()?.to_le_bytes().to_vec()),
            "metadata_length" => Change::Overwrite(8, value.u32()?.to_le_bytes().to_vec()),
            "meta_append" => Change::MetadataAppend(self.patch_metadata(&value, now)?),
            "meta_set" => Change::MetadataSet(self.patch_metadata(&value, now)?),
            "payload_set" => Change::PayloadSet(self.bytes(&value)?.to_vec()),
            _ => {
                return Err(patch.error(format!(
                    "unknown patch `{key}` with {} keys; known: at, insert, truncate, append, xor, version, flags, \
                     flags_or, payload_length, metadata_length, meta_append, meta_set, payload_set",
                    map.len()
                )));
            }
        })
    }

    /// The bytes expression that stands beside `key`.
    fn rest(&self, patch: &Node<'_>, key: &str) -> Parsed<Vec<u8>> {
        let mut rest = patch.object()?.clone();
        rest.shift_remove(key);
        let rest = Value::Object(rest);
        let place = patch.place();
        Ok(self.bytes(&Node::new(&rest, &place))?.to_vec())
    }

    fn patch_metadata(&self, node: &Node<'_>, now: &Patched) -> Parsed<Vec<u8>> {
        let (_, payload) = now.sections().map_err(|error| node.error(error.to_string()))?;
        let stored = Content::from(now.bytes()[payload].to_vec());
        let compressed = now.bytes().get(3).is_some_and(|flags| flags & 1 == 1);
        let section = Section { plain: stored.clone(), stored };
        let text = node.value.to_string();
        if compressed && text.contains("\"auto\"") {
            return Err(node.error(
                "`payload_checksum: auto` in a patch of a compressed message: give `{of: <the uncompressed bytes>}`",
            ));
        }
        self.metadata(node, &section)
    }

    fn metadata(&self, node: &Node<'_>, payload: &Section) -> Parsed<Vec<u8>> {
        match node.value {
            Value::Array(_) => Ok(self.fields(node, Some(payload))?.into_bytes()),
            _ => Ok(self.bytes(node)?.to_vec()),
        }
    }

    /// A list of protobuf fields.
    pub(super) fn fields(&self, node: &Node<'_>, payload: Option<&Section>) -> Parsed<Fields> {
        let mut fields = Fields::new();
        for field in node.list()? {
            self.field(&mut fields, &field, payload)?;
        }
        Ok(fields)
    }

    fn field(&self, out: &mut Fields, node: &Node<'_>, payload: Option<&Section>) -> Parsed<()> {
        if node.get("n").is_some() {
            return self.numbered_field(out, node, payload);
        }
        let (name, value) = node.single()?;
        if name == "raw" {
            out.raw(&self.bytes(&value)?);
            return Ok(());
        }
        let Some((_, number, form)) = NAMED_FIELDS.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<_> = NAMED_FIELDS.iter().map(|(known, ..)| *known).collect();
            return Err(node.error(format!("unknown field `{name}`; known: n, raw, {}", known.join(", "))));
        };
        match form {
            Form::Text => _ = out.string(*number, value.string()?),
            Form::Varint => _ = out.varint(*number, value.u64()?),
            Form::Packed => _ = out.packed(*number, &numbers(&value)?),
            Form::Float => _ = out.fixed32(*number, float_bits(&value)?),
            Form::Checksum => _ = out.varint(*number, self.checksum(&value, payload)?),
            Form::Map => {
                for (key, text) in value.entries()? {
                    out.entry(*number, Some(key), Some(text.string()?));
                }
            }
        }
        Ok(())
    }

    fn numbered_field(&self, out: &mut Fields, node: &Node<'_>, payload: Option<&Section>) -> Parsed<()> {
        let number = node.need("n")?.u32()?;
        if let Some(value) = node.get("varint") {
            node.object_of(&["n", "varint", "pad"])?;
            let pad = node.get("pad").map_or(Ok(0), |pad| pad.at_most(MAX_PAD))?;
            out.varint_padded(number, value.u64()?, pad as usize);
            return Ok(());
        }
        let map = node.object()?;
        let Some((kind, _)) = map.iter().find(|(key, _)| *key != "n").filter(|_| map.len() == 2) else {
            return Err(node.error(
                "expected `n` and one of varint (with pad), int, string, bytes, packed, f32, \
                 fixed32, fixed64, entry, fields",
            ));
        };
        let value = node.need(kind)?;
        match kind.as_str() {
            "int" => {
                let int =
                    value.value.as_i64().ok_or_else(|| value.error("expected a signed 64-bit number"))?;
                out.varint(number, int as u64)
            }
            "string" => out.string(number, value.string()?),
            "bytes" => out.bytes(number, &self.bytes(&value)?),
            "packed" => out.packed(number, &numbers(&value)?),
            "f32" => out.fixed32(number, float_bits(&value)?),
            "fixed32" => out.fixed32(number, value.u32()?),
            "fixed64" => out.fixed64(number, value.u64()?),
            "entry" => {
                value.object_of(&["key", "value"])?;
                let text = |key| value.get(key).map(|text| text.string()).transpose();
                out.entry(number, text("key")?, text("value")?)
            }
            "fields" => out.bytes(number, self.fields(&value, payload)?.as_bytes()),
            _ => return Err(node.error(format!("unknown form `{kind}` of a field"))),
        };
        Ok(())
    }

    fn checksum(&self, node: &Node<'_>, payload: Option<&Section>) -> Parsed<u64> {
        if let Some(of) = node.get("of") {
            node.object_of(&["of"])?;
            return Ok(self.content(&of)?.crc32().into());
        }
        let Some(word) = node.value.as_str() else {
            return Ok(node.u32()?.into());
        };
        let payload = payload.ok_or_else(|| node.error("`auto` needs a message around it"))?;
        match word {
            "auto" => Ok(payload.plain.crc32().into()),
            "auto_compressed" => Ok(payload.stored.crc32().into()),
            _ => Err(node.error("expected a number, `auto`, `auto_compressed` or `{of: <bytes>}`")),
        }
    }
}

fn numbers(node: &Node<'_>) -> Parsed<Vec<u64>> {
    node.list()?.iter().map(Node::u64).collect()
}

fn float_bits(node: &Node<'_>) -> Parsed<u32> {
    Ok(match node.number()? {
        Number::Int(value) => value as f32,
        Number::Float(value) => value as f32,
    }
    .to_bits())
}
