//! One request and its answer, sent again where that is safe.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use tokio::time::{Instant, sleep, timeout_at};

use super::Client;
use super::reply::{MAX_REFUSAL_BYTES, MAX_REPLY_BYTES, Reply, refusal, retry_after, shown};
use super::upload::{Fault, Upload};
use crate::error::{Error, ErrorClass, Result};
use crate::transport::binding::{AVP_CONTENT_TYPE, JSON_CONTENT_TYPE};

/// How often a request is sent at most.
pub const MAX_ATTEMPTS: u32 = 3;
/// Wait before the second attempt after a connection failed; each further one waits twice as long.
const BACKOFF: Duration = Duration::from_millis(100);
/// Longest wait that a server may ask for. Beyond it the caller knows better what to do meanwhile.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(10);

/// A request of the binding.
pub(super) struct Call<'a> {
    pub(super) path: &'static str,
    /// What it is called in errors.
    pub(super) field: &'static str,
    /// The class of what a server refuses.
    pub(super) class: ErrorClass,
    pub(super) body: Outgoing<'a>,
    /// Sending it twice does no harm.
    pub(super) repeatable: bool,
}

/// What a request carries.
pub(super) enum Outgoing<'a> {
    /// Nothing: a GET.
    Nothing,
    Json(Bytes),
    Message(&'a Upload),
}

/// Why there is no answer, and whether to try again.
struct Failure {
    error: Error,
    again: Again,
}

enum Again {
    No,
    /// As the connection broke or was not made: wait as the attempts tell.
    Soon,
    /// As the server said.
    After(Duration),
}

impl Client {
    /// Sends a request until there is an answer, no attempt left or no time.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Reply> {
        // `Client::new` takes no time that the clock has no number for.
        let deadline = Instant::now() + self.inner.timeout;
        let mut attempt = 1;
        loop {
            let failure = match timeout_at(deadline, self.attempt(&call)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    let found = format!("none within {:?}", self.inner.timeout);
                    return Err(Error::new(ErrorClass::Transport, call.field, "an answer", found));
                }
            };
            let wait = match failure.again {
                Again::No => return Err(failure.error),
                Again::Soon => BACKOFF * 2u32.pow(attempt - 1),
                Again::After(wait) => wait,
            };
            if attempt == MAX_ATTEMPTS || wait > MAX_RETRY_AFTER || Instant::now() + wait >= deadline {
                return Err(failure.error);
            }
            tracing::debug!(path = call.path, attempt, ?wait, status = failure.error.status, "sent again");
            sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let url = self.inner.address.join(call.path);
        let mut fault = Fault::default();
        let request = match &call.body {
            Outgoing::Nothing => self.inner.http.request(Method::GET, url),
            Outgoing::Json(json) => {
                let request = self.inner.http.request(Method::POST, url);
                request.header(CONTENT_TYPE, JSON_CONTENT_TYPE).body(json.clone())
            }
            Outgoing::Message(upload) => {
                let (body, from_body) = upload.body();
                fault = from_body;
                self.inner.http.request(Method::POST, url).header(CONTENT_TYPE, AVP_CONTENT_TYPE).body(body)
            }
        };
        let broken = |error: &reqwest::Error| match fault.take() {
            Some(error) => Failure { error, again: Again::No },
            None => connection_failure(call, error),
        };
        let response =
            request.header(ACCEPT, JSON_CONTENT_TYPE).send().await.map_err(|error| broken(&error))?;

        let status = response.status();
        let content_type = header(response.headers(), CONTENT_TYPE);
        let wait = retry_after(header(response.headers(), RETRY_AFTER).as_deref());
        tracing::debug!(path = call.path, status = status.as_u16(), "answered");
        if status != StatusCode::OK {
            // A server may stop listening to a body that it refuses, and then there may be no more than the status.
            let body = read(response, MAX_REFUSAL_BYTES).await.unwrap_or_default();
            let refused = refusal(status.as_u16(), content_type.as_deref(), &body, call.class, call.field);
            let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            // Both say that nothing was done, unless the server says that it gave up in the middle. Without a time, nothing
            // says that it is worth trying again.
            let again = match wait {
                Some(seconds) if busy && (call.repeatable || !refused.begun) => {
                    Again::After(Duration::from_secs(seconds))
                }
                _ => Again::No,
            };
            return Err(Failure { error: refused.error, again });
        }
        let body = read(response, MAX_REPLY_BYTES).await.map_err(|fault| match fault {
            ReadFault::Broken(error) => broken(&error),
            ReadFault::TooLong => {
                let (expected, found) = (format!("at most {MAX_REPLY_BYTES} bytes"), "more");
                let error = Error::new(ErrorClass::LimitExceeded, call.field, expected, found);
                Failure { error, again: Again::No }
            }
        })?;
        Reply::read(content_type.as_deref(), &body, call.class, call.field).map_err(|mut error| {
            error.status = Some(status.as_u16());
            Failure { error, again: Again::No }
        })
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

enum ReadFault {
    Broken(reqwest::Error),
    TooLong,
}

/// Reads a body of at most so many bytes; memory grows with what came, not with what was announced.
async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, ReadFault> {
    let announced =
        response.headers().get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|len| len > limit as u64) {
        return Err(ReadFault::TooLong);
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(ReadFault::Broken)? {
        if piece.len() > limit - body.len() {
            return Err(ReadFault::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// A connection that was not made took nothing with it; one that broke may have, so that only what may be sent twice is.
fn connection_failure(call: &Call<'_>, error: &reqwest::Error) -> Failure {
    let cause = Cause::of(error);
    let expected = if error.is_connect() { "a connection" } else { "an answer" };
    let found = match (cause.tls, error.is_timeout() && error.is_connect()) {
        (true, _) => format!("TLS refused: {}", shown(&cause.text)),
        (false, true) => "none in time".to_owned(),
        (false, false) => shown(&cause.text),
    };
    let again = match error.is_connect() {
        // The same certificate would come again.
        true if cause.tls => Again::No,
        true => Again::Soon,
        false if call.repeatable && !error.is_builder() => Again::Soon,
        false => Again::No,
    };
    Failure { error: Error::new(ErrorClass::Transport, call.field, expected, found), again }
}

/// The innermost of nested errors: the outer ones say that a request could not be sent.
struct Cause {
    text: String,
    tls: bool,
}

impl Cause {
    fn of(error: &reqwest::Error) -> Self {
        /// Deeper than any that is known, and an end for one that contains itself.
        const MAX_DEPTH: usize = 16;
        let mut cause: &(dyn StdError + 'static) = error;
        let mut tls = false;
        for _ in 0..MAX_DEPTH {
            tls |= cause.is::<rustls::Error>();
            // An I/O error does not count what it holds among its sources.
            let held = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            match held.map(|held| held as &(dyn StdError + 'static)).or_else(|| cause.source()) {
                Some(inner) => cause = inner,
                None => break,
            }
        }
        Self { text: cause.to_string(), tls }
    }
}
