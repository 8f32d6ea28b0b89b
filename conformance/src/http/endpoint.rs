//! Where a server is, and how it is reached.

use serde_json::{Map, Value};

/// Where a server is, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether connections are TLS.
    pub tls: bool,
    /// What to trust: certificates as PEM. Without, this machine's roots.
    pub pem: Option<String>,
    /// Sent as a bearer token, unless a step says otherwise.
    pub token: Option<String>,
}

impl Endpoint {
    /// What the answer to `serve` says, beside what was asked for.
    ///
    /// # Errors
    /// What is missing.
    pub fn of_serve(args: &Map<String, Value>, ok: &Map<String, Value>) -> Result<Self, &'static str> {
        let text =
            |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
        let port = ok.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        let asked = args.get("transport").and_then(Value::as_str);
        Ok(Self {
            host: text(ok, "host").ok_or("`host` is missing")?,
            port: port.ok_or("`port` is missing")?,
            tls: ok.get("tls").and_then(Value::as_bool).unwrap_or_else(|| asked == Some("h2")),
            pem: text(ok, "pem"),
            token: text(ok, "token").or_else(|| text(args, "token")),
        })
    }

    /// E.g. `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Host and port, as a `Host` header has them.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}
