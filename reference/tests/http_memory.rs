//! What a large message takes of a server's memory: the message once, and nothing like it beside (AVP-SEC-008, A-028).
//!
//! The server runs in a process of its own, behind the adapter, which tells the most memory that it ever held.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use avp::wire::{DataType, Encoder, Metadata, PayloadType};
use serde_json::{Value, json};

/// Large against what a server takes anyway (some 20 MiB), small enough for any machine.
const PAYLOAD: usize = 192 << 20;
/// What a server without a message takes at most, and what its connections buffer.
const BESIDE: u64 = 48 << 20;

struct Adapter(Child);

impl Adapter {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_avp-adapter"));
        let child =
            command.args(["--framing", "ndjson"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Self(child.unwrap())
    }

    fn ask(&mut self, op: &str, args: Value) -> Value {
        let line = json!({"id": 1, "op": op, "args": args, "parts": [], "blob": ""});
        writeln!(self.0.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        BufReader::with_capacity(1, self.0.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()["ok"].clone()
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn post(port: u64, path: &str, body: &[&[u8]]) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
    let len: usize = body.iter().map(|piece| piece.len()).sum();
    write!(stream, "POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n")
        .unwrap();
    for piece in body {
        stream.write_all(piece).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn a_large_message_is_held_once() {
    let mut adapter = Adapter::start();
    let limits = json!({"max_message": PAYLOAD + (1 << 20)});
    let port = adapter.ask("serve", json!({"transport": "h1", "limits": limits}))["port"].as_u64().unwrap();
    let session = post(port, "/avp/v2/handshake", &[b"{}"])["session_id"].as_str().unwrap().to_owned();
    let metadata = Metadata {
        session_id: session,
        payload_type: PayloadType::HiddenState,
        dtype: DataType::Int8,
        hidden_dim: 1024,
        tensor_shape: vec![(PAYLOAD / 1024) as u32, 1024],
        ..Metadata::default()
    };
    let before = adapter.ask("rss", json!({}))["peak_bytes"].as_u64().unwrap();
    assert!(before < BESIDE, "{before} before a message came");
    let message = Encoder::new().encode(&metadata, &vec![5; PAYLOAD]).unwrap();
    let told = post(port, "/avp/v2/transmit", &[&message]);
    assert_eq!((&told["kept"], &told["payload_length"]), (&json!(true), &json!(PAYLOAD)), "{told}");
    let peak = adapter.ask("rss", json!({}))["peak_bytes"].as_u64().unwrap();
    let most = PAYLOAD as u64 + BESIDE;
    assert!((PAYLOAD as u64..most).contains(&peak), "{peak} bytes at most, {most} allowed");
}
