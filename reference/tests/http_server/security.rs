//! SECURITY.md says what is so.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use avp::ErrorClass;
use avp::transport::{Running, ServerLimits, ServerOptions};

use crate::peers::Echo;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the table, five cells each.
fn rows() -> Vec<[String; 5]> {
    let text = read("SECURITY.md");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    let cells = |line: &&str| -> [String; 5] {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("five cells: {cells:?}"))
    };
    let rows: Vec<_> = lines.iter().map(cells).collect();
    assert_eq!(rows[0][3], "shown by");
    rows[2..].to_vec()
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_promise_has_a_test_that_exists() {
    let requirements = read("../vectors/requirements.yaml");
    for [threat, promise, _, shown_by, requirement] in rows() {
        assert!(!threat.is_empty() && !promise.is_empty());
        assert!(quoted(&shown_by).next().is_some(), "{threat}: nothing shows it");
        for test in quoted(&shown_by) {
            let (path, name) = test.split_once("::").unwrap_or((test, ""));
            let source = read(path);
            let tests = source.contains("#[test]") || source.contains("proptest!");
            assert!(
                tests && (name.is_empty() || source.contains(&format!("fn {name}("))),
                "{threat}: {test}"
            );
        }
        let ids: Vec<&str> = requirement.split(", ").collect();
        assert!(!ids.is_empty());
        for id in ids {
            assert!(id.starts_with("AVP-") && requirements.contains(id), "{threat}: {id:?}");
        }
    }
}

#[test]
fn every_limit_is_named_with_its_default() {
    let defaults = format!("{:?}", ServerLimits::default());
    let rows = rows();
    let named: BTreeSet<&str> = rows.iter().flat_map(|row| quoted(&row[2])).collect();
    for limit in &named {
        let value = limit.split_once(": ").unwrap_or_else(|| panic!("{limit}")).1;
        let is_there = [",", " }"].iter().any(|end| defaults.contains(&format!(" {limit}{end}")));
        assert!(!value.is_empty() && is_there, "{limit} is not in {defaults}");
    }
    // And there is no other one.
    let fields = defaults.split([',', '{']).filter_map(|part| part.trim().split_once(": "));
    for (field, value) in fields.filter(|(field, _)| *field != "message") {
        let is_named = named.iter().any(|limit| limit.starts_with(&format!("{field}: ")));
        assert!(is_named, "{field}, {value} by default, is in no row");
    }
}

/// The monotonic clock alone knows how long something has lasted: a date that is set would end sessions, or keep them.
#[test]
fn nothing_that_ends_asks_for_the_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut asking = Vec::new();
    let mut folders = vec![root.join("session"), root.join("transport")];
    let mut files = vec![root.join("expiring.rs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    for file in files {
        if fs::read_to_string(&file).unwrap().contains("SystemTime") {
            asking.push(file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/"));
        }
    }
    asking.sort_unstable();
    // When a completion was made, and from when a certificate for development holds.
    assert_eq!(asking, ["transport/server/chat/reply.rs", "transport/tls.rs"]);
}

#[test]
fn cleartext_stays_on_this_machine() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let address: SocketAddr = address.parse().unwrap();
        let started = Running::start(address, ServerOptions::default(), Arc::new(Echo::new()));
        let error = started.err().unwrap_or_else(|| panic!("{address} is taken"));
        assert_eq!((error.class, error.field), (ErrorClass::Configuration, "server.address"));
    }
}

#[test]
fn limits_that_leave_no_room_or_know_no_end_are_refused() {
    type Change = fn(&mut ServerLimits);
    let changes: [(&str, Change); 11] = [
        ("limits.send_timeout", |limits| limits.send_timeout = Duration::ZERO),
        ("limits.tls_timeout", |limits| limits.tls_timeout = Duration::MAX),
        ("limits.shutdown_timeout", |limits| limits.shutdown_timeout = Duration::MAX),
        ("limits.max_connections_of_one", |limits| limits.max_connections_of_one = 0),
        ("limits.max_requests_of_one", |limits| limits.max_requests_of_one = 0),
        ("limits.max_headers", |limits| limits.max_headers = 1),
        ("limits.rate", |limits| limits.rate = Some(f64::NAN)),
        ("limits.max_in_flight", |limits| limits.max_in_flight = 1),
        // A compressed message is there twice while it is decoded.
        ("limits.max_in_flight", |limits| {
            // Its metadata takes 24 times its length as a map.
            limits.max_in_flight = limits.message.max_message + 24 * limits.message.max_metadata;
        }),
        ("limits.max_kept", |limits| limits.max_kept = limits.message.max_message - 1),
        ("limits.max_streams", |limits| limits.max_streams = 0),
    ];
    for (field, change) in changes {
        let mut options = ServerOptions::default();
        change(&mut options.limits);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let started = Running::start(address, options, Arc::new(Echo::new()));
        let error = started.err().unwrap_or_else(|| panic!("{field} is taken"));
        assert_eq!((error.class, error.field), (ErrorClass::Configuration, field));
    }
}
