//! Many transmits at a time, each with a message of its own.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Endpoint;
use super::args::{Args, BadArgs};
use super::exchange::{Version, connected, once};
use super::h1;
use super::h2_client::{Shared, on_stream};
use super::reply::{NoReply, Reply};
use super::request::HttpRequest;
use crate::adapter::{Blob, Request};
use crate::build::{Fields, Message, crc32};

/// Most requests at a time: connections of one process.
const MOST: u64 = 64;

/// Bytes of payload by which a message is longer than the one before it.
const STEP: usize = 36;

/// The step `peer_parallel`.
pub(super) async fn parallel(endpoint: &Endpoint, args: &Args<'_>, step: &Request) -> Result<Value, BadArgs> {
    let count = args.count("count")?.unwrap_or(32).min(MOST) as usize;
    if args.flag("same") {
        same(endpoint, args, step, count).await
    } else {
        each(endpoint, args, step, count).await
    }
}

/// Messages of their own. Every third is damaged, so that answers can be told apart whatever the server says of a good one.
/// Where it echoes, the payload's length and checksum must be those of the request's own.
async fn each(endpoint: &Endpoint, args: &Args<'_>, step: &Request, count: usize) -> Result<Value, BadArgs> {
    let (version, limit, echo) = (Version::of(args)?, args.within()?, args.flag("echo"));
    // Over HTTP/2 all of them share a connection, as they would.
    let shared = match version {
        Version::One => None,
        Version::Two => match h1::within(limit, open(endpoint)).await {
            Ok(shared) => Some(shared),
            Err(none) => return Ok(json!({"answered": 0, "wrong": [format!("{none:?}")]})),
        },
    };
    let mut running = JoinSet::new();
    for index in 0..count {
        let (bytes, payload) = message(index);
        let mut step = step.clone();
        step.args.insert("path".to_owned(), json!("/avp/v2/transmit"));
        step.parts = vec![Blob { name: "message".to_owned(), dtype: None, shape: None, bytes: bytes.into() }];
        let request = HttpRequest::of(endpoint, &Args::new(&step.args, 1.0), &step)?;
        let endpoint = endpoint.clone();
        let client = shared.as_ref().map(Shared::client);
        running.spawn(async move {
            let outcome = match client {
                Some(client) => h1::within(limit, on_stream(client, &endpoint, &request)).await,
                None => once(&endpoint, version, &request, limit).await,
            };
            (index, payload, outcome)
        });
    }
    let (mut answered, mut wrong) = (0, Vec::new());
    while let Some(joined) = running.join_next().await {
        let Ok((index, payload, outcome)) = joined else { continue };
        answered += usize::from(outcome.is_ok());
        wrong.extend(match outcome {
            Ok(reply) => objection(index, &payload, &reply, echo),
            Err(none) => Some(json!({"request": index, "outcome": format!("{none:?}")})),
        });
    }
    Ok(json!({"answered": answered, "wrong": wrong}))
}

async fn open(endpoint: &Endpoint) -> Result<Shared, NoReply> {
    Shared::open(connected(endpoint, Version::Two).await?).await
}

/// What is wrong with the answer to one of them.
fn objection(index: usize, payload: &[u8], reply: &Reply, echo: bool) -> Option<Value> {
    let body = reply.json().unwrap_or_default();
    let as_expected = if damaged(index) {
        (400..500).contains(&reply.status)
    } else {
        let of_own = body.get("payload_length") == Some(&json!(payload.len()))
            && body.get("payload_crc32") == Some(&json!(crc32(payload)));
        (200..300).contains(&reply.status) && (!echo || of_own)
    };
    (!as_expected).then(|| {
        json!({"request": index, "damaged": damaged(index), "payload_length": payload.len(),
               "payload_crc32": crc32(payload), "status": reply.status, "body": body})
    })
}

/// The same request many times.
async fn same(endpoint: &Endpoint, args: &Args<'_>, step: &Request, count: usize) -> Result<Value, BadArgs> {
    let (version, limit) = (Version::of(args)?, args.within()?);
    let request = Arc::new(HttpRequest::of(endpoint, args, step)?);
    let mut running = JoinSet::new();
    for _ in 0..count {
        let (endpoint, request) = (endpoint.clone(), Arc::clone(&request));
        running.spawn(async move { once(&endpoint, version, &request, limit).await });
    }
    let (mut answered, mut served, mut limited, mut other) = (0, 0, 0, Vec::new());
    while let Some(Ok(outcome)) = running.join_next().await {
        match outcome {
            Ok(reply) => {
                answered += 1;
                match reply.status {
                    200..300 => served += 1,
                    429 => limited += 1,
                    status => other.push(json!(status)),
                }
            }
            Err(none) => other.push(json!(format!("{none:?}"))),
        }
    }
    Ok(json!({
        "answered": answered, "served": served > 0, "limited": limited > 0, "other": other,
        "counts": {"2xx": served, "429": limited},
    }))
}

fn damaged(index: usize) -> bool {
    index % 3 == 2
}

/// A message with a payload of its own length and content, and that payload.
fn message(index: usize) -> (Vec<u8>, Arc<[u8]>) {
    let payload: Vec<u8> = (0..(index + 1) * STEP).map(|at| (at * 31 + index * 7) as u8).collect();
    let mut fields = Fields::new();
    fields.string(4, "test-model").varint(5, 9).packed(9, &[(payload.len() / STEP) as u64, 9]);
    let mut message =
        Message { metadata: fields.into_bytes(), payload: payload.clone(), ..Message::default() };
    if damaged(index) {
        message.magic = *b"VA";
    }
    (message.to_bytes(), payload.into())
}
