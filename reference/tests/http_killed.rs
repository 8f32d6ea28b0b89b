//! A server's process that is killed in the midst of a handshake or a message, and one that takes its place: what was
//! acknowledged before is gone and said to be gone, what was not is not there (AVP-SES-011).

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use avp::wire::{DataType, Encoder, Metadata, PayloadType};
use serde_json::{Value, json};

/// Nothing that works takes a hundredth of it.
const PATIENCE: Duration = Duration::from_secs(30);

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(strict: bool) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_avp-adapter"));
        let process =
            command.args(["--framing", "ndjson"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = process.unwrap();
        let args = json!({"transport": "h1", "strict": strict});
        let line = json!({"id": 1, "op": "serve", "args": args, "parts": [], "blob": ""});
        writeln!(process.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        BufReader::with_capacity(1, process.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
        let told: Value = serde_json::from_str(&answer).unwrap();
        let port = u16::try_from(told["ok"]["port"].as_u64().unwrap()).unwrap();
        Self { process, port }
    }

    /// As the system does when memory is short: nothing can be said or saved any more.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn post(&self, path: &str, body: &[u8]) -> (u16, Value) {
        let mut stream = self.connect();
        stream.write_all(&head(path, body.len())).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
    }
}

fn head(path: &str, len: usize) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-type: {}\r\navp-version: 0.4\r\navp-agent-id: a\r\n\
         content-length: {len}\r\n\r\n",
        if path.ends_with("transmit") { "application/avp+binary" } else { "application/json" }
    )
    .into_bytes()
}

fn context(session: &str) -> Vec<u8> {
    let metadata = Metadata {
        session_id: session.to_owned(),
        payload_type: PayloadType::HiddenState,
        dtype: DataType::Float32,
        hidden_dim: 4,
        tensor_shape: vec![1000, 4],
        ..Metadata::default()
    };
    Encoder::new().encode(&metadata, &[1; 16_000]).unwrap()
}

/// What comes of a request of which this much was sent when the server was killed: nothing, and no hanging either.
fn cut_off(server: Server, path: &str, body: &[u8], sent: usize) {
    let mut stream = server.connect();
    let request = [head(path, body.len()), body.to_vec()].concat();
    stream.write_all(&request[..sent]).unwrap();
    server.kill();
    let mut answer = Vec::new();
    // Closed or reset, as the system likes.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn in_the_midst_of_a_handshake() {
    let hello = br#"{"agent_id": "a"}"#;
    for sent in [
        1,
        30,
        head("/avp/v2/handshake", hello.len()).len(),
        head("/avp/v2/handshake", hello.len()).len() + 5,
    ] {
        cut_off(Server::start(false), "/avp/v2/handshake", hello, sent);
    }
    // The one that takes its place knows nothing of it, and works.
    let next = Server::start(false);
    let (status, told) = next.post("/avp/v2/handshake", hello);
    assert_eq!((status, told["success"].as_bool()), (200, Some(true)));
    next.kill();
}

#[test]
fn after_a_context_was_kept_and_in_the_midst_of_the_next() {
    let first = Server::start(false);
    let session = first.post("/avp/v2/handshake", b"{}").1["session_id"].as_str().unwrap().to_owned();
    let message = context(&session);
    assert_eq!(first.post("/avp/v2/transmit", &message).1["kept"], true);
    cut_off(first, "/avp/v2/transmit", &message, 8000);

    let question = json!({"session_id": session, "content": "What was it?"}).to_string();
    // A lenient one says that nothing stands behind the session, a strict one refuses it.
    let lenient = Server::start(false);
    let (status, told) = lenient.post("/avp/v2/transmit", &message);
    assert_eq!((status, &told["kept"]), (200, &json!(false)), "{told}");
    let (status, told) = lenient.post("/avp/v2/text", question.as_bytes());
    assert_eq!((status, told.get("context")), (200, Some(&Value::Null)), "{told}");
    lenient.kill();
    let strict = Server::start(true);
    for (path, body) in [("/avp/v2/transmit", &message[..]), ("/avp/v2/text", question.as_bytes())] {
        let (status, told) = strict.post(path, body);
        assert_eq!((status, &told["code"]), (409, &json!("session")), "{told}");
    }
    strict.kill();
}
