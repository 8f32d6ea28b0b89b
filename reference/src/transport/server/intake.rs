//! Bodies in, within bounds and in time.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use tokio::time::timeout;

use super::exchange::Exchange;
use crate::error::{Error, ErrorClass};
use crate::transport::budget::Permit;
use crate::transport::received::Received;
use crate::transport::refusal::Refusal;
use crate::wire::{Decoder, StreamDecoder};

/// Messages up to this size are decoded where they came in: handing them to another thread takes longer.
const DECODED_IN_PLACE: usize = 64 << 10;

/// Pieces of a body, each awaited for so long, and all of them not for too long.
struct Pieces<'a> {
    body: Incoming,
    exchange: &'a Exchange,
    begun: Instant,
    bytes: u64,
}

impl<'a> Pieces<'a> {
    fn of(body: Incoming, exchange: &'a Exchange) -> Self {
        Self { body, exchange, begun: Instant::now(), bytes: 0 }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let limits = &self.exchange.limits;
        loop {
            let frame = match timeout(limits.body_idle_timeout, self.body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => return Err(Refusal::new(400, "decode", "the body ended before its end")),
                Err(_) => return Err(slow("no more of the body came in time")),
            };
            // Trailers say nothing here.
            let Ok(piece) = frame.into_data() else { continue };
            self.bytes += piece.len() as u64;
            let took = self.begun.elapsed();
            let least =
                limits.min_body_rate as f64 * (took.as_secs_f64() - limits.body_idle_timeout.as_secs_f64());
            if (self.bytes as f64) < least {
                return Err(slow("the body came too slowly"));
            }
            self.exchange.metrics.received(piece.len());
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }
}

fn slow(message: &str) -> Refusal {
    Refusal::new(408, "timeout", message)
}

fn too_large(field: &'static str, max: u64, found: String) -> Refusal {
    Error::new(ErrorClass::LimitExceeded, field, format!("at most {max} bytes"), found).into()
}

/// Memory is short: what was taken of it comes back as other requests end.
fn no_room() -> Refusal {
    Refusal::new(503, "busy", "no memory is left for messages on their way in").retry_after(1)
}

/// What the headers say of the body's length. A body without may still be too long.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A whole body of JSON.
///
/// # Errors
/// 413 when it is too long, before it is read if its headers say so (AVP-SEC-008); 408 when it comes too slowly.
pub(super) async fn json(exchange: &Exchange, headers: &HeaderMap, body: Incoming) -> Result<Bytes, Refusal> {
    let max = exchange.limits.max_json;
    if let Some(len) = announced(headers).filter(|&len| len > max) {
        return Err(too_large("body", max, format!("{len} bytes")));
    }
    let mut pieces = Pieces::of(body, exchange);
    let mut permit = exchange.in_flight.permit();
    let Some(first) = pieces.next().await? else { return Ok(Bytes::new()) };
    if first.len() as u64 > max {
        return Err(too_large("body", max, "more".to_owned()));
    }
    let Some(second) = pieces.next().await? else { return Ok(first) };
    let mut all = [first, second].concat();
    loop {
        if all.len() as u64 > max {
            return Err(too_large("body", max, "more".to_owned()));
        }
        if !permit.reach(all.capacity() as u64) {
            return Err(no_room());
        }
        match pieces.next().await? {
            Some(piece) => all.extend_from_slice(&piece),
            None => return Ok(all.into()),
        }
    }
}

/// A message, refused as soon as what has come of it can't be the start of a good one (AVP-SEC-010).
///
/// # Errors
/// What [`StreamDecoder`] and [`Received::decode`] refuse; 413 by the announced length alone; 408 when it comes too slowly;
/// 503 when memory is short.
pub(super) async fn message(
    exchange: &Exchange,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<(Received, Permit), Refusal> {
    let limits = exchange.limits.message;
    if let Some(len) = announced(headers).filter(|&len| len > limits.max_message) {
        return Err(too_large("message", limits.max_message, format!("{len} bytes")));
    }
    let mut pieces = Pieces::of(body, exchange);
    let mut permit = exchange.in_flight.permit();
    let mut stream = StreamDecoder::new(Decoder::new().limits(limits));
    let whole = loop {
        let Some(piece) = pieces.next().await? else {
            stream.finish()?;
            return Err(Error::new(ErrorClass::Decode, "message", "a message", "an empty body").into());
        };
        let mut rest = &piece[..];
        let whole = stream.gather(&mut rest)?;
        if !permit.reach(stream.held() as u64) && whole.is_none() {
            return Err(no_room());
        }
        let Some(whole) = whole else { continue };
        if !permit.reach(whole.capacity() as u64) {
            return Err(no_room());
        }
        if !rest.is_empty() || pieces.next().await?.is_some() {
            let found = "more bytes behind it";
            let error = Error::new(ErrorClass::Decode, "message", "one message and nothing behind it", found);
            return Err(error.at(whole.len()).into());
        }
        break whole;
    };
    // What a compressed payload inflates to is held as well, while it inflates.
    let inflated = crate::wire::inflated_bound(&whole, limits)?;
    if !permit.reach(whole.capacity() as u64 + inflated) {
        return Err(no_room());
    }
    let received = if whole.len() + inflated as usize <= DECODED_IN_PLACE {
        Received::decode(whole, limits)?
    } else {
        blocking(move || Received::decode(whole, limits)).await??
    };
    let shrunk = permit.reach(received.held());
    debug_assert!(shrunk, "less is always to be had");
    Ok((received, permit))
}

/// Does what takes long on a thread that may be blocked.
///
/// # Errors
/// 500 when it panics. The panic's text stays here: it may quote what a peer sent.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        tracing::error!("a request's work panicked");
        Refusal::new(500, "internal", "the server failed; it goes on with other requests")
    })
}
