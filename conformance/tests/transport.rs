//! Children as they come: every way in which an exchange can go.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which the lint does not know for such")]

mod support;

use std::time::{Duration, Instant};

use avp_conformance::adapter::{
    AdapterCommand, Answer, ExecLauncher, Framing, Hello, Instance, Launcher, Lost, ProcessLauncher,
};
use avp_conformance::case::Spec;
use serde_json::json;
use support::{blob, child, launcher, ok, python, request};

/// Long enough for an interpreter to start on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// Short enough to wait for, once the child is up.
const SHORT: Duration = Duration::from_millis(300);

fn start(options: serde_json::Value) -> Box<dyn Instance> {
    let mut instance = launcher(&options).launch().unwrap();
    let answer = instance.exchange(&Hello::request(&[Spec::V04], "n"), LONG).unwrap();
    assert_eq!(Hello::parse(&answer).unwrap().name, "child");
    instance
}

fn lost(op: &str, args: serde_json::Value) -> (Lost, Box<dyn Instance>) {
    let mut instance = start(json!({}));
    let lost = instance.exchange(&request(op, args, Vec::new()), LONG).unwrap_err();
    (lost, instance)
}

#[test]
fn big_parts_go_both_ways_at_once() {
    let mut instance = start(json!({}));
    let bytes: Vec<u8> = (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let sent = request("mirror", json!({"a": 1}), vec![blob("x", bytes.clone()), blob("y", &b""[..])]);
    // More requests than a pipe holds, while each answer is as long as its request.
    let done = instance.exchange_all(&vec![sent.clone(); 8], LONG, 8);
    assert_eq!(done.lost, None);
    for timed in done.answers {
        let Some(Answer::Ok { ok, parts }) = timed.map(|timed| timed.answer) else { panic!("not ok") };
        assert_eq!(ok, sent.args);
        assert_eq!(parts, sent.parts);
    }
}

#[test]
fn answers_out_of_order_find_their_requests() {
    let mut instance = start(json!({"reorder": true}));
    let requests: Vec<_> = (0..50).map(|n| request("mirror", json!({"n": n}), Vec::new())).collect();
    let done = instance.exchange_all(&requests, LONG, 16);
    assert_eq!(done.lost, None);
    for (n, timed) in done.answers.into_iter().enumerate() {
        assert_eq!(timed.unwrap().answer, ok(json!({"n": n})));
    }
}

#[test]
fn a_crash_is_told_with_its_signal_and_stderr() {
    let (lost, instance) = lost("crash", json!({}));
    assert!(matches!(&lost, Lost::Died { status } if status.contains("signal: 11")), "{lost}");
    assert!(instance.stderr_tail().contains("about to crash"));
    let (lost, mut instance) = self::lost("exit", json!({"code": 3}));
    assert!(matches!(&lost, Lost::Died { status } if status == "exit status: 3"), "{lost}");
    // Not to be used again, and it says so.
    assert_eq!(instance.exchange(&request("mirror", json!({}), Vec::new()), LONG), Err(lost));
}

#[test]
fn answers_before_a_crash_are_kept() {
    let mut instance = start(json!({}));
    let ops = ["mirror", "mirror", "exit", "mirror"];
    let requests: Vec<_> = ops.iter().map(|op| request(op, json!({}), Vec::new())).collect();
    let done = instance.exchange_all(&requests, LONG, 4);
    let answered: Vec<bool> = done.answers.iter().map(Option::is_some).collect();
    assert_eq!(answered, [true, true, false, false]);
    assert!(matches!(done.lost, Some(Lost::Died { .. })));
}

#[test]
fn a_hang_is_ended_even_when_it_ignores_sigterm() {
    let mut instance = start(json!({}));
    let started = Instant::now();
    let answer = instance.exchange(&request("hang", json!({}), Vec::new()), SHORT);
    assert_eq!(answer, Err(Lost::Timeout { limit: SHORT }));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_no_frame_is_a_protocol_error() {
    let (lost, _) = lost("print", json!({}));
    assert!(matches!(&lost, Lost::Protocol { what } if what.contains("print to stderr")), "{lost}");
    let started = Instant::now();
    let (lost, _) = self::lost("claim", json!({}));
    assert!(matches!(&lost, Lost::Protocol { what } if what.contains("4294967295")), "{lost}");
    assert!(started.elapsed() < LONG);
    let (lost, _) = self::lost("stranger", json!({}));
    assert!(matches!(&lost, Lost::Protocol { what } if what.contains("nobody asked")), "{lost}");
    let (lost, _) = self::lost("cut", json!({}));
    assert!(matches!(&lost, Lost::Died { status } if status.contains("inside a frame")), "{lost}");
}

#[test]
fn a_flood_on_stderr_does_not_block_and_its_end_is_kept() {
    let mut instance = start(json!({}));
    let answer = instance.exchange(&request("flood", json!({"kib": 2048}), Vec::new()), LONG);
    assert_eq!(answer, Ok(ok(json!({}))));
    assert_eq!(instance.close().as_deref(), Some("exit status: 0"));
    let tail = instance.stderr_tail();
    assert!(tail.ends_with("the last line\n"));
    assert!(tail.len() <= 64 * 1024);
}

#[test]
fn the_whole_group_ends_with_the_child() {
    let mut instance = start(json!({}));
    let answer = instance.exchange(&request("spawn", json!({}), Vec::new()), LONG).unwrap();
    let Answer::Ok { ok, .. } = answer else { panic!("{answer:?}") };
    let (pid, group) = (ok["pid"].as_u64().unwrap(), ok["group"].as_u64().unwrap());
    assert_ne!(group, 0);
    let alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    if cfg!(target_os = "linux") {
        assert!(alive());
    }
    drop(instance);
    let started = Instant::now();
    while alive() {
        assert!(started.elapsed() < Duration::from_secs(5), "the grandchild lives on");
        std::thread::yield_now();
    }
}

#[test]
fn a_child_that_outlives_its_stdin_is_ended() {
    let mut instance = start(json!({"outlive_stdin": true}));
    let status = instance.close().unwrap();
    assert!(status.contains("lived on"), "{status}");
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let missing = ProcessLauncher::new(AdapterCommand::new("no-such-adapter", ["x"]));
    let Err(lost) = missing.launch() else { panic!("it started") };
    assert!(matches!(&lost, Lost::NotStarted { what } if what.contains("no-such-adapter")), "{lost}");
}

#[cfg(target_os = "linux")]
#[test]
fn peak_memory_is_measured_from_the_reset() {
    let mut instance = start(json!({}));
    let mut growth = |mib: u64| {
        instance.reset_peak();
        let before = instance.peak_rss()?;
        instance.exchange(&request("grow", json!({"mib": mib}), Vec::new()), LONG).unwrap();
        // The kernel counts pages a batch at a time: the later reading may be a little the smaller one.
        Some(instance.peak_rss()?.saturating_sub(before) >> 20)
    };
    // Where the kernel does not let the peak be reset, nothing is said at all.
    if let Some(first) = growth(64) {
        assert!((60..80).contains(&first), "{first}");
        let second = growth(0).unwrap();
        assert!(second < 8, "the first peak shows through: {second}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_beyond_the_limit_ends_the_child_not_the_machine() {
    let mut command = python(&json!({}));
    command.memory_limit = Some(256 << 20);
    let mut instance = ProcessLauncher::new(command).launch().unwrap();
    instance.exchange(&Hello::request(&[Spec::V04], "n"), LONG).unwrap();
    let little = instance.exchange(&request("grow", json!({"mib": 64}), Vec::new()), LONG);
    assert_eq!(little, Ok(ok(json!({}))));
    let much = instance.exchange(&request("grow", json!({"mib": 512}), Vec::new()), LONG);
    assert!(matches!(much, Err(Lost::Died { .. })), "{much:?}");
    assert!(instance.stderr_tail().contains("MemoryError"));
}

#[test]
fn a_process_a_request() {
    let script = child("exec.sh").into_os_string();
    let command = AdapterCommand::new("sh", [script]).framing(Framing::Ndjson);
    let mut instance = ExecLauncher::new(command).launch().unwrap();
    let mut ask = |op: &str, limit| instance.exchange(&request(op, json!({}), Vec::new()), limit);
    let hello = ask("hello", LONG).unwrap();
    assert_eq!(Hello::parse(&hello).unwrap().name, "sh");
    assert_eq!(ask("yes", LONG), Ok(ok(json!({}))));
    assert!(matches!(ask("no", LONG), Ok(Answer::Err { code, .. }) if code == "decode"));
    let Ok(Answer::Ok { parts, .. }) = ask("blob", LONG) else { panic!("not ok") };
    assert_eq!(&parts[0].bytes[..], b"abc");
    assert!(matches!(ask("other", LONG), Ok(Answer::Unsupported(_))));
    assert!(matches!(ask("die", LONG), Err(Lost::Died { status }) if status.contains('4')));
    assert!(matches!(ask("late", LONG), Err(Lost::Died { status }) if status.contains('5')));
    assert!(matches!(ask("hang", SHORT), Err(Lost::Timeout { .. })));
    assert!(matches!(ask("twice", LONG), Err(Lost::Protocol { .. })));
    assert!(matches!(ask("text", LONG), Err(Lost::Protocol { .. })));
    // None of that spoils the next request.
    assert_eq!(ask("yes", LONG), Ok(ok(json!({}))));
    assert!(matches!(ask("die", LONG), Err(Lost::Died { .. })));
    assert!(instance.stderr_tail().contains("so long"));
}
