//! The command line that starts an interpreter behind walls.

use std::fs;
use std::io::PipeReader;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Limits, calls};

/// Where programs of the system lie. A search path of the user's would let a folder of theirs stand in for the walls.
const FOLDERS: [&str; 5] = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/bin", "/sbin"];
/// Where interpreters may lie: below `/usr`, all that is seen inside.
const INTERPRETERS: [&str; 2] = ["/usr/bin/python3", "/usr/local/bin/python3"];
/// Folders of the root that programs below `/usr` need; links into `/usr` on today's systems.
const ROOT: [&str; 5] = ["bin", "sbin", "lib", "lib32", "lib64"];
/// The user and the group that programs run as: nobody's.
pub(super) const NOBODY: u32 = 65534;
/// The first version of bubblewrap that can forbid further user namespaces inside.
const NO_NESTING: (u32, u32) = (0, 8);

/// The search path that programs are given.
const SEARCH: &str = "/usr/bin";

/// A program of the system.
pub(super) fn tool(name: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// The interpreter.
pub(super) fn interpreter() -> Option<PathBuf> {
    INTERPRETERS.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// How programs are kept in.
#[derive(Clone, Debug)]
pub(super) enum Walls {
    /// bubblewrap.
    Bubblewrap {
        /// Where it is.
        bwrap: PathBuf,
        /// What drops root's rights first; `None` where this process is not root's. The limit of processes does not bind root, nor
        /// whom bubblewrap makes out of root.
        setpriv: Option<PathBuf>,
        /// Sets limits, inside: there they count the sandbox's own processes, not all of the user's.
        prlimit: PathBuf,
        /// Whether it can forbid further user namespaces.
        forbids_nesting: bool,
    },
    /// Limits alone.
    Limits {
        /// Sets them.
        prlimit: PathBuf,
    },
}

impl Walls {
    /// What the sandbox reads its refused system calls from.
    ///
    /// # Errors
    /// Where there is no pipe.
    pub(super) fn calls(&self) -> std::io::Result<Option<PipeReader>> {
        match self {
            Self::Bubblewrap { .. } => calls::filter(),
            Self::Limits { .. } => Ok(None),
        }
    }

    /// `version`: what `bwrap --version` says.
    pub(super) fn bubblewrap(
        bwrap: PathBuf,
        setpriv: Option<PathBuf>,
        prlimit: PathBuf,
        version: &str,
    ) -> Self {
        let mut numbers = version.split([' ', '.']).filter_map(|part| part.parse().ok());
        let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Self::Bubblewrap { bwrap, setpriv, prlimit, forbids_nesting: version >= NO_NESTING }
    }

    /// The command that runs the interpreter on a program text. `folder`: where it works without a sandbox. `calls`: what the
    /// sandbox reads its refused system calls from, to be kept until the command is started.
    pub(super) fn command(
        &self,
        python: &Path,
        text: &str,
        limits: &Limits,
        folder: Option<&Path>,
        calls: Option<&PipeReader>,
    ) -> Command {
        let mut command = match self {
            Self::Bubblewrap { bwrap, setpriv, prlimit, forbids_nesting } => {
                let mut command = match setpriv {
                    Some(setpriv) => {
                        let mut command = Command::new(setpriv);
                        let id = NOBODY.to_string();
                        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(bwrap);
                        command
                    }
                    None => Command::new(bwrap),
                };
                // The first process inside is bubblewrap's own: what it was given can be read there, below /proc/1.
                command.env_clear().env("PATH", SEARCH);
                if let Some(calls) = calls {
                    command.arg("--seccomp").arg(calls.as_raw_fd().to_string());
                }
                inside(&mut command, limits, *forbids_nesting);
                command.arg(prlimit).arg(format!("--nproc={}", limits.processes));
                command
            }
            // All processes of a user count there, those outside too: no limit of theirs would be the program's.
            Self::Limits { prlimit } => {
                let mut command = Command::new(prlimit);
                command.process_group(0).env_clear().env("PYTHONHASHSEED", "0").env("HOME", "/nonexistent");
                if let Some(folder) = folder {
                    command.current_dir(folder);
                }
                command
            }
        };
        command
            .arg(format!("--as={}", limits.memory))
            .arg(format!("--cpu={}:{}", limits.cpu_seconds, limits.cpu_seconds + 1))
            .arg(format!("--fsize={}", limits.file))
            .arg(format!("--nofile={}", limits.files))
            .args(["--core=0", "--"])
            .arg(python)
            // Not -I: it would drop the fixed seed of hashes, and with it the order of sets, from which answers are made. What else
            // -I keeps out is not there: no environment but ours, no home, an empty folder.
            .args(["-s", "-S", "-B", "-X", "utf8", "-c", text]);
        command
    }
}

fn inside(command: &mut Command, limits: &Limits, forbids_nesting: bool) {
    let id = NOBODY.to_string();
    command.args(["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]);
    if forbids_nesting {
        command.arg("--disable-userns");
    }
    command.args(["--uid", &id, "--gid", &id, "--hostname", "sandbox", "--clearenv"]);
    command.args(["--setenv", "PYTHONHASHSEED", "0", "--setenv", "HOME", "/tmp"]);
    command.args(["--setenv", "PATH", SEARCH, "--ro-bind", "/usr", "/usr"]);
    for name in ROOT {
        let path = Path::new("/").join(name);
        match fs::read_link(&path) {
            Ok(target) => command.arg("--symlink").arg(target).arg(&path),
            Err(_) if path.is_dir() => command.arg("--ro-bind").arg(&path).arg(&path),
            Err(_) => continue,
        };
    }
    // An interpreter below /usr/local finds its library by it.
    command.args(["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]);
    command.args(["--proc", "/proc", "--dev", "/dev"]);
    command.arg("--size").arg(limits.disk.to_string()).args(["--tmpfs", "/tmp", "--chdir", "/tmp"]);
    // Both are file systems in memory, of any size.
    command.args(["--remount-ro", "/dev", "--remount-ro", "/"]);
}
