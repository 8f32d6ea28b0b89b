//! Options that say which implementation is meant, and how it is started.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use avp_conformance::{
    adapter::{AdapterCommand, ExecLauncher, Framing, Launcher, ProcessLauncher},
    gate::Exit,
    http::BlackBoxLauncher,
};
use clap::{Args, ValueEnum};

use super::{Ended, reference, registry};

/// Where a server's token is, when no file is named.
const TOKEN_VARIABLE: &str = "AVP_TOKEN";

/// Which implementation.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which implementation")]
pub(super) struct TargetArgs {
    /// An adapter of the project; without a version, its newest [default: the built-in reference]
    #[arg(long, value_name = "NAME[@VERSION]", conflicts_with = "command")]
    pub(super) adapter: Option<String>,
    #[command(flatten)]
    pub(super) places: PlaceArgs,
    /// A server that runs already, in any language, without an adapter; judged by the profile http
    #[arg(long, value_name = "URL", conflicts_with_all = ["command", "adapter"])]
    pub(super) url: Option<String>,
    /// Allow plain HTTP to a server on this machine
    #[arg(long, requires = "url")]
    pub(super) insecure_loopback: bool,
    /// Certificates to trust in place of this machine's, PEM
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(super) ca: Option<PathBuf>,
    /// The server's bearer token, in a file [default: the variable AVP_TOKEN, where it is set]
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(super) token_file: Option<PathBuf>,
    /// How frames stand on the pipe of your own adapter
    #[arg(long, value_enum, value_name = "FORM", requires = "command")]
    pub(super) framing: Option<FramingArg>,
    /// Start your own adapter once for every request, as `COMMAND OP`
    #[arg(long, requires = "command", conflicts_with = "framing")]
    pub(super) exec: bool,
    /// Your own adapter: the command that starts it
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

/// Where the adapters of the project are.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct PlaceArgs {
    /// Folder of the project's adapters [default: conformance/adapters, here or above]
    #[arg(long, value_name = "DIR", env = "AVP_ADAPTERS_DIR")]
    pub(super) adapters_dir: Option<PathBuf>,
}

/// How frames stand on the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FramingArg {
    /// Two lengths, JSON, blob
    Raw,
    /// One JSON object a line, the blob as base64
    Ndjson,
}

impl From<FramingArg> for Framing {
    fn from(framing: FramingArg) -> Self {
        match framing {
            FramingArg::Raw => Self::Raw,
            FramingArg::Ndjson => Self::Ndjson,
        }
    }
}

/// An implementation that can be started.
pub(super) struct Target {
    /// Starts it.
    pub(super) launcher: Box<dyn Launcher>,
    /// The options that mean it; empty for the built-in reference.
    pub(super) repeat: String,
    /// Its known deviations, as its description names them.
    pub(super) baseline: Option<PathBuf>,
    /// The profile that its description claims.
    pub(super) profile: Option<String>,
}

impl TargetArgs {
    /// Finds out how it is started.
    pub(super) fn resolve(&self) -> anyhow::Result<Target> {
        if let Some(name) = &self.adapter {
            return self.project_adapter(name);
        }
        if let Some(url) = &self.url {
            return self.black_box(url);
        }
        match self.command.split_first() {
            Some((program, args)) => Ok(self.own(program, args)),
            None => built_in(),
        }
    }

    /// The same from the options as a run recorded them.
    pub(super) fn from_recorded(repeat: &str, places: &PlaceArgs) -> anyhow::Result<Self> {
        let words = shlex::split(repeat)
            .ok_or_else(|| Ended::new(Exit::Usage, format!("the events name the adapter as `{repeat}`")))?;
        let mut args = Self { places: places.clone(), ..Self::default() };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--adapter" => args.adapter = words.next(),
                "--url" => args.url = words.next(),
                "--insecure-loopback" => args.insecure_loopback = true,
                "--ca" => args.ca = words.next().map(PathBuf::from),
                "--token-file" => args.token_file = words.next().map(PathBuf::from),
                "--exec" => args.exec = true,
                "--framing" => {
                    args.framing = words.next().and_then(|name| FramingArg::from_str(&name, true).ok());
                }
                "--" => args.command = words.by_ref().map(OsString::from).collect(),
                _ => {
                    let told = format!("the events name the adapter as `{repeat}`");
                    return Err(Ended::new(Exit::Usage, told).into());
                }
            }
        }
        Ok(args)
    }

    /// Whether nothing was said.
    pub(super) fn is_default(&self) -> bool {
        self.adapter.is_none() && self.url.is_none() && self.command.is_empty()
    }

    fn project_adapter(&self, name: &str) -> anyhow::Result<Target> {
        let release = registry::find(name, &self.places)?;
        release.check_ready()?;
        let command = release.command();
        let launcher: Box<dyn Launcher> = if release.is_exec() {
            Box::new(ExecLauncher::new(command))
        } else {
            Box::new(ProcessLauncher::new(command))
        };
        Ok(Target {
            launcher,
            repeat: format!("--adapter {}", release.name()),
            baseline: release.baseline(),
            profile: release.profile(),
        })
    }

    fn black_box(&self, url: &str) -> anyhow::Result<Target> {
        let read = |path: &PathBuf| -> anyhow::Result<String> {
            fs::read_to_string(path)
                .map_err(|error| Ended::new(Exit::Usage, format!("{}: {error}", path.display())).into())
        };
        let token = match &self.token_file {
            Some(path) => Some(read(path)?.trim().to_owned()),
            None => std::env::var(TOKEN_VARIABLE).ok(),
        };
        let pem = self.ca.as_ref().map(read).transpose()?;
        let launcher =
            BlackBoxLauncher::new(url, self.insecure_loopback, token.filter(|token| !token.is_empty()), pem)
                .map_err(|error| Ended::new(Exit::Usage, error))?;
        let mut words = vec!["--url".to_owned(), url.to_owned()];
        if self.insecure_loopback {
            words.push("--insecure-loopback".to_owned());
        }
        for (option, path) in [("--ca", &self.ca), ("--token-file", &self.token_file)] {
            words.extend(path.iter().flat_map(|path| [option.to_owned(), path.display().to_string()]));
        }
        let repeat = shlex::try_join(words.iter().map(String::as_str))
            .map_err(|error| Ended::new(Exit::Usage, error))?;
        Ok(Target { launcher: Box::new(launcher), repeat, baseline: None, profile: Some("http".to_owned()) })
    }

    fn own(&self, program: &OsString, args: &[OsString]) -> Target {
        let framing = self.framing.map_or(Framing::Raw, Framing::from);
        let command = AdapterCommand::new(program, args).framing(framing);
        let line = command.line();
        let (launcher, options): (Box<dyn Launcher>, &str) = match (self.exec, framing) {
            (true, _) => (Box::new(ExecLauncher::new(command)), "--exec "),
            (false, Framing::Ndjson) => (Box::new(ProcessLauncher::new(command)), "--framing ndjson "),
            (false, Framing::Raw) => (Box::new(ProcessLauncher::new(command)), ""),
        };
        Target { launcher, repeat: format!("{options}-- {line}"), baseline: None, profile: None }
    }
}

/// This binary, which also is an adapter.
fn built_in() -> anyhow::Result<Target> {
    if !cfg!(feature = "reference") {
        let told = "this binary was built without the reference: name an implementation";
        return Err(Ended::new(Exit::Usage, told).hint("avp-conformance run -- COMMAND").into());
    }
    let command = AdapterCommand::new(std::env::current_exe()?, [reference::NAME]);
    Ok(Target {
        launcher: Box::new(ProcessLauncher::new(command)),
        repeat: String::new(),
        baseline: None,
        profile: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_records_means_the_same_adapter_again() {
        let own = |exec: bool, framing: Option<FramingArg>| TargetArgs {
            exec,
            framing,
            command: ["python3", "my adapter.py", "--x='y'"].map(OsString::from).to_vec(),
            ..TargetArgs::default()
        };
        for args in [own(false, None), own(true, None), own(false, Some(FramingArg::Ndjson))] {
            let recorded = args.resolve().unwrap().repeat;
            let again = TargetArgs::from_recorded(&recorded, &PlaceArgs::default()).unwrap();
            assert_eq!(again.command, args.command, "{recorded}");
            assert_eq!((again.exec, again.framing), (args.exec, args.framing));
        }
        let project = TargetArgs::from_recorded("--adapter avp-python@0.6.2", &PlaceArgs::default()).unwrap();
        assert_eq!(project.adapter.as_deref(), Some("avp-python@0.6.2"));
        assert!(TargetArgs::from_recorded("", &PlaceArgs::default()).unwrap().is_default());
        assert!(TargetArgs::from_recorded("rm -rf", &PlaceArgs::default()).is_err());
    }
}
