//! What programs try, and what becomes of it. No test here looks at an exit code to learn whether code is right.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod walls;

use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use avp_bench::sandbox::{End, Ended, Limits, Nonce, Program, Sandbox};

/// Limits that a test runs into soon.
fn short() -> Limits {
    Limits { wall: Duration::from_secs(3), cpu_seconds: 1, ..Limits::default() }
}

fn run(sandbox: &Sandbox, text: &str) -> Ended {
    sandbox.run(&Program { text, input: Vec::new(), limits: short() }).unwrap()
}

/// Runs it, sees that it ends in time, and that nothing of it is left.
fn contained(text: &str) -> Option<Ended> {
    let sandbox = walls::sandbox()?;
    let mark = format!("mark-{}", Nonce::new().unwrap().as_str());
    let begun = Instant::now();
    let ended = run(&sandbox, &format!("# {mark}\n{text}"));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(is_gone(&mark), "a process is left");
    Some(ended)
}

/// Whether no process has this word in its command line, now or soon.
fn is_gone(mark: &str) -> bool {
    let (_keep, never) = mpsc::channel::<()>();
    (0..50).any(|_| {
        let left = fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
        });
        let _ = left.then(|| never.recv_timeout(Duration::from_millis(20)));
        !left
    })
}

fn output(ended: &Ended) -> String {
    assert_eq!(ended.end, End::Exited(0), "{}", String::from_utf8_lossy(&ended.errors));
    String::from_utf8(ended.output.clone()).unwrap()
}

#[test]
fn a_program_reads_its_input_and_says_what_it_finds() {
    let Some(sandbox) = walls::sandbox() else { return };
    assert!(sandbox.name().starts_with("bubblewrap ") && sandbox.name().contains("uid 65534"));
    let program =
        Program { text: "print(input()[::-1])", input: b"abc\n".to_vec(), limits: Limits::default() };
    assert_eq!(output(&sandbox.run(&program).unwrap()), "cba\n");
}

#[test]
fn the_network_is_not_there() {
    let text = "import socket, errno
print([line.split(':')[0].strip() for line in open('/proc/net/dev').readlines()[2:]])
for family, address in ((socket.AF_INET, ('1.1.1.1', 53)), (socket.AF_INET6, ('2606:4700::1111', 53))):
    try:
        socket.create_connection(address[:2], timeout=1)
    except OSError as error:
        print(errno.errorcode.get(error.errno))
";
    let Some(ended) = contained(text) else { return };
    assert_eq!(output(&ended), "['lo']\nENETUNREACH\nENETUNREACH\n");
}

#[test]
fn files_of_the_machine_are_neither_seen_nor_written() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "import os
for path in ({:?}, '/etc/passwd', '/root', '/home', '/proc/1/root/etc/passwd', '/proc/self/cwd/../etc/passwd'):
    print(os.path.exists(path))
for path in ('/usr/x', '/usr/bin/python3', '/x', '/dev/x', '/dev/shm/x', '/proc/sys/kernel/hostname', '/tmp/../x'):
    try:
        open(path, 'w')
        print('written', path)
    except OSError as error:
        pass
try:
    os.mknod('disk', 0o600 | 0o060000, os.makedev(254, 0))
    print('made a device')
except OSError:
    pass
print(dict(os.environ).get('HOME'), len(os.environ), os.getuid(), os.uname().nodename)
",
        secret.path().display().to_string()
    );
    let Some(ended) = contained(&text) else { return };
    let expected = format!("{}/tmp 5 65534 sandbox\n", "False\n".repeat(6));
    assert_eq!(output(&ended), expected);
}

#[test]
fn rights_cannot_be_had_back() {
    let text = "import os, ctypes
for call in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.chroot('/tmp')):
    try:
        call()
        print('done')
    except OSError:
        pass
libc = ctypes.CDLL(None, use_errno=True)
# New namespaces of users, mounts, processes; a mount.
print([libc.unshare(flag) for flag in (0x10000000, 0x20000, 0x20000000)], libc.mount(b'x', b'/tmp', b'tmpfs', 0, 0))
import resource
for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_AS, resource.RLIMIT_CPU):
    try:
        resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print('raised')
    except (ValueError, OSError):
        pass
";
    let Some(ended) = contained(text) else { return };
    assert_eq!(output(&ended), "[-1, -1, -1] -1\n");
}

#[test]
fn a_fork_bomb_stops_at_the_limit() {
    // Also where the tests run as root, whom the limit would not bind: rights are dropped first.
    let text = "import os
count = 0
try:
    while True:
        if os.fork() == 0:
            import time
            time.sleep(60)
        count += 1
except OSError as error:
    print(count)
";
    let Some(ended) = contained(text) else { return };
    let count: u64 = output(&ended).trim().parse().unwrap();
    assert!((1..Limits::default().processes).contains(&count), "{count}");
    let endless = "import os
while True:
    try:
        os.fork()
    except OSError:
        pass
";
    let Some(ended) = contained(endless) else { return };
    assert_eq!(ended.end, End::TimedOut);
}

#[test]
fn a_fork_bomb_in_one_sandbox_leaves_the_others_alone() {
    let Some(sandbox) = walls::sandbox() else { return };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                run(&sandbox, "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass\n")
            });
        }
        for number in 0..5 {
            let child = "import os\nif os.fork() == 0: os._exit(0)\nprint(os.wait()[1])";
            // The machine is busy: no limit that it could reach by that.
            let program = Program { text: child, input: Vec::new(), limits: Limits::default() };
            assert_eq!(output(&sandbox.run(&program).unwrap()), "0\n", "{number}");
        }
    });
}

#[test]
fn memory_is_bounded() {
    let text = "try:\n    x = bytearray(4 << 30)\nexcept MemoryError:\n    print('no')\n";
    let Some(ended) = contained(text) else { return };
    assert_eq!(output(&ended), "no\n");
    let Some(ended) = contained("x = []\nwhile True: x.append(bytearray(1 << 20))\n") else { return };
    assert_eq!(ended.end, End::Exited(1));
    assert!(String::from_utf8_lossy(&ended.errors).contains("MemoryError"));
}

#[test]
fn memory_that_no_limit_counts_is_refused() {
    let text = "import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def said(result):
    return 'made' if result >= 0 else errno.errorcode[ctypes.get_errno()]
print(said(libc.shmget(0, 1 << 30, 0o1600)), said(libc.semget(0, 1, 0o1600)), said(libc.msgget(0, 0o1600)))
# io_uring_setup has this number everywhere.
print(said(libc.memfd_create(b'x', 0)), said(libc.syscall(425, 8, 0)))
for family in (40, 16, 17, 38):
    print(said(libc.socket(family, 1, 0)))
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
    socket.socket(family).close()
print(len(socket.socketpair()))
";
    if cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))) {
        eprintln!("left out: no filter of system calls on this architecture");
        return;
    }
    let Some(ended) = contained(text) else { return };
    assert_eq!(
        output(&ended),
        format!("{}\n{}\n{}2\n", ["EPERM"; 3].join(" "), ["EPERM"; 2].join(" "), "EPERM\n".repeat(4))
    );
}

#[test]
fn the_environment_of_who_started_it_is_not_seen() {
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let text = "import os
seen = set()
for name in os.listdir('/proc'):
    try:
        with open(f'/proc/{name}/environ') as file:
            seen |= {entry.split('=')[0] for entry in file.read().split('\\0')}
    except OSError:
        pass
with open('/proc/1/environ') as file:
    print(sorted(entry for entry in file.read().split('\\0') if entry))
print(sorted(seen - {'', 'HOME', 'PATH', 'PWD', 'PYTHONHASHSEED'}))
";
    let Some(ended) = contained(text) else { return };
    assert_eq!(output(&ended), "['PATH=/usr/bin']\n[]\n");
}

#[test]
fn files_that_were_open_are_not_open_inside() {
    let mut secret = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut secret, b"secret").unwrap();
    // Stays open in children, unlike what the standard library opens.
    let left_open = rustix::io::dup(&secret).unwrap();
    let text = "import os
print(len(os.listdir('/proc/self/fd')))
for name in os.listdir('/proc'):
    try:
        for number in os.listdir(f'/proc/{name}/fd'):
            if os.readlink(f'/proc/{name}/fd/{number}').startswith('/') and int(number) > 2:
                print(name, number, os.readlink(f'/proc/{name}/fd/{number}'))
    except OSError:
        pass
";
    // Standard input, output and error, and the listing's own.
    let Some(ended) = contained(text) else { return };
    let seen = output(&ended);
    assert_eq!(seen.lines().next(), Some("4"), "{seen}");
    assert!(!seen.contains("deleted") && !seen.contains("/tmp/"), "{seen}");
    let open = run(&Sandbox::unconfined().unwrap(), "import os\nprint(len(os.listdir('/proc/self/fd')))");
    assert_eq!(output(&open), "4\n");
    drop(left_open);
}

#[test]
fn the_disk_is_bounded() {
    let text = "import errno
def fill(name):
    try:
        with open(name, 'wb') as file:
            while True: file.write(b'x' * (1 << 20))
    except OSError as error:
        return errno.errorcode[error.errno]
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
print([fill(f'/tmp/{number}') for number in range(4)])
";
    let Some(ended) = contained(text) else { return };
    assert_eq!(output(&ended), "['EFBIG', 'EFBIG', 'ENOSPC', 'ENOSPC']\n");
}

#[test]
fn a_flood_of_output_is_cut_off() {
    for stream in [1, 2] {
        let text = format!("import os\nwhile True: os.write({stream}, b'x' * 65536)\n");
        let Some(ended) = contained(&text) else { return };
        assert_eq!(ended.end, End::OutputFlood);
        assert!(ended.output.len() <= Limits::default().output && ended.errors.len() <= 64 << 10);
    }
}

#[test]
fn waiting_and_working_end_with_the_limits() {
    for text in [
        "import time\ntime.sleep(1000)",
        "while True: pass",
        "import os\nos.close(0); os.close(1); os.close(2)\nimport time\ntime.sleep(1000)",
        "import signal, time\nfor s in range(1, 65):\n  try: signal.signal(s, signal.SIG_IGN)\n  except (OSError, ValueError): pass\ntime.sleep(1000)",
    ] {
        let Some(ended) = contained(text) else { return };
        assert_eq!(ended.end, End::TimedOut, "{text}");
    }
}

#[test]
fn a_program_that_hides_its_children_leaves_none() {
    let text = "import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(0); os.close(1); os.close(2)
        time.sleep(1000)
    os._exit(0)
print('done')
";
    let Some(ended) = contained(text) else { return };
    assert_eq!(output(&ended), "done\n");
}

#[test]
fn signals_do_not_reach_who_started_it() {
    let text = "import os, signal
for target in (os.getppid(), 1, -1):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(target, number)
        except OSError:
            pass
print('alive', os.getppid())
";
    let Some(ended) = contained(text) else { return };
    // Whatever it does to its own namespace, this process is still there to say so.
    assert!(matches!(ended.end, End::Exited(_) | End::Signalled(_) | End::Stopped), "{:?}", ended.end);
    let sandbox = walls::sandbox().unwrap();
    let pid = std::process::id();
    let other = run(&sandbox, &format!("import os\ntry: os.kill({pid}, 9)\nexcept OSError: print('no')\n"));
    // The number may be that of a process inside, which is none of ours.
    assert!(matches!(other.end, End::Exited(0) | End::Signalled(9)));
}

#[test]
fn an_exit_is_an_end_and_no_verdict() {
    let nonce = Nonce::new().unwrap();
    for text in ["import os\nos._exit(0)", "import sys\nsys.exit(0)", "print('passed')", "raise SystemExit"] {
        let Some(ended) = contained(text) else { return };
        assert_eq!(ended.end, End::Exited(0));
        assert_eq!(nonce.verdict(&ended.output), None);
    }
}

#[test]
fn a_judge_hears_the_candidate_and_nothing_else() {
    let Some(sandbox) = walls::sandbox() else { return };
    let nonce = Nonce::new().unwrap();
    let judge = "import sys
nonce = sys.stdin.readline().strip()
print('6 7', flush=True)
answer = sys.stdin.readline().strip()
print(nonce, 'passed' if answer == '42' else 'failed: ' + answer, file=sys.stderr, flush=True)
";
    let outcome = |text: &str, limits: Limits| {
        let judge = Program { text: judge, input: format!("{}\n", nonce.as_str()).into_bytes(), limits };
        sandbox.judge(&judge, &Program { text, input: Vec::new(), limits }, &nonce).unwrap()
    };
    let good = "a, b = input().split()\nprint(int(a) * int(b), flush=True)";
    assert_eq!(outcome(good, short()).verdict.as_deref(), Some("passed"));
    let bad = outcome("print(41)", short());
    assert_eq!(bad.verdict.as_deref(), Some("failed: 41"));
    // The end of the candidate is an end of its answers.
    let quits = outcome("import os\nos._exit(0)", short());
    assert_eq!((quits.verdict.as_deref(), quits.candidate), (Some("failed:"), End::Exited(0)));
    let sleeps = outcome("import time\ntime.sleep(100)", short());
    assert_eq!((sleeps.verdict, sleeps.candidate), (None, End::TimedOut));
    let works = outcome("while True: pass", short());
    assert_eq!((works.verdict.as_deref(), works.candidate), (Some("failed:"), End::TimedOut));
    // The judge ends first: how the candidate then ends by itself is waited for.
    let text =
        "import signal, time\nprint(41, flush=True)\ntime.sleep(0.2)\nsignal.raise_signal(signal.SIGXCPU)";
    let late = outcome(text, short());
    assert_eq!((late.verdict.as_deref(), late.candidate), (Some("failed: 41"), End::TimedOut));
    // One line without an end: the judge waits for it, the reader does not.
    let flood = outcome("import os\nwhile True: os.write(1, b'x' * 65536)", short());
    assert_eq!((flood.verdict, flood.candidate), (None, End::OutputFlood));
}

#[test]
fn an_interpreter_that_does_not_start_is_no_verdict_on_the_program() {
    let Some(sandbox) = walls::sandbox() else { return };
    let limits = Limits { memory: 1 << 20, ..short() };
    let failed = sandbox.run(&Program { text: "print(1)", input: Vec::new(), limits }).unwrap_err();
    assert!(failed.0.len() > 10, "{failed}");
}

#[test]
fn without_walls_the_name_says_so_and_time_still_ends_it() {
    let open = Sandbox::unconfined().unwrap();
    assert!(open.is_open() && open.name().starts_with("none (override)"));
    assert_eq!(output(&run(&open, "print(2 + 2)")), "4\n");
    let text = "import os, time\nif os.fork() == 0:\n  time.sleep(1000)\ntime.sleep(1000)";
    let begun = Instant::now();
    assert_eq!(run(&open, text).end, End::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[test]
fn many_run_at_once() {
    let Some(sandbox) = walls::sandbox() else { return };
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8)
            .map(|number| {
                let sandbox = &sandbox;
                scope.spawn(move || (number, output(&run(sandbox, &format!("print({number})")))))
            })
            .collect();
        for run in runs {
            let (number, output) = run.join().unwrap();
            assert_eq!(output, format!("{number}\n"));
        }
    });
}
