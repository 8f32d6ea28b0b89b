//! Transcripts of `avp`: what each subcommand prints, on which stream, with which exit code.

#![expect(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A folder with the files that the transcripts name.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let golden: serde_json::Map<_, _> = serde_json::from_slice(
        &fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/goldens.json")).unwrap(),
    )
    .unwrap();
    let bytes = |name: &str| {
        let hex = golden[name].as_str().unwrap();
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect::<Vec<_>>()
    };
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("vec1.avp", &bytes("VEC1"));
    write("kv1.bin", &bytes("KV1"));
    let mut broken = bytes("VEC1");
    broken[8] = 0xff;
    write("broken.avp", &broken);
    let mut odd = bytes("VEC2");
    odd[3] = 0x84;
    odd.push(0);
    write("odd.avp", &odd);
    write("state.bin", &(0..64).collect::<Vec<u8>>());
    let llama = r#"{"model_type": "llama", "_name_or_path": "org/llama-1b", "hidden_size": 2048,
        "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
        "id2label": {"0": "LABEL_0", "10": "LABEL_10", "2": "LABEL_2"}}"#;
    write("llama.json", llama.as_bytes());
    let hello = r#"{"agent_id": "b", "avp_version": "0.6.2", "identity": {"model_family": "llama", "hidden_dim": 2048,
        "num_layers": 16, "model_hash": "sha256:00"}}"#;
    write("hello.json", hello.as_bytes());
    write("qwen.json", br#"{"model_type": "qwen2", "hidden_size": 896, "num_hidden_layers": 24}"#);
    let vocabulary: serde_json::Map<_, _> = (0..120).map(|n| (format!("t{n}"), n.into())).collect();
    write("vocab.json", serde_json::to_string(&vocabulary).unwrap().as_bytes());
    let tokenizer = r#"{"added_tokens": [{"id": 2, "content": "<s>"}], "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}}}"#;
    write("tokenizer.json", tokenizer.as_bytes());
    folder
}

/// Runs `avp` in the folder and writes down what came of it.
fn transcript(folder: &TempDir, arguments: &[&str], input: Option<&[u8]>) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_avp"))
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("NO_COLOR")
        .env("COLUMNS", "100")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The child may have refused without reading.
    let _ = stdin.write_all(input.unwrap_or_default());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let mut text = format!("$ avp {}\n", arguments.join(" "));
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        text.push_str(&format!("stderr: {line}\n"));
    }
    text.push_str(&format!("exit code {}\n", output.status.code().unwrap()));
    text
}

fn check(name: &str, commands: &[&[&str]]) {
    let folder = folder();
    let transcripts: Vec<_> = commands.iter().map(|arguments| transcript(&folder, arguments, None)).collect();
    insta::with_settings!({filters => vec![
        (r"\b[0-9a-f]{12}4[0-9a-f]{19}\b", "[session id]"),
        (" +\n", "\n"),
    ], omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, transcripts.join("\n"));
    });
}

#[test]
fn inspect() {
    check(
        "inspect",
        &[
            &["inspect", "vec1.avp"],
            &["inspect", "odd.avp"],
            &["inspect", "broken.avp"],
            &["inspect", "--color", "always", "vec1.avp"],
            &["inspect", "--json", "odd.avp"],
            &["inspect", "no-such-file"],
        ],
    );
}

#[test]
fn inspect_a_cache() {
    let folder = folder();
    let metadata = r#"{"payload_type": "KV_CACHE", "dtype": "FLOAT32", "num_layers": 1}"#;
    transcript(&folder, &["encode", "kv1.bin", "-m", metadata, "-o", "kv.avp"], None);
    let text = transcript(&folder, &["inspect", "kv.avp"], None);
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false, filters => vec![(" +\n", "\n")]}, {
        insta::assert_snapshot!("inspect_a_cache", text);
    });
}

#[test]
fn encode_and_decode() {
    check(
        "encode_and_decode",
        &[
            &[
                "encode",
                "state.bin",
                "--metadata",
                r#"{"hidden_dim": 16, "tensor_shape": [16]}"#,
                "-o",
                "state.avp",
            ],
            &["decode", "state.avp", "--payload", "back.bin"],
            &["decode", "--strict", "odd.avp"],
            &["decode", "broken.avp"],
            &["decode", "--max-payload", "15", "vec1.avp"],
            &["encode", "state.bin", "--metadata", r#"{"mode": "HYBRID"}"#, "-o", "x.avp"],
            &["encode", "state.bin", "--metadata", r#"{"hidden_dim": -1}"#, "-o", "x.avp"],
            &["encode", "state.bin", "--metadata", "no-such-file", "-o", "x.avp"],
            &["encode", "--compression", "lz4"],
        ],
    );
}

#[test]
fn a_message_goes_round_through_pipes_and_files() {
    let folder = folder();
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let run = |arguments: &[&str], input: &[u8]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_avp"))
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        output.stdout
    };
    let json = run(&["decode", "vec1.avp", "--payload", "vec1.bin"], b"");
    fs::write(folder.path().join("vec1.json"), json).unwrap();
    let message = run(&["encode", "vec1.bin", "--metadata", "vec1.json", "--no-checksum"], b"");
    assert_eq!(message, read("vec1.avp"));
    let compressed = run(&["encode", "--compression", "max", "--dialect", "0.2"], &[0; 4096]);
    assert!(compressed.len() < 100);
    assert_eq!(run(&["decode", "-", "--payload", "-"], &compressed), [0; 4096]);
}

#[test]
fn hash() {
    check(
        "hash",
        &[
            &["hash", "model", "qwen.json"],
            &["hash", "model", "llama.json", "--canonical"],
            &["hash", "model", "llama.json", "--canonical", "--hf"],
            &["hash", "model", "llama.json", "--int-key", "/id2label/0"],
            &["hash", "model", "vec1.avp"],
            &["hash", "tokenizer", "tokenizer.json"],
            &["hash", "tokenizer", "vocab.json"],
            &["hash", "tokenizer", "llama.json"],
        ],
    );
}

#[test]
fn resolve() {
    check(
        "resolve",
        &[
            &["resolve", "llama.json", "llama.json"],
            &["resolve", "llama.json", "hello.json"],
            &["resolve", "llama.json", "qwen.json"],
            &[
                "resolve",
                "llama.json",
                "qwen.json",
                "--local-vocab",
                "vocab.json",
                "--remote-vocab",
                "vocab.json",
            ],
            &["resolve", "--json", "qwen.json", "qwen.json"],
            &["resolve", "llama.json", "vec1.avp"],
            &["resolve", "llama.json"],
        ],
    );
}

#[test]
fn size() {
    check(
        "size",
        &[
            &["size", "--preset", "llama-2-7b"],
            &["size", "llama.json", "--tokens", "4096", "--bandwidth", "700"],
            &["size", "--json", "--preset", "qwen2.5-7b"],
            &["size", "qwen.json"],
            &["size", "--preset", "gpt-99"],
        ],
    );
}

/// With the commands of every feature.
#[cfg(all(feature = "model", feature = "http"))]
#[test]
fn help() {
    check(
        "help",
        &[
            &["--help"],
            &["inspect", "--help"],
            &["encode", "--help"],
            &["decode", "--help"],
            &["hash", "model", "--help"],
            &["resolve", "--help"],
            &["size", "--help"],
            &[],
        ],
    );
}

/// Maps of the Python SDK, and states that cross from one model to another.
#[cfg(feature = "model")]
#[test]
fn transfers() {
    let folder = folder();
    let avp = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_avp"))
            .args(arguments)
            .current_dir(folder.path())
            .env("AVP_CACHE_DIR", folder.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/maps/overlap.pt");
    let (code, out, err) = avp(&["models", "map", map.to_str().unwrap()]);
    assert_eq!((code, &*err), (Some(0), ""));
    assert!(out.trim_end().ends_with("0123456789abcdef_0011223344556677.avp-map"), "{out}");
    let (code, _, err) = avp(&["models", "map", "vec1.avp"]);
    assert!(code != Some(0) && err.contains("zip archive"), "{err}");

    let think =
        ["think", "Ann visits Rome.", "-m", "pocket-a", "--steps", "2", "--state-only", "-o", "state.avp"];
    assert_eq!(avp(&[&think[..], &["--states", "3"]].concat()).0, Some(0));
    let generate = [
        "generate",
        "Where is Ann?",
        "-m",
        "pocket-b",
        "--context",
        "state.avp",
        "--greedy",
        "--max-tokens",
        "2",
    ];
    let (code, _, err) = avp(&generate);
    assert!(code != Some(0) && err.contains("model_hash"), "{err}");
    let (code, out, _) = avp(&[&generate[..], &["--source", "pocket-a", "--json"]].concat());
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(answer["diagnostics"]["projection_method"], "vocab_mediated", "{out}");
    assert!(folder.path().join("maps").read_dir().unwrap().count() == 2);
}

/// What is missing for a card is said in one line, with the next step, and burn's own panic is not seen.
#[cfg(feature = "model")]
#[test]
fn a_card_that_is_not_there() {
    if avp::model::Device::Cuda(0).open().is_ok() {
        eprintln!("skipped: there is a card");
        return;
    }
    let folder = folder();
    for command in [&["think", "-o", "out.avp"][..], &["generate"]] {
        for device in ["cuda", "cuda:1"] {
            let text =
                transcript(&folder, &[command, &["Hi", "-m", "pocket-a", "--device", device]].concat(), None);
            let lines: Vec<_> = text.lines().collect();
            assert_eq!((lines.len(), lines.last().copied()), (3, Some("exit code 1")), "{text}");
            assert!(lines[1].starts_with("stderr: avp: refused (engine_unavailable): device: "), "{text}");
            let next = if cfg!(feature = "cuda") { "--device cpu" } else { "a build with the feature cuda" };
            assert!(lines[1].contains(next) && !text.contains("panicked"), "{text}");
        }
    }
    let text = transcript(&folder, &["generate", "Hi", "-m", "pocket-a", "--device", "gpu"], None);
    assert!(text.contains("auto, cpu, cuda or cuda:N") && text.ends_with("exit code 2\n"), "{text}");
}
