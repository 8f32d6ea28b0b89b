//! An implementation under test, behind ACP/1.

mod child;
mod command;
mod exec;
mod frame;
mod hello;
mod inproc;
mod memory;
mod process;
mod token;
mod wire;

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

pub use self::command::{AdapterCommand, MEMORY_LIMIT};
pub use self::exec::ExecLauncher;
pub use self::frame::{BLOB_LIMIT, Frame, FrameError, FrameReader, Framing, JSON_LIMIT, VOCAB_JSON_LIMIT};
pub use self::hello::{ACP_VERSION, Hello, INFLIGHT_LIMIT};
pub use self::inproc::{Implementation, InProcessLauncher};
pub use self::process::ProcessLauncher;
pub use self::token::{fresh_id, fresh_nonce};
pub use self::wire::{parse_answer, parse_request, write_answer, write_request};

/// A request as it goes to an implementation: no case id, no expectation.
#[derive(Clone, Debug)]
pub struct Request {
    /// Operation.
    pub op: String,
    /// `"0.2"` or `"0.4"`.
    pub spec: &'static str,
    /// Arguments.
    pub args: Map<String, Value>,
    /// Named bytes.
    pub parts: Vec<Blob>,
}

/// Named bytes in a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Blob {
    /// Part name.
    pub name: String,
    /// Element type as the contract writes it (`f32`, …), for tensors.
    pub dtype: Option<String>,
    /// Dimensions, for tensors.
    pub shape: Option<Vec<u64>>,
    /// The bytes.
    pub bytes: std::sync::Arc<[u8]>,
}

/// What an implementation answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Done, with its content and parts.
    Ok {
        /// The object under `ok`.
        ok: Map<String, Value>,
        /// The parts of the blob.
        parts: Vec<Blob>,
    },
    /// Refused, with a class.
    Err {
        /// Class code.
        code: String,
        /// Free text, never judged.
        detail: String,
        /// Status of the HTTP answer that the error is about, where it carries one.
        status: Option<u16>,
    },
    /// This operation or feature is not implemented there.
    Unsupported(String),
    /// The adapter caught a panic or a foreign exception.
    Fault(String),
}

/// How an exchange failed without an answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Lost {
    /// There never was a child.
    #[error("the adapter could not be started: {what}")]
    NotStarted {
        /// What the system says.
        what: String,
    },
    /// The child is gone.
    #[error("the adapter died: {status}")]
    Died {
        /// Exit status or signal, in words.
        status: String,
    },
    /// Nothing came in time.
    #[error("no answer within {limit:?}")]
    Timeout {
        /// The limit that ran out.
        limit: Duration,
    },
    /// What came is not ACP/1.
    #[error("protocol error: {what}")]
    Protocol {
        /// What is wrong with the frame, with offsets.
        what: String,
    },
}

/// What came of several requests.
#[derive(Debug, Default)]
pub struct Exchanged {
    /// One entry a request, in their order; `None` where no answer came.
    pub answers: Vec<Option<Timed>>,
    /// Why not all were answered. The instance is not to be used again then.
    pub lost: Option<Lost>,
}

/// An answer with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// The answer.
    pub answer: Answer,
    /// Since the request was handed over, or since the answer before this one when that is later.
    pub took: Duration,
}

/// One running instance of an implementation: a child process, or an in-process value in tests.
pub trait Instance: Send {
    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    /// [`Lost`] when the instance died, stayed silent or broke the protocol. It is not to be used again after that.
    fn exchange(&mut self, request: &Request, limit: Duration) -> Result<Answer, Lost>;

    /// Sends several requests with up to `window` unanswered at a time, and waits at most `limit` from one answer to
    /// the next. The default is lock-step.
    fn exchange_all(&mut self, requests: &[Request], limit: Duration, window: usize) -> Exchanged {
        let _ = window;
        let mut done = Exchanged { answers: vec![None; requests.len()], lost: None };
        for (request, slot) in requests.iter().zip(&mut done.answers) {
            let started = Instant::now();
            match self.exchange(request, limit) {
                Ok(answer) => *slot = Some(Timed { answer, took: started.elapsed() }),
                Err(lost) => {
                    done.lost = Some(lost);
                    break;
                }
            }
        }
        done
    }

    /// Peak resident memory in bytes since the last call of [`Instance::reset_peak`], when it can be known.
    fn peak_rss(&mut self) -> Option<u64> {
        None
    }

    /// Starts a new measurement of the peak.
    fn reset_peak(&mut self) {}

    /// The last of what the instance wrote on stderr.
    fn stderr_tail(&self) -> String {
        String::new()
    }

    /// Ends the instance, gently at first, and says how it ended when that can be known.
    fn close(&mut self) -> Option<String> {
        None
    }
}

/// Starts instances. One adapter may have several at a time.
pub trait Launcher: Send + Sync {
    /// Starts a fresh instance; `hello` is not yet exchanged.
    ///
    /// # Errors
    /// [`Lost`] when it can't be started.
    fn launch(&self) -> Result<Box<dyn Instance>, Lost>;

    /// For people: the command line, or a name.
    fn describe(&self) -> String;
}
