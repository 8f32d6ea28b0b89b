//! The pipes of a child where they can't be polled: a thread for each.

use std::io::Write;
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use super::super::child::{Pipes, spawn_thread};
use super::super::frame::Outgoing;
use super::super::{Frame, FrameError, FrameReader, Framing};
use super::{QUEUE, Received};

/// Both pipes of a child.
pub(super) struct Line {
    requests: Option<SyncSender<Outgoing>>,
    answers: Receiver<Result<Frame, FrameError>>,
}

impl Line {
    pub(super) fn new(pipes: Pipes, framing: Framing) -> std::io::Result<Self> {
        Ok(Self { requests: Some(writer(pipes.stdin)?), answers: reader(pipes.stdout, framing)? })
    }

    /// Hands a frame to the writer.
    pub(super) fn send(&mut self, frame: Outgoing) {
        if let Some(requests) = &self.requests {
            // The receiver is gone only when the pipe broke.
            let _ = requests.send(frame);
        }
    }

    /// The next frame, when it comes in time.
    pub(super) fn receive(&mut self, limit: Duration) -> Received {
        match self.answers.recv_timeout(limit) {
            Ok(frame) => Received::Frame(frame),
            Err(RecvTimeoutError::Timeout) => Received::Nothing,
            Err(RecvTimeoutError::Disconnected) => Received::End,
        }
    }

    /// Ends the child's stdin.
    pub(super) fn hang_up(&mut self) {
        self.requests = None;
    }
}

/// Writes frames on a thread of its own: the child may be busy writing a long answer itself, and two sides that write
/// and do not read wait for each other for ever.
fn writer(mut stdin: ChildStdin) -> std::io::Result<SyncSender<Outgoing>> {
    let (sender, frames) = mpsc::sync_channel::<Outgoing>(QUEUE);
    spawn_thread("adapter-stdin", move || {
        while let Ok(frame) = frames.recv() {
            if frame.write(&mut stdin).and_then(|()| stdin.flush()).is_err() {
                return;
            }
        }
    })?;
    Ok(sender)
}

/// Reads frames on a thread of its own. It keeps one frame ahead: a child that writes without being asked is slowed down
/// rather than buffered.
fn reader(stdout: ChildStdout, framing: Framing) -> std::io::Result<Receiver<Result<Frame, FrameError>>> {
    let (sender, frames) = mpsc::sync_channel(1);
    spawn_thread("adapter-stdout", move || {
        let mut reader = FrameReader::new(stdout, framing);
        loop {
            let frame = match reader.next_frame() {
                Ok(Some(frame)) => Ok(frame),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            let last = frame.is_err();
            if sender.send(frame).is_err() || last {
                return;
            }
        }
    })?;
    Ok(frames)
}
