//! One request, one answer.

use std::time::Duration;

use serde_json::{Value, json};

use super::Endpoint;
use super::args::{Args, BadArgs};
use super::reply::{NoReply, Reply, described};
use super::request::HttpRequest;
use super::stream::{self, Connection};
use super::{h1, h2_client};
use crate::adapter::Request;

/// Version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 1.1.
    One,
    /// 2.
    Two,
}

impl Version {
    pub(super) fn of(args: &Args<'_>) -> Result<Self, BadArgs> {
        match args.text("version") {
            None | Some("1.1") => Ok(Self::One),
            Some("2") => Ok(Self::Two),
            Some(_) => Err(BadArgs("versions are \"1.1\" and \"2\"")),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::One => "1.1",
            Self::Two => "2",
        }
    }

    fn alpn(self) -> &'static [u8] {
        match self {
            Self::One => b"http/1.1",
            Self::Two => b"h2",
        }
    }
}

/// The step `peer_request`.
pub(super) async fn exchange(endpoint: &Endpoint, args: &Args<'_>, step: &Request) -> Result<Value, BadArgs> {
    let version = Version::of(args)?;
    let request = HttpRequest::of(endpoint, args, step)?;
    let outcome = once(endpoint, version, &request, args.within()?).await;
    let mut ok = described(outcome.as_ref());
    ok.insert("sent".to_owned(), json!(request.shown(version.name(), &endpoint.authority())));
    ok.insert("url".to_owned(), json!(endpoint.url()));
    Ok(Value::Object(ok))
}

/// Sends a request on a connection of its own.
pub(super) async fn once(
    endpoint: &Endpoint,
    version: Version,
    request: &HttpRequest,
    limit: Duration,
) -> Result<Reply, NoReply> {
    h1::within(limit, async {
        let connection = connected(endpoint, version).await?;
        match version {
            Version::Two => h2_client::exchange(connection, endpoint, request).await,
            Version::One => h1::exchange(connection, endpoint, request).await,
        }
    })
    .await
}

/// A connection for that version.
pub(super) async fn connected(endpoint: &Endpoint, version: Version) -> Result<Connection, NoReply> {
    let connection = stream::connect(endpoint, &[version.alpn()])
        .await
        .map_err(|error| NoReply::Unreachable(error.to_string()))?;
    if version == Version::Two && endpoint.tls && connection.alpn.as_deref() != Some(b"h2") {
        return Err(NoReply::Unreachable("the server does not agree on h2".to_owned()));
    }
    Ok(connection)
}
