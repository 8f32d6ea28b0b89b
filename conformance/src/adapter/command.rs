//! How an adapter's process is started.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use super::Framing;

/// Most bytes of private memory that a child may hold by default. Sixteen times the longest blob of the protocol: no
/// honest answer needs more, and a decompression bomb in a child that does not bound its output ends that child rather
/// than the machine. It bounds data that can be written to (`RLIMIT_DATA`), so runtimes that only reserve address space
/// are not hit.
pub const MEMORY_LIMIT: u64 = 4 * 1024 * 1024 * 1024;

/// How an adapter's process is started.
#[derive(Clone, Debug)]
pub struct AdapterCommand {
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables beside those of the harness.
    pub env: Vec<(OsString, OsString)>,
    /// Its working folder; that of the harness when none is given.
    pub folder: Option<PathBuf>,
    /// How frames stand on the pipe.
    pub framing: Framing,
    /// Most bytes of private memory, where the system can enforce it; `None` for no bound.
    pub memory_limit: Option<u64>,
}

impl AdapterCommand {
    /// A program with arguments and all defaults.
    pub fn new(program: impl Into<OsString>, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            folder: None,
            framing: Framing::default(),
            memory_limit: Some(MEMORY_LIMIT),
        }
    }

    /// The same with another framing.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// The command line, quoted for a shell.
    pub fn line(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.args);
        words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_can_be_pasted() {
        let command = AdapterCommand::new("python3", ["-c", "print('a b')", "", "x=1"]);
        assert_eq!(command.line(), r"python3 -c 'print('\''a b'\'')' '' x=1");
    }
}
