//! Messages on their way out: lengths, files, progress, and servers that stop listening.

use std::fs;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use avp::ErrorClass;
use avp::transport::client::Upload;
use avp::transport::client::blocking::Client;
use bytes::Bytes;
use serde_json::json;

use crate::server::{self, Server};
use crate::{message, options};

/// Longer than one piece of a file.
const LONG: usize = 3_000_000;

fn server() -> Server {
    Server::start(|_, _| server::json(200, &json!({"success": true})))
}

#[test]
fn pieces_and_files_arrive_whole_with_their_length_in_front() {
    let server = server();
    let client = Client::new(&server.url(), options()).unwrap();
    let bytes = message(LONG);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.avp");
    fs::write(&path, &bytes).unwrap();
    let shared = Bytes::from(bytes.clone());
    let pieces = [shared.slice(..50), Bytes::new(), shared.slice(50..LONG / 2), shared.slice(LONG / 2..)];
    for upload in [Upload::file(&path).unwrap(), Upload::pieces(pieces), shared.clone().into()] {
        assert_eq!(upload.len(), bytes.len() as u64);
        client.transmit(upload).unwrap();
    }
    for request in server.requests() {
        assert_eq!(request.header("content-length"), Some(&*bytes.len().to_string()));
        assert_eq!(request.header("transfer-encoding"), None);
        assert!(request.body == bytes);
    }
}

#[test]
fn progress_is_told_from_start_to_end() {
    let server = server();
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.avp");
    fs::write(&path, message(LONG)).unwrap();
    let upload = Upload::file(&path).unwrap();
    let len = upload.len();
    let upload = upload.on_progress(Arc::new(move |sent| seen.lock().unwrap().push(sent)));
    Client::new(&server.url(), options()).unwrap().transmit(upload).unwrap();
    let told = told.lock().unwrap();
    assert!(told.len() > 2 && told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&len));
}

#[test]
fn a_file_that_shrinks_or_goes_is_named() {
    let server = server();
    let client = Client::new(&server.url(), options()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.avp");
    for shrink in [true, false] {
        fs::write(&path, message(LONG)).unwrap();
        let upload = Upload::file(&path).unwrap();
        if shrink {
            fs::write(&path, message(10)).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let error = client.idempotent().transmit(upload).unwrap_err();
        assert_eq!((error.class, error.field), (ErrorClass::Configuration, "message"), "{error}");
        assert!(error.found.contains("m.avp"), "{error}");
    }
    assert_eq!(server.requests().len(), 0, "no request arrived whole");
}

/// A server that refuses by the header alone answers before it has read the body.
#[test]
fn an_answer_before_the_end_of_the_body_is_seen() {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let refusing = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 100];
        stream.read_exact(&mut head).unwrap();
        stream.write_all(b"HTTP/1.1 413 X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // Until the client has hung up.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let error = Client::new(&url, options()).unwrap().transmit(message(50_000_000)).unwrap_err();
    assert_eq!((error.class, error.status), (ErrorClass::Transport, Some(413)), "{error}");
    refusing.join().unwrap();
}
