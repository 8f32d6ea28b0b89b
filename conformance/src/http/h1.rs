//! HTTP/1.1, written by hand: a client that stops in the middle of a body is in no library.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Endpoint;
use super::reply::{MAX_BODY, MAX_HEAD, NoReply, Reply};
use super::request::HttpRequest;
use super::stream::Connection;

/// Bytes read at a time.
const READ: usize = 16 << 10;

/// Sends a request on a fresh connection and reads the answer, which may come while the body is still being sent.
pub(super) async fn exchange(
    connection: Connection,
    endpoint: &Endpoint,
    request: &HttpRequest,
) -> Result<Reply, NoReply> {
    let (mut from, mut to) = tokio::io::split(connection.stream);
    let bytes = written(request, &endpoint.authority());
    let (_, whole) = request.sent();
    let mut reader = Reader::default();
    let send = async {
        // A server that has heard enough closes; what it said before stands all the same.
        let sent = to.write_all(&bytes).await.is_ok() && to.flush().await.is_ok();
        if !sent || !whole {
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(send);
    let mut all_sent = false;
    loop {
        // Which of the two goes on is all that matters here.
        let read = std::future::poll_fn(|context| {
            if !all_sent && send.as_mut().poll(context).is_ready() {
                all_sent = true;
            }
            let mut reading = std::pin::pin!(from.read_buf(&mut reader.bytes));
            reading.as_mut().poll(context)
        })
        .await;
        let ended = match read {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) if reader.bytes.is_empty() => return Err(NoReply::of(&error)),
            Err(_) => true,
        };
        if let Some(mut reply) = reader.reply(&request.method, ended)? {
            reply.early = !all_sent;
            return Ok(reply);
        }
        if ended {
            return Err(NoReply::Closed);
        }
    }
}

/// The request as bytes, or as much of it as is sent.
fn written(request: &HttpRequest, authority: &str) -> Vec<u8> {
    let mut bytes =
        format!("{} {} HTTP/1.1\r\nhost: {authority}\r\n", request.method, request.path).into_bytes();
    for (name, value) in &request.headers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    if request.chunk.is_some() {
        bytes.extend(b"transfer-encoding: chunked\r\n");
    } else if let Some(length) = request.length() {
        bytes.extend(format!("content-length: {length}\r\n").bytes());
    }
    bytes.extend(b"\r\n");
    let (body, whole) = request.sent();
    match request.chunk {
        None => bytes.extend(body),
        Some(size) => {
            for piece in body.chunks(size) {
                bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
                bytes.extend(piece);
                bytes.extend(b"\r\n");
            }
            if whole {
                bytes.extend(b"0\r\n\r\n");
            }
        }
    }
    bytes
}

/// What has come so far.
#[derive(Default)]
struct Reader {
    bytes: Vec<u8>,
}

impl Reader {
    /// The answer, once it is whole. Interim answers (100 Continue) are passed over.
    fn reply(&mut self, method: &str, ended: bool) -> Result<Option<Reply>, NoReply> {
        if self.bytes.capacity() - self.bytes.len() < READ {
            self.bytes.reserve(READ);
        }
        loop {
            let Some(end) = find(&self.bytes, b"\r\n\r\n") else {
                return match self.bytes.len() > MAX_HEAD {
                    true => Err(NoReply::Malformed("a head of more than 64 KiB")),
                    false => Ok(None),
                };
            };
            let (status, headers) = head(&self.bytes[..end]).ok_or(NoReply::Malformed("no HTTP/1.1 head"))?;
            if (100..200).contains(&status) && status != 101 {
                self.bytes.drain(..end + 4);
                continue;
            }
            let reply = Reply { status, headers, ..Reply::default() };
            return Ok(self.body(&reply, method, end + 4, ended)?.map(|body| Reply { body, ..reply }));
        }
    }

    fn body(&self, reply: &Reply, method: &str, at: usize, ended: bool) -> Result<Option<Vec<u8>>, NoReply> {
        let rest = &self.bytes[at..];
        if rest.len() > 2 * MAX_BODY {
            return Err(NoReply::Malformed("a body of more than 1 MiB"));
        }
        if method == "HEAD" || matches!(reply.status, 204 | 304) {
            return Ok(Some(Vec::new()));
        }
        if reply.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return dechunked(rest).map_err(NoReply::Malformed);
        }
        match reply.header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) if length <= MAX_BODY => Ok(rest.get(..length).map(<[u8]>::to_vec)),
            Some(_) => Err(NoReply::Malformed("a content-length that can't be")),
            None => Ok(ended.then(|| rest.to_vec())),
        }
    }
}

fn head(bytes: &[u8]) -> Option<(u16, Vec<(String, String)>)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.splitn(3, ' ');
    if !matches!(first.next()?, "HTTP/1.1" | "HTTP/1.0") {
        return None;
    }
    let status = first.next().filter(|status| status.len() == 3)?.parse().ok()?;
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Some((status, headers.collect::<Option<_>>()?))
}

/// The body of chunks, once the last is there.
fn dechunked(mut rest: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(rest, b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|line| line.split(';').next());
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.filter(|size| *size <= MAX_BODY).ok_or("a chunk without a size")?;
        let Some(piece) = rest.get(end + 2..end + 2 + size) else { return Ok(None) };
        body.extend(piece);
        if body.len() > MAX_BODY {
            return Err("a body of more than 1 MiB");
        }
        let Some(after) = rest.get(end + 2 + size..) else { return Ok(None) };
        if size == 0 {
            // Trailers say nothing here.
            return Ok((after.starts_with(b"\r\n") || find(after, b"\r\n\r\n").is_some()).then_some(body));
        }
        match after.get(..2) {
            Some(b"\r\n") => rest = &after[2..],
            Some(_) => return Err("a chunk of another size than it says"),
            None => return Ok(None),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Waits for something at most so long.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, NoReply>>,
) -> Result<T, NoReply> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(NoReply::Silent))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], ended: bool) -> Result<Option<Reply>, NoReply> {
        Reader { bytes: bytes.to_vec() }.reply("POST", ended)
    }

    #[test]
    fn answers_of_every_framing_are_read() {
        for (bytes, ended, body) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"[..], false, Some(&b"{}"[..])),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false, Some(b"")),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n",
                false,
                Some(b"{}"),
            ),
            (b"HTTP/1.1 200 OK\r\n\r\n{}", true, Some(b"{}")),
            (b"HTTP/1.1 200 OK\r\n\r\n{}", false, None),
            (b"HTTP/1.1 204 No Content\r\n\r\n", false, Some(b"")),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}", false, None),
            (b"HTTP/1.1 200", false, None),
        ] {
            let reply = read(bytes, ended).unwrap();
            assert_eq!(reply.map(|reply| reply.body).as_deref(), body, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_answer_is_said() {
        for bytes in [
            &b"SSH-2.0-x\r\n\r\n"[..],
            b"HTTP/1.1 xx OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxx\r\n",
        ] {
            assert!(matches!(read(bytes, false), Err(NoReply::Malformed(_))), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        /// Whatever a server writes: an answer or an error, never a panic.
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), ended: bool) {
            let _ = read(&bytes, ended);
            let _ = read(&[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &bytes[..]].concat(), ended);
            let _ = read(&[b"HTTP/1.1 200 OK\r\n", &bytes[..], b"\r\n\r\n"].concat(), ended);
        }
    }
}
