//! The example on the contract page is run as it stands there, through the real pipe.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which the lint does not know for such")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use avp_conformance::adapter::{
    AdapterCommand, Answer, Blob, Hello, Instance, Launcher, ProcessLauncher, Request, fresh_nonce,
};
use avp_conformance::case::{Level, Spec};
use avp_conformance::event::Event;
use avp_conformance::schedule::{RunOptions, run};
use avp_conformance::vector;
use avp_conformance::verdict::Outcome;
use serde_json::{Map, Value, json};

/// Python may be slow to start on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// The code block behind the marker on the page.
fn example() -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ADAPTER.md")).unwrap();
    let (_, behind) =
        page.split_once("<!-- example: adapter.py -->\n```python\n").expect("the example's marker");
    let (code, _) = behind.split_once("```").expect("the end of the example");
    code.to_owned()
}

/// Starts the example from a folder of its own, which lives as long as the guard.
fn launcher() -> (tempfile::TempDir, ProcessLauncher) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter.py");
    std::fs::write(&path, example()).unwrap();
    (folder, ProcessLauncher::new(AdapterCommand::new("python3", [path])))
}

fn start() -> (tempfile::TempDir, Box<dyn Instance>) {
    let (folder, launcher) = launcher();
    (folder, launcher.launch().expect("python3 runs the example"))
}

fn decode(instance: &mut dyn Instance, message: &[u8]) -> Answer {
    let part = Blob { name: "message".into(), dtype: None, shape: None, bytes: Arc::from(message) };
    let request =
        Request { op: "decode".into(), spec: Spec::V04.as_str(), args: Map::new(), parts: vec![part] };
    instance.exchange(&request, LIMIT).expect("an answer to decode")
}

fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/goldens.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let hex = all[name].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn code(answer: &Answer) -> &str {
    match answer {
        Answer::Err { code, .. } => code,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn the_example_says_hello() {
    let (_folder, mut instance) = start();
    let answer = instance.exchange(&Hello::request(&[Spec::V02, Spec::V04], &fresh_nonce()), LIMIT).unwrap();
    let hello = Hello::parse(&answer).unwrap();
    assert_eq!(hello.name, "example");
    assert_eq!(hello.specs, [Spec::V04]);
    assert_eq!(hello.ops, ["decode"]);
    assert!(!hello.has_feature("zstd"));
}

#[test]
fn the_example_decodes_the_published_vectors() {
    let (_folder, mut instance) = start();
    for (name, metadata, payload) in [
        (
            "VEC1",
            json!({"source_agent_id": "agent-a", "model_id": "test-model", "hidden_dim": 4, "tensor_shape": [4]}),
            &[0.1_f32, 0.2, 0.3, 0.4][..],
        ),
        ("VEC2c", json!({"hidden_dim": 2, "tensor_shape": [2], "payload_type": "HIDDEN_STATE"}), &[1.0, 2.0]),
        ("EMPTYc", json!({"tensor_shape": [], "extra": {}, "mode": "LATENT", "dtype": "FLOAT32"}), &[]),
    ] {
        let message = golden(name);
        let Answer::Ok { ok, parts } = decode(&mut *instance, &message) else { panic!("{name} was refused") };
        for (key, value) in metadata.as_object().unwrap() {
            assert_eq!(&ok["metadata"][key], value, "{name} {key}");
        }
        assert_eq!(ok["consumed"], message.len(), "{name}");
        let bytes: Vec<u8> = payload.iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!((parts[0].name.as_str(), &*parts[0].bytes), ("payload", &bytes[..]), "{name}");
    }
}

#[test]
fn the_example_refuses_what_is_wrong_and_lives_on() {
    let (_folder, mut instance) = start();
    let good = golden("VEC2c");
    for (at, byte, class) in
        [(0, 0x56, "invalid_magic"), (2, 2, "unsupported_version"), (8, 200, "decode"), (30, 0, "decode")]
    {
        let mut message = good.clone();
        message[at] = byte;
        assert_eq!(code(&decode(&mut *instance, &message)), class, "byte {at}");
    }
    for length in 0..good.len() {
        assert_eq!(code(&decode(&mut *instance, &good[..length])), "decode", "{length} bytes");
    }
    assert!(matches!(decode(&mut *instance, &good), Answer::Ok { .. }));
}

#[test]
fn the_example_is_honest_about_what_it_lacks() {
    let (_folder, mut instance) = start();
    for op in ["encode", "nope-k3v9"] {
        let request =
            Request { op: op.into(), spec: Spec::V04.as_str(), args: Map::new(), parts: Vec::new() };
        let answer = instance.exchange(&request, LIMIT).unwrap();
        assert!(matches!(answer, Answer::Unsupported(_)), "{op}: {answer:?}");
    }
}

#[test]
fn the_example_meets_every_must_that_it_is_asked() {
    let (_folder, launcher) = launcher();
    let mut events: Vec<Event> = Vec::new();
    run(vector::cases().unwrap(), &launcher, &RunOptions::new(7), &mut events).unwrap();
    let checks = || {
        let cases =
            events.iter().filter_map(|event| if let Event::Case(case) = event { Some(case) } else { None });
        cases.flat_map(|case| case.checks.iter().map(move |check| (&case.key, check)))
    };
    let missed: Vec<_> = checks().filter(|(_, check)| check.missed() && check.level == Level::Must).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let passed = checks().filter(|(_, check)| check.outcome == Outcome::Pass).count();
    assert!(passed > 500, "{passed} checks passed only");
}
