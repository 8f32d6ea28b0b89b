//! Children and cases for the tests of the engine.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod run;

use std::path::PathBuf;

use avp_conformance::adapter::{AdapterCommand, Answer, Blob, ProcessLauncher, Request};
use avp_conformance::case::{Case, Expect, Part, PartData, Source, Spec, Step};
use serde_json::{Map, Value};

/// A file beside the tests.
pub fn child(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/children").join(name)
}

/// The Python child with options.
pub fn python(options: &Value) -> AdapterCommand {
    let script = child("child.py").into_os_string();
    AdapterCommand::new("python3", [script, options.to_string().into()])
}

pub fn launcher(options: &Value) -> ProcessLauncher {
    ProcessLauncher::new(python(options))
}

pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

pub fn request(op: &str, args: Value, parts: Vec<Blob>) -> Request {
    Request { op: op.into(), spec: "0.4", args: object(args), parts }
}

pub fn blob(name: &str, bytes: impl Into<Vec<u8>>) -> Blob {
    Blob { name: name.into(), dtype: None, shape: None, bytes: bytes.into().into() }
}

pub fn ok(content: Value) -> Answer {
    Answer::Ok { ok: object(content), parts: Vec::new() }
}

pub fn expect_ok(content: Value) -> Expect {
    Expect::Ok { ok: object(content), should: Map::new(), parts: Vec::new() }
}

pub fn step(op: &str, args: Value, expect: Expect) -> Step {
    Step {
        op: op.into(),
        args: object(args),
        parts: Vec::new(),
        expect,
        rss_growth_mib: None,
        files: None,
        tamper: Vec::new(),
    }
}

pub fn part(name: &str, bytes: &[u8]) -> Part {
    Part { name: name.into(), dtype: None, shape: None, data: PartData::Bytes(bytes.into()) }
}

pub fn case(id: &str, steps: Vec<Step>) -> Case {
    Case {
        id: id.into(),
        spec: Spec::V04,
        requirements: vec!["AVP-HDR-002".into()],
        why: "It is a test.".into(),
        bug: None,
        level: None,
        ambiguity: None,
        requires: Vec::new(),
        steps,
        relation: None,
        timeout_ms: None,
        source: Source::Vector { rev: 1 },
        patched: Vec::new(),
    }
}
