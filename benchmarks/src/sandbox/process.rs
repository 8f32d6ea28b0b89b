//! One child with its pipes: bounded reading, and an end in any case.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::limits::ERRORS;

/// What the interpreter says before it reads anything: from here on, what happens is the program's doing.
pub(super) const STARTED: &str = "started\n";
/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// What bubblewrap adds to the number of the signal that ended its child.
const SIGNAL_BASE: i32 = 128;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// By the clock, or by its limit of processor time.
    TimedOut,
    /// It wrote more than is read.
    OutputFlood,
    /// It was no longer needed.
    Stopped,
}

impl End {
    pub(super) fn of(status: ExitStatus) -> Self {
        let out_of_time = Signal::XCPU.as_raw();
        match (status.code(), status.signal()) {
            (Some(code), _) if code == SIGNAL_BASE + out_of_time => Self::TimedOut,
            (Some(code), _) if (SIGNAL_BASE + 1..SIGNAL_BASE + 65).contains(&code) => {
                Self::Signalled(code - SIGNAL_BASE)
            }
            (Some(code), _) => Self::Exited(code),
            (None, Some(signal)) if signal == out_of_time => Self::TimedOut,
            (None, signal) => Self::Signalled(signal.unwrap_or(0)),
        }
    }
}

/// Which of two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that is judged, or the only one.
    Candidate,
    /// The one that judges.
    Judge,
}

/// What threads tell the one that waits.
#[derive(Debug)]
pub(super) enum Event {
    /// The process is no more.
    Ended(Side),
    /// It wrote too much.
    Flood(Side),
    /// One of its pipes is closed.
    Closed,
}

/// What a child may still write.
pub(super) struct Budget {
    side: Side,
    left: AtomicUsize,
    events: Sender<Event>,
}

impl Budget {
    /// Whether so many bytes more are within the limit.
    fn take(&self, bytes: usize) -> bool {
        let within = |left: usize| left.checked_sub(bytes);
        let taken = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, within).is_ok();
        if !taken {
            let _ = self.events.send(Event::Flood(self.side));
        }
        taken
    }
}

/// Bytes that another thread collects. Those beyond the limit are dropped.
#[derive(Clone)]
pub(super) struct Kept {
    bytes: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl Kept {
    fn new(limit: usize) -> Self {
        Self { bytes: Arc::default(), limit }
    }

    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Kept {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.limit.saturating_sub(bytes.len()).min(chunk.len());
        bytes.extend_from_slice(&chunk[..room]);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A child that does not outlive this value.
pub(super) struct Process {
    child: Child,
    /// Whether it leads a group of its own, which ends with it.
    group: bool,
    /// How it ended, once it was asked.
    ended: Option<End>,
    pub(super) started: Arc<AtomicBool>,
    pub(super) errors: Kept,
    budget: Arc<Budget>,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
}

impl Process {
    /// Starts it. Its end comes as an event; so do the ends of its pipes, three in all with [`Self::feed`].
    pub(super) fn start(
        mut command: Command,
        group: bool,
        side: Side,
        output: usize,
        events: &Sender<Event>,
    ) -> io::Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let budget = Arc::new(Budget { side, left: AtomicUsize::new(output), events: events.clone() });
        let process = Self {
            child,
            group,
            ended: None,
            started: Arc::default(),
            errors: Kept::new(ERRORS),
            budget,
            stdin,
            stdout,
        };
        process.watch(side, events.clone())?;
        if let Some(stderr) = stderr {
            process.collect_errors(stderr)?;
        }
        Ok(process)
    }

    fn watch(&self, side: Side, events: Sender<Event>) -> io::Result<()> {
        let pid = self.pid();
        let wait = move || {
            if let Some(pid) = pid {
                // The child stays to be asked for its status; it is this process's until then, so its number is no one else's.
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
            }
            let _ = events.send(Event::Ended(side));
        };
        thread::Builder::new().name("sandbox-wait".to_owned()).spawn(wait).map(drop)
    }

    fn collect_errors(&self, stderr: ChildStderr) -> io::Result<()> {
        let (budget, mut kept) = (self.budget.clone(), self.errors.clone());
        let collect = move || {
            pump(stderr, &mut kept, &budget, None);
            let _ = budget.events.send(Event::Closed);
        };
        thread::Builder::new().name("sandbox-errors".to_owned()).spawn(collect).map(drop)
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Keeps what it writes.
    pub(super) fn keep(&mut self, limit: usize) -> io::Result<Kept> {
        let kept = Kept::new(limit);
        self.pass(kept.clone(), Vec::new())?;
        Ok(kept)
    }

    /// Writes `first`, then what this process writes.
    pub(super) fn pass(&mut self, mut to: impl Write + Send + 'static, first: Vec<u8>) -> io::Result<()> {
        let (budget, started) = (self.budget.clone(), self.started.clone());
        let stdout = self.stdout.take();
        let relay = move || {
            // A reader that is gone shows in its end.
            let _ = to.write_all(&first).and_then(|()| to.flush());
            if let Some(stdout) = stdout {
                pump(stdout, &mut to, &budget, Some(&started));
            }
            drop(to);
            let _ = budget.events.send(Event::Closed);
        };
        thread::Builder::new().name("sandbox-output".to_owned()).spawn(relay).map(drop)
    }

    /// Gives it its input and closes the pipe.
    pub(super) fn feed(&mut self, input: Vec<u8>) -> io::Result<()> {
        let stdin = self.stdin.take();
        let events = self.budget.events.clone();
        let feed = move || {
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(&input);
            }
            let _ = events.send(Event::Closed);
        };
        thread::Builder::new().name("sandbox-input".to_owned()).spawn(feed).map(drop)
    }

    /// Its input, for [`Self::pass`] of another one.
    pub(super) fn input(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// Ends it, with all that it started, unless it has ended already. How it did, in both cases.
    pub(super) fn end(&mut self) -> End {
        if let Some(end) = self.ended {
            return end;
        }
        // A look that leaves the child there to be asked: once it is reaped, its number, and its group's, may be another's.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let had_ended =
            self.pid().is_some_and(|pid| matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_))));
        if self.group
            && let Some(pid) = self.pid()
        {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        // In the sandbox the end of bubblewrap is that of the first process inside, and the end of that one is the end of all.
        if !had_ended {
            let _ = self.child.kill();
        }
        let end = match self.child.wait() {
            Ok(status) if had_ended => End::of(status),
            _ => End::Stopped,
        };
        self.ended = Some(end);
        end
    }

    pub(super) fn has_started(&self) -> bool {
        self.started.load(Ordering::SeqCst)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Copies until either end closes or the budget is spent. Where `started` is given, the first line is ours, and not copied.
fn pump(mut from: impl Read, to: &mut impl Write, budget: &Budget, started: Option<&AtomicBool>) {
    let mut chunk = vec![0_u8; CHUNK];
    if let Some(started) = started {
        let mut line = [0_u8; STARTED.len()];
        if from.read_exact(&mut line).is_err() || line != STARTED.as_bytes() {
            return;
        }
        started.store(true, Ordering::SeqCst);
    }
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if !budget.take(read) || to.write_all(&chunk[..read]).and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}
