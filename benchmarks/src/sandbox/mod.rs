//! PROGRAM → END: code that a model wrote, run where it can do no harm and can't say that it is right.
//!
//! ```text
//!  setpriv (root's rights dropped) → bwrap (namespaces, /usr read-only, 32 MiB to write) → prlimit → python3
//! ```
//!
//! | what it tries | what holds it |
//! |---|---|
//! | the network | a network namespace without a card |
//! | other files | `/usr`, read-only, and a `/proc` of its own are all there is; what can be written is a file system in memory of bounded size |
//! | other processes, the one that started it | a namespace of processes: it sees and signals its own |
//! | ever more processes, memory, time, files | limits per process, one of processes, one of time by the clock |
//! | ever more output | the reader stops at a limit and ends it |
//! | outliving its run | the end of the sandbox's first process is the end of all; it dies with its parent |
//! | memory that no limit counts, sockets that no namespace holds | a filter of system calls (x86-64, aarch64): no `shmget`, `memfd_create`, `io_uring_setup`, no socket but Unix's and the Internet's |
//! | what the caller has: environment, open files | bubblewrap starts with an empty environment; files beyond the three pipes are closed before the program begins |
//! | root | programs run as nobody, and root's rights are dropped before the sandbox is made: no limit of processes binds root |
//!
//! What does not hold: the kernel is shared, so that a fault of the kernel is a way out; and the memory of all processes of one
//! program together is bounded only by their number times the memory of one, beside what the kernel holds for pipes and sockets. On
//! other architectures there is no filter, and System V's shared memory and files in memory are bounded by nothing.
//!
//! An exit code is no verdict: `os._exit(0)` gives 0 too. A verdict is what a *judge* says, a program of ours in a sandbox of its own,
//! behind a word that is drawn for each run. The candidate answers questions over a pipe; of the expected answers, the tests and
//! that word it never holds a copy, so no walk of the stack, of the collector's objects or of `/proc` finds them. See
//! [`crate::scorer`] for who asks what.

mod calls;
mod command;
mod error;
mod limits;
mod process;
mod run;
mod verdict;

use std::path::PathBuf;
use std::process::Command;

use self::command::{NOBODY, Walls, interpreter, tool};
use self::error::next_step;
use self::verdict::shown;

pub use error::{Error, Result};
pub use limits::Limits;
pub use process::End;
pub use run::{Ended, Infrastructure, Judged, Program};
pub use verdict::{Nonce, Outcome};

const PROBE: &str = include_str!("probe.py");
const INSTALL: &str = "install bubblewrap (Debian, Ubuntu: apt-get install bubblewrap)";
const INSTALL_UTILITIES: &str = "install util-linux";
const INSTALL_PYTHON: &str = "install Python below /usr (Debian, Ubuntu: apt-get install python3)";

/// Where model-written programs run. One serves any number of threads at once.
#[derive(Clone, Debug)]
pub struct Sandbox {
    walls: Walls,
    python: PathBuf,
    name: String,
}

impl Sandbox {
    /// The sandbox, tried: a program inside it could not reach the network, write or see what it should not, nor start more
    /// processes than it may.
    ///
    /// # Errors
    /// Where a part is missing, where it does not start, and where it does not hold.
    pub fn probe() -> Result<Self> {
        let (python, prlimit) = parts()?;
        let bwrap = tool("bwrap").ok_or(Error::Missing { program: "bubblewrap", step: INSTALL })?;
        let root = rustix::process::geteuid().is_root();
        let setpriv = if root {
            Some(tool("setpriv").ok_or(Error::Missing { program: "setpriv", step: INSTALL_UTILITIES })?)
        } else {
            None
        };
        let version = said_by(&bwrap);
        let name = format!("{version}, uid {NOBODY}, {}", interpreter_name(&python));
        let sandbox = Self { walls: Walls::bubblewrap(bwrap, setpriv, prlimit, &version), python, name };
        sandbox.try_out()?;
        Ok(sandbox)
    }

    /// No sandbox: programs run as the caller, with limits of memory, time and files. An override, to be asked for by name, and
    /// [`Self::name`] records it.
    ///
    /// # Errors
    /// Where a part is missing.
    pub fn unconfined() -> Result<Self> {
        let (python, prlimit) = parts()?;
        let name = format!("none (override), {}", interpreter_name(&python));
        Ok(Self { walls: Walls::Limits { prlimit }, python, name })
    }

    /// What runs the programs, for a run's provenance: the sandbox's version, the user, the interpreter.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there are no walls.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.walls, Walls::Limits { .. })
    }

    fn try_out(&self) -> Result<()> {
        let limits = Limits::default();
        let input = format!("{}\n", limits.processes).into_bytes();
        let refused = |said: String| Error::Refused { said, step: next_step() };
        let program = Program { text: PROBE, input, limits };
        let ended = self.run(&program).map_err(|error| refused(error.0))?;
        let leaks: Vec<String> = serde_json::from_slice(&ended.output).map_err(|error| {
            refused(format!("{:?}, {error}: {}", ended.end, shown(&String::from_utf8_lossy(&ended.errors))))
        })?;
        if leaks.is_empty() {
            return Ok(());
        }
        let step = "look at what bwrap is on this machine; without its walls, code is run only by the explicit override";
        Err(Error::Leaks { what: leaks.join("; "), step })
    }
}

fn parts() -> Result<(PathBuf, PathBuf)> {
    let python = interpreter().ok_or(Error::Missing { program: "python3", step: INSTALL_PYTHON })?;
    let prlimit = tool("prlimit").ok_or(Error::Missing { program: "prlimit", step: INSTALL_UTILITIES })?;
    Ok((python, prlimit))
}

fn interpreter_name(python: &std::path::Path) -> String {
    format!("{} ({})", said_by(python), python.display())
}

/// What a program says its version is.
fn said_by(program: &std::path::Path) -> String {
    let output = Command::new(program).arg("--version").output();
    output.map_or_else(
        |error| error.to_string(),
        |output| {
            shown(&String::from_utf8_lossy(if output.stdout.is_empty() {
                &output.stderr
            } else {
                &output.stdout
            }))
        },
    )
}
