//! Caches on a disk that is full, and processes that die while they write: the old file or the new one, never half of one.
//!
//! A process of its own writes, under a limit on the size of files (`ulimit -f`): the system then refuses in the midst of
//! a file, as a full disk does, or ends the process there. Both need no other user's rights.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use avp::session::ProjectionMethod;
use avp::transfer::{MapModel, MapOrigin, MapRegistry, Origin, ProjectionMap, RealignCache, Realignment};
use avp::{Error, Result};

const SOURCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const TARGET: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
/// 256 KiB of numbers.
const DIM: usize = 256;
/// What `ulimit -f` calls 64: 32 KiB or 64, an eighth or a quarter of a file.
const BLOCKS: &str = "64";
/// How the process that writes is told what.
const FOLDER: &str = "AVP_TEST_FOLDER";
const WHAT: &str = "AVP_TEST_WHAT";
/// No wait here is longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of two contents, which differ in every number.
fn numbers(which: u8) -> Vec<f32> {
    (0..DIM * DIM).map(|at| f32::from(which) + at as f32 / 1e6).collect()
}

fn realignment(which: u8) -> Realignment {
    Realignment { w: numbers(which), dim: DIM, target_norm: f32::from(which), lambda: 0.5 }
}

fn map(which: u8) -> ProjectionMap {
    let model = |hash: &str| MapModel { model_id: "m".into(), hash: hash.into(), dim: DIM };
    ProjectionMap {
        source: model(SOURCE),
        target: model(TARGET),
        method: ProjectionMethod::VocabMediated,
        w_map: numbers(which),
        bias: None,
        target_norm: f32::from(which),
        anchor_count: 0,
        validation_score: 1.0,
        shared: None,
        overlap_count: 0,
        overlap_ratio: 0.0,
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Cache {
    Realign,
    Maps,
}

impl Cache {
    fn name(self) -> &'static str {
        match self {
            Self::Realign => "realign",
            Self::Maps => "maps",
        }
    }

    fn store(self, folder: &Path, which: u8) -> Result<()> {
        match self {
            Self::Realign => {
                RealignCache::located(Some(folder.into()), None)?.store(SOURCE, &realignment(which))
            }
            Self::Maps => MapRegistry::located(Some(folder.into()), None)?.save(&map(which)).map(drop),
        }
    }

    /// Which of the contents there is.
    fn load(self, folder: &Path) -> Result<Option<u8>> {
        let which = |norm: f32, w: &[f32]| {
            let which = norm as u8;
            assert!(w == numbers(which), "half of a file was taken for a whole one");
            which
        };
        match self {
            Self::Realign => RealignCache::located(Some(folder.into()), None)?
                .load(SOURCE, DIM, 0.5)
                .map(|found| found.map(|found| which(found.target_norm, &found.w))),
            Self::Maps => MapRegistry::located(Some(folder.into()), None)?
                .load(SOURCE, TARGET)
                .map(|found| found.map(|found| which(found.target_norm, &found.w_map))),
        }
    }

    /// Makes and keeps. Why it was not kept.
    fn make(self, folder: &Path, which: u8) -> Result<Option<Error>> {
        match self {
            Self::Realign => {
                let cache = RealignCache::located(Some(folder.into()), None)?;
                // Another λ than that of what is there.
                let made = || Ok(Realignment { lambda: 0.25, ..realignment(which) });
                let (made, origin) = cache.load_or_make(SOURCE, DIM, 0.25, made)?;
                assert_eq!(made.w, numbers(which));
                Ok(if let Origin::NotKept(error) = origin { Some(error) } else { None })
            }
            Self::Maps => {
                let registry = MapRegistry::located(Some(folder.into()), None)?;
                let refused = |_: &ProjectionMap| {
                    Err(Error::new(avp::ErrorClass::Projection, "map", "another one", "this one"))
                };
                let (made, origin) = registry.load_or_make(SOURCE, TARGET, refused, || Ok(map(which)))?;
                assert_eq!(made.w_map, numbers(which));
                Ok(if let MapOrigin::NotKept(error) = origin { Some(error) } else { None })
            }
        }
    }

    /// Names of the files of this cache.
    fn files(self, folder: &Path) -> Vec<String> {
        let Ok(entries) = fs::read_dir(folder.join(self.name())) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

const BOTH: [Cache; 2] = [Cache::Realign, Cache::Maps];

/// What the process that writes does. Its words go to the one that started it.
#[test]
#[ignore = "the other tests run it as a process of its own"]
fn writes() {
    let (Ok(what), Some(folder)) = (std::env::var(WHAT), std::env::var_os(FOLDER)) else { return };
    let folder = Path::new(&folder);
    let (cache, what) = what.split_once(' ').unwrap();
    let cache = BOTH.into_iter().find(|one| one.name() == cache).unwrap();
    match what {
        "store" => println!("stored: {:?}", cache.store(folder, 2).map_err(|error| error.to_string())),
        "make" => println!("made: {:?}", cache.make(folder, 2).unwrap().map(|error| error.to_string())),
        "endless" => loop {
            cache.store(folder, 1).unwrap();
            cache.store(folder, 2).unwrap();
        },
        other => panic!("{other}"),
    }
}

/// The process that writes, behind these words of the shell.
fn writer(shell: &str, folder: &Path, cache: Cache, what: &str) -> Child {
    Command::new("sh")
        .arg("-c")
        .arg(format!("{shell} exec \"$@\""))
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "writes", "--nocapture"])
        .env(WHAT, format!("{} {what}", cache.name()))
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].concat().escape_ascii().to_string()
}

#[test]
fn a_file_that_does_not_fit_leaves_the_old_one_and_nothing_else() {
    for cache in BOTH {
        for old in [None, Some(1)] {
            let folder = tempfile::tempdir().unwrap();
            if let Some(which) = old {
                cache.store(folder.path(), which).unwrap();
            }
            let before = cache.files(folder.path());
            for what in ["store", "make"] {
                // The signal is ignored, so the system says no.
                let shell = format!("trap '' XFSZ; ulimit -f {BLOCKS};");
                let output = writer(&shell, folder.path(), cache, what).wait_with_output().unwrap();
                let told = text(&output);
                assert!(output.status.success(), "{cache:?} {what}: {told}");
                // Which file, and why.
                assert!(
                    told.contains("cache: expected a usable file") && told.contains(cache.name()),
                    "{told}"
                );
                assert!(told.to_lowercase().contains("too large"), "{told}");
                assert_eq!(cache.files(folder.path()), before, "{cache:?} {what}");
                assert_eq!(cache.load(folder.path()).unwrap(), old);
            }
            // There is room again.
            cache.store(folder.path(), 2).unwrap();
            assert_eq!(cache.load(folder.path()).unwrap(), Some(2));
        }
    }
}

#[test]
fn a_process_that_dies_in_the_midst_of_a_file_leaves_the_old_one() {
    for cache in BOTH {
        for old in [None, Some(1)] {
            let folder = tempfile::tempdir().unwrap();
            if let Some(which) = old {
                cache.store(folder.path(), which).unwrap();
            }
            let before = cache.files(folder.path());
            // The signal ends the process with the byte that is too many.
            let shell = format!("ulimit -c 0; ulimit -f {BLOCKS};");
            let output = writer(&shell, folder.path(), cache, "store").wait_with_output().unwrap();
            assert!(output.status.signal().is_some(), "{}", text(&output));
            let after = cache.files(folder.path());
            assert_eq!(after.len(), before.len() + 1, "it died before it had begun: {after:?}");
            assert!(before.iter().all(|name| after.contains(name)));
            assert!(after.iter().filter(|name| !before.contains(name)).all(|name| name.ends_with(".tmp")));
            assert_eq!(cache.load(folder.path()).unwrap(), old);
            cache.store(folder.path(), 2).unwrap();
            assert_eq!(cache.load(folder.path()).unwrap(), Some(2));
        }
    }
}

#[test]
fn a_process_that_is_killed_at_any_time_leaves_a_whole_file() {
    for cache in BOTH {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..8u32 {
            let mut child = writer("", folder.path(), cache, "endless");
            // Whoever reads meanwhile sees whole files as well.
            let begun = Instant::now();
            let mut seen = [false; 3];
            let mut reads = 0;
            while !(seen[1] && seen[2] && reads > 5 * round) {
                assert!(begun.elapsed() < PATIENCE, "{cache:?}: {seen:?}");
                let found = cache.load(folder.path()).unwrap();
                seen[usize::from(found.unwrap_or_default())] = true;
                reads += 1;
            }
            child.kill().unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(9));
            assert!(cache.load(folder.path()).unwrap().is_some());
        }
        cache.store(folder.path(), 2).unwrap();
        assert_eq!(cache.load(folder.path()).unwrap(), Some(2));
    }
}
