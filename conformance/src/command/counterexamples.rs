//! `promote`, and the folder of counterexamples in the other commands.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use avp_conformance::{
    case::Case,
    counterexample::{self, Kept, LoadError},
    event::{Counterexample, Event},
    gate::Exit,
    vector::{Lock, cases_of, entry, read_folder},
};
use clap::Args;

use super::{Ended, console};

/// The folder when none is named.
const FOLDER: &str = "counterexamples";

/// A folder that is kept up to date by `run`: the one that was asked for, or `counterexamples` where it is there.
pub(super) fn folder(asked: Option<&Path>) -> Option<PathBuf> {
    let usual = || Some(PathBuf::from(FOLDER)).filter(|folder| folder.is_dir());
    asked.map(Path::to_owned).or_else(usual)
}

/// The cases of a folder, or of one file.
pub(super) fn cases(path: &Path) -> anyhow::Result<Vec<Case>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let kept = counterexample::load(path).map_err(told)?;
    Ok(kept.into_iter().map(|(_, case)| case).collect())
}

fn told(error: LoadError) -> anyhow::Error {
    let ended = Ended::new(Exit::Usage, error);
    ended.hint("take the file out of the folder, or let `run --counterexamples` find it again").into()
}

/// Writes the counterexamples of a run into the folder, and says what is new.
pub(super) fn keep(folder: &Path, events: &[Event], implementation: &str) -> anyhow::Result<()> {
    let found = events.iter().filter_map(|event| match event {
        Event::Counterexample(found) => Some(&**found),
        _ => None,
    });
    let found: Vec<&Counterexample> = found.collect();
    let (mut new, mut untold) = (0, 0);
    for found in &found {
        match Kept::of(found, implementation) {
            Some(kept) => {
                let saved = kept.save(folder).with_context(|| folder.display().to_string())?;
                new += usize::from(saved);
            }
            None => untold += 1,
        }
    }
    if !found.is_empty() {
        let untold = match untold {
            0 => String::new(),
            many => format!("; {many} can't be written as a recipe and are in the events alone"),
        };
        eprintln!("{} counterexamples, {new} new in {}{untold}", found.len(), folder.display());
    }
    Ok(())
}

/// What to promote.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance run --counterexamples counterexamples -- ./mine
  avp-conformance promote counterexamples/1f2e3d4c5b6a7988.json --id hdr/long-payload
  avp-conformance promote counterexamples/1f2e3d4c5b6a7988.json --id hdr/long-payload --recipes vectors/recipes

Without --recipes the entry is printed, to be pasted into the file of its area. Afterwards `avp-conformance vectors
generate` makes the vector.
")]
pub(super) struct PromoteArgs {
    /// A counterexample that `run --counterexamples` kept
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Its id as a vector: area/slug
    #[arg(long, value_name = "AREA/SLUG")]
    id: String,
    /// Append it to the file of its area in this folder of recipes
    #[arg(long, value_name = "DIR")]
    recipes: Option<PathBuf>,
}

/// Runs it.
pub(super) fn promote(args: &PromoteArgs) -> anyhow::Result<Exit> {
    let kept = counterexample::load(&args.file).map_err(told)?;
    let [(kept, _)] = &kept[..] else {
        return Err(Ended::new(Exit::Usage, "one file is promoted at a time").into());
    };
    let text = entry(&kept.recipe, &args.id).map_err(|error| Ended::new(Exit::Usage, error))?;
    let file = format!("{}.yaml", args.id.split('/').next().unwrap_or_default());
    let Some(folder) = &args.recipes else {
        console::print(&text)?;
        eprintln!(
            "paste this at the end of vectors/recipes/{file}, then run avp-conformance vectors generate"
        );
        return Ok(Exit::Ok);
    };
    let path = folder.join(&file);
    let before = if path.is_file() {
        fs::read_to_string(&path).with_context(|| path.display().to_string())?
    } else {
        String::new()
    };
    let gap = if before.is_empty() || before.ends_with("\n\n") { "" } else { "\n" };
    let after = format!("{before}{gap}{text}");
    // Nothing is written that `vectors check` would not read.
    let mut files = read_folder(folder).with_context(|| folder.display().to_string())?;
    files.retain(|(name, _)| *name != file);
    files.push((file, after.clone()));
    cases_of(&files, &Lock::default()).map_err(|error| Ended::new(Exit::Usage, error))?;
    fs::write(&path, after).with_context(|| path.display().to_string())?;
    eprintln!("{} is in {}; next: avp-conformance vectors generate", args.id, path.display());
    Ok(Exit::Ok)
}
