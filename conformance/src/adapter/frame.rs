//! Frames of ACP/1: one JSON object and one blob, in two forms on the pipe.

use std::io::{self, BufRead, BufReader, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Longest JSON of a frame: an answer has at most a few dozen short members. Part of the protocol.
pub const JSON_LIMIT: usize = 1024 * 1024;

/// Longest JSON of a frame whose operation carries a vocabulary: 150,000 tokens take about 4 MiB. Part of the protocol.
pub const VOCAB_JSON_LIMIT: usize = 16 * 1024 * 1024;

/// Longest blob of a frame: the KV-cache of a small model at a few thousand tokens. Part of the protocol.
pub const BLOB_LIMIT: usize = 256 * 1024 * 1024;

/// Bytes of lengths in front of a raw frame.
const HEAD: usize = 8;

/// A claim reserves no more than this; the rest grows with what really arrives.
const RESERVE: usize = 64 * 1024;

/// How frames stand on the pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// `u32 json_len | u32 blob_len | json | blob`, little-endian.
    #[default]
    Raw,
    /// One JSON object a line, with the blob as base64 under `blob`.
    Ndjson,
}

/// One frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// The object.
    pub json: Map<String, Value>,
    /// How many bytes it took.
    pub json_len: usize,
    /// The bytes.
    pub blob: Vec<u8>,
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The pipe.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The pipe ended inside a frame.
    #[error("the output ends inside a frame: {got} of {expected} bytes of its {section}")]
    CutOff {
        /// `lengths`, `json`, `blob` or `line`.
        section: &'static str,
        /// Bytes that came.
        got: usize,
        /// Bytes that were announced.
        expected: usize,
    },
    /// A section is longer than the protocol allows.
    #[error("a frame announces {section} of {len} bytes, at most {limit} are allowed{}", text_hint(.head))]
    TooLong {
        /// `json`, `blob` or `line`.
        section: &'static str,
        /// Announced length.
        len: usize,
        /// The limit.
        limit: usize,
        /// The first bytes of the frame.
        head: [u8; HEAD],
    },
    /// The JSON section does not parse, or is no object.
    #[error("a frame's JSON does not parse: {what}; it begins with {begins:?}")]
    Json {
        /// What is wrong.
        what: String,
        /// Its first characters.
        begins: String,
    },
    /// The blob of a line is no base64.
    #[error("the blob of a line is no base64: {0}")]
    Base64(String),
}

/// What most often stands on a pipe in place of a frame is a line that somebody printed.
fn text_hint(head: &[u8; HEAD]) -> String {
    if head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        let text = String::from_utf8_lossy(head);
        format!("; the frame begins with the text {text:?}: stdout is for frames only, print to stderr")
    } else {
        String::new()
    }
}

/// Takes frames off a pipe. What a frame announces is checked before it is read, and nothing is reserved on a claim.
pub struct FrameReader<R> {
    input: BufReader<R>,
    framing: Framing,
}

impl<R: Read> FrameReader<R> {
    /// Reads frames of one form.
    pub fn new(input: R, framing: Framing) -> Self {
        Self { input: BufReader::with_capacity(RESERVE, input), framing }
    }

    /// The pipe.
    #[cfg(unix)]
    pub(super) fn get_mut(&mut self) -> &mut R {
        self.input.get_mut()
    }

    /// The next frame, or `None` at the end of the pipe.
    ///
    /// # Errors
    /// [`FrameError`]; nothing sensible can be read after one.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        match self.framing {
            Framing::Raw => self.raw(),
            Framing::Ndjson => self.line(),
        }
    }

    fn raw(&mut self) -> Result<Option<Frame>, FrameError> {
        let mut head = [0; HEAD];
        let got = read_up_to(&mut self.input, &mut head)?;
        if got == 0 {
            return Ok(None);
        }
        if got < HEAD {
            return Err(FrameError::CutOff { section: "lengths", got, expected: HEAD });
        }
        let [j0, j1, j2, j3, b0, b1, b2, b3] = head;
        let json_len = u32::from_le_bytes([j0, j1, j2, j3]) as usize;
        let blob_len = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
        for (section, len, limit) in [("json", json_len, VOCAB_JSON_LIMIT), ("blob", blob_len, BLOB_LIMIT)] {
            if len > limit {
                return Err(FrameError::TooLong { section, len, limit, head });
            }
        }
        let json = self.section("json", json_len)?;
        let blob = self.section("blob", blob_len)?;
        Ok(Some(Frame { json: object(&json)?, json_len, blob }))
    }

    fn section(&mut self, section: &'static str, len: usize) -> Result<Vec<u8>, FrameError> {
        let mut bytes = Vec::with_capacity(len.min(RESERVE));
        let got = (&mut self.input).take(len as u64).read_to_end(&mut bytes)?;
        if got < len {
            return Err(FrameError::CutOff { section, got, expected: len });
        }
        Ok(bytes)
    }

    fn line(&mut self) -> Result<Option<Frame>, FrameError> {
        const LIMIT: usize = VOCAB_JSON_LIMIT + BLOB_LIMIT.div_ceil(3) * 4;
        loop {
            let mut line = Vec::new();
            let got = (&mut self.input).take(LIMIT as u64 + 1).read_until(b'\n', &mut line)?;
            if got == 0 {
                return Ok(None);
            }
            if got > LIMIT {
                let mut head = [0; HEAD];
                head.copy_from_slice(&line[..HEAD]);
                return Err(FrameError::TooLong { section: "line", len: got, limit: LIMIT, head });
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let mut json = object(&line)?;
            let blob = match json.remove("blob") {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::String(text)) => {
                    STANDARD.decode(text).map_err(|error| FrameError::Base64(error.to_string()))?
                }
                Some(other) => return Err(FrameError::Base64(format!("{other} is no text"))),
            };
            if blob.len() > BLOB_LIMIT {
                let head = [0; HEAD];
                return Err(FrameError::TooLong {
                    section: "blob",
                    len: blob.len(),
                    limit: BLOB_LIMIT,
                    head,
                });
            }
            // What the blob took as text does not count as JSON.
            let json_len = line.len().saturating_sub(blob.len().div_ceil(3) * 4);
            return Ok(Some(Frame { json, json_len, blob }));
        }
    }
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match input.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, FrameError> {
    serde_json::from_slice(bytes).map_err(|error| FrameError::Json {
        what: error.to_string(),
        begins: String::from_utf8_lossy(bytes).chars().take(60).collect(),
    })
}

/// A frame on its way out; the blob's pieces are not copied.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    /// All that stands before the blob's pieces.
    head: Vec<u8>,
    pieces: Vec<std::sync::Arc<[u8]>>,
}

impl Outgoing {
    /// Puts a frame together.
    ///
    /// # Errors
    /// A sentence when a section is longer than the protocol allows.
    pub(super) fn new(
        framing: Framing,
        mut json: Map<String, Value>,
        pieces: Vec<std::sync::Arc<[u8]>>,
    ) -> Result<Self, String> {
        let blob_len: usize = pieces.iter().map(|piece| piece.len()).sum();
        if blob_len > BLOB_LIMIT {
            return Err(format!("a blob of {blob_len} bytes, at most {BLOB_LIMIT} are allowed"));
        }
        if framing == Framing::Ndjson {
            let blob = pieces.concat();
            json.insert("blob".into(), Value::String(STANDARD.encode(blob)));
            let mut head = serde_json::to_vec(&json).map_err(|error| error.to_string())?;
            head.push(b'\n');
            return Ok(Self { head, pieces: Vec::new() });
        }
        let mut head = vec![0; HEAD];
        serde_json::to_writer(&mut head, &json).map_err(|error| error.to_string())?;
        let json_len = head.len() - HEAD;
        if json_len > VOCAB_JSON_LIMIT {
            return Err(format!("JSON of {json_len} bytes, at most {VOCAB_JSON_LIMIT} are allowed"));
        }
        head[..4].copy_from_slice(&(json_len as u32).to_le_bytes());
        head[4..HEAD].copy_from_slice(&(blob_len as u32).to_le_bytes());
        if blob_len <= RESERVE {
            // One write for a small frame.
            pieces.iter().for_each(|piece| head.extend_from_slice(piece));
            return Ok(Self { head, pieces: Vec::new() });
        }
        Ok(Self { head, pieces })
    }

    /// What is to be written, in its order.
    #[cfg(unix)]
    pub(super) fn into_pieces(self) -> Vec<std::sync::Arc<[u8]>> {
        std::iter::once(self.head.into()).chain(self.pieces).filter(|piece| !piece.is_empty()).collect()
    }

    /// Writes it; the caller flushes.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.head)?;
        self.pieces.iter().try_for_each(|piece| out.write_all(piece))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn frame(framing: Framing, json: Value, blob: &[u8]) -> Vec<u8> {
        let Value::Object(json) = json else { unreachable!() };
        let mut out = Vec::new();
        Outgoing::new(framing, json, vec![blob.into()]).unwrap().write(&mut out).unwrap();
        out
    }

    #[test]
    fn both_forms_carry_all_bytes() {
        let blob: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        for framing in [Framing::Raw, Framing::Ndjson] {
            for len in [0, 1, 2, 3, 256, 200_000] {
                let mut bytes = frame(framing, json!({"id": 1, "text": "ä\n"}), &blob[..len]);
                bytes.extend(frame(framing, json!({"id": 2}), &[]));
                let mut reader = FrameReader::new(&bytes[..], framing);
                let first = reader.next_frame().unwrap().unwrap();
                assert_eq!(first.blob, blob[..len]);
                assert_eq!(first.json["text"], "ä\n");
                assert_eq!(reader.next_frame().unwrap().unwrap().json["id"], 2);
                assert!(reader.next_frame().unwrap().is_none());
            }
        }
    }

    #[test]
    fn a_cut_at_any_byte_is_told_from_an_end() {
        let bytes = frame(Framing::Raw, json!({"id": 1}), b"blob");
        for cut in 1..bytes.len() {
            let mut reader = FrameReader::new(&bytes[..cut], Framing::Raw);
            assert!(matches!(reader.next_frame(), Err(FrameError::CutOff { .. })), "cut at {cut}");
        }
    }

    #[test]
    fn a_claim_is_refused_before_anything_is_read() {
        for (head, section) in
            [([255, 255, 255, 255, 0, 0, 0, 0], "json"), ([2, 0, 0, 0, 0, 0, 0, 255], "blob")]
        {
            let mut reader = FrameReader::new(&head[..], Framing::Raw);
            match reader.next_frame() {
                Err(FrameError::TooLong { section: found, .. }) => assert_eq!(found, section),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn printed_text_is_recognised() {
        let mut reader = FrameReader::new(&b"Loading model"[..], Framing::Raw);
        let error = reader.next_frame().unwrap_err().to_string();
        assert!(error.contains("print to stderr"), "{error}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[1]", "{\"a\":}", "\u{7b}"] {
            let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
            bytes.extend([0; 4]);
            bytes.extend(text.as_bytes());
            let mut reader = FrameReader::new(&bytes[..], Framing::Raw);
            assert!(matches!(reader.next_frame(), Err(FrameError::Json { .. })), "{text}");
        }
        let deep = "[".repeat(100_000);
        let line = format!("{{\"a\":{deep}");
        assert!(FrameReader::new(line.as_bytes(), Framing::Ndjson).next_frame().is_err());
        let line = "{\"blob\":\"%%\"}\n";
        let mut reader = FrameReader::new(line.as_bytes(), Framing::Ndjson);
        assert!(matches!(reader.next_frame(), Err(FrameError::Base64(_))));
    }
}
