//! `adapter list` and `adapter setup`.

use avp_conformance::gate::Exit;
use clap::{Args, Subcommand};

use super::{console, registry, target::PlaceArgs};

/// The project's adapters.
#[derive(Subcommand)]
pub(super) enum AdapterCommand {
    /// List the adapters of the project, their releases, and which are ready
    #[command(after_help = "Examples:\n  avp-conformance adapter list\n")]
    List(PlaceArgs),
    /// Prepare adapters: install or build what they need, in a cache folder of its own
    #[command(after_help = "\
Examples:
  avp-conformance adapter setup avp-python@0.6.2
  avp-conformance adapter setup minimal-node minimal-java

The cache folder is $AVP_CONFORMANCE_HOME, or avp-conformance in the user's cache folder.
")]
    Setup(SetupArgs),
}

/// What to prepare.
#[derive(Args)]
pub(super) struct SetupArgs {
    /// Which; without a version, the newest
    #[arg(required = true, value_name = "NAME[@VERSION]")]
    names: Vec<String>,
    /// Prepare it again even when it is ready
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    places: PlaceArgs,
}

/// Runs it.
pub(super) fn adapter(command: &AdapterCommand) -> anyhow::Result<Exit> {
    match command {
        AdapterCommand::List(places) => list(places),
        AdapterCommand::Setup(args) => setup(args),
    }
}

fn list(places: &PlaceArgs) -> anyhow::Result<Exit> {
    let mut text = String::new();
    for (folder, description) in registry::all(places)? {
        text.push_str(&format!(
            "{} ({}): {}\n",
            description.name, description.language, description.description
        ));
        if let Some(url) = &description.url {
            text.push_str(&format!("  {url}\n"));
        }
        for release in registry::releases(&folder, &description) {
            let specs: Vec<&str> = release.version.specs.iter().map(|spec| spec.as_str()).collect();
            let ready = if release.is_ready() { "ready" } else { "not set up" };
            text.push_str(&format!("  {:28} AVP {:9} {ready}\n", release.name(), specs.join(", ")));
        }
    }
    console::print(&text)?;
    Ok(Exit::Ok)
}

fn setup(args: &SetupArgs) -> anyhow::Result<Exit> {
    for name in &args.names {
        let release = registry::find(name, &args.places)?;
        if release.is_ready() && !args.force {
            eprintln!("{} is ready", release.name());
            continue;
        }
        release.set_up()?;
        eprintln!("{} is ready: avp-conformance run --adapter {}", release.name(), release.name());
    }
    Ok(Exit::Ok)
}
