//! Bytes of a message on their way out.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};

use crate::error::{Error, ErrorClass, Result};
use crate::session::SessionId;
use crate::wire::{HEADER_LEN, Head};

/// How much of a file is read at a time.
const FILE_PIECE: usize = 256 << 10;

/// A message to transmit: bytes that are shared, not copied, or a file that is read as it is sent. Both can be sent again.
#[derive(Clone)]
pub struct Upload {
    parts: Vec<Part>,
    len: u64,
    progress: Option<Progress>,
}

/// Told how many bytes were handed to the connection so far.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

#[derive(Clone, Debug)]
enum Part {
    Bytes(Bytes),
    File { path: PathBuf, offset: u64, len: u64 },
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }
}

impl Upload {
    /// A message in pieces, in their order, for instance a head and the tensors of a cache.
    pub fn pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let parts: Vec<_> = pieces.into_iter().filter(|piece| !piece.is_empty()).map(Part::Bytes).collect();
        Self { len: parts.iter().map(Part::len).sum(), parts, progress: None }
    }

    /// A message in a file, of the length that the file has now.
    ///
    /// # Errors
    /// `configuration` when there is no such file, or no ordinary one.
    pub fn file(path: &Path) -> Result<Self> {
        let found = |found: String| unreadable(path, found);
        let metadata = std::fs::metadata(path).map_err(|error| found(error.to_string()))?;
        if !metadata.is_file() {
            return Err(found("no ordinary file".to_owned()));
        }
        let len = metadata.len();
        Ok(Self { parts: vec![Part::File { path: path.to_owned(), offset: 0, len }], len, progress: None })
    }

    /// The same, telling how far it is. When a message is sent again, it is told from the start.
    #[must_use]
    pub fn on_progress(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Header and metadata of the message.
    ///
    /// # Errors
    /// As [`Head::read`]; `configuration` when the file can't be read.
    pub fn head(&self) -> Result<Head> {
        let header = self.start(HEADER_LEN as u64)?;
        Head::read(&self.start(Head::len_of(&header)? as u64)?)
    }

    /// The same message in another session. The payload is neither read nor copied.
    ///
    /// # Errors
    /// As [`Upload::head`] and [`Head::in_session`].
    pub fn in_session(mut self, session_id: &SessionId) -> Result<Self> {
        let head = self.head()?;
        if head.metadata.session_id == session_id.as_str() {
            return Ok(self);
        }
        let new = Bytes::from(head.in_session(session_id.as_str())?);
        self.skip(head.len() as u64);
        self.len += new.len() as u64;
        self.parts.insert(0, Part::Bytes(new));
        Ok(self)
    }

    /// The first bytes, at most so many.
    fn start(&self, mut len: u64) -> Result<Vec<u8>> {
        let mut start = Vec::new();
        for part in &self.parts {
            let take = part.len().min(len);
            match part {
                Part::Bytes(bytes) => start.extend_from_slice(&bytes[..take as usize]),
                Part::File { path, offset, .. } => {
                    let read = File::open(path).and_then(|mut file| {
                        file.seek(SeekFrom::Start(*offset))?;
                        file.take(take).read_to_end(&mut start)
                    });
                    read.map_err(|error| unreadable(path, error.to_string()))?;
                }
            }
            len -= take;
        }
        Ok(start)
    }

    /// Leaves the first bytes out.
    fn skip(&mut self, mut left: u64) {
        self.len -= left;
        for part in &mut self.parts {
            let skipped = part.len().min(left);
            left -= skipped;
            match part {
                Part::Bytes(bytes) => *bytes = bytes.slice(skipped as usize..),
                Part::File { offset, len, .. } => {
                    *offset += skipped;
                    *len -= skipped;
                }
            }
        }
        self.parts.retain(|part| part.len() > 0);
    }

    /// The bytes as a body, from their start, and where it leaves what went wrong in reading a file.
    pub(super) fn body(&self) -> (reqwest::Body, Fault) {
        let fault = Fault::default();
        let body = UploadBody {
            parts: self.parts.iter().cloned().collect(),
            open: None,
            sent: 0,
            len: self.len,
            progress: self.progress.clone(),
            fault: fault.clone(),
        };
        (reqwest::Body::wrap(body), fault)
    }
}

impl From<Bytes> for Upload {
    fn from(bytes: Bytes) -> Self {
        Self::pieces([bytes])
    }
}

impl From<Vec<u8>> for Upload {
    fn from(bytes: Vec<u8>) -> Self {
        Self::pieces([bytes.into()])
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Sizes alone: the bytes are nobody's business.
        f.debug_struct("Upload")
            .field("len", &self.len)
            .field("parts", &self.parts.len())
            .finish_non_exhaustive()
    }
}

fn unreadable(path: &Path, found: String) -> Error {
    let found = format!("{}: {found}", path.display());
    Error::new(ErrorClass::Configuration, "message", "a file that can be read", found)
}

/// What went wrong in reading a file while it was sent: the connection's error does not say.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault(Arc<Mutex<Option<Error>>>);

impl Fault {
    fn set(&self, error: Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(super) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct UploadBody {
    parts: VecDeque<Part>,
    open: Option<OpenFile>,
    sent: u64,
    len: u64,
    progress: Option<Progress>,
    fault: Fault,
}

struct OpenFile {
    file: tokio::fs::File,
    path: PathBuf,
    left: u64,
}

impl UploadBody {
    /// The next piece; empty at the end.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes>> {
        if self.open.is_none() {
            match self.parts.pop_front() {
                None => return Poll::Ready(Ok(Bytes::new())),
                Some(Part::Bytes(bytes)) => return Poll::Ready(Ok(bytes)),
                Some(Part::File { path, offset, len }) => {
                    // Opening does not wait on any file system that is worth sending from.
                    let opened = File::open(&path).and_then(|mut file| {
                        file.seek(SeekFrom::Start(offset))?;
                        Ok(file)
                    });
                    let file = opened.map_err(|error| unreadable(&path, error.to_string()))?;
                    self.open = Some(OpenFile { file: tokio::fs::File::from_std(file), path, left: len });
                }
            }
        }
        let Some(open) = &mut self.open else { return Poll::Ready(Ok(Bytes::new())) };
        let mut piece = vec![0; FILE_PIECE.min(usize::try_from(open.left).unwrap_or(FILE_PIECE))];
        let mut buffer = ReadBuf::new(&mut piece);
        let read = ready!(Pin::new(&mut open.file).poll_read(context, &mut buffer));
        let len = buffer.filled().len();
        match read {
            Err(error) => return Poll::Ready(Err(unreadable(&open.path, error.to_string()))),
            Ok(()) if len == 0 => {
                let found = format!("its end, {} bytes too early", open.left);
                return Poll::Ready(Err(unreadable(&open.path, found)));
            }
            Ok(()) => {}
        }
        piece.truncate(len);
        open.left -= len as u64;
        if open.left == 0 {
            self.open = None;
        }
        Poll::Ready(Ok(piece.into()))
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match ready!(self.poll_piece(context)) {
            Ok(piece) if piece.is_empty() => Poll::Ready(None),
            Ok(piece) => {
                self.sent += piece.len() as u64;
                if let Some(progress) = &self.progress {
                    progress(self.sent);
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Err(error) => {
                self.fault.set(error);
                Poll::Ready(Some(Err(io::Error::other("the message can't be read"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.len
    }

    /// Exact, so that the request says how long it is.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len - self.sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Decoder, Encoder, Metadata};

    fn message() -> Vec<u8> {
        let metadata = Metadata { session_id: "old".into(), model_id: "m".into(), ..Metadata::default() };
        Encoder::new().encode(&metadata, &[9; 100_000]).unwrap()
    }

    #[test]
    fn messages_move_to_a_session_wherever_they_lie() {
        let bytes = message();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.avp");
        std::fs::write(&path, &bytes).unwrap();
        let uploads = [
            Upload::from(bytes.clone()),
            Upload::file(&path).unwrap(),
            // In pieces that cut header and metadata.
            Upload::pieces(bytes.chunks(7).map(Bytes::copy_from_slice)),
        ];
        for session in ["new", "old"] {
            for upload in uploads.clone() {
                let moved = upload.in_session(&SessionId::from_peer(session).unwrap()).unwrap();
                let bytes = moved.start(u64::MAX).unwrap();
                assert_eq!(bytes.len() as u64, moved.len());
                let message = Decoder::new().decode(&bytes).unwrap();
                assert_eq!((&*message.metadata.session_id, &*message.payload), (session, &[9; 100_000][..]));
            }
        }
    }

    #[test]
    fn what_is_no_message_has_no_head() {
        let session = SessionId::from_peer("s").unwrap();
        for bytes in [vec![], b"AV".to_vec(), b"XX0123456789".to_vec(), message()[..14].to_vec()] {
            Upload::from(bytes).in_session(&session).unwrap_err();
        }
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("none")] {
            assert_eq!(Upload::file(&path).unwrap_err().class, ErrorClass::Configuration);
        }
    }

    #[test]
    fn bytes_are_not_shown() {
        assert_eq!(format!("{:?}", Upload::from(b"s3cret".to_vec())), "Upload { len: 6, parts: 1, .. }");
    }
}
