//! A process a request: `ADAPTER OP`, one frame in, one frame out, exit 0.

use std::io::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::child::{ChildGroup, spawn_thread};
use super::wire::{json_fits, parse_answer, request_frame};
use super::{AdapterCommand, Answer, FrameError, FrameReader, Instance, Launcher, Lost, Request, fresh_id};

/// Starts a process for every request.
#[derive(Clone, Debug)]
pub struct ExecLauncher {
    command: AdapterCommand,
}

impl ExecLauncher {
    /// Starts processes with that command and the operation behind it.
    pub fn new(command: AdapterCommand) -> Self {
        Self { command }
    }
}

impl Launcher for ExecLauncher {
    fn launch(&self) -> Result<Box<dyn Instance>, Lost> {
        Ok(Box::new(ExecInstance { command: self.command.clone(), stderr: String::new() }))
    }

    fn describe(&self) -> String {
        format!("{} OP", self.command.line())
    }
}

/// Holds no process between requests.
struct ExecInstance {
    command: AdapterCommand,
    stderr: String,
}

impl Instance for ExecInstance {
    fn exchange(&mut self, request: &Request, limit: Duration) -> Result<Answer, Lost> {
        let (mut child, pipes) = ChildGroup::spawn(&self.command, &[&request.op])?;
        let answer = answer(&mut child, pipes, &self.command, request, limit);
        child.kill();
        self.stderr = child.stderr_tail();
        answer
    }

    fn stderr_tail(&self) -> String {
        self.stderr.clone()
    }
}

fn answer(
    child: &mut ChildGroup,
    pipes: super::child::Pipes,
    command: &AdapterCommand,
    request: &Request,
    limit: Duration,
) -> Result<Answer, Lost> {
    let protocol = |what: String| Lost::Protocol { what };
    let started = Instant::now();
    let asked = fresh_id();
    let frame = request_frame(command.framing, asked, request)
        .map_err(|what| protocol(format!("the request is too long: {what}")))?;
    let mut stdin = pipes.stdin;
    let thread = |error: std::io::Error| Lost::NotStarted { what: error.to_string() };
    spawn_thread("adapter-stdin", move || {
        // A child that does not read is judged by what it answers.
        let _ = frame.write(&mut stdin).and_then(|()| stdin.flush());
    })
    .map_err(thread)?;
    let (sender, frames) = mpsc::sync_channel(1);
    let mut reader = FrameReader::new(pipes.stdout, command.framing);
    spawn_thread("adapter-stdout", move || {
        let first = reader.next_frame();
        let more = matches!(first, Ok(Some(_))) && !matches!(reader.next_frame(), Ok(None));
        let _ = sender.send((first, more));
    })
    .map_err(thread)?;

    let timeout = |_| Lost::Timeout { limit };
    let (first, more) = frames.recv_timeout(limit).map_err(timeout)?;
    let left = limit.saturating_sub(started.elapsed());
    let status = child.wait(left).ok_or(Lost::Timeout { limit })?;
    let frame = match first {
        Ok(Some(frame)) if status.success() => frame,
        Ok(_) | Err(FrameError::CutOff { .. }) => return Err(Lost::Died { status: status.to_string() }),
        Err(error) => return Err(protocol(error.to_string())),
    };
    if more {
        return Err(protocol("bytes behind the frame".into()));
    }
    json_fits(&request.op, frame.json_len).map_err(protocol)?;
    let (id, answer) = parse_answer(frame).map_err(protocol)?;
    if id != asked {
        return Err(protocol(format!("an answer to {id}, asked was {asked}")));
    }
    Ok(answer)
}
