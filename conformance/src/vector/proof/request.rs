//! A step in the form in which it is compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::build::MAGIC;
use crate::case::{Part, PartData, Spec, Step, Tamper};
use crate::dissect::{Limits, message_within};

use super::difference::{Form, Held, Tree};
use super::tensor::Tensor;

/// Bytes of a message's header.
const HEADER: usize = 12;

/// Arguments of `peer_request` that are its body.
const BODIES: [&str; 2] = ["json", "text"];

/// A step without what is expected of it. `place_of` says where an earlier step stands in the set-up.
pub(super) fn request(step: &Step, place_of: &dyn Fn(usize) -> usize) -> Tree {
    let mut args = step.args.clone();
    args.values_mut().for_each(|value| replace_references(value, place_of));
    let mut tensors = BTreeMap::new();
    let mut parts = BTreeMap::new();
    for part in &step.parts {
        match (&part.data, part.dtype, &part.shape) {
            (PartData::Bytes(bytes), Some(dtype), Some(shape)) => {
                tensors.insert(part.name.clone(), Tensor::read(dtype, shape, bytes));
            }
            _ => _ = parts.insert(part.name.clone(), part_tree(part, place_of)),
        }
    }
    let args = match step.op.as_str() {
        "peer_request" => http(args, &mut parts),
        _ => Tree::of(&Value::Object(args)),
    };
    let tamper = step.tamper.iter().map(tamper).collect();
    Tree::Map(BTreeMap::from([
        ("op".to_owned(), Tree::Leaf(step.op.clone().into())),
        ("args".to_owned(), args),
        ("parts".to_owned(), Tree::Map(parts)),
        ("tensors".to_owned(), Tree::Tensors(tensors)),
        ("tamper".to_owned(), Tree::List(tamper)),
    ]))
}

/// Steps are counted from the beginning of the set-up rather than of the vector.
fn replace_references(value: &mut Value, place_of: &dyn Fn(usize) -> usize) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace_references(item, place_of)),
        Value::Object(map) => {
            let step = map.get("$from").and_then(|from| from.get("step")).and_then(Value::as_u64);
            if let (Some(step), Some(from)) = (step, map.get_mut("$from")) {
                from["step"] = place_of(step as usize).into();
            }
            map.values_mut().for_each(|value| replace_references(value, place_of));
        }
        _ => {}
    }
}

/// Steps of the same vector that a step names.
pub(super) fn references(step: &Step) -> Vec<usize> {
    let mut all = Vec::new();
    let mut args = Value::Object(step.args.clone());
    let found = std::cell::RefCell::new(&mut all);
    replace_references(&mut args, &|step| {
        found.borrow_mut().push(step);
        step
    });
    all.extend(step.parts.iter().filter_map(|part| match &part.data {
        PartData::FromStep { step, .. } => Some(*step),
        PartData::Bytes(_) => None,
    }));
    all
}

fn part_tree(part: &Part, place_of: &dyn Fn(usize) -> usize) -> Tree {
    match &part.data {
        PartData::FromStep { step, part } => Tree::of(&json!({"step": place_of(*step), "part": part})),
        PartData::Bytes(bytes) => held(bytes),
    }
}

/// Bytes with what they say, where they are JSON text or a whole message.
pub(super) fn held(bytes: &Arc<[u8]>) -> Tree {
    let read = message(bytes).map(|tree| (Form::Message, tree)).or_else(|| {
        let value = serde_json::from_slice::<Value>(bytes).ok()?;
        Some((Form::Json, Tree::of(&value)))
    });
    Tree::Bytes(Held { raw: bytes.clone(), read: read.map(|(form, tree)| (form, Box::new(tree))) })
}

/// A message by its fields. The lengths say where its sections end and are no values of their own; where they can't be
/// true, there is no message.
fn message(bytes: &[u8]) -> Option<Tree> {
    if bytes.len() < HEADER || bytes[..2] != MAGIC {
        return None;
    }
    // What a compressed payload holds is of no interest here, so none of it is unpacked.
    let read = message_within(bytes, Spec::V04, Limits { max_payload: 0 });
    let header = read.header?;
    let (payload, metadata) = (read.payload_section.clone(), read.metadata_section.clone());
    let whole = usize::try_from(header.payload_length).is_ok_and(|length| length + HEADER == payload.end)
        && usize::try_from(header.metadata_length).is_ok_and(|length| length == metadata.len());
    if !whole {
        return None;
    }
    let section = &bytes[metadata];
    let fields = read.metadata.map(|metadata| metadata.raw).unwrap_or_default();
    let all_read = fields.iter().map(|field| field.range.len()).sum::<usize>() == section.len();
    let metadata = match all_read {
        true => Tree::List(
            fields
                .iter()
                .map(|field| {
                    let value = hex(&bytes[field.value_at..field.range.end]);
                    Tree::of(&json!({"field": field.number, "wire": field.wire, "value": value}))
                })
                .collect(),
        ),
        false => opaque(section),
    };
    Some(Tree::Map(BTreeMap::from([
        ("version".to_owned(), Tree::Leaf(header.version.into())),
        ("flags".to_owned(), Tree::Leaf(header.flags.into())),
        ("metadata".to_owned(), metadata),
        ("payload".to_owned(), opaque(&bytes[payload.clone()])),
        ("tail".to_owned(), opaque(&bytes[payload.end..])),
    ])))
}

fn opaque(bytes: &[u8]) -> Tree {
    Tree::Bytes(Held { raw: bytes.into(), read: None })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request over HTTP: method, path, headers, body, and how it is sent.
fn http(mut args: Map<String, Value>, parts: &mut BTreeMap<String, Tree>) -> Tree {
    let mut body = ["message", "body"].iter().find_map(|name| parts.remove(*name));
    for name in BODIES {
        if let Some(value) = args.shift_remove(name) {
            let text = match (name, &value) {
                ("text", Value::String(text)) => text.clone(),
                _ => value.to_string(),
            };
            body = Some(held(&Arc::from(text.as_bytes())));
        }
    }
    let method = if body.is_some() { "POST" } else { "GET" };
    let Tree::Map(mut all) = Tree::of(&Value::Object(args)) else { return Tree::Map(BTreeMap::new()) };
    all.entry("method".to_owned()).or_insert_with(|| Tree::Leaf(method.into()));
    all.entry("version".to_owned()).or_insert_with(|| Tree::Leaf("1.1".into()));
    all.entry("headers".to_owned()).or_insert_with(|| Tree::Map(BTreeMap::new()));
    all.extend(body.map(|body| ("body".to_owned(), body)));
    Tree::Map(all)
}

fn tamper(tamper: &Tamper) -> Tree {
    let (what, bytes) = match tamper {
        Tamper::Write { path, bytes } => (json!({"write": path}), Some(bytes)),
        Tamper::Rename { from, to } => (json!({"rename": from, "to": to}), None),
        Tamper::Keep(length) => (json!({"keep": length}), None),
        Tamper::Lose(length) => (json!({"lose": length}), None),
        Tamper::Fill(bytes) => (json!({"fill": null}), Some(bytes)),
    };
    let Tree::Map(mut all) = Tree::of(&what) else { return Tree::of(&what) };
    all.extend(bytes.map(|bytes| ("bytes".to_owned(), held(bytes))));
    Tree::Map(all)
}
