//! The pipes of a child, both at once on one thread.
//!
//! An exchange is a write, a wait and a read. With a thread for each pipe it would also be two more changes of thread, which
//! cost more than most answers do.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::Received;
use crate::adapter::child::Pipes;
use crate::adapter::frame::Outgoing;
use crate::adapter::{FrameError, FrameReader, Framing};

/// Both pipes of a child.
pub(super) struct Line {
    reader: FrameReader<Both>,
}

impl Line {
    /// Makes the pipes ones that never block.
    pub(super) fn new(pipes: Pipes, framing: Framing) -> io::Result<Self> {
        let Pipes { stdin, stdout } = pipes;
        // Our ends alone: those of the child block as before.
        fcntl_setfl(&stdin, fcntl_getfl(&stdin)? | OFlags::NONBLOCK)?;
        fcntl_setfl(&stdout, fcntl_getfl(&stdout)? | OFlags::NONBLOCK)?;
        let both = Both { stdin: Some(stdin), waiting: VecDeque::new(), stdout, until: Instant::now() };
        Ok(Self { reader: FrameReader::new(both, framing) })
    }

    /// Writes what the pipe takes; the rest goes while an answer is waited for.
    pub(super) fn send(&mut self, frame: Outgoing) {
        let both = self.reader.get_mut();
        both.waiting.extend(frame.into_pieces().into_iter().map(|piece| (piece, 0)));
        both.write();
    }

    /// The next frame, when it comes in time.
    pub(super) fn receive(&mut self, limit: Duration) -> Received {
        let now = Instant::now();
        self.reader.get_mut().until = now.checked_add(limit).unwrap_or(now + FOR_EVER);
        match self.reader.next_frame() {
            Ok(Some(frame)) => Received::Frame(Ok(frame)),
            Ok(None) => Received::End,
            Err(FrameError::Io(error)) if error.kind() == ErrorKind::TimedOut => Received::Nothing,
            Err(error) => Received::Frame(Err(error)),
        }
    }

    /// Ends the child's stdin.
    pub(super) fn hang_up(&mut self) {
        let both = self.reader.get_mut();
        both.waiting.clear();
        both.stdin = None;
    }
}

/// Stands for a time that the clock can't tell.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads the one pipe, and writes the other one meanwhile: the child may be busy writing a long answer itself, and two sides
/// that write and do not read wait for each other for ever.
struct Both {
    /// `None` when it was ended, or when the child ended it.
    stdin: Option<ChildStdin>,
    /// Pieces that are still to be written, and how many bytes of them were.
    waiting: VecDeque<(Piece, usize)>,
    stdout: ChildStdout,
    /// When waiting ends.
    until: Instant,
}

/// Bytes on their way out.
type Piece = std::sync::Arc<[u8]>;

impl Both {
    /// Writes as much as the pipe takes.
    fn write(&mut self) {
        let Some(stdin) = &mut self.stdin else { return self.waiting.clear() };
        while let Some((piece, written)) = self.waiting.front_mut() {
            match stdin.write(&piece[*written..]) {
                Ok(count) => *written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    // Who does not read is judged by what it answers.
                    self.waiting.clear();
                    self.stdin = None;
                    return;
                }
            }
            if *written == piece.len() {
                self.waiting.pop_front();
            }
        }
    }

    /// Waits until there is something to read or, where something is to be written, until that can be done.
    fn wait(&self) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        let timeout =
            Timespec::try_from(left).unwrap_or_else(|_| Timespec { tv_sec: i64::from(i32::MAX), tv_nsec: 0 });
        let mut fds = vec![PollFd::new(&self.stdout, PollFlags::IN)];
        if let Some(stdin) = self.stdin.as_ref().filter(|_| !self.waiting.is_empty()) {
            fds.push(PollFd::new(stdin, PollFlags::OUT));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => Err(ErrorKind::TimedOut.into()),
            Ok(_) => Ok(()),
            Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Read for Both {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.wait()?;
            self.write();
            match self.stdout.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}
