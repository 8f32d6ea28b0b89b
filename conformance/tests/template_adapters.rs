//! The template adapters are set up as their descriptions say and judged by the whole suite of vectors.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which the lint does not know for such")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use avp_conformance::adapter::{AdapterCommand, ProcessLauncher};
use avp_conformance::case::Level;
use avp_conformance::event::Event;
use avp_conformance::schedule::{RunOptions, run};
use avp_conformance::vector;
use avp_conformance::verdict::Outcome;
use serde::Deserialize;

/// As much of an `adapter.yaml` as this test needs.
#[derive(Deserialize)]
struct Description {
    needs: Vec<String>,
    setup: Vec<Vec<String>>,
    command: Vec<String>,
}

/// What a run of the suite came to.
struct Run {
    /// `area` of every case that was asked.
    areas: BTreeSet<String>,
    /// Checks that passed.
    passed: usize,
    /// Names of the checks that were missed, with their notes; those that weigh as MAY left out.
    missed: Vec<String>,
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Sets the adapter up in a folder of its own and runs all vectors, or says which program is missing.
fn judge(name: &str) -> Result<Run, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters").join(name);
    let text = std::fs::read_to_string(folder.join("adapter.yaml")).unwrap();
    let description: Description = serde_yaml::from_str(&text).unwrap();
    if let Some(missing) = description.needs.iter().find(|program| !on_path(program)) {
        return Err(format!("{name} is not judged: there is no {missing} here"));
    }
    let build = tempfile::tempdir().unwrap();
    let fill = |word: &String| -> PathBuf {
        word.replace("{dir}", folder.to_str().unwrap())
            .replace("{build}", build.path().to_str().unwrap())
            .into()
    };
    for words in &description.setup {
        let status = Command::new(fill(&words[0])).args(words[1..].iter().map(fill)).status().unwrap();
        assert!(status.success(), "{words:?}: {status}");
    }
    let (program, args) = description.command.split_first().unwrap();
    let launcher = ProcessLauncher::new(AdapterCommand::new(fill(program), args.iter().map(fill)));
    let mut events: Vec<Event> = Vec::new();
    run(vector::cases().unwrap(), &launcher, &RunOptions::new(7), &mut events).unwrap();
    Ok(summary(&events))
}

fn summary(events: &[Event]) -> Run {
    let mut done = Run { areas: BTreeSet::new(), passed: 0, missed: Vec::new() };
    for event in events {
        let Event::Case(case) = event else { continue };
        for check in &case.checks {
            if check.outcome == Outcome::Pass {
                done.passed += 1;
                done.areas.extend(case.id.split('/').next().map(str::to_owned));
            }
            if check.missed() && check.level > Level::May {
                done.missed.push(format!("{}#{}: {}", case.key, check.name, check.note));
            }
        }
    }
    done
}

fn assert_clean(name: &str, least: usize) {
    let run = match judge(name) {
        Ok(run) => run,
        Err(why) => return eprintln!("{why}"),
    };
    assert!(run.missed.is_empty(), "{name} missed {} checks: {:#?}", run.missed.len(), run.missed);
    for area in ["hdr", "meta", "enum", "pay", "cmp"] {
        assert!(run.areas.contains(area), "{name} passed nothing of {area}");
    }
    assert!(run.passed >= least, "{name} passed {} checks only", run.passed);
}

#[test]
fn the_template_in_javascript_passes_all_that_it_is_asked() {
    assert_clean("minimal-node", 4000);
}

#[test]
fn the_template_in_java_passes_all_that_it_is_asked() {
    assert_clean("minimal-java", 2000);
}
