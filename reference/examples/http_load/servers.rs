//! The servers that are measured.

use std::convert::Infallible;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use avp::session::{ModelIdentity, Session};
use avp::transport::{Agent, Received, Server, ServerOptions};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::TcpListener;

use crate::Outcome;

/// Serves until it is killed; says where on the first line.
pub(crate) fn run(which: &str, address: SocketAddr) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match which {
        "avp" => runtime.block_on(async {
            let agent = Arc::new(Acknowledge(ModelIdentity::default()));
            let server = Server::bind(address, ServerOptions::default(), agent).await?;
            println!("{} {}", server.address(), std::process::id());
            Ok(server.serve(std::future::pending()).await?)
        }),
        "hyper" | "one-piece" => runtime.block_on(async {
            let one_piece = which == "one-piece";
            let listener = TcpListener::bind(address).await?;
            println!("{} {}", listener.local_addr()?, std::process::id());
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(async move {
                    let service = service_fn(move |request| raw(request, one_piece));
                    let builder = hyper::server::conn::http1::Builder::new();
                    // Whoever breaks off, breaks off.
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        }),
        _ => Err(crate::USAGE.into()),
    }
}

/// Takes every message and keeps none.
struct Acknowledge(ModelIdentity);

impl Agent for Acknowledge {
    fn agent_id(&self) -> &str {
        "acknowledge"
    }

    fn identity(&self) -> &ModelIdentity {
        &self.0
    }

    fn answers(&self) -> bool {
        false
    }

    fn receive(&self, _: &Received, _: Option<&Session>) -> avp::Result<Map<String, Value>> {
        Ok(Map::new())
    }
}

/// Reads the body as a whole, in the pieces that it came in or as one, and answers as short.
async fn raw(request: Request<Incoming>, one_piece: bool) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await;
    let ok = body.is_ok_and(|body| !one_piece || !black_box(body.to_bytes()).is_empty());
    let answer =
        if ok { r#"{"success":true,"request_id":"0","kept":false}"# } else { r#"{"success":false}"# };
    Ok(Response::builder()
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(answer.as_bytes())))
        .unwrap_or_default())
}
