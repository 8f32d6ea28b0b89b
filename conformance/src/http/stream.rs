//! Connections.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Endpoint, trust};

/// Bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Stream>,
    /// What was agreed on in the TLS handshake.
    pub(super) alpn: Option<Vec<u8>>,
}

/// Connects, with TLS where the server has it, offering these protocols there.
pub(super) async fn connect(endpoint: &Endpoint, alpn: &[&[u8]]) -> io::Result<Connection> {
    let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    tcp.set_nodelay(true)?;
    if !endpoint.tls {
        return Ok(Connection { stream: Box::new(tcp), alpn: None });
    }
    let config = trust::client(endpoint.pem.as_deref(), alpn).map_err(io::Error::other)?;
    let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    let alpn = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    Ok(Connection { stream: Box::new(stream), alpn })
}
