//! Bodies in, within bounds and in time.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::CONTENT_LENGTH;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::exchange::Exchange;
use super::request_body::RequestBody;
use super::spare::WORTH_KEEPING;
use crate::error::{Error, ErrorClass};
use crate::transport::budget::Permit;
use crate::transport::received::Received;
use crate::transport::refusal::Refusal;
use crate::wire::{Decoder, Gathered, HEADER_LEN, Header, StreamDecoder};

/// Payloads that inflate to this much are inflated where they came in: handing them to another thread takes longer.
const INFLATED_IN_PLACE: u64 = 64 << 10;

/// Pieces of a body, each awaited for so long, and all of them not for too long.
struct Pieces<'a> {
    body: &'a mut RequestBody,
    exchange: &'a Exchange,
    begun: Instant,
    bytes: u64,
}

impl<'a> Pieces<'a> {
    fn of(body: &'a mut RequestBody, exchange: &'a Exchange) -> Self {
        Self { body, exchange, begun: Instant::now(), bytes: 0 }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let limits = &self.exchange.limits;
        loop {
            let frame = match in_time(limits.body_idle_timeout, self.body.frame()).await {
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

/// [`timeout`], without a timer for what is there already: most bodies come with their headers.
async fn in_time<T>(limit: Duration, what: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut what = pin!(what);
    match poll_fn(|cx| Poll::Ready(what.as_mut().poll(cx))).await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => timeout(limit, what).await,
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

/// Brings what a request holds to so many bytes.
///
/// # Errors
/// 503 when others hold too much of the memory; 413 when it would not do were it alone.
fn reach(exchange: &Exchange, permit: &mut Permit, bytes: u64) -> Result<(), Refusal> {
    let max = exchange.limits.max_in_flight;
    if bytes > max {
        return Err(too_large("message", max, format!("{bytes} bytes on its way in")));
    }
    if permit.reach(bytes) { Ok(()) } else { Err(no_room()) }
}

/// What the headers say of the body's length. A body without may still be too long.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A whole body of JSON, and what it takes of the memory for bodies: to be held for as long as what is read from it.
///
/// # Errors
/// 413 when it is too long, before it is read if its headers say so (AVP-SEC-008); 408 when it comes too slowly.
pub(super) async fn json(
    exchange: &Exchange,
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<(Bytes, Permit), Refusal> {
    let max = exchange.limits.max_json;
    if let Some(len) = announced(headers).filter(|&len| len > max) {
        return Err(too_large("body", max, format!("{len} bytes")));
    }
    let mut pieces = Pieces::of(body, exchange);
    let mut permit = exchange.in_flight.permit();
    let mut first = Bytes::new();
    let mut all = Vec::new();
    while let Some(piece) = pieces.next().await? {
        let len = first.len() + all.len() + piece.len();
        if len as u64 > max {
            return Err(too_large("body", max, "more".to_owned()));
        }
        if first.is_empty() && all.is_empty() {
            reach(exchange, &mut permit, len as u64)?;
            first = piece;
            continue;
        }
        // Before it grows. What it grows from is there until it has.
        let before = all.capacity();
        let room = if before < len { len.saturating_mul(2).min(max as usize) } else { before };
        let grows_from = if before < len { before.max(first.len()) } else { 0 };
        reach(exchange, &mut permit, room.saturating_add(grows_from) as u64)?;
        all.reserve_exact(room - all.len());
        all.extend_from_slice(&std::mem::take(&mut first));
        all.extend_from_slice(&piece);
        reach(exchange, &mut permit, all.capacity() as u64)?;
    }
    // Most bodies come in one piece, which nobody has to copy.
    Ok((if all.is_empty() { first } else { all.into() }, permit))
}

/// A message, refused as soon as what has come of it can't be the start of a good one (AVP-SEC-010).
///
/// # Errors
/// What [`StreamDecoder`] and [`Received::decode`] refuse; 413 by the announced length alone; 408 when it comes too slowly;
/// 503 when memory is short.
pub(super) async fn message(
    exchange: &Exchange,
    headers: &HeaderMap,
    body: &mut RequestBody,
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
        let whole = gather(exchange, &mut stream, &mut rest)?;
        if !permit.reach(stream.held() as u64) && whole.is_none() {
            return Err(no_room());
        }
        let Some(whole) = whole else { continue };
        reach(exchange, &mut permit, whole.bytes.capacity() as u64)?;
        if !rest.is_empty() || pieces.next().await?.is_some() {
            let found = "more bytes behind it";
            let error = Error::new(ErrorClass::Decode, "message", "one message and nothing behind it", found);
            return Err(error.at(whole.bytes.len()).into());
        }
        break whole;
    };
    // What a compressed payload inflates to is held as well, while it inflates; and what metadata decodes to.
    let inflated = crate::wire::inflated_bound(&whole.bytes, limits)?;
    let metadata = Received::metadata_bound(&Header::parse(&whole.bytes)?);
    let all = (whole.bytes.capacity() as u64).saturating_add(inflated).saturating_add(metadata);
    reach(exchange, &mut permit, all)?;
    // What is not compressed was summed as it came, and takes no time whatever its length.
    let (received, mut permit) = if inflated <= INFLATED_IN_PLACE {
        (Received::gathered(whole, limits)?, permit)
    } else {
        // With the permit: a peer that goes away meanwhile does not end the work.
        blocking(exchange, move || (Received::gathered(whole, limits), permit))
            .await
            .and_then(|(received, permit)| Ok((received?, permit)))?
    };
    reach(exchange, &mut permit, received.held())?;
    Ok((received, permit))
}

/// Takes a piece in. A message of which enough is there, and which needs a larger buffer, goes on in one that was used before,
/// whose memory the process has already.
fn gather(
    exchange: &Exchange,
    stream: &mut StreamDecoder,
    rest: &mut &[u8],
) -> Result<Option<Gathered>, Error> {
    if stream.pending() == 0 && rest.len() >= WORTH_KEEPING {
        // The header alone, since it says how much is to come.
        let (mut header, body) = rest.split_at(rest.len().min(HEADER_LEN));
        let whole = stream.gather(&mut header)?;
        *rest = body;
        if whole.is_some() {
            return Ok(whole);
        }
    }
    let there = stream.pending() + rest.len();
    if there > stream.held() && there >= WORTH_KEEPING {
        let spare = stream.announced().and_then(|len| exchange.spare.take(len));
        if let Some(buffer) = spare {
            exchange.spare.give(stream.move_to(buffer));
        }
    }
    stream.gather(rest)
}

/// Does what takes long on a thread that may be blocked, and no more of it at a time than there may be requests: work goes on
/// when its peer has gone, and a peer may ask and go as fast as it can.
///
/// # Errors
/// 503 when it takes longer than an answer may; it goes on, and what it holds stays held. 500 when it panics. The panic's text stays here: it may quote what a peer sent.
pub(super) async fn blocking<T: Send + 'static>(
    exchange: &Exchange,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let working = async {
        let place = Arc::clone(&exchange.working).acquire_owned().await.map_err(|_| panicked())?;
        let work = move || {
            let _place = place;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| panicked())
    };
    timeout(exchange.limits.answer_timeout, working)
        .await
        .unwrap_or_else(|_| Err(Refusal::new(503, "timeout", "the answer took too long").retry_after(1)))
}

/// The same where it is, for what takes no time.
///
/// # Errors
/// 500 when it panics.
pub(super) fn in_place<T>(work: impl FnOnce() -> T) -> Result<T, Refusal> {
    // What the work has seen is either dropped with it or the agent's own, which is told to outlive its panics.
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| panicked())
}

fn panicked() -> Refusal {
    tracing::error!("a request's work panicked");
    Refusal::new(500, "internal", "the server failed; it goes on with other requests")
}
