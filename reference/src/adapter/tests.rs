use std::cell::Cell;
use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod maps;
mod projection;

fn frame(request: &Value, blob: &[u8]) -> Vec<u8> {
    let json = request.to_string();
    let mut frame = (json.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&(blob.len() as u32).to_le_bytes());
    frame.extend_from_slice(json.as_bytes());
    frame.extend_from_slice(blob);
    frame
}

fn frames(mut bytes: &[u8]) -> Vec<(Value, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let (json, blob) = (word(0), word(4));
        let (head, rest) = bytes.split_at(8 + json + blob);
        frames.push((serde_json::from_slice(&head[8..8 + json]).unwrap(), head[8 + json..].to_vec()));
        bytes = rest;
    }
    frames
}

fn run(input: &[u8]) -> io::Result<Vec<(Value, Vec<u8>)>> {
    let mut output = Vec::new();
    serve(input, &mut output).map(|()| frames(&output))
}

fn ask(op: &str, args: &Value, parts: &[(&str, &[u8])]) -> (Value, Vec<u8>) {
    let heads: Vec<_> = parts.iter().map(|(name, bytes)| json!({"name": name, "len": bytes.len()})).collect();
    let blob: Vec<u8> = parts.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    let request = json!({"id": 7, "op": op, "spec": "0.4", "args": args, "parts": heads, "unknown": [1]});
    run(&frame(&request, &blob)).unwrap().remove(0)
}

/// A reader that gives one byte at a time and, before each, checks that nothing is owed to the other side.
struct Trickle<'a> {
    rest: &'a [u8],
    owed: Rc<Cell<usize>>,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert_eq!(self.owed.get(), 0, "a read while an answer is held back");
        self.rest.read(&mut buffer[..1])
    }
}

/// A writer that counts what is written but not flushed.
struct Owing {
    written: Vec<u8>,
    owed: Rc<Cell<usize>>,
}

impl Write for Owing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.owed.set(self.owed.get() + bytes.len());
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.owed.set(0);
        Ok(())
    }
}

#[test]
fn hello_declares_what_is_there() {
    let (answer, _) =
        ask("hello", &json!({"acp": 1, "suite": "0.1.0", "specs": ["0.4"], "nonce": "k3v9"}), &[]);
    assert_eq!(answer["id"], 7);
    let ok = &answer["ok"];
    assert_eq!((ok["acp"].as_u64(), ok["inflight"].as_u64()), (Some(1), Some(64)));
    let declared: Vec<_> = ok["ops"].as_array().unwrap().iter().map(|op| op.as_str().unwrap()).collect();
    assert!(declared.contains(&"decode") && declared.contains(&"serve") == cfg!(feature = "http"));
    for op in declared.iter().filter(|op| **op != "panic") {
        let (answer, _) = ask(op, &json!({}), &[]);
        assert!(answer.get("unsupported").is_none() && answer.get("fault").is_none(), "{op}: {answer}");
    }
    let (answer, _) = ask("nope-k3v9", &json!({}), &[]);
    assert!(answer["unsupported"].is_string(), "{answer}");
}

#[test]
fn a_message_goes_round() {
    let metadata = json!({"model_id": "m", "hidden_dim": 2, "tensor_shape": [2], "extra": {"a": "b"}});
    let (encoded, message) =
        ask("encode", &json!({"metadata": metadata}), &[("payload", &[1, 2, 3, 4, 5, 6, 7, 8])]);
    assert_eq!(encoded["parts"][0]["name"], "message");
    let (decoded, payload) = ask("decode", &json!({}), &[("message", &message)]);
    assert_eq!(payload, [1, 2, 3, 4, 5, 6, 7, 8]);
    let ok = &decoded["ok"];
    assert_eq!((&ok["metadata"]["model_id"], &ok["metadata"]["extra"]), (&json!("m"), &json!({"a": "b"})));
    assert_eq!(ok["consumed"], message.len());
    assert!(ok["metadata"].get("confidence_score").is_none());
    let mut broken = message;
    broken[0] ^= 0xff;
    let (refused, _) = ask("decode", &json!({}), &[("message", &broken)]);
    assert_eq!(refused["err"]["code"], "invalid_magic");
}

#[test]
fn a_panic_is_a_fault_and_not_the_end() {
    let requests = [
        json!({"id": 1, "op": "panic"}),
        json!({"id": 2, "op": "compression_advice",
        "args": {"payload_type": "KV_CACHE", "size": 9}}),
    ];
    let input: Vec<u8> = requests.iter().flat_map(|request| frame(request, &[])).collect();
    let answers = run(&input).unwrap();
    assert_eq!(answers[0].0, json!({"id": 1, "fault": "on purpose"}));
    assert_eq!(answers[1].0["ok"]["compression"], "none");
}

#[test]
fn answers_are_flushed_before_waiting() {
    let input: Vec<u8> = (0..5)
        .flat_map(|id| {
            let parts = json!([{"name": "payload", "len": 70_000}]);
            frame(&json!({"id": id, "op": "encode", "args": {}, "parts": parts}), &vec![7; 70_000])
        })
        .collect();
    let owed = Rc::new(Cell::new(0));
    let mut output = Owing { written: Vec::new(), owed: Rc::clone(&owed) };
    serve(Trickle { rest: &input, owed }, &mut output).unwrap();
    let answers = frames(&output.written);
    assert_eq!(
        answers.iter().map(|(answer, _)| answer["id"].as_u64().unwrap()).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    assert!(answers.iter().all(|(_, message)| message.len() > 70_000));
}

#[test]
fn what_is_no_frame_ends_the_run() {
    let kind = |input: &[u8]| run(input).unwrap_err().kind();
    let whole = frame(&json!({"id": 1, "op": "hello"}), &[]);
    for len in 1..whole.len() {
        assert_eq!(kind(&whole[..len]), io::ErrorKind::UnexpectedEof, "{len}");
    }
    // Lengths beyond the limits, with nothing behind them.
    for lengths in [[0x0100_0001_u32, 0], [2, 0x1000_0001], [u32::MAX, u32::MAX]] {
        let bytes: Vec<u8> = lengths.iter().flat_map(|length| length.to_le_bytes()).collect();
        assert_eq!(kind(&bytes), io::ErrorKind::InvalidData, "{lengths:?}");
    }
    // A claim of 256 MiB that never comes.
    assert_eq!(kind(&[2, 0, 0, 0, 0, 0, 0, 0x10, b'{', b'}']), io::ErrorKind::UnexpectedEof);
    for json in ["{", "[]", "5", "{\"op\":\"hello\"}", "{\"id\":-1}"] {
        let mut bytes = (json.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(json.as_bytes());
        assert_eq!(kind(&bytes), io::ErrorKind::InvalidData, "{json}");
    }
}

#[test]
fn wrong_parts_and_long_json_are_refused() {
    for parts in [json!([{"name": "message", "len": 2}]), json!([{"name": "message", "len": 4}]), json!([])] {
        let request = json!({"id": 1, "op": "decode", "parts": parts});
        let answer = run(&frame(&request, &[1, 2, 3])).unwrap().remove(0).0;
        assert_eq!(answer["err"]["code"], "invalid_argument", "{parts}");
    }
    let long = json!({"id": 1, "op": "model_hash", "args": {"json": "{}", "padding": " ".repeat(MAX_JSON)}});
    assert_eq!(run(&frame(&long, &[])).unwrap()[0].0["err"]["code"], "limit_exceeded");
    let vocab: serde_json::Map<_, _> = (0..100_000).map(|n| (format!("token-{n}"), json!(n))).collect();
    let long = json!({"id": 1, "op": "tokenizer_hash", "args": {"vocab": vocab}});
    assert!(long.to_string().len() > MAX_JSON);
    assert_eq!(run(&frame(&long, &[])).unwrap()[0].0["ok"]["hex"].as_str().unwrap().len(), 64);
}

#[test]
fn numbers_that_json_does_not_have_go_by_name() {
    for name in ["nan", "inf", "-inf"] {
        let metadata = json!({"confidence_score": name});
        let mut request = json!({"id": 1, "op": "encode", "spec": "0.2", "args": {"metadata": metadata}});
        request["parts"] = json!([{"name": "payload", "len": 0}]);
        let message = run(&frame(&request, &[])).unwrap().remove(0).1;
        let mut request = json!({"id": 1, "op": "decode", "spec": "0.2"});
        request["parts"] = json!([{"name": "message", "len": message.len()}]);
        let answer = run(&frame(&request, &message)).unwrap().remove(0).0;
        assert_eq!(answer["ok"]["metadata"]["confidence_score"], name);
    }
}

#[test]
fn a_payload_beyond_a_blob_is_announced() {
    let payload = vec![0; MAX_BLOB + 1];
    let encoder = crate::wire::Encoder::new().compression(crate::wire::Compression::Fast);
    let message = encoder.encode(&crate::wire::Metadata::default(), &payload).unwrap();
    let (answer, blob) = ask("decode", &json!({}), &[("message", &message)]);
    assert_eq!(answer["parts"], json!([{"name": "payload", "len": 0, "omitted": MAX_BLOB + 1}]));
    assert!(blob.is_empty() && answer["ok"]["header"].is_object());
}

#[test]
fn lines_in_base64() {
    let message = b"AV\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let blob = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, message);
    let line = json!({"id": 3, "op": "decode", "parts": [{"name": "message", "len": 12}], "blob": blob});
    let encode = json!({"id": 4, "op": "encode", "parts": [{"name": "payload", "len": 0}]});
    let input = format!("{line}\n\n{encode}");
    let mut output = Vec::new();
    serve_framed(Framing::Ndjson, input.as_bytes(), &mut output).unwrap();
    let answers: Vec<Value> = output
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!((&answers[0]["id"], &answers[0]["ok"]["consumed"]), (&json!(3), &json!(12)));
    assert_eq!(answers[0].get("blob"), None);
    assert_eq!(answers[1]["parts"][0]["name"], "message");
    assert!(answers[1]["blob"].as_str().unwrap().starts_with("QVYB"));
    let error = serve_framed(Framing::Ndjson, &b"{\"id\":1,\"blob\":\"*\"}\n"[..], io::sink()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn exec_mode_answers_one_frame() {
    let input = frame(&json!({"id": 9, "args": {"json": "{}"}}), &[]);
    let mut output = Vec::new();
    execute(Framing::Raw, "model_hash", &input[..], &mut output).unwrap();
    let hex = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(frames(&output)[0].0, json!({"id": 9, "ok": {"hex": hex}}));
    let error = execute(Framing::Raw, "hello", io::empty(), io::sink()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn sessions_follow_the_clock_that_is_given() {
    let steps = json!([
        {"at": 0, "do": "create", "session": "s1", "agents": ["a", "b"], "ttl": 10},
        {"at": 0.1, "do": "create", "session": "s2", "agents": ["a"], "ttl": 100},
        {"at": 10, "do": "get", "session": "s1"},
        {"at": 10.1, "do": "find", "agent": "a"},
        {"at": 10.1, "do": "require", "session": "s1"},
        {"at": 10.1, "do": "require", "session": "nope"},
        {"at": 10.1, "do": "count"},
        {"at": 20, "do": "invalidate", "session": "s2"},
        {"at": 20, "do": "invalidate", "session": "s2"},
        {"at": 20, "do": "create", "session": "s3", "ttl": 1},
        {"at": 20, "do": "stored"},
        {"at": 7200, "do": "stored"},
    ]);
    let (answer, _) = ask("session_script", &json!({"steps": steps}), &[]);
    assert_eq!(
        answer["ok"]["events"],
        json!([
            {"session": "s1", "ttl": 10, "mode": "LATENT"},
            {"session": "s2", "ttl": 100, "mode": "LATENT"},
            {"found": true},
            {"sessions": ["s2"]},
            {"error": "session_expired", "session": "s1"},
            {"error": "session", "session": "nope"},
            {"active": 1},
            {"found": true},
            {"found": false},
            {"session": "s3", "ttl": 1, "mode": "LATENT"},
            {"stored": 1},
            {"stored": 0},
        ])
    );
    let (answer, _) = ask("session_stress", &json!({"threads": 4, "per_thread": 100}), &[]);
    assert_eq!(answer["ok"], json!({"created": 400, "found": 400, "removed": 200, "active": 200}));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever comes, serving ends in order, and no operation panics.
    #[test]
    fn arbitrary_bytes(bytes: Vec<u8>, lines: bool) {
        let framing = if lines { Framing::Ndjson } else { Framing::Raw };
        let _ = serve_framed(framing, &bytes[..], io::sink());
    }

    #[test]
    fn arbitrary_arguments(
        op in 0..ops::names().count(),
        keys in proptest::collection::vec((0..KEYS.len(), 0..VALUES.len()), 0..5),
        part in 0..PARTS.len(),
        blob in proptest::collection::vec(any::<u8>(), 0..64),
        spec in prop_oneof!["0.2", "0.4"],
    ) {
        let op = ops::names().nth(op).unwrap();
        prop_assume!(op != "panic");
        let args: serde_json::Map<_, _> = keys
            .iter()
            .map(|&(key, value)| (KEYS[key].to_owned(), serde_json::from_str(VALUES[value]).unwrap()))
            .collect();
        let parts = json!([{"name": PARTS[part], "len": blob.len(), "dtype": "f16", "shape": [1, 2, blob.len() / 4]}]);
        let request = json!({"id": 1, "op": op, "spec": spec, "args": args, "parts": parts});
        let answer = run(&frame(&request, &blob)).unwrap().remove(0).0;
        prop_assert!(answer.get("fault").is_none(), "{answer}");
    }
}

const KEYS: &[&str] = &[
    "metadata",
    "compression",
    "checksum",
    "limits",
    "strict",
    "dialect",
    "payload_len",
    "chunks",
    "splits",
    "payload_type",
    "size",
    "dtype",
    "shape",
    "json",
    "int_keys",
    "vocab",
    "tokenizer_json",
    "vocab_json",
    "a",
    "b",
    "config",
    "identity",
    "hello",
    "local",
    "remote",
    "local_vocab",
    "remote_vocab",
    "maps",
    "name",
    "ttl",
    "steps",
    "threads",
    "per_thread",
    "message",
    "form",
    "request",
    "prompt_tokens",
    "num_layers",
    "num_steps",
    "seq_len",
];

const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "1",
    "-1",
    "64",
    "1.5",
    "1e300",
    "18446744073709551615",
    "\"\"",
    "\"x\"",
    "\"auto\"",
    "\"f16\"",
    "\"FLOAT16\"",
    "\"EMBEDDING\"",
    "\"fast\"",
    "\"{}\"",
    "[]",
    "[1]",
    "[64, 1]",
    "[\"/a\"]",
    "{}",
    "{\"a\": 1}",
    "{\"hidden_dim\": 4294967296}",
    "{\"mode\": \"HYBRID\"}",
    "[{\"type\": \"LATENT\"}]",
    "[{\"at\": 1e300, \"do\": \"create\", \"ttl\": -1e300}]",
    "[{\"at\": -5, \"do\": \"create\", \"ttl\": 1e300}]",
    "[[\"\", \"\"]]",
    "{\"max_payload\": 0}",
];

const PARTS: &[&str] =
    &["payload", "message", "kv", "k0", "values", "stream", "json", "data", "c0", "hidden", "other"];

fn tensor_request(op: &str, args: &Value, tensors: &[(&str, &[u64], &[f32])]) -> (Value, Vec<f32>) {
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let heads: Vec<_> = tensors
        .iter()
        .map(|(name, shape, values)| json!({"name": name, "len": 4 * values.len(), "dtype": "f32", "shape": shape}))
        .collect();
    let blob: Vec<u8> = tensors.iter().flat_map(|(_, _, values)| bytes(values)).collect();
    let (answer, blob) =
        run(&frame(&json!({"id": 7, "op": op, "args": args, "parts": heads}), &blob)).unwrap().remove(0);
    (answer, blob.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

#[test]
fn rows_of_other_lengths_do_not_mix() {
    let three: (&str, &[u64], &[f32]) = ("embed", &[1, 4], &[1.0; 4]);
    let (answer, _) =
        tensor_request("soft_embed", &json!({"temperature": 1}), &[("hidden", &[1, 2], &[1.0; 2]), three]);
    assert_eq!(answer["err"]["code"], "shape_mismatch", "{answer}");
    let (answer, _) = tensor_request(
        "realign_apply",
        &json!({"target_norm": 1}),
        &[("hidden", &[1, 2], &[1.0; 2]), ("w", &[1, 4], &[1.0; 4])],
    );
    assert_eq!(answer["err"]["code"], "shape_mismatch", "{answer}");
}

#[test]
fn a_realignment_is_read_back_without_being_computed() {
    let folder = tempfile::tempdir().unwrap();
    let args = json!({"cache_dir": folder.path(), "model_hash": "ab12"});
    let ask = |e_out: &[f32]| {
        tensor_request("realign_cached", &args, &[("e_in", &[2, 1], &[2.0, 2.0]), ("e_out", &[2, 1], e_out)])
    };
    let (first, w) = ask(&[1.0, 1.0]);
    assert_eq!((&first["ok"]["from_disk"], &first["ok"]["target_norm"]), (&json!(false), &json!(2.0)));
    let (second, same) = ask(&[4.0, 4.0]);
    assert_eq!((&second["ok"]["from_disk"], same), (&json!(true), w));
    assert!(folder.path().join("realign").join("ab12.avp").is_file());
}
