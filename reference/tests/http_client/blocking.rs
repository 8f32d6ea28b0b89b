//! The client that waits, wherever it is used.

use avp::transport::client::blocking::Client;
use serde_json::json;

use crate::options;
use crate::server::{self, Reaction, Server};

fn healthy() -> Server {
    Server::start(|_, _| server::json(200, &json!({"status": "ok"})))
}

#[test]
fn it_works_and_ends_inside_of_runtimes_of_others() {
    let server = healthy();
    let current = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let many = tokio::runtime::Runtime::new().unwrap();
    for runtime in [&current, &many] {
        runtime.block_on(async {
            let client = Client::new(&server.url(), options()).unwrap();
            client.health().unwrap();
            drop(client);
        });
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn many_threads_share_one() {
    let server = healthy();
    let client = Client::new(&server.url(), options()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            let client = client.clone();
            scope.spawn(move || client.health().unwrap());
        }
    });
    assert_eq!(server.requests().len(), 16);
}

#[test]
fn an_async_client_works_on_a_single_thread() {
    let server = healthy();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = avp::transport::Client::new(&server.url(), options()).unwrap();
        let (one, two) = tokio::join!(client.health(), client.health());
        one.unwrap();
        two.unwrap();
    });
}

#[test]
fn a_call_that_is_dropped_ends() {
    let server = Server::start(|_, _| Reaction::Stall);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = avp::transport::Client::new(&server.url(), options()).unwrap();
        let none = tokio::time::timeout(std::time::Duration::from_millis(50), client.session()).await;
        assert!(none.is_err());
        // The session is free for the next one, which waits for the server again and not for a lock.
        let none = tokio::time::timeout(std::time::Duration::from_millis(50), client.forget_session()).await;
        assert!(none.is_ok());
    });
}
