//! Tables: expectation × answer → checks.

mod cache;
mod encoder;
mod kind;
mod steps;
mod tensor;
mod value;

use serde_json::{Map, Value, json};

use super::*;
use crate::adapter::Blob;
use crate::case::{EncodedExpect, ExpectPart, PartContent, Relation, SectionLen, Source, Spec};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn step(op: &str, expect: Expect) -> Step {
    Step {
        op: op.into(),
        args: Map::new(),
        parts: Vec::new(),
        expect,
        rss_growth_mib: None,
        files: None,
        tamper: Vec::new(),
    }
}

fn case_of(steps: Vec<Step>) -> Case {
    Case {
        id: "hdr/x".into(),
        spec: Spec::V04,
        requirements: vec!["AVP-HDR-002".into()],
        why: "w".into(),
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

fn blob(name: &str, bytes: &[u8]) -> Blob {
    Blob { name: name.into(), dtype: None, shape: None, bytes: bytes.into() }
}

fn seen(reply: Reply) -> Observed {
    Observed { request: None, reply, rss_growth: None, took: None, files: None }
}

fn ok(content: Value, parts: Vec<Blob>) -> Observed {
    seen(Reply::Answered(Answer::Ok { ok: object(content), parts }))
}

fn err(code: &str) -> Observed {
    seen(Reply::Answered(Answer::Err { code: code.into(), detail: "because".into(), status: None }))
}

fn expect_ok(content: Value) -> Expect {
    Expect::Ok { ok: object(content), should: Map::new(), parts: Vec::new() }
}

fn run(case: &Case, observed: &[Observed]) -> Vec<Check> {
    judge(case, observed, Catalogue::embedded())
}

fn run_one(expect: Expect, observed: Observed) -> Vec<Check> {
    run(&case_of(vec![step("decode", expect)]), &[observed])
}

/// `name=outcome` of each check.
fn lines(checks: &[Check]) -> Vec<String> {
    checks.iter().map(|check| format!("{}={:?}", check.name, check.outcome)).collect()
}
