//! Servers that are stopped, cut off and started again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use avp::ErrorClass;
use avp::transport::{Running, ServerOptions, ServerTls};
use serde_json::json;

use crate::agents::{Event, held};
use crate::frames::Http2;
use crate::numbers::limited;
use crate::peers::{Echo, PATIENCE, Raw, ask, handshake, message, start, start_with};

const WAIT: &[u8] = br#"{"content": "wait"}"#;

/// Stops a server on another thread; what came of it, in time.
fn stopped(server: Running) -> std::sync::mpsc::Receiver<avp::Result<()>> {
    let (told, outcome) = channel();
    thread::spawn(move || told.send(server.stop()));
    outcome
}

#[test]
fn running_requests_end_and_new_ones_are_refused() {
    let (agent, holder) = held();
    let server = start_with(limited(|limits| limits.max_answers = 2), agent);
    let address = server.address();
    let mut http1 = Raw::to(&server);
    let head = format!("POST /avp/v2/text HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", WAIT.len());
    http1.send(head.as_bytes()).send(WAIT);
    holder.wait_for(Event::Asked);
    let mut http2 = Http2::to(&server);
    http2.open(1, "POST", "/avp/v2/text", &[]);
    http2.finish(1, WAIT);
    holder.wait_for(Event::Asked);
    let mut idle = Raw::to(&server);
    assert_eq!(idle.ask("GET", "/health", "", b"").unwrap().status, 200);
    let mut silent = Raw::to(&server);

    let outcome = stopped(server);
    // Whoever has asked nothing is sent away at once.
    assert!(idle.read().is_none() && silent.read().is_none());
    crate::numbers::until("nobody is let in", || std::net::TcpStream::connect(address).is_err());
    assert!(outcome.try_recv().is_err());
    holder.let_one_go();
    holder.let_one_go();
    let got = http1.read().unwrap();
    assert_eq!((got.status, &got.json()["content"]), (200, &json!("wait behind None")));
    assert_eq!(http2.ended(1).json()["content"], "wait behind None");
    outcome.recv_timeout(PATIENCE).unwrap().unwrap();
}

#[test]
fn requests_that_do_not_end_are_cut_and_that_is_told() {
    let (agent, holder) = held();
    let server = start_with(limited(|limits| limits.shutdown_timeout = Duration::from_millis(100)), agent);
    let mut peer = Raw::to(&server);
    let head = format!("POST /avp/v2/text HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", WAIT.len());
    peer.send(head.as_bytes()).send(WAIT);
    holder.wait_for(Event::Asked);
    // The agent is in the midst of it, and stays there.
    let error = stopped(server).recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::Transport, "server.shutdown"));
    assert!(peer.read().is_none());
    drop(holder);
}

#[test]
fn peers_that_say_nothing_do_not_hold_up_the_end() {
    let tls = ServerTls::development(&[]).unwrap().0;
    for (tls, first) in [(None, b'P'), (Some(tls), 22)] {
        // No limit would end them before the test does.
        let options = limited(|limits| {
            let long = 10 * PATIENCE;
            (limits.tls_timeout, limits.header_timeout, limits.shutdown_timeout) = (long, long, long);
        });
        let server = start(ServerOptions { tls, ..options });
        let mut silent = Raw::to(&server);
        let mut begun = Raw::to(&server);
        begun.send(&[first]);
        crate::numbers::until("both are there", || crate::numbers::number(&server, "avp_connections") == 2.0);
        stopped(server).recv_timeout(PATIENCE).unwrap().unwrap();
        assert!(silent.read().is_none() && begun.read().is_none());
    }
}

/// A server where one was. Another program may have the port for a moment: it is free for anybody meanwhile.
fn again(address: SocketAddr, options: &ServerOptions) -> Running {
    let mut started = None;
    crate::numbers::until("the port is free", || {
        started = Running::start(address, options.clone(), Arc::new(Echo::new())).ok();
        started.is_some()
    });
    started.unwrap()
}

#[test]
fn a_server_that_starts_again_knows_no_session_and_says_so() {
    let first = start(limited(|limits| limits.shutdown_timeout = Duration::ZERO));
    let address = first.address();
    let session = handshake(&first);
    let bytes = message(&session, &[1; 100]);
    assert_eq!(ask(&first, "POST", "/avp/v2/transmit", &bytes).json()["kept"], true);
    // In the midst of a handshake, and of an upload.
    let mut shaking = Raw::to(&first);
    shaking.send(b"POST /avp/v2/handshake HTTP/1.1\r\nhost: h\r\ncontent-length: 20\r\n\r\n{\"agent");
    let mut sending = Raw::to(&first);
    sending
        .send(b"POST /avp/v2/transmit HTTP/1.1\r\nhost: h\r\ncontent-length: 200\r\n\r\n")
        .send(&bytes[..20]);
    crate::numbers::until("both have begun", || crate::numbers::number(&first, "avp_in_flight_bytes") > 20.0);
    stopped(first).recv_timeout(PATIENCE).unwrap().unwrap_err();
    // Neither was acknowledged.
    assert!(shaking.read().is_none() && sending.read().is_none());

    for strict in [false, true] {
        let options = ServerOptions { strict, ..ServerOptions::default() };
        let second = again(address, &options);
        let headers = |kind: &str| format!("content-type: {kind}\r\navp-version: 0.4\r\navp-agent-id: a\r\n");
        let binary = headers("application/avp+binary");
        let got = Raw::to(&second).ask("POST", "/avp/v2/transmit", &binary, &bytes).unwrap();
        let text = json!({"session_id": session, "content": "x"}).to_string();
        let headers = headers("application/json");
        let asked = Raw::to(&second).ask("POST", "/avp/v2/text", &headers, text.as_bytes()).unwrap();
        if strict {
            assert_eq!((got.status, &got.json()["code"]), (409, &json!("session")));
            assert_eq!((asked.status, &asked.json()["code"]), (409, &json!("session")));
        } else {
            let told = got.json();
            assert_eq!(
                (&told["kept"], &told["reason"]),
                (&json!(false), &json!("the session is not known here"))
            );
            assert_eq!(asked.json()["content"], "x behind None");
        }
        // A handshake makes it good.
        let again = Raw::to(&second).ask("POST", "/avp/v2/handshake", &headers, b"{}").unwrap().json();
        let bytes = message(again["session_id"].as_str().unwrap(), &[1; 100]);
        let got = Raw::to(&second).ask("POST", "/avp/v2/transmit", &binary, &bytes).unwrap();
        assert_eq!(got.json()["kept"], true);
        stopped(second).recv_timeout(PATIENCE).unwrap().unwrap();
    }
}
