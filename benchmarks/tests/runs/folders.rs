//! What is done stays done: killed, interrupted, torn, divided.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Place, RUN, assert_done, stderr, whole};

/// Passes time without a banned sleep.
fn wait(time: Duration) {
    let (_keep, never) = mpsc::channel::<()>();
    let _ = never.recv_timeout(time);
}

#[test]
fn a_run_that_is_killed_ten_times_comes_to_the_same() {
    let place = Place::new(RUN);
    let file = place.out().join("shards/1-of-1.jsonl");
    let length = || fs::metadata(&file).map_or(0, |file| file.len());
    let whole_length = fs::metadata(whole().out().join("shards/1-of-1.jsonl")).unwrap().len();
    let mut random = ChaCha8Rng::from_os_rng();
    for kill in 0..10 {
        let mut child = place.command(&[]).spawn().unwrap();
        if kill % 2 == 0 {
            // While it loads, warms up, or writes its first items.
            wait(Duration::from_millis(random.random_range(0..1500)));
        } else {
            // Once it has written something more, or is done.
            let wanted = length() + random.random_range(1..whole_length / 6);
            while length() < wanted && child.try_wait().unwrap().is_none() {
                wait(Duration::from_millis(1));
            }
        }
        // SIGKILL: nothing of the process's own runs any more.
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_done(&place.run(&[]));
    assert_eq!(place.hash(), whole().hash());
    let traces = place.traces();
    assert_eq!(traces.len(), whole().traces().len());
    // Again: nothing is left to do, and nothing is done twice.
    let before = length();
    assert_done(&place.run(&[]));
    assert_eq!((length(), place.hash()), (before, whole().hash()));
}

#[test]
fn a_line_that_was_torn_is_cut_and_run_again() {
    let place = Place::new(RUN);
    assert_done(&place.run(&["--shard", "1/2"]));
    let file = place.out().join("shards/1-of-2.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let torn = &text[..text.len() - text.lines().last().unwrap().len() / 2 - 1];
    fs::write(&file, torn).unwrap();
    fs::remove_file(place.out().join("shards/1-of-2.done")).unwrap();
    assert_done(&place.run(&["--shard", "1/2"]));
    assert_done(&place.run(&["--shard", "2/2"]));
    let merged = super::program().arg("merge").arg(place.out()).output().unwrap();
    assert_done(&merged);
    assert_eq!(place.hash(), whole().hash());
}

#[test]
fn one_two_and_seven_shards_come_to_the_same() {
    for count in [2, 7] {
        let place = Place::new(RUN);
        // In any order.
        for index in (1..=count).rev() {
            assert_done(&place.run(&["--shard", &format!("{index}/{count}")]));
        }
        assert_done(&super::program().arg("merge").arg(place.out()).output().unwrap());
        assert_eq!(place.hash(), whole().hash(), "{count} shards");
    }
}

#[test]
fn gaps_and_doubles_are_named() {
    let place = Place::new(RUN);
    assert_done(&place.run(&["--shard", "1/2"]));
    let merge = || super::program().arg("merge").arg(place.out()).output().unwrap();
    let text = stderr(&merge());
    assert!(text.contains("shard 2 of 2: not begun"), "{text}");
    assert_done(&place.run(&["--shard", "2/2"]));
    let file = place.out().join("shards/2-of-2.jsonl");
    let lines = fs::read_to_string(&file).unwrap();
    let mut kept: Vec<_> = lines.lines().collect();
    let lost = kept.remove(1);
    kept.push(kept[0]);
    fs::write(&file, kept.join("\n") + "\n").unwrap();
    let output = merge();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    let lost: serde_json::Value = serde_json::from_str(lost).unwrap();
    let name =
        format!("missing: relay {} {}", lost["layout"].as_str().unwrap(), lost["item"].as_str().unwrap());
    assert!(text.contains(&name) && text.contains("twice: relay"), "{text}");
    // A shard file of another division is refused before anything runs.
    let text = stderr(&place.run(&["--shard", "1/3"]));
    assert!(text.contains("begun in 2 shards"), "{text}");
}

#[test]
fn a_changed_run_is_refused_with_the_difference() {
    let place = Place::new(RUN);
    assert_done(&place.run(&["--shard", "1/7"]));
    let changed = RUN.replace("latent_steps: [3]", "latent_steps: [3, 4]\nseed: 9");
    fs::write(place.folder.path().join("run.yaml"), changed).unwrap();
    let output = place.run(&["--shard", "1/7"]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("seed was 1, is 9") && text.contains("latent_steps was nothing, is 4"), "{text}");
    // Comments and order are no change.
    let same = format!("# the same\nseed: 1\n{RUN}");
    fs::write(place.folder.path().join("run.yaml"), same).unwrap();
    assert_done(&place.run(&["--shard", "1/7"]));
}

#[test]
fn two_processes_do_not_share_a_shard() {
    let place = Place::new(RUN);
    assert_done(&place.run(&["--shard", "1/7"]));
    let path = place.out().join("shards/1-of-7.jsonl");
    let mut held = OpenOptions::new().append(true).open(path).unwrap();
    held.lock().unwrap();
    held.write_all(b"").unwrap();
    let output = place.run(&["--shard", "1/7"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another process"), "{}", stderr(&output));
    held.unlock().unwrap();
    assert_done(&place.run(&["--shard", "1/7"]));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on() {
    let place = Place::new(RUN);
    let child = place.command(&[]).spawn().unwrap();
    let file = place.out().join("shards/1-of-1.jsonl");
    while fs::metadata(&file).map_or(0, |file| file.len()) == 0 {
        wait(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("goes on from here"));
    assert_done(&place.run(&[]));
    assert_eq!(place.hash(), whole().hash());
}
