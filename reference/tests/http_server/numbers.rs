//! What a server tells of itself, and waiting for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use avp::transport::{Running, ServerLimits, ServerOptions};

use crate::peers::PATIENCE;

/// Options with other limits, and numbers to be seen.
pub(crate) fn limited(change: impl FnOnce(&mut ServerLimits)) -> ServerOptions {
    let mut options =
        ServerOptions { metrics: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..ServerOptions::default() };
    change(&mut options.limits);
    options
}

/// All numbers as text.
pub(crate) fn numbers(server: &Running) -> String {
    let mut stream = TcpStream::connect(server.metrics_address().unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    text
}

/// The number of that name, labels included; 0 when it was never counted.
pub(crate) fn number(server: &Running, name: &str) -> f64 {
    let text = numbers(server);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

/// Waits until it holds. Fails when it never does.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Waits until nothing is on its way in any more.
pub(crate) fn until_nothing_is_in_flight(server: &Running) {
    until("memory of bodies is given back", || number(server, "avp_in_flight_bytes") == 0.0);
}
