//! A request as a step describes it.

use std::sync::Arc;

use serde_json::Value;

use super::Endpoint;
use super::args::{Args, BadArgs};
use crate::adapter::Request;

/// Who the harness says it is.
const AGENT_ID: &str = "avp-conformance";

/// Most bytes that a step may add to a body: more than the limit that any case sets.
const MAX_PAD: u64 = 64 << 20;

/// How a request is sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HttpRequest {
    pub(super) method: String,
    pub(super) path: String,
    /// In order; names in small letters.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Arc<[u8]>>,
    /// Bytes of one piece of a body of unknown length.
    pub(super) chunk: Option<usize>,
    /// Length to announce in place of the body's own.
    pub(super) declare: Option<u64>,
    /// So much of the body is sent; then nothing more, and the connection stays open.
    pub(super) stall_after: Option<usize>,
}

impl HttpRequest {
    /// The request that a step describes: as the binding has it, but for what the step says otherwise.
    pub(super) fn of(endpoint: &Endpoint, args: &Args<'_>, step: &Request) -> Result<Self, BadArgs> {
        let body = body(args, step)?;
        let path = args.text("path").unwrap_or("/").to_owned();
        let usual = if body.is_some() { "POST" } else { "GET" };
        let method = args.text("method").unwrap_or(usual).to_owned();
        let mut headers = Vec::new();
        if body.is_some() {
            let binary = path.ends_with("/transmit");
            let kind = if binary { "application/avp+binary" } else { "application/json" };
            headers.push(("content-type".to_owned(), kind.to_owned()));
        }
        headers.push(("avp-version".to_owned(), step.spec.to_owned()));
        headers.push(("avp-agent-id".to_owned(), AGENT_ID.to_owned()));
        if let Some(token) = &endpoint.token {
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        for (name, value) in args.object("headers").into_iter().flatten() {
            let name = name.to_ascii_lowercase();
            headers.retain(|(known, _)| *known != name);
            match value {
                Value::Null => {}
                Value::String(value) => headers.push((name, value.clone())),
                _ => return Err(BadArgs("a header is text, or null for none")),
            }
        }
        let usize_of = |count: u64| usize::try_from(count).map_err(|_| BadArgs("a count beyond memory"));
        let chunk = args.count("chunk")?.map(usize_of).transpose()?.map(|bytes| bytes.max(1));
        Ok(Self {
            method,
            path,
            headers,
            body,
            chunk,
            declare: args.count("declare")?,
            stall_after: args.count("stall_after")?.map(usize_of).transpose()?,
        })
    }

    /// Bytes of the body that are sent, and whether that is all of them.
    pub(super) fn sent(&self) -> (&[u8], bool) {
        let body = self.body.as_deref().unwrap_or_default();
        let short = self.declare.is_some_and(|declared| declared > body.len() as u64);
        match self.stall_after {
            Some(count) => (&body[..count.min(body.len())], false),
            None => (body, !short),
        }
    }

    /// Length to announce; `None` for a body in chunks, or no body.
    pub(super) fn length(&self) -> Option<u64> {
        let own = self.body.as_ref().map(|body| body.len() as u64);
        if self.chunk.is_some() { None } else { self.declare.or(own) }
    }

    /// The head as a person reads it. Tokens are not told.
    pub(super) fn shown(&self, version: &str, authority: &str) -> Vec<String> {
        let mut lines =
            vec![format!("{} {} HTTP/{version}", self.method, self.path), format!("host: {authority}")];
        lines.extend(self.headers.iter().map(|(name, value)| match name.as_str() {
            "authorization" => format!("{name}: {} …", value.split(' ').next().unwrap_or_default()),
            _ => format!("{name}: {value}"),
        }));
        match (self.chunk, self.length()) {
            (Some(_), _) => lines.push("transfer-encoding: chunked".to_owned()),
            (None, Some(length)) => lines.push(format!("content-length: {length}")),
            (None, None) => {}
        }
        let (sent, whole) = self.sent();
        match (sent.len(), whole) {
            (0, true) => {}
            (count, true) => lines.push(format!("({count} bytes of body)")),
            (count, false) => lines.push(format!("({count} bytes of body, then nothing more)")),
        }
        lines
    }
}

/// The body: a part of the step, or `json`, or `text`; behind it `pad` zero bytes.
fn body(args: &Args<'_>, step: &Request) -> Result<Option<Arc<[u8]>>, BadArgs> {
    let part = step.parts.iter().find(|part| part.name == "message" || part.name == "body");
    let own: Option<Arc<[u8]>> = match (part, args.get("json"), args.text("text")) {
        (Some(part), _, _) => Some(part.bytes.clone()),
        (None, Some(json), _) => Some(json.to_string().into_bytes().into()),
        (None, None, Some(text)) => Some(text.as_bytes().into()),
        (None, None, None) => None,
    };
    match args.count("pad")? {
        None => Ok(own),
        Some(pad) if pad <= MAX_PAD => {
            let mut bytes = own.as_deref().unwrap_or_default().to_vec();
            bytes.resize(bytes.len() + usize::try_from(pad).unwrap_or(0), 0);
            Ok(Some(bytes.into()))
        }
        Some(_) => Err(BadArgs("more than 64 MiB to add to a body")),
    }
}
