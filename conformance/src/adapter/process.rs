//! A child process that answers many requests.

#[cfg(unix)]
mod polled;
#[cfg(not(unix))]
mod threaded;

use std::collections::HashMap;
use std::time::{Duration, Instant};

#[cfg(unix)]
use self::polled::Line;
#[cfg(not(unix))]
use self::threaded::Line;
use super::child::ChildGroup;
use super::memory::PeakMeter;
use super::wire::{json_fits, parse_answer, request_frame};
use super::{
    AdapterCommand, Answer, Exchanged, Frame, FrameError, Framing, Instance, Launcher, Lost, Request, Timed,
    fresh_id,
};

/// Frames that wait to be written: as many as may be in flight, so that queueing one never blocks. Parts are shared, not
/// copied.
const QUEUE: usize = super::INFLIGHT_LIMIT as usize;

/// What came in a while.
enum Received {
    /// A frame, or what is wrong with it.
    Frame(Result<Frame, FrameError>),
    /// Nothing, or no whole frame.
    Nothing,
    /// The end of the pipe.
    End,
}

/// Starts child processes.
#[derive(Clone, Debug)]
pub struct ProcessLauncher {
    command: AdapterCommand,
}

impl ProcessLauncher {
    /// Starts children with that command.
    pub fn new(command: AdapterCommand) -> Self {
        Self { command }
    }
}

impl Launcher for ProcessLauncher {
    fn launch(&self) -> Result<Box<dyn Instance>, Lost> {
        Ok(Box::new(ProcessInstance::start(&self.command)?))
    }

    fn describe(&self) -> String {
        self.command.line()
    }
}

/// One child.
struct ProcessInstance {
    // Before the child, so that its stdin ends before it is waited for.
    line: Line,
    child: ChildGroup,
    framing: Framing,
    meter: PeakMeter,
    lost: Option<Lost>,
}

impl ProcessInstance {
    fn start(command: &AdapterCommand) -> Result<Self, Lost> {
        let (child, pipes) = ChildGroup::spawn(command, &[])?;
        let not_started = |error: std::io::Error| Lost::NotStarted { what: error.to_string() };
        let line = Line::new(pipes, command.framing).map_err(not_started)?;
        Ok(Self { line, child, framing: command.framing, meter: PeakMeter::default(), lost: None })
    }

    /// Sends a request. A pipe that broke is noticed when the answer is read.
    fn send(&mut self, request: &Request) -> Result<u64, Lost> {
        let id = fresh_id();
        let frame = request_frame(self.framing, id, request)
            .map_err(|what| Lost::Protocol { what: format!("the request is too long: {what}") })?;
        self.line.send(frame);
        Ok(id)
    }

    fn receive(&mut self, limit: Duration) -> Result<(u64, usize, Answer), Lost> {
        let protocol = |what: String| Lost::Protocol { what };
        match self.line.receive(limit) {
            Received::Frame(Ok(frame)) => {
                let json_len = frame.json_len;
                let (id, answer) = parse_answer(frame).map_err(protocol)?;
                Ok((id, json_len, answer))
            }
            Received::Frame(Err(FrameError::CutOff { section, got, expected })) => {
                let status = self.child.status_after_end_of_output();
                let what = format!("{status}, inside a frame ({got} of {expected} bytes of its {section})");
                Err(Lost::Died { status: what })
            }
            Received::Frame(Err(error)) => Err(protocol(error.to_string())),
            Received::Nothing => Err(Lost::Timeout { limit }),
            Received::End => Err(Lost::Died { status: self.child.status_after_end_of_output() }),
        }
    }

    fn run(
        &mut self,
        requests: &[Request],
        limit: Duration,
        window: usize,
        answers: &mut [Option<Timed>],
    ) -> Result<(), Lost> {
        let mut waiting: HashMap<u64, (usize, Instant)> = HashMap::new();
        let mut next = 0;
        let mut last = Instant::now();
        loop {
            while next < requests.len() && waiting.len() < window.clamp(1, QUEUE) {
                let id = self.send(&requests[next])?;
                waiting.insert(id, (next, Instant::now()));
                next += 1;
            }
            if waiting.is_empty() {
                return Ok(());
            }
            let (id, json_len, answer) = self.receive(limit)?;
            let Some((index, sent)) = waiting.remove(&id) else {
                return Err(Lost::Protocol { what: format!("an answer to {id}, which nobody asked") });
            };
            json_fits(&requests[index].op, json_len).map_err(|what| Lost::Protocol { what })?;
            let now = Instant::now();
            answers[index] = Some(Timed { answer, took: now - sent.max(last) });
            last = now;
        }
    }
}

impl Instance for ProcessInstance {
    fn exchange(&mut self, request: &Request, limit: Duration) -> Result<Answer, Lost> {
        let mut done = self.exchange_all(std::slice::from_ref(request), limit, 1);
        match (done.answers.pop().flatten(), done.lost) {
            (Some(timed), None) => Ok(timed.answer),
            (_, lost) => Err(lost.unwrap_or(Lost::Timeout { limit })),
        }
    }

    fn exchange_all(&mut self, requests: &[Request], limit: Duration, window: usize) -> Exchanged {
        let mut done = Exchanged { answers: vec![None; requests.len()], lost: self.lost.clone() };
        if done.lost.is_none()
            && let Err(lost) = self.run(requests, limit, window, &mut done.answers)
        {
            self.line.hang_up();
            self.child.kill();
            self.lost = Some(lost.clone());
            done.lost = Some(lost);
        }
        done
    }

    fn peak_rss(&mut self) -> Option<u64> {
        self.meter.peak(self.child.pid())
    }

    fn reset_peak(&mut self) {
        self.meter.reset(self.child.pid());
    }

    fn stderr_tail(&self) -> String {
        self.child.stderr_tail()
    }

    fn close(&mut self) -> Option<String> {
        self.line.hang_up();
        Some(self.child.finish())
    }
}
