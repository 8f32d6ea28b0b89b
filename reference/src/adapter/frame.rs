//! Frames on the wire: bounded reading that grows with what came, buffered writing.

use std::io::{self, Read, Write};
use std::ops::Range;

use super::answer::Reply;
use super::{MAX_BLOB, MAX_JSON, MAX_VOCABULARY_JSON, ndjson, ops};

/// Bytes that are asked of the input at a time, at least.
const READ_CHUNK: usize = 64 << 10;
/// Buffered output beyond this is written even when more input is at hand, so that an answer never waits for long.
const WRITE_CHUNK: usize = 64 << 10;
/// A buffer that has grown beyond this for one large frame is given back after it.
const KEEP_BUFFER: usize = 4 << 20;
/// Bytes of the two lengths.
const LENGTHS: usize = 8;

/// Where a frame stands in the input's buffer.
#[derive(Clone, Debug)]
pub(super) struct Span {
    json: Range<usize>,
    blob: Range<usize>,
    end: usize,
}

/// Buffered input.
pub(super) struct Input<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: vec![0; READ_CHUNK], start: 0, end: 0 }
    }

    /// The next raw frame; `None` when the input ends in front of it.
    pub(super) fn raw_frame<W: Write>(&mut self, output: &mut Output<W>) -> io::Result<Option<Span>> {
        if !self.fill(LENGTHS, output)? {
            return match self.end - self.start {
                0 => Ok(None),
                _ => Err(cut("the lengths of a frame")),
            };
        }
        let word = |at: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&self.buffer[self.start + at..self.start + at + 4]);
            u32::from_le_bytes(bytes) as usize
        };
        let (json, blob) = (word(0), word(4));
        if json > MAX_VOCABULARY_JSON || blob > MAX_BLOB {
            return Err(protocol(format!("a frame of {json} bytes of JSON and {blob} of blob")));
        }
        if !self.fill(LENGTHS + json + blob, output)? {
            return Err(cut("a frame"));
        }
        let json_at = self.start + LENGTHS;
        let blob_at = json_at + json;
        Ok(Some(Span { json: json_at..blob_at, blob: blob_at..blob_at + blob, end: blob_at + blob }))
    }

    /// The next line without its end; `None` when the input ends in front of it. A last line may lack its end.
    pub(super) fn line<W: Write>(&mut self, output: &mut Output<W>) -> io::Result<Option<Span>> {
        let mut searched = 0;
        loop {
            let held = &self.buffer[self.start..self.end];
            let found = held[searched..].iter().position(|&byte| byte == b'\n').map(|at| searched + at);
            searched = held.len();
            let (length, end) = match found {
                Some(length) => (length, length + 1),
                None if searched > ndjson::MAX_LINE => {
                    return Err(protocol(format!("a line of more than {} bytes", ndjson::MAX_LINE)));
                }
                None if self.fill(searched + 1, output)? => continue,
                None if searched == 0 => return Ok(None),
                None => (searched, searched),
            };
            let json = self.start..self.start + length;
            return Ok(Some(Span { json, blob: 0..0, end: self.start + end }));
        }
    }

    /// JSON and blob of a frame.
    pub(super) fn slices(&self, span: &Span) -> (&[u8], &[u8]) {
        (&self.buffer[span.json.clone()], &self.buffer[span.blob.clone()])
    }

    /// Lets go of a frame.
    pub(super) fn consume(&mut self, span: &Span) {
        self.start = span.end;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > KEEP_BUFFER {
                self.buffer = vec![0; READ_CHUNK];
            }
        }
    }

    /// Reads until `needed` bytes are held; false when the input ends before. Memory at most doubles what has come: a
    /// length that is only claimed allocates nothing.
    fn fill<W: Write>(&mut self, needed: usize, output: &mut Output<W>) -> io::Result<bool> {
        while self.end - self.start < needed {
            if self.end == self.buffer.len() || self.start > self.buffer.len() / 2 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.end == self.buffer.len() {
                let room = (2 * self.buffer.len()).min(needed.max(READ_CHUNK));
                self.buffer.resize(room.max(self.end + 1), 0);
            }
            // What is answered so far may be all that the other side waits for.
            output.flush()?;
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Buffered output.
pub(super) struct Output<W> {
    writer: W,
    buffer: Vec<u8>,
    /// Something was written past the buffer that the writer may still hold.
    unflushed: bool,
}

impl<W: Write> Output<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, buffer: Vec::new(), unflushed: false }
    }

    /// Hands everything over to the other side.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() && !self.unflushed {
            return Ok(());
        }
        self.write_buffer()?;
        self.unflushed = false;
        self.writer.flush()
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        self.writer.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    pub(super) fn write_raw(&mut self, id: u64, op: &str, reply: &Reply<'_>) -> io::Result<()> {
        let lengths_at = self.buffer.len();
        self.buffer.extend_from_slice(&[0; LENGTHS]);
        let mut blob = reply.blob_len();
        reply.write_json(id, &mut self.buffer)?;
        let mut json = self.buffer.len() - lengths_at - LENGTHS;
        let mut parts = reply.parts();
        if json > json_limit(op) {
            let reply = Reply::too_large(json, json_limit(op));
            (blob, parts) = (0, &[]);
            self.buffer.truncate(lengths_at + LENGTHS);
            reply.write_json(id, &mut self.buffer)?;
            json = self.buffer.len() - lengths_at - LENGTHS;
        }
        // Both are bounded far below 2^32 here.
        self.buffer[lengths_at..lengths_at + 4].copy_from_slice(&(json as u32).to_le_bytes());
        self.buffer[lengths_at + 4..lengths_at + LENGTHS].copy_from_slice(&(blob as u32).to_le_bytes());
        for part in parts {
            if part.bytes.len() < WRITE_CHUNK {
                self.buffer.extend_from_slice(&part.bytes);
            } else {
                self.write_buffer()?;
                self.writer.write_all(&part.bytes)?;
                self.unflushed = true;
            }
        }
        self.flush_when_large()
    }

    pub(super) fn write_line(&mut self, id: u64, op: &str, reply: &Reply<'_>) -> io::Result<()> {
        let start = self.buffer.len();
        reply.write_json(id, &mut self.buffer)?;
        let (json, blob) = (self.buffer.len() - start, reply.blob_len());
        if json > json_limit(op) {
            self.buffer.truncate(start);
            Reply::too_large(json, json_limit(op)).write_json(id, &mut self.buffer)?;
        } else if blob > 0 {
            ndjson::append_blob(reply.parts(), &mut self.buffer);
        }
        self.buffer.push(b'\n');
        self.flush_when_large()
    }

    fn flush_when_large(&mut self) -> io::Result<()> {
        if self.buffer.len() < WRITE_CHUNK {
            return Ok(());
        }
        self.flush()?;
        if self.buffer.capacity() > KEEP_BUFFER {
            self.buffer = Vec::new();
        }
        Ok(())
    }
}

fn json_limit(op: &str) -> usize {
    if ops::carries_vocabulary(op) { MAX_VOCABULARY_JSON } else { MAX_JSON }
}

pub(super) fn protocol(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not ACP/1: {}", what.into()))
}

fn cut(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the input ends inside {what}"))
}
