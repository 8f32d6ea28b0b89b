//! HTTP/2 by hand: frames as no client would send them.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use avp::transport::Running;
use serde_json::Value;

use crate::peers::PATIENCE;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
/// Number of the setting with the window that every stream begins with.
const INITIAL_WINDOW: u16 = 4;

/// One frame that came.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// The code of RST_STREAM and GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.body[at..at + 4].try_into().unwrap())
    }
}

/// How a stream ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With an answer, whose body this is.
    Answered(Vec<u8>),
    /// With RST_STREAM.
    Reset(u32),
    /// With the connection.
    Closed,
}

impl Ended {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Answered(body) => std::str::from_utf8(body).unwrap(),
            _ => panic!("{self:?}"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Answered(body) => serde_json::from_slice(body).unwrap_or_else(|_| panic!("{self:?}")),
            _ => panic!("{self:?}"),
        }
    }
}

/// A connection of HTTP/2 without TLS, both of whose prefaces were sent.
pub(crate) struct Http2 {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
    seen: Vec<Frame>,
}

impl Http2 {
    pub(crate) fn to(server: &Running) -> Self {
        Self::with_window(server, 65_535)
    }

    /// With so many bytes that the server may send of an answer before it is asked for more.
    pub(crate) fn with_window(server: &Running, window: u32) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut http2 = Self { stream, unread: Vec::new(), seen: Vec::new() };
        http2.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let setting = [&INITIAL_WINDOW.to_be_bytes()[..], &window.to_be_bytes()[..]].concat();
        http2.frame(SETTINGS, 0, 0, &setting);
        http2
    }

    /// Whose settings have come: only then its window is as large as they say. Stream 1 is used up.
    pub(crate) fn settled(server: &Running) -> Self {
        let mut http2 = Self::to(server);
        assert_eq!(http2.ask(1, "GET", "/health", b"").json()["status"], "ok");
        http2
    }

    /// Whether it could be written.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, body: &[u8]) -> bool {
        self.send(&frame(kind, flags, stream, body))
    }

    /// Opens a stream whose body is still to come.
    pub(crate) fn open(&mut self, stream: u32, method: &str, path: &str, more: &[(&str, &str)]) {
        self.frame(HEADERS, END_HEADERS, stream, &request(method, path, more));
    }

    /// A body in frames that every server takes, and the stream's end.
    pub(crate) fn finish(&mut self, stream: u32, body: &[u8]) {
        for piece in body.chunks(16 << 10) {
            self.frame(DATA, 0, stream, piece);
        }
        self.frame(DATA, END_STREAM, stream, b"");
    }

    pub(crate) fn ask(&mut self, stream: u32, method: &str, path: &str, body: &[u8]) -> Ended {
        self.open(stream, method, path, &[]);
        self.finish(stream, body);
        self.ended(stream)
    }

    /// The next frame; `None` when the connection is closed. Settings and pings are answered, as peers have to, and what a
    /// stream has brought may come again on the connection; on the stream itself no more than its window.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let begun = Instant::now();
        loop {
            // Pings alone are no news.
            assert!(begun.elapsed() < PATIENCE, "nothing came for {PATIENCE:?}");
            if let Some(frame) = self.parsed() {
                match frame.kind {
                    SETTINGS if frame.flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, b""),
                    PING if frame.flags & ACK == 0 => self.frame(PING, ACK, 0, &frame.body.clone()),
                    DATA if !frame.body.is_empty() => {
                        let len = u32::try_from(frame.body.len()).unwrap();
                        self.frame(WINDOW_UPDATE, 0, 0, &len.to_be_bytes());
                        return Some(frame);
                    }
                    _ => return Some(frame),
                };
                continue;
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(len) => self.unread.extend_from_slice(&piece[..len]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("nothing came for {PATIENCE:?}")
                }
                Err(_) => return None,
            }
        }
    }

    fn parsed(&mut self) -> Option<Frame> {
        let head: [u8; 9] = self.unread.get(..9)?.try_into().unwrap();
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let body = self.unread.get(9..9 + len)?.to_vec();
        self.unread.drain(..9 + len);
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        Some(Frame { kind: head[3], flags: head[4], stream, body })
    }

    /// How that stream ends. Frames of others wait for their turn.
    pub(crate) fn ended(&mut self, stream: u32) -> Ended {
        let begun = Instant::now();
        let mut body = Vec::new();
        let mut seen = std::mem::take(&mut self.seen).into_iter();
        let ended = loop {
            let frame = match seen.next() {
                Some(frame) => frame,
                None => match self.next() {
                    Some(frame) => frame,
                    None => break Ended::Closed,
                },
            };
            assert!(begun.elapsed() < 2 * PATIENCE, "stream {stream} does not end");
            if frame.stream != stream {
                self.seen.push(frame);
                continue;
            }
            if frame.kind == DATA {
                body.extend_from_slice(&frame.body);
            }
            match frame.kind {
                RST_STREAM => break Ended::Reset(frame.code()),
                DATA | HEADERS if frame.flags & END_STREAM != 0 => break Ended::Answered(body),
                _ => {}
            }
        };
        self.seen.extend(seen);
        ended
    }

    /// Reads until the server closes; the codes of its GOAWAY frames.
    pub(crate) fn closed(&mut self) -> Vec<u32> {
        let begun = Instant::now();
        let mut codes = Vec::new();
        while let Some(frame) = self.next() {
            assert!(begun.elapsed() < 2 * PATIENCE, "the connection does not end");
            if frame.kind == GOAWAY {
                codes.push(frame.code());
            }
        }
        codes
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    let head = [&len[1..], &[kind, flags], &stream.to_be_bytes()[..]].concat();
    [&head[..], body].concat()
}

/// The headers of a request, every one literal and in plain text (RFC 7541, 6.2.2).
pub(crate) fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let first = [(":method", method), (":scheme", "http"), (":authority", "h"), (":path", path)];
    first.iter().chain(more).flat_map(|(name, value)| literal(name, value)).collect()
}

/// One header field.
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        match text.len() {
            len @ 0..127 => bytes.push(len as u8),
            len => {
                bytes.push(127);
                let mut left = len - 127;
                while left >= 128 {
                    bytes.push((left % 128) as u8 | 128);
                    left /= 128;
                }
                bytes.push(left as u8);
            }
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}
