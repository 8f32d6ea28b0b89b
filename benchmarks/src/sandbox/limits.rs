//! What a program may use.

use std::time::Duration;

/// Time by the clock. The processor's time below is what a slow program runs into; this is for those that wait, and wide, because
/// a limit that a busy machine reaches would change scores.
pub(super) const WALL: Duration = Duration::from_secs(20);
/// Seconds of processor time of one process: what the published scorers allow by the clock. It passes no faster on a busy machine.
pub(super) const CPU_SECONDS: u64 = 10;
/// Address space of one process in bytes. An interpreter takes 20 MiB; solutions of the known data sets stay below 100.
pub(super) const MEMORY: u64 = 512 << 20;
/// Processes and threads at once, the interpreter's and the sandbox's own included. With `MEMORY` this bounds the address
/// spaces of a fork bomb, 8 GiB; memory that none of them counts is refused by the filter of system calls, where there is one.
pub(super) const PROCESSES: u64 = 16;
/// Bytes of one file.
pub(super) const FILE: u64 = 16 << 20;
/// Bytes of all files: the only place that can be written is a file system in memory of this size.
pub(super) const DISK: u64 = 32 << 20;
/// Open files of one process.
pub(super) const FILES: u64 = 64;
/// Bytes of output that are read before a program is ended. Answers to a test are some kilobytes.
pub(super) const OUTPUT: usize = 4 << 20;
/// Bytes of standard error that are kept; what is beyond is read and dropped, and counts as output.
pub(super) const ERRORS: usize = 64 << 10;
/// One more than the largest number of a file that a process may have open, as the kernel comes.
pub(super) const DESCRIPTORS: u32 = 1 << 20;
/// How long a candidate may take to end by itself once its judge has: what has an end of its own takes milliseconds.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// How long the pipes of an ended program may stay open. In the sandbox they close with it; without one a process that left its
/// group may hold them.
pub(super) const DRAIN: Duration = Duration::from_secs(2);

/// What one program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time by the clock.
    pub wall: Duration,
    /// Seconds of processor time of one process.
    pub cpu_seconds: u64,
    /// Address space of one process, in bytes.
    pub memory: u64,
    /// Processes and threads at once.
    pub processes: u64,
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of all files.
    pub disk: u64,
    /// Open files of one process.
    pub files: u64,
    /// Bytes of output, standard error included.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: WALL,
            cpu_seconds: CPU_SECONDS,
            memory: MEMORY,
            processes: PROCESSES,
            file: FILE,
            disk: DISK,
            files: FILES,
            output: OUTPUT,
        }
    }
}
