//! ACP/1 over this library: frames in, calls, frames out.
//!
//! [`serve`] is what the binary `avp-adapter` runs, and what the conformance binary runs for its built-in adapter. The
//! contract is `conformance/ADAPTER.md`. Every operation is one function over the library's public API; nothing is
//! decided here that a caller of the library could not decide the same way.

mod answer;
mod context;
#[cfg(feature = "model")]
mod easy;
mod frame;
mod handshake;
mod hashes;
mod hello;
#[cfg(feature = "http")]
mod http;
mod inspect;
mod kv;
mod maps;
mod messages;
pub mod metadata;
mod metrics;
#[cfg(feature = "model")]
mod model;
mod ndjson;
mod ops;
mod process;
mod project;
mod realign;
mod request;
mod rows;
mod script_time;
mod session_script;
mod sessions;
mod sizes;
mod stores;
mod tensors;
mod text;
#[cfg(feature = "model")]
mod transfer;
mod validation;

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use answer::Reply;
use frame::{Input, Output};
use request::{Envelope, Request};

/// Longest JSON part of a frame.
pub const MAX_JSON: usize = 1 << 20;
/// Longest JSON part of a frame whose operation carries vocabularies.
pub const MAX_VOCABULARY_JSON: usize = 16 << 20;
/// Longest blob of a frame.
pub const MAX_BLOB: usize = 256 << 20;
/// How many requests may be sent before the first is answered. Frames are answered in order; the number only keeps the
/// pipe full.
pub const INFLIGHT: u32 = 64;

/// How frames are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Two lengths, JSON, blob.
    #[default]
    Raw,
    /// A JSON object a line, the blob in base64.
    Ndjson,
}

/// Answers frames from `input` on `output` until the input ends.
///
/// Answers are buffered, and flushed before every read that may block and whenever they are many, so a harness may work
/// in lock-step or keep the pipe full. A panic inside an operation is answered as a fault; it does not end the loop.
///
/// # Errors
/// When reading or writing fails, and `InvalidData` when what comes is no frame of ACP/1.
pub fn serve(input: impl Read, output: impl Write) -> io::Result<()> {
    serve_framed(Framing::Raw, input, output)
}

/// Like [`serve`], in the framing given.
///
/// # Errors
/// As [`serve`].
pub fn serve_framed(framing: Framing, input: impl Read, output: impl Write) -> io::Result<()> {
    let (mut input, mut output) = (Input::new(input), Output::new(output));
    while serve_one(framing, None, &mut input, &mut output)? {}
    output.flush()
}

/// Answers one frame, for operation `op` where the frame names none: the exec mode.
///
/// # Errors
/// As [`serve`]; also `UnexpectedEof` when there is no frame.
pub fn execute(framing: Framing, op: &str, input: impl Read, output: impl Write) -> io::Result<()> {
    let (mut input, mut output) = (Input::new(input), Output::new(output));
    if !serve_one(framing, Some(op), &mut input, &mut output)? {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no frame"));
    }
    output.flush()
}

/// [`serve_framed`] on this process's standard input and output, or [`execute`] when an operation is given.
///
/// # Errors
/// As these.
pub fn serve_stdio(framing: Framing, op: Option<&str>) -> io::Result<()> {
    let input = io::stdin().lock();
    // Both ends are buffered here. The standard library's own output would also look for ends of lines in binary frames
    // and flush at each, so where there are file descriptors they are written to directly.
    #[cfg(unix)]
    let output = std::fs::File::from(std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned()?);
    #[cfg(not(unix))]
    let output = io::stdout().lock();
    match op {
        Some(op) => execute(framing, op, input, output),
        None => serve_framed(framing, input, output),
    }
}

/// Answers the next frame; false at the end of input.
fn serve_one<R: Read, W: Write>(
    framing: Framing,
    op: Option<&str>,
    input: &mut Input<R>,
    output: &mut Output<W>,
) -> io::Result<bool> {
    match framing {
        Framing::Raw => {
            let Some(span) = input.raw_frame(output)? else { return Ok(false) };
            let (json, blob) = input.slices(&span);
            let envelope = Envelope::parse(json)?;
            let reply = answer(&envelope, json.len(), blob, op);
            output.write_raw(envelope.id, envelope.op.as_deref().or(op).unwrap_or_default(), &reply)?;
            drop(reply);
            input.consume(&span);
        }
        Framing::Ndjson => {
            let Some(span) = input.line(output)? else { return Ok(false) };
            let (line, _) = input.slices(&span);
            if !line.trim_ascii().is_empty() {
                let envelope = Envelope::parse(line)?;
                let base64 = envelope.blob.as_deref().unwrap_or_default();
                let blob = ndjson::blob(base64)?;
                let reply = answer(&envelope, line.len() - base64.len(), &blob, op);
                output.write_line(envelope.id, envelope.op.as_deref().or(op).unwrap_or_default(), &reply)?;
            }
            input.consume(&span);
        }
    }
    Ok(true)
}

fn answer<'a>(envelope: &'a Envelope<'_>, json_len: usize, blob: &'a [u8], op: Option<&'a str>) -> Reply<'a> {
    let request = match Request::new(envelope, blob, op) {
        Ok(request) => request,
        Err(error) => return Reply::Err(error),
    };
    if json_len > MAX_JSON && !ops::carries_vocabulary(request.op) {
        return Reply::Err(request::too_long(json_len));
    }
    let Some(handler) = ops::handler(request.op) else {
        return Reply::Unsupported("no such operation here".to_owned());
    };
    // The handlers own what they change, so nothing half done is left behind a panic.
    match catch_unwind(AssertUnwindSafe(|| handler(&request))) {
        Ok(Ok(answer)) => Reply::Ok(answer),
        Ok(Err(refusal)) => refusal.into(),
        Err(panic) => Reply::Fault(text_of(panic.as_ref())),
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without text".to_owned())
}

#[cfg(test)]
mod tests;
