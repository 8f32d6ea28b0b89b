//! `--all`: set up, run and record everyone, one after the other; who is not ready yet is set up meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Instant;

use anyhow::Context as _;
use avp_conformance::{
    case::Case,
    matrix::reading::{self, CrossReading, Speaker},
    schedule::{self, StopFlag},
};

use super::MatrixArgs;
use super::member::{Member, members};
use super::store::Store;
use crate::command::record::Recorder;
use crate::command::target::Target;
use crate::command::{Ended, registry, run, suite};

/// What `--all` leaves.
#[derive(Default)]
pub(super) struct Collected {
    /// Recordings of the runs, in the order of the page.
    pub(super) runs: Vec<PathBuf>,
    /// Who could not be run: name, version, why.
    pub(super) absent: Vec<(String, String, String)>,
    pub(super) readings: Option<CrossReading>,
    pub(super) interrupted: bool,
}

/// Runs everyone.
pub(super) fn collect(args: &MatrixArgs) -> anyhow::Result<Collected> {
    let folder = args.work.clone().unwrap_or_else(|| registry::home().join("matrix"));
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let members = members(args, &folder)?;
    let cases = suite::cases(args.how.seed, args.how.per_area(), &[])?;
    let store = Store::new(&folder, &questions(args, &cases), args.again)?;
    let stop = StopFlag::default();
    run::stop_on_signal(&stop)?;
    let mut out = Collected::default();
    let mut met: Vec<(&Member, Target)> = Vec::new();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let (sender, prepared) = mpsc::channel();
        let (members, stop_setup) = (&members, stop.clone());
        scope.spawn(move || {
            for member in members {
                if stop_setup.raised() || sender.send((member, member.prepare())).is_err() {
                    return;
                }
            }
        });
        for (at, (member, ready)) in prepared.iter().enumerate() {
            if stop.raised() {
                break;
            }
            let label = member.label();
            let whole = format!("[{}/{}] {label}", at + 1, members.len());
            let done = ready.and_then(|()| {
                let target = member.target(args)?;
                let path = one(args, &store, member, &target, &cases, &stop, &whole)?;
                Ok((target, path))
            });
            match done {
                Ok((target, Some(path))) => {
                    out.runs.push(path);
                    met.push((member, target));
                }
                Ok((_, None)) => break,
                Err(error) => {
                    let why = told(&error);
                    eprintln!("{whole}: not run: {why}");
                    out.absent.push((member.name.clone(), member.version.clone(), why));
                }
            }
        }
        Ok(())
    })?;
    out.interrupted = stop.raised();
    if !out.interrupted {
        out.readings = Some(cross_read(&store, &met)?);
    }
    Ok(out)
}

/// What is asked, and how.
fn questions(args: &MatrixArgs, cases: &[Case]) -> String {
    let how = &args.how;
    let keys: BTreeSet<String> = cases.iter().map(Case::key).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let asked = (how.seed, how.per_area(), how.force, how.timeout_scale.to_bits());
    format!("{} {asked:?}\n{}", suite::digest(cases), keys.join("\n"))
}

/// Runs one implementation; `None` when a person stopped it.
fn one(
    args: &MatrixArgs,
    store: &Store,
    member: &Member,
    target: &Target,
    cases: &[Case],
    stop: &StopFlag,
    whole: &str,
) -> anyhow::Result<Option<PathBuf>> {
    let path = store.path(&member.label(), &member.digest()?, "ndjson");
    if store.has(&path) {
        eprintln!("{whole}: recorded already");
        return Ok(Some(path));
    }
    eprintln!("{whole}: {} cases", cases.len());
    let started = Instant::now();
    let partial = Store::partial(&path);
    let progress = std::io::stderr().is_terminal();
    let mut recorder = Recorder::new(Some(&partial), progress, false, None, stop.clone())?;
    let mut options = args.how.options(Vec::new(), stop.clone());
    options.repeat = target.repeat.clone();
    options.scope = run::scope(cases);
    options.vectors = suite::digest(cases);
    let outcome = schedule::run(cases.to_vec(), target.launcher.as_ref(), &options, &mut recorder);
    let events = recorder.into_events();
    if stop.raised() {
        return Ok(None);
    }
    if events.is_empty() {
        // Best effort: an empty file is in nobody's way.
        let _ = fs::remove_file(&partial);
        return Err(run::no_verdict(outcome.err(), target));
    }
    store.keep(&path, &member.label(), "ndjson")?;
    match outcome {
        Ok(summary) => eprintln!(
            "{whole}: {} cases asked, {} failed, {:.1} s",
            summary.ran,
            summary.failed,
            started.elapsed().as_secs_f64()
        ),
        Err(error) => eprintln!("{whole}: {error}"),
    }
    Ok(Some(path))
}

/// Lets those who ran read one another.
fn cross_read(store: &Store, met: &[(&Member, Target)]) -> anyhow::Result<CrossReading> {
    let inputs = met.iter().map(|(member, _)| member.digest()).collect::<anyhow::Result<Vec<_>>>()?;
    let path = store.path("readings", &inputs.join(" "), "json");
    if store.has(&path)
        && let Ok(readings) = super::read_readings(&path)
    {
        eprintln!("cross-reading: recorded already");
        return Ok(readings);
    }
    let mut speakers = Vec::new();
    for (member, target) in met {
        match Speaker::meet(target.launcher.as_ref()) {
            Ok(speaker) => speakers.push(speaker),
            Err(why) => eprintln!("cross-reading without {}: {why}", member.label()),
        }
    }
    let bar = super::bar();
    let readings = reading::ask(&speakers, |what| {
        bar.set_message(what.to_owned());
        bar.tick();
    });
    bar.finish_and_clear();
    let partial = Store::partial(&path);
    let mut file = fs::File::create(&partial).with_context(|| partial.display().to_string())?;
    serde_json::to_writer(&mut file, &readings)?;
    file.flush()?;
    store.keep(&path, "readings", "json")?;
    eprintln!(
        "cross-reading: {} participants, {} messages, kept in {}",
        readings.participants.len(),
        readings.messages.len(),
        store.folder().display()
    );
    Ok(readings)
}

/// The first line of an error: what the page shows.
fn told(error: &anyhow::Error) -> String {
    let ended = error.downcast_ref::<Ended>();
    let text = ended.map_or_else(|| format!("{error:#}"), |ended| ended.what.clone());
    text.lines().next().unwrap_or_default().to_owned()
}
