//! A server that runs already, as an implementation: no adapter, only its address.

use std::net::{IpAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Endpoint, TrustError, check_pem};
use crate::adapter::{Answer, InProcessLauncher, Instance, Launcher, Lost, Request};

/// How long a connection to a server that runs may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// What a server that runs can't be told, so that no case may ask for it.
const UNTOLD: [&str; 7] = [
    "server_echo",
    "server_handler",
    "server_identity",
    "server_limits",
    "server_rate",
    "server_sessions",
    "server_strict",
];

/// Why an address is none that can be judged.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is no address of a server.
    #[error(
        "`{0}` is no address of a server: http:// or https://, a host, and a port where it is not the usual one"
    )]
    Form(String),
    /// Plain HTTP.
    #[error("plain HTTP is for servers on this machine, and only with --insecure-loopback: `{0}`")]
    Insecure(String),
    /// The certificates to trust.
    #[error("the certificates to trust: {0}")]
    Trust(#[from] TrustError),
}

/// Judges a server that runs.
pub struct BlackBoxLauncher {
    endpoint: Arc<Endpoint>,
    inner: InProcessLauncher<Box<dyn Fn() -> Server + Send + Sync>>,
}

impl BlackBoxLauncher {
    /// The server at this address. `pem`: certificates to trust in place of this machine's.
    ///
    /// # Errors
    /// [`AddressError`] when the address is none, or plain HTTP where that is not allowed.
    pub fn new(
        url: &str,
        insecure_loopback: bool,
        token: Option<String>,
        pem: Option<String>,
    ) -> Result<Self, AddressError> {
        let endpoint = Arc::new(endpoint(url, insecure_loopback, token, pem)?);
        let served = Arc::clone(&endpoint);
        let make: Box<dyn Fn() -> Server + Send + Sync> =
            Box::new(move || Server { endpoint: Arc::clone(&served) });
        Ok(Self { inner: InProcessLauncher::new(endpoint.url(), make), endpoint })
    }
}

impl Launcher for BlackBoxLauncher {
    fn launch(&self) -> Result<Box<dyn Instance>, Lost> {
        let not_there =
            |error: std::io::Error| Lost::NotStarted { what: format!("{}: {error}", self.endpoint.url()) };
        let mut addresses =
            (self.endpoint.host.as_str(), self.endpoint.port).to_socket_addrs().map_err(not_there)?;
        let address = addresses.next().ok_or_else(|| not_there(std::io::ErrorKind::NotFound.into()))?;
        TcpStream::connect_timeout(&address, CONNECT_LIMIT).map_err(not_there)?;
        self.inner.launch()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

fn endpoint(
    url: &str,
    insecure_loopback: bool,
    token: Option<String>,
    pem: Option<String>,
) -> Result<Endpoint, AddressError> {
    let form = || AddressError::Form(url.to_owned());
    let uri: http::Uri = url.parse().map_err(|_| form())?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(form()),
    };
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(form());
    }
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(form)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let allowed = tls || insecure_loopback && loopback;
    if !allowed {
        return Err(AddressError::Insecure(url.to_owned()));
    }
    if let Some(pem) = &pem {
        check_pem(pem)?;
    }
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    Ok(Endpoint { host, port, tls, pem, token })
}

/// Answers for the server what an adapter would.
struct Server {
    endpoint: Arc<Endpoint>,
}

impl crate::adapter::Implementation for Server {
    fn answer(&mut self, request: &Request) -> Answer {
        let ok = match request.op.as_str() {
            "hello" => self.hello(),
            "serve" => self.serve(),
            op => return Answer::Unsupported(format!("a server that runs has no {op}")),
        };
        match ok {
            Value::Object(ok) => Answer::Ok { ok, parts: Vec::new() },
            _ => Answer::Fault("an answer that is no object".to_owned()),
        }
    }
}

impl Server {
    fn hello(&self) -> Value {
        let mut features: Map<String, Value> =
            UNTOLD.iter().map(|name| ((*name).to_owned(), json!(false))).collect();
        features.insert("h2c".to_owned(), json!(!self.endpoint.tls));
        features.insert("tls".to_owned(), json!(self.endpoint.tls));
        features.insert("server_token".to_owned(), json!(self.endpoint.token.is_some()));
        json!({
            "acp": 1, "name": self.endpoint.url(), "version": "", "language": "", "specs": ["0.4"], "ops": ["serve"],
            "features": features,
        })
    }

    fn serve(&self) -> Value {
        let endpoint = &self.endpoint;
        json!({
            "host": endpoint.host, "port": endpoint.port, "tls": endpoint.tls, "pem": endpoint.pem,
            "token": endpoint.token,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let read = |url: &str, insecure| endpoint(url, insecure, None, None);
        let plain = read("http://127.0.0.1:8000/", true).unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.tls), ("127.0.0.1", 8000, false));
        assert_eq!(plain.url(), "http://127.0.0.1:8000");
        let six = read("http://[::1]:8000", true).unwrap();
        assert_eq!((six.host.as_str(), six.authority().as_str()), ("::1", "[::1]:8000"));
        assert_eq!(read("https://example.test", false).unwrap().port, 443);
        assert!(read("http://localhost:1", true).is_ok());
        for url in ["http://127.0.0.1:8000", "http://localhost"] {
            assert!(matches!(read(url, false), Err(AddressError::Insecure(_))), "{url}");
        }
        for url in ["http://example.test", "http://10.0.0.1", "http://127.0.0.1.example.test"] {
            assert!(matches!(read(url, true), Err(AddressError::Insecure(_))), "{url}");
        }
        for url in
            ["", "127.0.0.1:80", "ftp://x", "https://a/avp/v2", "https://a?b", "https://u:p@a", "https://"]
        {
            assert!(matches!(read(url, true), Err(AddressError::Form(_))), "{url}");
        }
        let pem = Some("no certificate".to_owned());
        assert!(matches!(endpoint("https://a", false, None, pem), Err(AddressError::Trust(_))));
    }
}
