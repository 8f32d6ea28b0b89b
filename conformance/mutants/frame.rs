//! ACP/1 frames as a mutant sees them: JSON to rewrite, parts to replace.

use std::io::{self, Read, Write};

use serde_json::{Map, Value, json};

/// One frame, request or answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    /// The JSON object.
    pub(crate) json: Map<String, Value>,
    /// The named parts of the blob, in order. `spec` holds the keys beside `name` and `len`.
    pub(crate) parts: Vec<Part>,
}

/// A named piece of the blob.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) spec: Map<String, Value>,
    pub(crate) bytes: Vec<u8>,
}

impl Part {
    /// Bytes that are no tensor.
    pub(crate) fn named(name: &str, bytes: &[u8]) -> Self {
        Self { spec: Map::from_iter([("name".to_owned(), name.into())]), bytes: bytes.to_vec() }
    }

    pub(crate) fn name(&self) -> &str {
        self.spec.get("name").and_then(Value::as_str).unwrap_or_default()
    }
}

impl Frame {
    /// Reads one frame; `None` at the end of input. The peer is the harness, so its lengths are believed.
    pub(crate) fn read(input: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 8];
        match input.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let [a, b, c, d, e, f, g, h] = head;
        let mut text = vec![0; u32::from_le_bytes([a, b, c, d]) as usize];
        input.read_exact(&mut text)?;
        let mut blob = vec![0; u32::from_le_bytes([e, f, g, h]) as usize];
        input.read_exact(&mut blob)?;
        let mut json: Map<String, Value> = serde_json::from_slice(&text)?;
        let mut rest = blob.as_slice();
        let mut parts = Vec::new();
        if let Some(Value::Array(specs)) = json.remove("parts") {
            for spec in specs {
                let Value::Object(mut spec) = spec else { continue };
                let len = spec.remove("len").and_then(|len| len.as_u64()).unwrap_or(0) as usize;
                let (bytes, tail) = rest.split_at(len.min(rest.len()));
                rest = tail;
                parts.push(Part { spec, bytes: bytes.to_vec() });
            }
        }
        Ok(Some(Self { json, parts }))
    }

    /// Writes the frame.
    pub(crate) fn write(&self, output: &mut impl Write) -> io::Result<()> {
        let mut json = self.json.clone();
        let mut blob = Vec::new();
        let mut specs = Vec::new();
        for part in &self.parts {
            let mut spec = part.spec.clone();
            spec.insert("len".to_owned(), part.bytes.len().into());
            specs.push(Value::Object(spec));
            blob.extend_from_slice(&part.bytes);
        }
        if !specs.is_empty() {
            json.insert("parts".to_owned(), specs.into());
        }
        let text = serde_json::to_vec(&json)?;
        output.write_all(&(text.len() as u32).to_le_bytes())?;
        output.write_all(&(blob.len() as u32).to_le_bytes())?;
        output.write_all(&text)?;
        output.write_all(&blob)?;
        output.flush()
    }

    pub(crate) fn op(&self) -> &str {
        self.json.get("op").and_then(Value::as_str).unwrap_or_default()
    }

    /// `args` of a request.
    pub(crate) fn args(&self) -> &Map<String, Value> {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        self.json.get("args").and_then(Value::as_object).unwrap_or(&EMPTY)
    }

    /// `args` of a request, to rewrite.
    pub(crate) fn args_mut(&mut self) -> &mut Map<String, Value> {
        object(&mut self.json, "args")
    }

    /// `ok` of an answer, when it is one.
    pub(crate) fn ok_mut(&mut self) -> Option<&mut Map<String, Value>> {
        self.json.get_mut("ok").and_then(Value::as_object_mut)
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.json.contains_key("ok")
    }

    pub(crate) fn part(&self, name: &str) -> Option<&[u8]> {
        self.parts.iter().find(|part| part.name() == name).map(|part| part.bytes.as_slice())
    }

    pub(crate) fn part_mut(&mut self, name: &str) -> Option<&mut Vec<u8>> {
        self.parts.iter_mut().find(|part| part.name() == name).map(|part| &mut part.bytes)
    }

    /// Turns an answer into `ok` with this content and these parts.
    pub(crate) fn become_ok(&mut self, ok: Value, parts: &[(&str, &[u8])]) {
        self.json.remove("err");
        self.json.insert("ok".to_owned(), ok);
        self.parts = parts.iter().map(|(name, bytes)| Part::named(name, bytes)).collect();
    }

    /// Turns an answer into a refusal.
    pub(crate) fn become_err(&mut self, code: &str) {
        self.json.remove("ok");
        self.json.insert("err".to_owned(), json!({"code": code, "detail": "mutant"}));
        self.parts.clear();
    }
}

/// The object under `key`, made if missing.
pub(crate) fn object<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let slot = map.entry(key.to_owned()).or_insert_with(|| json!({}));
    if !slot.is_object() {
        *slot = json!({});
    }
    match slot {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}
