//! What holds for every request, whatever its path.

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use hyper::{HeaderMap, Method};

use super::connection::From;
use super::exchange::Exchange;
use super::rate::Peer;
use crate::transport::binding::{
    AGENT_HEADER, AVP_CONTENT_TYPE, JSON_CONTENT_TYPE, TRANSMIT_PATH, VERSION, VERSION_HEADER,
};
use crate::transport::refusal::Refusal;
use crate::transport::tokens::bearer;

/// Whether the peer may ask, and not too often.
///
/// # Errors
/// 401 without a token that the server knows (AVP-HTTP-019), 403 for a web page at a server without tokens, 429 for too many requests (AVP-SEC-009) or too many guesses.
pub(super) fn admit(exchange: &Exchange, from: From, headers: &HeaderMap) -> Result<Peer, Refusal> {
    let address = Peer::of_address(from.0);
    let peer = if exchange.tokens.is_empty() {
        // A browser lets any page ask any server on its own machine; the page has no token, but then none is needed.
        if headers.contains_key(ORIGIN) {
            let message = "web pages are answered by servers with tokens alone";
            return Err(Refusal::new(403, "forbidden", message));
        }
        address
    } else {
        // Two of them would leave it to chance which one a proxy in front has looked at.
        if headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
            return Err(Refusal::new(401, "unauthorized", "one bearer token is required, not several"));
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        let name = given.and_then(|secret| exchange.tokens.name_of(secret));
        match (given, name) {
            (_, Some(name)) => Peer::Token(name.into()),
            (None, None) => return Err(Refusal::new(401, "unauthorized", "a bearer token is required")),
            (Some(_), None) => {
                exchange.rate.wrong_token(&address).map_err(|wait| too_many("wrong tokens", wait))?;
                return Err(Refusal::new(401, "unauthorized", "this bearer token is not known"));
            }
        }
    };
    exchange.rate.request(&peer).map_err(|wait| too_many("requests", wait))?;
    Ok(peer)
}

fn too_many(what: &str, wait: u64) -> Refusal {
    Refusal::new(429, "rate_limited", format!("too many {what}; try again in {wait} s")).retry_after(wait)
}

/// The headers that the binding calls required, where the server is strict (AVP-HTTP-017, 018).
///
/// # Errors
/// 415 for another content type, 400 for a header that is missing, 426 for a major version that is not ours.
pub(super) fn strict_headers(method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    if method != Method::POST || !path.starts_with("/avp/") {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let wanted = if path == TRANSMIT_PATH { AVP_CONTENT_TYPE } else { JSON_CONTENT_TYPE };
    let given = text(CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(wanted) {
        let message = format!("content-type: expected {wanted}");
        return Err(Refusal::new(415, "invalid_argument", message));
    }
    for name in [VERSION_HEADER, AGENT_HEADER] {
        if text(name).is_none_or(str::is_empty) {
            return Err(Refusal::new(400, "invalid_argument", format!("{name}: the header is required")));
        }
    }
    let major = |version: &str| version.split('.').next().and_then(|major| major.trim().parse::<u32>().ok());
    if text(VERSION_HEADER).and_then(major) != major(VERSION) {
        let message = format!("{VERSION_HEADER}: expected {VERSION} or another version of the same major");
        return Err(Refusal::new(426, "unsupported_version", message));
    }
    Ok(())
}
