//! The programs that are wrong on purpose, and how one of them is started.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::KillError;
use super::mutant::{Group, Mutant};
use crate::adapter::{AdapterCommand, ProcessLauncher};

/// File name of the switchboard.
pub const SWITCHBOARD: &str = "avp-mutant";

/// What starts the servers and clients.
pub const PYTHON: &str = "python3";

/// Argument under which the switchboard is right: the reference, through the same pipe.
const CONTROL: &str = "--control";

/// The servers and clients: one script.
const BINDING: &str = include_str!("../../mutants/binding.py");

/// All mutants as programs.
#[derive(Debug)]
pub struct Switchboard {
    program: PathBuf,
    /// What is wrong with each mutant that the program has.
    wrong: BTreeMap<String, String>,
    /// The script, and a certificate for its servers.
    folder: TempDir,
}

impl Switchboard {
    /// Asks the program which mutants it has.
    ///
    /// # Errors
    /// [`KillError::Start`] when it does not start, [`KillError::Certificate`] when the servers can't be prepared.
    pub fn open(program: &Path) -> Result<Self, KillError> {
        let start = |error: io::Error| KillError::Start { program: program.to_owned(), error };
        let list = Command::new(program).arg("--list").output().map_err(start)?;
        let list = String::from_utf8_lossy(&list.stdout).into_owned();
        let wrong = list.lines().filter_map(|line| line.split_once('\t'));
        let wrong = wrong.map(|(name, wrong)| (name.to_owned(), wrong.to_owned())).collect();
        let folder = prepared().map_err(KillError::Certificate)?;
        Ok(Self { program: program.to_owned(), wrong, folder })
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Names of the mutants that the program has.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.wrong.keys().map(String::as_str)
    }

    /// What is wrong with a mutant, in a few words.
    pub fn wrong(&self, mutant: &Mutant) -> String {
        match self.wrong.get(&mutant.name) {
            Some(wrong) => wrong.clone(),
            None => mutant.name.replace('-', " "),
        }
    }

    /// Whether it can be started.
    pub(super) fn has(&self, mutant: &Mutant) -> bool {
        mutant.group == Group::Binding || self.wrong.contains_key(&mutant.name)
    }

    /// Whether the program has a runtime for language models.
    pub(super) fn has_models(&self) -> bool {
        self.names().any(|name| name.starts_with("model-"))
    }

    /// Starts a mutant, or, without one, what is right.
    pub(super) fn launcher(&self, group: Group, mutant: Option<&Mutant>) -> ProcessLauncher {
        let name = mutant.map(|mutant| mutant.name.as_str());
        if group != Group::Binding {
            return ProcessLauncher::new(AdapterCommand::new(&self.program, [name.unwrap_or(CONTROL)]));
        }
        let mut args = vec![self.folder.path().join("binding.py").into_os_string()];
        args.extend(name.map(Into::into));
        let mut command = AdapterCommand::new(PYTHON, args);
        command.env.push(("AVP_MUTANT_TLS".into(), self.folder.path().into()));
        ProcessLauncher::new(command)
    }
}

/// A folder with the script and a certificate for its servers.
fn prepared() -> Result<TempDir, String> {
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    for (name, text) in [("binding.py", BINDING), ("certificate.pem", &certificate), ("key.pem", &key)] {
        std::fs::write(folder.path().join(name), text).map_err(|error| error.to_string())?;
    }
    Ok(folder)
}
