//! A child process with everything around it: its process group, its stderr, its end.

use std::collections::VecDeque;
use std::io::Read;
use std::process::{ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{AdapterCommand, Lost};

/// How much of a child's stderr is kept: the last few screens, however much it writes.
const STDERR_KEPT: usize = 64 * 1024;

/// How long a child may take to end after it was asked to, before it is made to.
const GRACE: Duration = Duration::from_millis(500);

/// How long the last lines of stderr may take to arrive after a child's end.
const STDERR_GRACE: Duration = Duration::from_millis(100);

/// A child process in its own process group. Dropping it ends the whole group.
pub(super) struct ChildGroup {
    pid: u32,
    ended: Receiver<ExitStatus>,
    status: Option<ExitStatus>,
    stderr: Stderr,
}

/// What is wanted of a child's pipes.
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
}

impl ChildGroup {
    /// Starts a process. `extra` are arguments behind those of the command.
    pub(super) fn spawn(command: &AdapterCommand, extra: &[&str]) -> Result<(Self, Pipes), Lost> {
        let not_started = |what: String| Lost::NotStarted { what };
        let mut os = command.command();
        os.args(extra).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut os, 0);
        let mut child = os
            .spawn()
            .map_err(|error| not_started(format!("{}: {error}", command.program.to_string_lossy())))?;
        let pid = child.id();
        if let Some(limit) = command.memory_limit {
            limit_memory(pid, limit);
        }
        let pipes = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
        let ((stdin, stdout), stderr) = pipes.ok_or_else(|| not_started("its pipes are missing".into()))?;
        let stderr = Stderr::capture(stderr);
        let (sender, ended) = mpsc::sync_channel(1);
        // A thread that waits makes a wait with a limit out of one without, and leaves no zombie behind.
        spawn_thread("adapter-exit", move || {
            if let Ok(status) = child.wait() {
                // Nobody may be interested any more.
                let _ = sender.send(status);
            }
        })
        .map_err(|error| {
            kill_group(pid, Signal::Kill);
            not_started(error.to_string())
        })?;
        Ok((Self { pid, ended, status: None, stderr }, Pipes { stdin, stdout }))
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The last of stderr.
    pub(super) fn stderr_tail(&self) -> String {
        if self.status.is_some() {
            self.stderr.wait(STDERR_GRACE);
        }
        self.stderr.tail()
    }

    /// Waits for the end.
    pub(super) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.ended.recv_timeout(limit).ok();
        }
        self.status
    }

    /// In words, how the child ended after its stdout did: on its own, or by our hand because it lives on.
    pub(super) fn status_after_end_of_output(&mut self) -> String {
        match self.wait(GRACE) {
            Some(status) => status.to_string(),
            None => {
                self.kill();
                "it closed its stdout and lived on".into()
            }
        }
    }

    /// Ends the group: asks, waits, makes it.
    pub(super) fn kill(&mut self) {
        if self.status.is_none() {
            kill_group(self.pid, Signal::Term);
            self.wait(GRACE);
        }
        // Also when the leader has ended: what it started may live on.
        kill_group(self.pid, Signal::Kill);
        self.wait(GRACE);
    }

    /// Waits for an end after stdin was closed, then makes it.
    pub(super) fn finish(&mut self) -> String {
        let status = self.wait(GRACE);
        self.kill();
        match status {
            Some(status) => status.to_string(),
            None => "it lived on after the end of its stdin".into(),
        }
    }
}

impl Drop for ChildGroup {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a named thread.
pub(super) fn spawn_thread(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    // The stack of a reader holds serde_json's recursion, which is capped.
    thread::Builder::new().name(name.to_owned()).spawn(body).map(drop)
}

/// The last of what a child wrote on stderr.
struct Stderr {
    ring: Arc<Mutex<VecDeque<u8>>>,
    closed: Receiver<()>,
}

impl Stderr {
    fn capture(mut pipe: impl Read + Send + 'static) -> Self {
        let ring = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, closed) = mpsc::sync_channel::<()>(0);
        let kept = Arc::clone(&ring);
        // Without the thread the tail stays empty, which is no reason to give up.
        let _ = spawn_thread("adapter-stderr", move || {
            let _open = sender;
            let mut buffer = [0; 8192];
            loop {
                match pipe.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(n) => {
                        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                        kept.extend(&buffer[..n]);
                        let over = kept.len().saturating_sub(STDERR_KEPT);
                        kept.drain(..over);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        });
        Self { ring, closed }
    }

    fn wait(&self, limit: Duration) {
        // The sender is only ever dropped: either outcome says enough.
        let _ = self.closed.recv_timeout(limit);
    }

    fn tail(&self) -> String {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = ring.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

enum Signal {
    Term,
    Kill,
}

#[cfg(unix)]
fn kill_group(pid: u32, signal: Signal) {
    use rustix::process::{Pid, Signal as Unix, kill_process_group};
    let signal = match signal {
        Signal::Term => Unix::TERM,
        Signal::Kill => Unix::KILL,
    };
    if let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It fails when the group is gone, which is what is wanted.
        let _ = kill_process_group(group, signal);
    }
}

#[cfg(not(unix))]
fn kill_group(_pid: u32, _signal: Signal) {}

/// Bounds the private memory of a process that has just been started, and of whatever it starts.
#[cfg(target_os = "linux")]
fn limit_memory(pid: u32, limit: u64) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It fails when the child has ended already, or under a lower limit of the harness's own.
        let _ = prlimit(Some(pid), Resource::Data, limit);
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_memory(_pid: u32, _limit: u64) {}
