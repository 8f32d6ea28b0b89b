//! Agents behind the servers of these tests, and the raw side of a connection in front of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use avp::session::{ModelIdentity, Session};
use avp::transport::{Agent, Answer, Prompt, Question, Received, Running, ServerOptions};
use avp::{Error, ErrorClass, Result};
use serde_json::{Map, Value, json};

/// No test waits longer for anything. Nothing that works takes a hundredth of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Says back what it was asked, and behind how many payload bytes.
pub(crate) struct Echo {
    pub(crate) identity: ModelIdentity,
    pub(crate) answers: bool,
}

impl Echo {
    pub(crate) fn new() -> Self {
        let identity = ModelIdentity {
            model_family: "echo".into(),
            model_id: "echo-1".into(),
            model_hash: "ab".repeat(32),
            hidden_dim: 4,
            num_layers: 2,
            num_kv_heads: 1,
            head_dim: 4,
            tokenizer_hash: "cd".repeat(32),
        };
        Self { identity, answers: true }
    }
}

impl Agent for Echo {
    fn agent_id(&self) -> &str {
        "echo"
    }

    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn answers(&self) -> bool {
        self.answers
    }

    fn receive(&self, message: &Received, session: Option<&Session>) -> Result<Map<String, Value>> {
        match message.metadata.model_id.as_str() {
            "refuse" => {
                return Err(Error::new(
                    ErrorClass::IncompatibleModels,
                    "metadata.model_id",
                    "echo-1",
                    "another",
                ));
            }
            "panic" => panic!("on purpose"),
            _ => {}
        }
        let told = json!({
            "payload_bytes": message.payload().len(), "in_session": session.is_some(), "success": "never taken",
        });
        Ok(told.as_object().unwrap().clone())
    }

    fn answer(&self, question: Question, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<Answer> {
        let asked = match &question.prompt {
            Prompt::Text(message) => message.content.clone(),
            Prompt::Chat(messages) => messages.iter().map(|(_, content)| content.as_str()).collect(),
        };
        if asked == "panic" {
            panic!("on purpose");
        }
        let behind = question.context.as_ref().map(|context| context.payload().len());
        let content = format!("{asked} behind {behind:?}");
        for piece in content.split_inclusive(' ') {
            // As an agent does whose token is no character yet.
            if on_text("").is_break() || on_text(piece).is_break() {
                break;
            }
        }
        let context = question
            .keep
            .then(|| avp::Encoder::new().encode(&avp::Metadata::default(), asked.as_bytes()).unwrap());
        Ok(Answer {
            content,
            finish: "stop",
            prompt_tokens: 3,
            completion_tokens: 4,
            context,
            ..Answer::default()
        })
    }
}

/// A context of that session.
pub(crate) fn message(session: &str, payload: &[u8]) -> Vec<u8> {
    let metadata = avp::Metadata { session_id: session.into(), ..avp::Metadata::default() };
    avp::Encoder::new().encode(&metadata, payload).unwrap()
}

pub(crate) fn start(options: ServerOptions) -> Running {
    start_with(options, Echo::new())
}

pub(crate) fn start_with(options: ServerOptions, agent: impl Agent) -> Running {
    Running::start(SocketAddr::from(([127, 0, 0, 1], 0)), options, Arc::new(agent)).unwrap()
}

/// What came back on a connection of HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// A connection on which bytes are written as they are.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) fn to(server: &Running) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> &mut Self {
        // A server that has already answered may have closed.
        let _ = self.0.write_all(bytes);
        self
    }

    /// The next answer: its head, and as much body as `content-length` says, or everything.
    pub(crate) fn read(&mut self) -> Option<Got> {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            match self.0.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(len) => bytes.extend_from_slice(&piece[..len]),
            }
        };
        let mut body = bytes.split_off(head_end);
        let head = String::from_utf8(bytes).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        while length.is_none_or(|length: usize| body.len() < length) {
            match self.0.read(&mut piece) {
                Ok(0) | Err(_) => break,
                Ok(len) => body.extend_from_slice(&piece[..len]),
            }
        }
        Some(Got { status, head, body })
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Option<Got> {
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        self.send(head.as_bytes()).send(body).read()
    }
}

/// One request on a connection of its own.
pub(crate) fn ask(server: &Running, method: &str, path: &str, body: &[u8]) -> Got {
    Raw::to(server).ask(method, path, "", body).unwrap()
}

/// A session's id.
pub(crate) fn handshake(server: &Running) -> String {
    let got = ask(server, "POST", "/avp/v2/handshake", br#"{"agent_id": "tester"}"#);
    got.json()["session_id"].as_str().unwrap().to_owned()
}
