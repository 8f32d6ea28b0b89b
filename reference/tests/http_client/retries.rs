//! What is sent again, and what never is.

use std::net::TcpListener;
use std::time::Duration;

use avp::ErrorClass;
use avp::transport::ServerTls;
use avp::transport::client::blocking::Client;
use avp::transport::client::{ClientOptions, MAX_ATTEMPTS};
use serde_json::json;

use crate::server::{self, Reaction, Server};
use crate::{identity, message, options, text, welcome};

fn client(server: &Server) -> Client {
    Client::new(&server.url(), options()).unwrap()
}

/// Breaks off two requests, then answers.
fn breaking() -> Server {
    Server::start(|number, _| match number {
        0 | 1 => Reaction::Close,
        _ => server::json(200, &welcome(&identity())),
    })
}

#[test]
fn a_message_whose_connection_broke_is_not_sent_again() {
    let server = breaking();
    assert_eq!(client(&server).transmit(message(9)).unwrap_err().class, ErrorClass::Transport);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(client(&server).text(&text("t")).unwrap_err().status, None);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn unless_the_caller_says_that_it_may_be() {
    for transmit in [true, false] {
        let server = breaking();
        let client = client(&server).idempotent();
        let reply = if transmit { client.transmit(message(9)) } else { client.text(&text("t")) };
        reply.unwrap();
        let requests = server.requests();
        assert_eq!(requests.len(), 3);
        assert!(requests.iter().all(|request| request.body == requests[0].body), "from its start each time");
    }
}

#[test]
fn handshakes_and_health_are_sent_again() {
    let server = breaking();
    client(&server).handshake().unwrap();
    assert_eq!(server.requests().len(), 3);
    let dead = Server::start(|_, _| Reaction::Close);
    assert_eq!(client(&dead).health().unwrap_err().class, ErrorClass::Transport);
    assert_eq!(dead.requests().len(), MAX_ATTEMPTS as usize, "but not for ever");
}

#[test]
fn a_connection_that_was_not_made_is_made_again_even_for_messages() {
    let (tls, pem) = ServerTls::development(&[]).unwrap();
    let server = Server::with(Some(tls), 2, |_, _| server::json(200, &json!({"success": true})));
    let roots = vec![pem.into_bytes()];
    let client = Client::new(&server.url(), ClientOptions { roots, ..options() }).unwrap();
    client.transmit(message(9)).unwrap();
    assert_eq!((server.connections(), server.requests().len()), (3, 1));
}

#[test]
fn nobody_there_is_an_error_in_the_end() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Client::new(&format!("http://127.0.0.1:{port}"), options()).unwrap().health().unwrap_err();
    assert_eq!((error.class, &*error.expected, error.status), (ErrorClass::Transport, "a connection", None));
}

#[test]
fn servers_that_say_when_are_asked_then() {
    for status in [429, 503] {
        let server = Server::start(move |number, _| match number {
            0 => Reaction::Answer(status, "retry-after: 0\r\n", Vec::new()),
            _ => server::json(200, &json!({"success": true})),
        });
        client(&server).transmit(message(9)).unwrap();
        client(&server).text(&text("t")).unwrap();
        assert_eq!(server.requests().len(), 3);
        let busy = Server::always(status, "retry-after: 0\r\n", b"");
        assert_eq!(client(&busy).transmit(message(9)).unwrap_err().status, Some(status));
        assert_eq!(busy.requests().len(), MAX_ATTEMPTS as usize);
    }
}

#[test]
fn and_not_when_they_do_not_or_when_it_is_too_long() {
    for (status, headers) in [
        (429, ""),
        (503, ""),
        (503, "retry-after: 11\r\n"),
        (429, "retry-after: 99999999999999999999\r\n"),
        (503, "retry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n"),
        (503, "retry-after: -1\r\n"),
        (500, "retry-after: 0\r\n"),
        (409, "retry-after: 0\r\n"),
    ] {
        let server = Server::always(status, headers, b"");
        assert_eq!(client(&server).transmit(message(9)).unwrap_err().status, Some(status));
        assert_eq!(server.requests().len(), 1, "{status} {headers}");
    }
}

/// A server that gave up says when to come back, but it did begin.
#[test]
fn work_that_was_begun_is_not_asked_for_again() {
    let server = Server::start(|_, _| {
        Reaction::Answer(503, "retry-after: 0\r\n", br#"{"success":false,"code":"timeout"}"#.to_vec())
    });
    assert_eq!(client(&server).text(&text("t")).unwrap_err().status, Some(503));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(client(&server).idempotent().text(&text("t")).unwrap_err().status, Some(503));
    assert_eq!(server.requests().len(), 1 + MAX_ATTEMPTS as usize);
}

/// Connected by the system, answered by nobody.
#[test]
fn connections_that_are_not_made_in_time_are_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_, pem) = ServerTls::development(&[]).unwrap();
    let connect_timeout = Duration::from_millis(50);
    let options = ClientOptions { connect_timeout, roots: vec![pem.into_bytes()], ..options() };
    let client = Client::new(&format!("https://{}", listener.local_addr().unwrap()), options).unwrap();
    let error = client.transmit(message(9)).unwrap_err();
    assert_eq!((&*error.expected, &*error.found), ("a connection", "none in time"));
}

#[test]
fn waits_count_as_part_of_the_call() {
    let server = Server::always(503, "retry-after: 9\r\n", b"");
    let timeout = Duration::from_secs(8);
    let client = Client::new(&server.url(), ClientOptions { timeout, ..options() }).unwrap();
    // The refusal, at once, and not the end of the time.
    assert_eq!(client.health().unwrap_err().status, Some(503));
    assert_eq!(server.requests().len(), 1);
}
