//! Load on a server of the binding: many connections, messages of 1 KiB to 8 MiB, for a while. Also the servers that it
//! is measured against.
//!
//! ```text
//! http_load serve avp            this crate's server, an agent behind it that acknowledges
//! http_load serve hyper          hyper with the same body read and the same answer, and nothing else
//! http_load serve one-piece      the same with the body in one piece, as who reads it needs it
//! http_load run --to 127.0.0.1:PORT [--connections 64] [--seconds 60] [--sizes 1024,65536,…] [--pid PID] [--json] [--judge]
//! ```
//!
//! `--judge` fails for an answer that is not 200, 429 or 503, a connection that breaks off, or memory that grows.
//!
//! `compare.sh` beside this file runs all of them under the same load, and the Python SDK's server.

mod load;
mod servers;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const USAGE: &str = "\
usage: http_load serve avp|hyper|one-piece [--port PORT]
       http_load run --to ADDRESS [--connections N] [--seconds S] [--warm-up S] [--sizes BYTES,…] [--pid PID] [--json] [--judge]";

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", which, ref rest @ ..] => {
            let port = option(rest, "--port")?.unwrap_or(0);
            servers::run(which, SocketAddr::from(([127, 0, 0, 1], port)))
        }
        ["run", ref rest @ ..] => {
            let sizes = match word(rest, "--sizes") {
                Some(sizes) => sizes.split(',').map(str::parse).collect::<Result<_, _>>()?,
                None => load::DEFAULT_SIZES.to_vec(),
            };
            let plan = load::Plan {
                to: option(rest, "--to")?.ok_or(USAGE)?,
                connections: option(rest, "--connections")?.unwrap_or(64),
                time: Duration::from_secs(option(rest, "--seconds")?.unwrap_or(60)),
                warm_up: Duration::from_secs(option(rest, "--warm-up")?.unwrap_or(5)),
                sizes,
                pid: option(rest, "--pid")?,
            };
            let report = load::run(&plan)?;
            if rest.contains(&"--json") {
                println!("{}", report.to_json());
            } else {
                println!("{report}");
            }
            let broken = report.broken_promises();
            if rest.contains(&"--judge") && !broken.is_empty() {
                return Err(broken.join("; ").into());
            }
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

fn word<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == name)?;
    words.get(at + 1).copied()
}

fn option<T: std::str::FromStr>(words: &[&str], name: &str) -> Outcome<Option<T>>
where
    T::Err: Error + 'static,
{
    Ok(word(words, name).map(str::parse).transpose()?)
}
