//! Which versions of TLS a server takes.

use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Endpoint;
use super::args::{Args, BadArgs};
use super::tls_hello::{ServerFlight, client_hello, server_flight};
use crate::build::SplitMix64;

/// Most bytes of a first flight that are read: a server hello stands at its beginning.
const FIRST: usize = 512;

/// The step `peer_tls_probe`.
pub(super) async fn probe(endpoint: &Endpoint, args: &Args<'_>) -> Result<Value, BadArgs> {
    let versions: Vec<&str> = args
        .get("versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if versions.is_empty() {
        return Err(BadArgs("`versions` names none"));
    }
    let named = endpoint.host.parse::<std::net::IpAddr>().is_err().then_some(endpoint.host.as_str());
    let hello = client_hello(&versions, named, &random());
    let told = match tokio::time::timeout(args.within()?, first_flight(endpoint, &hello)).await {
        Err(_) => json!({"outcome": "silent"}),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            json!({"outcome": "unreachable"})
        }
        Ok(Err(_)) => json!({"outcome": "refused", "by": "an end of the connection"}),
        Ok(Ok(bytes)) => match server_flight(&bytes) {
            ServerFlight::Chosen(version) => json!({"outcome": "chosen", "version": version}),
            ServerFlight::Alert(number) => json!({"outcome": "refused", "by": format!("alert {number}")}),
            ServerFlight::Other if bytes.is_empty() => {
                json!({"outcome": "refused", "by": "an end of the connection"})
            }
            ServerFlight::Other => json!({"outcome": "no TLS"}),
        },
    };
    Ok(told)
}

async fn first_flight(endpoint: &Endpoint, hello: &[u8]) -> io::Result<Vec<u8>> {
    let mut tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    tcp.write_all(hello).await?;
    let mut bytes = Vec::new();
    // A hello and an alert both fit into the first bytes; a server that ends the connection says so with none.
    while bytes.len() < FIRST && !enough(&bytes) {
        if tcp.read_buf(&mut bytes).await? == 0 {
            break;
        }
    }
    Ok(bytes)
}

/// Whether the first record is there.
fn enough(bytes: &[u8]) -> bool {
    bytes.get(3..5).is_some_and(|len| bytes.len() >= 5 + usize::from(u16::from_be_bytes([len[0], len[1]])))
}

fn random() -> [u8; 64] {
    let mut source = SplitMix64::new(crate::adapter::fresh_id());
    std::array::from_fn(|_| source.below(256) as u8)
}
