//! `avp-adapter`: the reference implementation behind ACP/1, on standard input and output.

use std::io::{self, Write as _};
use std::process::ExitCode;

use avp::adapter::{Framing, serve_stdio};

const USAGE: &str = "\
Usage: avp-adapter [--framing raw|ndjson] [OP]

Answers requests of ACP/1 on standard input until it ends.
With OP: answers the one request on standard input, and names its operation where the request does not.

Exit codes: 0 done, 1 the input is no ACP/1, 2 wrong arguments.
";

fn main() -> ExitCode {
    let mut framing = Framing::Raw;
    let mut op = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => {
                let _ = io::stdout().write_all(USAGE.as_bytes());
                return ExitCode::SUCCESS;
            }
            "--framing" => match arguments.next().as_deref() {
                Some("raw") => framing = Framing::Raw,
                Some("ndjson") => framing = Framing::Ndjson,
                _ => return wrong_arguments(),
            },
            text if text.starts_with('-') || op.is_some() => return wrong_arguments(),
            _ => op = Some(argument),
        }
    }
    match serve_stdio(framing, op.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("avp-adapter: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wrong_arguments() -> ExitCode {
    eprint!("{USAGE}");
    ExitCode::from(2)
}
