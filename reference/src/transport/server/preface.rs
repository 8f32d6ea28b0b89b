//! Which HTTP a cleartext connection speaks, by its first bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// With what a client opens HTTP/2 that it knows to be spoken (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection of which the first bytes were read, and are read again.
pub(super) struct Rewound<T> {
    head: [u8; PREFACE.len()],
    unread: std::ops::Range<usize>,
    inner: T,
}

/// Reads until it is clear whether this is HTTP/2.
///
/// # Errors
/// When reading fails, or the connection ends before a byte has come.
pub(super) async fn read<T: AsyncRead + Unpin>(mut inner: T) -> io::Result<(bool, Rewound<T>)> {
    let mut head = [0; PREFACE.len()];
    let mut len = 0;
    while len < PREFACE.len() && head[..len] == PREFACE[..len] {
        match inner.read(&mut head[len..]).await? {
            0 if len == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => break,
            more => len += more,
        }
    }
    Ok((head == *PREFACE, Rewound { head, unread: 0..len, inner }))
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unread.is_empty() {
            return Pin::new(&mut this.inner).poll_read(cx, buf);
        }
        let len = this.unread.len().min(buf.remaining());
        buf.put_slice(&this.head[this.unread.start..this.unread.start + len]);
        this.unread.start += len;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that sends one byte at a time.
    async fn told(bytes: &'static [u8]) -> (bool, Vec<u8>) {
        let (mut peer, inner) = tokio::io::duplex(1);
        let sender = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            let _ = peer.write_all(bytes).await;
        });
        let (http2, mut rewound) = read(inner).await.unwrap();
        let mut all = Vec::new();
        rewound.read_to_end(&mut all).await.unwrap();
        sender.await.unwrap();
        (http2, all)
    }

    #[tokio::test]
    async fn nothing_is_lost_whatever_it_is() {
        let cases: [(&[u8], bool); 5] = [
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand more", true),
            (b"POST / HTTP/1.1\r\n\r\n", false),
            (b"PRI * HTTP/1.1\r\n\r\n", false),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", false),
            (b"x", false),
        ];
        for (bytes, http2) in cases {
            assert_eq!(told(bytes).await, (http2, bytes.to_vec()));
        }
        assert!(read(tokio::io::empty()).await.is_err());
    }
}
