//! What an adapter says of itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Answer, Request};
use crate::case::{Case, PartData, Spec};
use crate::http::is_peer_op;

/// Version of the adapter protocol.
pub const ACP_VERSION: u64 = 1;

/// Most requests in flight that the harness makes use of: beyond this a window gains nothing (measured: 64 and 16 are
/// alike), and every one of them is a suspect when the child dies.
pub const INFLIGHT_LIMIT: u64 = 64;

/// Features that count as absent unless declared: few implementations have them.
const OPT_IN: [&str; 18] = [
    "embedding",
    "auto_dialect",
    "int_keys",
    "tokenizer_json",
    "vocab_json",
    "session_require",
    "session_stored",
    "store_stored",
    "cuda",
    "engine",
    "state_flags",
    "kv_quant",
    "kv_delta",
    "kv_chunked",
    "kv_sparse",
    "load_options",
    "transfer_restored",
    "easy_untyped",
];

/// What an adapter says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Name of the implementation.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The language it is written in.
    pub language: String,
    /// Where it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Dialects that it speaks.
    pub specs: Vec<Spec>,
    /// Operations that it answers.
    pub ops: Vec<String>,
    /// Features, by name. A missing one counts as present, but for a few.
    pub features: Map<String, Value>,
    /// Limits that it states.
    #[serde(default)]
    pub limits: Map<String, Value>,
    /// Most requests unanswered at a time, at least 1.
    pub inflight: usize,
    /// Most children at a time; 0 for any number.
    pub instances: usize,
}

impl Hello {
    /// The first request of every child.
    pub fn request(specs: &[Spec], nonce: &str) -> Request {
        let specs: Vec<_> = specs.iter().map(|spec| spec.as_str()).collect();
        let Value::Object(args) = json!({
            "acp": ACP_VERSION,
            "suite": env!("CARGO_PKG_VERSION"),
            "specs": specs,
            "nonce": nonce,
        }) else {
            unreachable!("the literal above is an object")
        };
        Request { op: "hello".into(), spec: Spec::V04.as_str(), args, parts: Vec::new() }
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// A sentence that says what is missing or wrong in it.
    pub fn parse(answer: &Answer) -> Result<Self, String> {
        let ok = match answer {
            Answer::Ok { ok, .. } => ok,
            Answer::Err { code, detail, .. } => return Err(format!("hello was refused: {code} {detail}")),
            Answer::Unsupported(why) => return Err(format!("hello answered unsupported: {why}")),
            Answer::Fault(text) => return Err(format!("hello ended in a fault: {text}")),
        };
        match ok.get("acp").and_then(Value::as_u64) {
            Some(ACP_VERSION) => {}
            Some(other) => {
                return Err(format!("the adapter speaks ACP/{other}, the harness ACP/{ACP_VERSION}"));
            }
            None => return Err("hello: `acp` is missing or no number; it must be 1".into()),
        }
        let text = |key: &str| ok.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = text("name");
        if name.is_empty() {
            return Err("hello: `name` is missing".into());
        }
        // A dialect that a later suite knows is no reason to refuse the adapter.
        let specs = strings(ok, "specs")?
            .iter()
            .filter_map(|spec| [Spec::V02, Spec::V04].into_iter().find(|known| known.as_str() == spec))
            .collect();
        let count = |key: &str, default: u64| match ok.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                value.as_u64().ok_or_else(|| format!("hello: `{key}` is {value}, not a count from 0 on"))
            }
        };
        Ok(Self {
            name,
            version: text("version"),
            language: text("language"),
            url: ok.get("url").and_then(Value::as_str).map(str::to_owned),
            specs,
            ops: strings(ok, "ops")?,
            features: object(ok, "features")?,
            limits: object(ok, "limits")?,
            inflight: count("inflight", 1)?.clamp(1, INFLIGHT_LIMIT) as usize,
            instances: usize::try_from(count("instances", 0)?).unwrap_or(usize::MAX),
        })
    }

    /// Whether a feature can be relied on.
    pub fn has_feature(&self, name: &str) -> bool {
        match self.features.get(name) {
            None | Some(Value::Null) => !OPT_IN.contains(&name),
            Some(Value::Bool(present)) => *present,
            // A level, a version, a list: something is there.
            Some(_) => true,
        }
    }

    /// Why a case is not asked, or `None` when it is.
    pub fn reason_to_skip(&self, case: &Case) -> Option<String> {
        if !self.specs.contains(&case.spec) {
            return Some(format!("the dialect {} is not declared", case.spec.as_str()));
        }
        if let Some(step) =
            case.steps.iter().find(|step| !is_peer_op(&step.op) && !self.ops.contains(&step.op))
        {
            return Some(format!("the operation `{}` is not declared", step.op));
        }
        if let Some(limit) = self.limits.get("max_message").and_then(Value::as_u64) {
            let parts = case.steps.iter().flat_map(|step| &step.parts);
            let longest = parts.filter_map(|part| match &part.data {
                PartData::Bytes(bytes) => Some(bytes.len() as u64),
                PartData::FromStep { .. } => None,
            });
            if let Some(len) = longest.max().filter(|len| *len > limit) {
                return Some(format!("{len} bytes are beyond the declared limit of {limit}"));
            }
        }
        case.requires.iter().find_map(|feature| match feature.strip_prefix('!') {
            Some(feature) => self.has_feature(feature).then(|| format!("the feature `{feature}` is there")),
            None if self.has_feature(feature) => None,
            None if self.features.contains_key(feature) => {
                Some(format!("the feature `{feature}` is declared absent"))
            }
            None => Some(format!("the feature `{feature}` is not declared")),
        })
    }
}

fn strings(ok: &Map<String, Value>, key: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("hello: `{key}` must be a list of strings");
    let items = ok.get(key).and_then(Value::as_array).ok_or_else(wrong)?;
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

fn object(ok: &Map<String, Value>, key: &str) -> Result<Map<String, Value>, String> {
    match ok.get(key) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err(format!("hello: `{key}` must be an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(ok: Value) -> Result<Hello, String> {
        let Value::Object(ok) = ok else { unreachable!() };
        Hello::parse(&Answer::Ok { ok, parts: Vec::new() })
    }

    #[test]
    fn defaults_are_filled_in_and_unknown_dialects_left_out() {
        let hello =
            parse(json!({"acp": 1, "name": "x", "specs": ["0.4", "9.9"], "ops": ["decode"], "extra": 1}))
                .unwrap();
        assert_eq!((hello.inflight, hello.instances), (1, 0));
        assert_eq!(hello.specs, [Spec::V04]);
        assert!(hello.has_feature("zstd"));
        assert!(!hello.has_feature("auto_dialect"));
    }

    #[test]
    fn a_greedy_window_is_capped() {
        let hello =
            parse(json!({"acp": 1, "name": "x", "specs": [], "ops": [], "inflight": u64::MAX})).unwrap();
        assert_eq!(hello.inflight, INFLIGHT_LIMIT as usize);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (ok, word) in [
            (json!({"name": "x", "specs": [], "ops": []}), "acp"),
            (json!({"acp": 2, "name": "x", "specs": [], "ops": []}), "ACP/2"),
            (json!({"acp": 1, "specs": [], "ops": []}), "name"),
            (json!({"acp": 1, "name": "x", "ops": []}), "specs"),
            (json!({"acp": 1, "name": "x", "specs": [], "ops": [1]}), "ops"),
            (json!({"acp": 1, "name": "x", "specs": [], "ops": [], "inflight": -1}), "inflight"),
            (json!({"acp": 1, "name": "x", "specs": [], "ops": [], "features": []}), "features"),
        ] {
            let error = parse(ok).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
