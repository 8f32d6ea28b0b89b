//! The adapters of the project: `conformance/adapters/NAME/adapter.yaml`.

mod setup;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use avp_conformance::{
    adapter::{AdapterCommand, Framing},
    case::Spec,
    gate::Exit,
    glob::nearest,
};
use serde::Deserialize;

pub(super) use self::setup::home;
use super::{Ended, suite, target::PlaceArgs};

/// How an adapter is set up and started, as its file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    pub(super) name: String,
    pub(super) description: String,
    #[serde(default)]
    pub(super) url: Option<String>,
    pub(super) language: String,
    #[serde(default)]
    framing: FramingName,
    pub(super) versions: Vec<Version>,
    /// What its setup downloads, when that is too much to come unasked: `5 GB`.
    #[serde(default)]
    pub(super) download: Option<String>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    setup: Vec<Vec<String>>,
    command: Vec<String>,
    #[serde(default)]
    env: std::collections::BTreeMap<String, String>,
}

/// One release that the adapter works for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    pub(super) version: String,
    pub(super) specs: Vec<Spec>,
    #[serde(default)]
    baseline: Option<PathBuf>,
    /// What it claims, when that is less than everything.
    #[serde(default)]
    profile: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FramingName {
    #[default]
    Raw,
    Ndjson,
    Exec,
}

/// One release of one adapter, found.
#[derive(Clone, Debug)]
pub(super) struct Release {
    folder: PathBuf,
    pub(super) description: Description,
    pub(super) version: Version,
}

impl Release {
    /// `name@version`.
    pub(super) fn name(&self) -> String {
        format!("{}@{}", self.description.name, self.version.version)
    }

    /// Where its sources are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How it is started.
    pub(super) fn command(&self) -> AdapterCommand {
        let words: Vec<OsString> = self.description.command.iter().map(|word| self.fill(word)).collect();
        let framing = match self.description.framing {
            FramingName::Ndjson => Framing::Ndjson,
            FramingName::Raw | FramingName::Exec => Framing::Raw,
        };
        let (program, args) =
            words.split_first().map_or_else(Default::default, |(first, rest)| (first.clone(), rest.to_vec()));
        let mut command = AdapterCommand::new(program, args).framing(framing);
        command.env =
            self.description.env.iter().map(|(name, value)| (name.into(), self.fill(value))).collect();
        command
    }

    /// Whether it is started once for every request.
    pub(super) fn is_exec(&self) -> bool {
        self.description.framing == FramingName::Exec
    }

    /// Its known deviations.
    pub(super) fn baseline(&self) -> Option<PathBuf> {
        self.version.baseline.as_ref().map(|path| self.folder.join(path))
    }

    /// The profile that it claims.
    pub(super) fn profile(&self) -> Option<String> {
        self.version.profile.clone()
    }

    /// Puts folders and version in for their names.
    fn fill(&self, word: &str) -> OsString {
        let text = |path: &Path| path.display().to_string();
        word.replace("{dir}", &text(&self.folder))
            .replace("{build}", &text(&setup::build_folder(self)))
            .replace("{version}", &self.version.version)
            .into()
    }
}

/// Every adapter of a folder, by name.
pub(super) fn all(places: &PlaceArgs) -> anyhow::Result<Vec<(PathBuf, Description)>> {
    let folder = folder(places)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let folder = entry?.path();
        if folder.join("adapter.yaml").is_file() {
            found.push((folder.clone(), read(&folder)?));
        }
    }
    found.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    Ok(found)
}

/// The releases of one adapter.
pub(super) fn releases(folder: &Path, description: &Description) -> Vec<Release> {
    let release = |version: &Version| Release {
        folder: folder.to_owned(),
        description: description.clone(),
        version: version.clone(),
    };
    description.versions.iter().map(release).collect()
}

/// `name` or `name@version`; without a version, the first that the adapter lists.
pub(super) fn find(wanted: &str, places: &PlaceArgs) -> anyhow::Result<Release> {
    let (name, version) =
        wanted.split_once('@').map_or((wanted, None), |(name, version)| (name, Some(version)));
    let adapters = all(places)?;
    let Some((folder, description)) = adapters.iter().find(|(_, known)| known.name == name) else {
        let names: Vec<&str> = adapters.iter().map(|(_, known)| known.name.as_str()).collect();
        let told = format!("there is no adapter {name}; the project has {}", names.join(", "));
        let near = nearest(name, names.iter().copied()).first().map(|near| format!("did you mean {near}?"));
        let own = "your own adapter is named by the command that starts it: avp-conformance run -- COMMAND";
        return Err(Ended::new(Exit::Usage, told).hint(near.unwrap_or_else(|| own.to_owned())).into());
    };
    let releases = releases(folder, description);
    let found =
        releases.iter().find(|release| version.is_none_or(|wanted| release.version.version == wanted));
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = releases.iter().map(|release| release.version.version.as_str()).collect();
        let told =
            format!("{name} has no version {}; it has {}", version.unwrap_or_default(), known.join(", "));
        Ended::new(Exit::Usage, told).into()
    })
}

fn read(folder: &Path) -> anyhow::Result<Description> {
    let path = folder.join("adapter.yaml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let description: Description = serde_yaml::from_str(&text).with_context(|| path.display().to_string())?;
    anyhow::ensure!(!description.versions.is_empty(), "{}: versions is empty", path.display());
    anyhow::ensure!(!description.command.is_empty(), "{}: command is empty", path.display());
    Ok(description)
}

fn folder(places: &PlaceArgs) -> anyhow::Result<PathBuf> {
    match &places.adapters_dir {
        Some(folder) => std::path::absolute(folder).context("the adapters' folder"),
        None => suite::project_folder("conformance/adapters").ok_or_else(|| {
            Ended::new(Exit::Usage, "the project's adapters are not here")
                .hint("run inside a clone of the project, or say where they are: --adapters-dir DIR")
                .into()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(yaml: &str) -> (tempfile::TempDir, PlaceArgs) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("mine")).unwrap();
        fs::write(folder.path().join("mine/adapter.yaml"), yaml).unwrap();
        let places = PlaceArgs { adapters_dir: Some(folder.path().to_owned()) };
        (folder, places)
    }

    const MINE: &str = r#"
name: mine
description: An example.
language: python
versions:
  - {version: "2.0", specs: ["0.4"], baseline: base/2.0.toml}
  - {version: "1.0", specs: ["0.2"], profile: core}
setup:
  - [cp, "{dir}/a", "{build}/{version}"]
command: ["{build}/run", "{dir}/x.py", "{version}"]
env: {MODE: "{version}"}
"#;

    #[test]
    fn the_first_version_is_the_default() {
        let (folder, places) = places(MINE);
        let release = find("mine", &places).unwrap();
        assert_eq!(release.name(), "mine@2.0");
        assert_eq!(release.baseline(), Some(folder.path().join("mine/base/2.0.toml")));
        let old = find("mine@1.0", &places).unwrap();
        assert_eq!((old.profile().as_deref(), old.baseline()), (Some("core"), None));
    }

    #[test]
    fn names_stand_for_folders_and_version() {
        let (folder, places) = places(MINE);
        let command = find("mine@1.0", &places).unwrap().command();
        let text = |word: &OsString| word.to_string_lossy().into_owned();
        assert!(text(&command.program).ends_with("/run"), "{:?}", command.program);
        assert_eq!(text(&command.args[0]), folder.path().join("mine").join("x.py").display().to_string());
        assert_eq!(text(&command.args[1]), "1.0");
        assert_eq!(command.env, [("MODE".into(), "1.0".into())]);
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let (_folder, places) = places(MINE);
        let told = |name: &str| {
            let error = find(name, &places).unwrap_err();
            let ended = error.downcast_ref::<Ended>().unwrap();
            format!("{} {}", ended.what, ended.hint.clone().unwrap_or_default())
        };
        assert!(told("mina").contains("did you mean mine?"), "{}", told("mina"));
        assert!(told("mine@3").contains("2.0, 1.0"), "{}", told("mine@3"));
        let (_folder, places) = self::places("name: mine\ncommands: []\n");
        assert!(format!("{:#}", find("mine", &places).unwrap_err()).contains("adapter.yaml"));
    }
}
